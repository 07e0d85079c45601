//! Casts.

use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::functions::datetime::expr_fn::to_local_time;
use datafusion::functions::string::expr_fn::btrim;
use datafusion::logical_expr::{Expr, cast};
use datafusion::scalar::ScalarValue;

use crate::server::postgres::dialect::arithmetic::{PRECISION, is_numeric, round_even};
use crate::server::postgres::dialect::literals::{is_typed, typed_literal};
use crate::server::postgres::dialect::numeric::{self, NUMERIC};
use crate::server::postgres::dialect::temporal::{is_read, reader};
use crate::server::postgres::dialect::text::{self, BYTES, TEXT};
use crate::server::postgres::function::Function;

/// A cast with PostgreSQL's meaning; `None` if DataFusion's has it.
pub(super) fn convert(
    inner: &Expr,
    from: &DataType,
    to: &DataType,
    zone: &str,
) -> Result<Option<Expr>> {
    let text = match inner {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    };
    let is_text = from.is_string();
    if let Some(text) = text.filter(|_| is_typed(to)) {
        let value = Expr::Literal(typed_literal(text, to, zone, false)?, None);
        return Ok(Some(if is_numeric(to) { cast(value, to.clone()) } else { value }));
    }
    if is_text && is_read(to) {
        return Ok(Some(reader(to).call(vec![inner.clone()])));
    }
    // Spaces around numbers are ignored.
    if is_text && (to.is_numeric() || *to == DataType::Boolean) {
        return Ok(Some(cast(btrim(vec![inner.clone()]), to.clone())));
    }
    if is_text && matches!(to, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) {
        return Ok(Some(match text {
            Some(text) => Expr::Literal(ScalarValue::Binary(Some(text::bytes(text)?)), None),
            None => BYTES.call(vec![inner.clone()]),
        }));
    }
    if to.is_string() {
        let is_same = is_text
            || from.is_integer()
            || from.is_null()
            || matches!(from, DataType::Boolean | DataType::Dictionary(..));
        return Ok((!is_same).then(|| TEXT.call(vec![inner.clone()])));
    }
    if is_numeric(to) && from.is_floating() {
        return Ok(Some(cast(NUMERIC.call(vec![inner.clone()]), to.clone())));
    }
    if to.is_integer() && (from.is_floating() || is_numeric(from)) {
        return Ok(Some(cast(ROUND_FOR_CAST.call(vec![inner.clone()]), to.clone())));
    }
    // A time zone is given or taken in the connection's zone.
    if let (DataType::Timestamp(_, own), DataType::Timestamp(unit, other)) = (from, to) {
        return Ok(match (own, other) {
            (Some(_), None) => {
                let local = cast(inner.clone(), DataType::Timestamp(*unit, Some(zone.into())));
                Some(to_local_time(vec![local]))
            }
            _ => None,
        });
    }
    if let (DataType::Timestamp(unit, Some(_)), DataType::Date32) = (from, to) {
        let local = cast(inner.clone(), DataType::Timestamp(*unit, Some(zone.into())));
        let local = to_local_time(vec![local]);
        return Ok(match zone {
            "UTC" => None,
            _ => Some(cast(local, DataType::Date32)),
        });
    }
    Ok(None)
}

/// A number rounded to a whole one, before it is cast: floats half to even, exact numbers half away
/// from zero.
const ROUND_FOR_CAST: Function = Function {
    name: "rounded",
    arguments: 1..=1,
    returns: |types| {
        Ok(match types.of(0) {
            of if is_numeric(of) => DataType::Decimal128(PRECISION, 0),
            _ => DataType::Float64,
        })
    },
    compute: |call| {
        let values = call.column(0)?;
        match values.data_type() {
            of if is_numeric(of) => numeric::round(&values),
            _ => round_even(&call.cast(0, &DataType::Float64)?),
        }
    },
};
