//! The column types that are sent: those that every client can read.
//!
//! Some drivers support neither dictionaries nor view types, so both are converted to plain texts
//! and bytes, also inside of lists, structs and maps.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::record_batch::RecordBatchOptions;
use engine::{Error, Result};

/// The schema as it is sent.
pub(super) fn client_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(client_field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn client_field(field: &FieldRef) -> FieldRef {
    let (before, after) = (field.data_type(), client_type(field.data_type()));
    match *before == after {
        true => Arc::clone(field),
        false => Arc::new(Field::clone(field).with_data_type(after)),
    }
}

fn client_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Dictionary(_, values) => client_type(values),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(field) | DataType::ListView(field) => DataType::List(client_field(field)),
        DataType::LargeList(field) | DataType::LargeListView(field) => {
            DataType::LargeList(client_field(field))
        }
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(client_field(field), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(client_field).collect()),
        DataType::Map(field, sorted) => DataType::Map(client_field(field), *sorted),
        other => other.clone(),
    }
}

/// Converts rows to a client schema.
///
/// # Errors
/// When the texts of a column exceed the 2 GiB of a plain text column.
pub(super) fn to_client_batch(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = rows.columns().iter().zip(schema.fields()).map(|(column, field)| {
        match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast(column, field.data_type()),
        }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(Error::from)?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, ListArray, StringArray, StringViewArray, StructArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::compute::cast;
    use arrow::datatypes::{DataType, Field, Int32Type};
    use arrow::record_batch::RecordBatch;

    use super::{client_schema, to_client_batch};

    #[test]
    fn dictionaries_and_views_become_plain() {
        let words: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some("b")]));
        let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8View));
        let coded = cast(
            &words,
            &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        )
        .unwrap();
        assert_eq!(super::client_type(&kind), DataType::Utf8);
        let item = Arc::new(Field::new_list_field(DataType::Utf8View, true));
        let lists =
            ListArray::new(item, OffsetBuffer::from_lengths([2, 0, 1]), Arc::clone(&words), None);
        let part = Arc::new(Field::new("word", DataType::Utf8View, true));
        let parts = StructArray::new(vec![part].into(), vec![Arc::clone(&words)], None);
        let rows = RecordBatch::try_from_iter([
            ("words", words),
            ("coded", coded),
            ("lists", Arc::new(lists) as ArrayRef),
            ("parts", Arc::new(parts)),
        ])
        .unwrap();
        let schema = client_schema(&rows.schema());
        let sent = to_client_batch(&rows, &schema).unwrap();
        let expected = StringArray::from(vec![Some("a"), None, Some("b")]);
        assert_eq!(sent.column(0).as_string::<i32>(), &expected);
        assert_eq!(sent.column(1).as_string::<i32>(), &expected);
        assert_eq!(sent.column(2).as_list::<i32>().values().as_string::<i32>(), &expected);
        assert_eq!(sent.column(3).as_struct().column(0).as_string::<i32>(), &expected);
        assert!(rows.column(1).as_any_dictionary_opt().is_some());
        let _ = rows.column(1).as_dictionary::<Int32Type>();
    }
}
