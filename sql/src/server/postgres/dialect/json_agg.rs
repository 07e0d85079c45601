//! `json_agg`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{internal_err, not_impl_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::json::to_json;
use super::text::written;
use crate::server::postgres::rows::TEXT_TYPE;

pub(super) fn json_agg() -> AggregateUDF {
    AggregateUDF::new_from_impl(JsonAgg { signature: Signature::any(1, Volatility::Immutable) })
}

/// `json_agg`: a JSON array of the values, NULL among them.
#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonAgg {
    signature: Signature,
}

impl AggregateUDFImpl for JsonAgg {
    fn name(&self) -> &'static str {
        "json_agg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field(&self, _: &[FieldRef]) -> Result<FieldRef> {
        let metadata = [(TEXT_TYPE.to_owned(), "json".to_owned())];
        let field = Field::new(self.name(), DataType::Utf8, true);
        Ok(Arc::new(field.with_metadata(metadata.into())))
    }

    fn state_fields(&self, _: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new("items", DataType::Utf8, true))])
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if arguments.is_distinct {
            return not_impl_err!("json_agg(DISTINCT ...) is not supported");
        }
        Ok(Box::new(JsonItems::default()))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::HardRequirement
    }
}

/// The items so far, separated by commas; nothing before the first.
#[derive(Debug, Default)]
struct JsonItems(Option<String>);

impl JsonItems {
    fn push(&mut self, items: &str) {
        match &mut self.0 {
            Some(before) => {
                before.push_str(", ");
                before.push_str(items);
            }
            None => self.0 = Some(items.to_owned()),
        }
    }
}

impl Accumulator for JsonItems {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [values] = values else { return internal_err!("json_agg takes one argument") };
        let texts = written(values, "UTC")?;
        for item in to_json(values, &texts)? {
            self.push(item.as_deref().unwrap_or("null"));
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Utf8(self.0.as_ref().map(|items| format!("[{items}]"))))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.as_ref().map_or(0, String::capacity)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Utf8(self.0.clone())])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [states] = states else { return internal_err!("json_agg has one state") };
        for items in states.as_string::<i32>().iter().flatten() {
            self.push(items);
        }
        Ok(())
    }
}
