//! Aggregates: `sum` of integers that fails instead of wrapping around, and `json_agg`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{internal_err, not_impl_err};
use datafusion::error::Result;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF,
    Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::arithmetic::{PRECISION, out_of_range};
use super::function::cast_checked;
use super::json::to_json;

/// The aggregates that replace or complement DataFusion's.
pub(super) fn aggregates() -> [AggregateUDF; 2] {
    let sum = CheckedSum { inner: sum_udaf() };
    let json = JsonAgg { signature: Signature::any(1, Volatility::Immutable) };
    [AggregateUDF::new_from_impl(sum), AggregateUDF::new_from_impl(json)]
}

/// The type in which integers are added.
const WIDE: DataType = DataType::Decimal128(PRECISION, 0);

/// `sum`, where integers are added in [`WIDE`].
#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedSum {
    inner: Arc<AggregateUDF>,
}

/// The arguments of the inner function, in [`WIDE`] for integers.
fn widened<T>(
    arguments: AccumulatorArgs<'_>,
    create: impl FnOnce(AccumulatorArgs<'_>) -> Result<T>,
) -> Result<(T, bool)> {
    if *arguments.return_field.data_type() != DataType::Int64 {
        return Ok((create(arguments)?, false));
    }
    let widen = |field: &FieldRef| Arc::new(Field::clone(field).with_data_type(WIDE));
    let fields: Vec<FieldRef> = arguments.expr_fields.iter().map(widen).collect();
    let return_field = widen(&arguments.return_field);
    Ok((create(AccumulatorArgs { return_field, expr_fields: &fields, ..arguments })?, true))
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let signed = |data_type: &DataType| match data_type.is_integer() {
            true => DataType::Int64,
            false => data_type.clone(),
        };
        self.inner.coerce_types(&types.iter().map(signed).collect::<Vec<_>>())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let (inner, is_wide) = widened(arguments, |arguments| self.inner.accumulator(arguments))?;
        Ok(if is_wide { Box::new(WideSum(inner)) } else { inner })
    }

    fn state_fields(&self, mut arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if *arguments.return_field.data_type() != DataType::Int64 {
            return self.inner.state_fields(arguments);
        }
        let widen = |field: &FieldRef| Arc::new(Field::clone(field).with_data_type(WIDE));
        let inputs: Vec<FieldRef> = arguments.input_fields.iter().map(widen).collect();
        arguments.return_field = widen(&arguments.return_field);
        self.inner.state_fields(StateFieldsArgs { input_fields: &inputs, ..arguments })
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(
        &self,
        arguments: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let (inner, is_wide) =
            widened(arguments, |arguments| self.inner.create_groups_accumulator(arguments))?;
        Ok(if is_wide { Box::new(WideGroupSum(inner)) } else { inner })
    }

    fn create_sliding_accumulator(
        &self,
        arguments: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        let (inner, is_wide) =
            widened(arguments, |arguments| self.inner.create_sliding_accumulator(arguments))?;
        Ok(if is_wide { Box::new(WideSum(inner)) } else { inner })
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

fn widen(values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    values.iter().map(|values| cast_checked(values, &WIDE)).collect()
}

fn narrow(values: &ArrayRef) -> Result<ArrayRef> {
    cast_checked(values, &DataType::Int64).map_err(|_| out_of_range(&DataType::Int64))
}

#[derive(Debug)]
struct WideSum(Box<dyn Accumulator>);

impl Accumulator for WideSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update_batch(&widen(values)?)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&narrow(&self.0.evaluate()?.to_array()?)?, 0)
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.retract_batch(&widen(values)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.0.supports_retract_batch()
    }
}

struct WideGroupSum(Box<dyn GroupsAccumulator>);

impl GroupsAccumulator for WideGroupSum {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.0.update_batch(&widen(values)?, groups, filter, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        narrow(&self.0.evaluate(emit_to)?)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.0.state(emit_to)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.0.merge_batch(states, groups, total)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        self.0.convert_to_state(&widen(values)?, filter)
    }

    fn size(&self) -> usize {
        self.0.size()
    }
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
        let texts = super::text::written(values, "UTC")?;
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
