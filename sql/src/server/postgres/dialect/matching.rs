//! Which types PostgreSQL compares and combines: it has no operators for numbers and texts, and reads
//! constant texts as the type of what they are combined with.

use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, cast};

use super::arithmetic::{PRECISION, is_numeric};
use super::literals::typed_literal;
use super::temporal::INTERVAL;

/// Types that can be compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Number,
    Text,
    Boolean,
    /// Dates and timestamps.
    Date,
    Time,
    Interval,
}

/// The class of a type; `None` for NULL, and for types that are not checked.
fn class(data_type: &DataType) -> Option<Class> {
    Some(match data_type {
        of if of.is_numeric() => Class::Number,
        of if of.is_string() => Class::Text,
        DataType::Dictionary(_, value) => return class(value),
        DataType::Boolean => Class::Boolean,
        DataType::Date32 | DataType::Timestamp(..) => Class::Date,
        DataType::Time64(_) => Class::Time,
        of if *of == INTERVAL => Class::Interval,
        _ => return None,
    })
}

/// Checks that an operator compares the types of its operands.
///
/// # Errors
/// When PostgreSQL has no such operator.
pub(super) fn check_comparable(op: &str, left: &DataType, right: &DataType) -> Result<()> {
    match (class(left), class(right)) {
        (Some(a), Some(b)) if a != b => plan_err!(
            "operator does not exist: {} {op} {}",
            super::text::sql_type(left),
            super::text::sql_type(right)
        ),
        _ => Ok(()),
    }
}

/// A text constant.
pub(super) fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, None) => value.try_as_str().flatten(),
        _ => None,
    }
}

/// Gives expressions of one result, such as those of CASE, a common type: constant texts are read as
/// the type of the others, and exact numbers become floats if there are floats. Returns whether
/// anything has changed.
///
/// # Errors
/// When the types do not match.
pub(super) fn unify(
    what: &str,
    exprs: &mut [&mut Expr],
    type_of: impl Fn(&Expr) -> Option<DataType>,
    zone: &str,
) -> Result<bool> {
    let types: Vec<DataType> =
        exprs.iter().map(|expr| type_of(expr).unwrap_or(DataType::Null)).collect();
    let known = exprs.iter().zip(&types).filter(|(expr, _)| text_of(expr).is_none());
    let known: Vec<&DataType> = known.map(|(_, of)| of).filter(|of| class(of).is_some()).collect();
    let Some(first) = known.first() else { return Ok(false) };
    if let Some(other) = known.iter().find(|of| class(of) != class(first)) {
        return plan_err!(
            "{what} types {} and {} cannot be matched",
            super::text::sql_type(first),
            super::text::sql_type(other)
        );
    }
    let common = common_type(&known);
    let mut is_changed = false;
    for (expr, of) in exprs.iter_mut().zip(&types) {
        let changed = match text_of(expr) {
            Some(_) if class(first) == Some(Class::Text) => continue,
            Some(text) => Expr::Literal(typed_literal(text, first, zone, false)?, None),
            None => match &common {
                Some(common) if needs_cast(of, common, what == "VALUES") => {
                    cast(std::mem::take(*expr), common.clone())
                }
                _ => continue,
            },
        };
        **expr = changed;
        is_changed = true;
    }
    Ok(is_changed)
}

/// The type of numbers of different types; `None` if they have the same one. DataFusion takes that of the
/// first, and casts the others only later.
fn common_type(types: &[&DataType]) -> Option<DataType> {
    let is_any = |is: fn(&DataType) -> bool| types.iter().any(|of| is(of));
    if !types.iter().all(|of| of.is_numeric()) {
        None
    } else if is_any(|of| *of == DataType::Float64) {
        Some(DataType::Float64)
    } else if is_any(DataType::is_floating) {
        Some(DataType::Float32)
    } else if is_any(is_numeric) {
        Some(DataType::Decimal128(PRECISION, 0))
    } else if is_any(|of| !matches!(of, DataType::Int16 | DataType::Int32)) {
        Some(DataType::Int64)
    } else {
        is_any(|of| *of == DataType::Int32).then_some(DataType::Int32)
    }
}

/// Whether a number is cast to the common type. Exact numbers keep their decimal places, and the columns
/// of VALUES get a common type later.
fn needs_cast(of: &DataType, common: &DataType, is_values: bool) -> bool {
    let is_cast = match is_numeric(of) {
        true => common.is_floating(),
        false => of.is_numeric() && !is_values,
    };
    is_cast && of != common
}
