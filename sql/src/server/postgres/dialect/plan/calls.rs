//! Calls of functions and aggregates.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{not_impl_err, plan_err};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction};
use datafusion::logical_expr::{Expr, cast};
use datafusion::scalar::ScalarValue;

use crate::server::postgres::dialect::arithmetic::{PRECISION, digits, is_numeric};
use crate::server::postgres::dialect::extract::check_unit;
use crate::server::postgres::dialect::matching::{text_of, unify};
use crate::server::postgres::dialect::regex::{REPLACEMENT, boolean, extracting, replacement};
use crate::server::postgres::dialect::temporal::{TIMESTAMP, zoned};
use crate::server::postgres::dialect::text::SHORT_TEXT;

/// Aggregates whose results for whole and exact numbers are exact in PostgreSQL.
const OF_FLOATS: [&str; 6] = ["stddev", "stddev_pop", "stddev_samp", "var", "var_pop", "var_samp"];

/// Rewrites a call of a scalar function; `is_checked` is whether types must match.
pub(super) fn rewrite_scalar(
    mut call: ScalarFunction,
    type_of: &dyn Fn(&Expr) -> Option<DataType>,
    zone: &str,
    is_checked: bool,
) -> Result<Transformed<Expr>> {
    let types: Vec<DataType> =
        call.args.iter().map(|argument| type_of(argument).unwrap_or(DataType::Null)).collect();
    let of_type = |call, of| Ok(Transformed::yes(cast(Expr::ScalarFunction(call), of)));
    let mut is_changed = false;
    match call.func.name() {
        name @ ("coalesce" | "nullif" | "greatest" | "least") if is_checked => {
            let name = name.to_uppercase();
            let mut arguments: Vec<&mut Expr> = call.args.iter_mut().collect();
            is_changed = unify(&name, &mut arguments, type_of, zone)?;
        }
        "ceil" | "floor" | "sign" | "signum" if types.first().is_some_and(is_numeric) => {
            return of_type(call, DataType::Decimal128(PRECISION, 0));
        }
        "regexp_like" => is_changed = rewrite_pattern(&mut call.args, boolean)?,
        "regexp_match" => is_changed = rewrite_pattern(&mut call.args, extracting)?,
        "regexp_count" | "regexp_instr" => {
            rewrite_pattern(&mut call.args, extracting)?;
            return of_type(call, DataType::Int32);
        }
        "gcd" | "lcm" if types.iter().all(|of| digits(of) <= 10) => {
            return of_type(call, DataType::Int32);
        }
        // The planner takes constants for `bigint`, whose sums are `numeric`.
        "numeric_divide" if types.iter().all(DataType::is_integer) => {
            let (right, left) = (call.args.pop(), call.args.pop());
            let (left, right) = (left.unwrap_or_default(), right.unwrap_or_default());
            return Ok(Transformed::yes(left / right));
        }
        // The length of an empty array is NULL.
        "array_length" => {
            let length = cast(Expr::ScalarFunction(call), DataType::Int32);
            let zero = Expr::Literal(ScalarValue::Int32(Some(0)), None);
            return Ok(Transformed::yes(nullif(length, zero)));
        }
        // Nothing is replaced.
        "replace" if call.args.get(1).is_some_and(|from| text_of(from) == Some("")) => {
            return Ok(Transformed::yes(call.args.swap_remove(0)));
        }
        "concat" | "concat_ws" => {
            for (argument, of) in call.args.iter_mut().zip(&types) {
                let is_text = of.is_string() || of.is_integer() || of.is_null();
                if !is_text {
                    is_changed = true;
                    *argument = SHORT_TEXT.call(vec![std::mem::take(argument)]);
                }
            }
        }
        // In the connection's time zone.
        "date_trunc" => {
            call.args.first().and_then(text_of).map_or(Ok(()), check_unit)?;
            if types.get(1) == Some(&DataType::Date32) {
                is_changed = true;
                let midnight = cast(std::mem::take(&mut call.args[1]), TIMESTAMP);
                call.args[1] = cast(midnight, zoned(zone));
            }
            if let Some(DataType::Timestamp(unit, Some(own))) = types.get(1)
                && &**own != zone
            {
                is_changed = true;
                let own = DataType::Timestamp(*unit, Some(zone.into()));
                call.args[1] = cast(std::mem::take(&mut call.args[1]), own);
            }
        }
        "regexp_replace" if call.args.len() >= 3 => {
            is_changed = true;
            rewrite_pattern(&mut call.args, extracting)?;
            call.args[2] = match &call.args[2] {
                Expr::Literal(value, _) if value.try_as_str().is_some() => {
                    let text = value.try_as_str().flatten();
                    Expr::Literal(ScalarValue::Utf8(text.map(replacement)), None)
                }
                other => REPLACEMENT.call(vec![other.clone()]),
            };
        }
        _ => {}
    }
    let expr = Expr::ScalarFunction(call);
    Ok(match type_of(&expr) {
        Some(DataType::UInt64) => Transformed::yes(cast(expr, DataType::Int32)),
        Some(DataType::List(item)) if *item.data_type() == DataType::UInt64 => {
            let signed = DataType::new_list(DataType::Int32, true);
            Transformed::yes(cast(expr, signed))
        }
        _ if is_changed => Transformed::yes(expr),
        _ => Transformed::no(expr),
    })
}

/// Refuses aggregates that PostgreSQL does not have, or computes in another way.
pub(super) fn check_aggregate(call: &AggregateFunction, types: &[DataType]) -> Result<()> {
    let name = call.func.name();
    let is_exact = |of: &DataType| of.is_integer() || is_numeric(of);
    if OF_FLOATS.contains(&name) && types.iter().all(is_exact) {
        return not_impl_err!(
            "{name} of whole and exact numbers is not supported: cast them to double precision"
        );
    }
    if ["min", "max"].contains(&name) && types.first() == Some(&DataType::Boolean) {
        return plan_err!("No function matches {name}(boolean)");
    }
    if name == "array_agg" && call.params.distinct && !call.params.order_by.is_empty() {
        return not_impl_err!("array_agg(DISTINCT ... ORDER BY ...) is not supported");
    }
    Ok(())
}

/// Rewrites a constant pattern, the second argument.
fn rewrite_pattern(
    arguments: &mut [Expr],
    rewritten: impl Fn(&str) -> Result<String>,
) -> Result<bool> {
    let Some(pattern) = arguments.get_mut(1) else { return Ok(false) };
    let Some(text) = text_of(pattern) else { return Ok(false) };
    *pattern = Expr::Literal(ScalarValue::Utf8(Some(rewritten(text)?)), None);
    Ok(true)
}
