//! The columns of NDJSON files: their keys, with those of objects below them.
//!
//! Every value that is neither an object nor a list is a text, so nothing is guessed about types. A key
//! below others whose values are objects or lists in one line and not in another is left out.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use serde_json::Value;

/// What the values of a key are.
#[derive(Debug, Default)]
enum Shape {
    /// Only nulls were seen.
    #[default]
    Null,
    /// Texts, numbers and truth values.
    Scalar,
    /// Values of which some are objects or lists and others are not.
    Mixed,
    Object(JsonShape),
    List(Box<Shape>),
}

/// The keys of objects, in the order of their first occurrence.
#[derive(Debug, Default)]
pub(super) struct JsonShape {
    keys: Vec<(String, Shape)>,
}

impl JsonShape {
    /// Adds the keys of an object; `false` if it is none.
    pub(super) fn add(&mut self, object: &Value) -> bool {
        let Value::Object(entries) = object else { return false };
        for (at, (key, value)) in entries.iter().enumerate() {
            // Objects mostly have the same keys in the same order.
            let known = match self.keys.get(at) {
                Some((known, _)) if known == key => Some(at),
                _ => self.keys.iter().position(|(known, _)| known == key),
            };
            let place = known.unwrap_or_else(|| {
                self.keys.push((key.clone(), Shape::Null));
                self.keys.len() - 1
            });
            self.keys[place].1.add(value);
        }
        true
    }

    /// The columns. One whose values are of several kinds is a text, as which its reader refuses the
    /// others.
    pub(super) fn schema(&self) -> Schema {
        let field = |(key, shape): &(String, Shape)| {
            Field::new(key, shape.data_type().unwrap_or(DataType::Utf8), true)
        };
        Schema::new(self.keys.iter().map(field).collect::<Vec<_>>())
    }
}

impl Shape {
    fn add(&mut self, value: &Value) {
        match (&mut *self, value) {
            (_, Value::Null) => {}
            (Self::Object(shape), Value::Object(_)) => {
                shape.add(value);
            }
            (Self::Null, Value::Object(_)) => {
                let mut shape = JsonShape::default();
                shape.add(value);
                *self = Self::Object(shape);
            }
            (Self::List(item), Value::Array(items)) => items.iter().for_each(|it| item.add(it)),
            (Self::Null, Value::Array(items)) => {
                let mut item = Self::Null;
                items.iter().for_each(|it| item.add(it));
                *self = Self::List(Box::new(item));
            }
            (Self::Null | Self::Scalar, Value::String(_) | Value::Number(_) | Value::Bool(_)) => {
                *self = Self::Scalar;
            }
            _ => *self = Self::Mixed,
        }
    }

    /// `None` if values are of several kinds.
    fn data_type(&self) -> Option<DataType> {
        Some(match self {
            Self::Mixed => return None,
            Self::Null | Self::Scalar => DataType::Utf8,
            Self::Object(shape) => {
                let field =
                    |(key, shape): &(String, Self)| Some(Field::new(key, shape.data_type()?, true));
                DataType::Struct(shape.keys.iter().filter_map(field).collect())
            }
            Self::List(item) => {
                DataType::List(Arc::new(Field::new_list_field(item.data_type()?, true)))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::JsonShape;

    #[track_caller]
    fn check(objects: &str, expected: &str) {
        let mut shape = JsonShape::default();
        for object in serde_json::Deserializer::from_str(objects).into_iter() {
            assert!(shape.add(&object.unwrap()));
        }
        let schema = shape.schema();
        let fields =
            schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type()));
        assert_eq!(fields.collect::<Vec<_>>().join("; "), expected);
    }

    #[test]
    fn keys_come_with_those_below_them() {
        check(r#"{"b": 1, "a": "x"} {"a": null, "c": true}"#, "b Utf8; a Utf8; c Utf8");
        check(
            r#"{"a": null} {"a": {"x": {"y": 1}}} {"a": {"z": [1]}}"#,
            "a Struct(\"x\": Struct(\"y\": Utf8), \"z\": List(Utf8))",
        );
        check(r#"{"a": {"x": 1}} {"a": 5}"#, "a Utf8");
        check(r#"{"a": {"x": [1, {}], "y": 1}} {"a": {"y": "2"}}"#, "a Struct(\"y\": Utf8)");
        check("", "");
    }

    #[test]
    fn only_objects_have_keys() {
        assert!(!JsonShape::default().add(&serde_json::json!([1])));
    }
}
