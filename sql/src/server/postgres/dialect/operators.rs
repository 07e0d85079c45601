//! Operators, by the types of their operands.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::functions_nested::expr_fn::array_has_any;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator as Op;

use super::arithmetic::{POWER, checked};
use super::intervals::{INTERVAL_DIVIDE, INTERVAL_MULTIPLY, TIMESTAMP_SUBTRACT};
use super::literals::{compared, narrow};
use super::matching::{check_comparable, text_of};
use super::temporal::{INTERVAL, TIMESTAMP};
use super::{json, regex, text};
use crate::server::postgres::settings::Settings;

/// Plans operators.
#[derive(Debug)]
pub(super) struct Operators(pub(super) Arc<Mutex<Settings>>);

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        mut raw: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let is_arithmetic =
            matches!(raw.op, Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo);
        if is_arithmetic {
            for operand in [&mut raw.left, &mut raw.right] {
                if let Some(narrow) = narrow(operand) {
                    *operand = narrow;
                }
            }
        }
        let types = (raw.left.get_type(schema), raw.right.get_type(schema));
        let (Ok(left), Ok(right)) = types else { return Ok(PlannerResult::Original(raw)) };
        let planned = match &raw.op {
            Op::Arrow => json::GET.call(vec![raw.left, raw.right]),
            Op::LongArrow => json::GET_TEXT.call(vec![raw.left, raw.right]),
            Op::HashArrow => json::PATH.call(vec![raw.left, raw.right]),
            Op::HashLongArrow => json::PATH_TEXT.call(vec![raw.left, raw.right]),
            Op::PGOverlap => array_has_any(raw.left, raw.right),
            Op::PGExp => POWER.call(vec![raw.left, raw.right]),
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo => {
                return self.arithmetic(raw, &left, &right);
            }
            Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq => {
                let zone = self.zone();
                raw.left = compared(raw.left, &left, &right, &zone)?;
                raw.right = compared(raw.right, &right, &left, &zone)?;
                return Ok(PlannerResult::Original(raw));
            }
            Op::StringConcat => {
                let is_list = |data_type: &DataType| data_type.is_nested();
                if !is_list(&left) && !is_list(&right) {
                    if left.is_numeric() && right.is_numeric() {
                        return check_comparable("||", &left, &DataType::Utf8)
                            .map(|()| PlannerResult::Original(raw));
                    }
                    raw.left = as_text(raw.left, &left);
                    raw.right = as_text(raw.right, &right);
                }
                return Ok(PlannerResult::Original(raw));
            }
            Op::PGRegexMatch | Op::PGRegexIMatch | Op::PGRegexNotMatch | Op::PGRegexNotIMatch => {
                if let Some(pattern) = text_of(&raw.right) {
                    raw.right = lit(regex::boolean(pattern)?);
                }
                return Ok(PlannerResult::Original(raw));
            }
            _ => return Ok(PlannerResult::Original(raw)),
        };
        Ok(PlannerResult::Planned(planned))
    }
}

impl Operators {
    fn zone(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).zone()
    }

    fn arithmetic(
        &self,
        raw: RawBinaryExpr,
        left: &DataType,
        right: &DataType,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let is_number = |data_type: &DataType| data_type.is_numeric();
        let is_time =
            |data_type: &DataType| matches!(data_type, DataType::Timestamp(..) | DataType::Date32);
        let (original_left, original_right) = (raw.left.clone(), raw.right.clone());
        let planned = match (&raw.op, left, right) {
            (Op::Multiply, _, number) if *left == INTERVAL && is_number(number) => {
                INTERVAL_MULTIPLY.call(vec![raw.left, raw.right])
            }
            (Op::Multiply, number, _) if *right == INTERVAL && is_number(number) => {
                INTERVAL_MULTIPLY.call(vec![raw.right, raw.left])
            }
            (Op::Divide, _, number) if *left == INTERVAL && is_number(number) => {
                INTERVAL_DIVIDE.call(vec![raw.left, raw.right])
            }
            (Op::Plus | Op::Minus, DataType::Date32, _) if *right == INTERVAL => {
                let op = if raw.op == Op::Plus { Operator::Plus } else { Operator::Minus };
                binary(cast(raw.left, TIMESTAMP), op, raw.right)
            }
            (Op::Plus, _, DataType::Date32) if *left == INTERVAL => {
                binary(cast(raw.right, TIMESTAMP), Operator::Plus, raw.left)
            }
            // Days are added in the connection's time zone.
            (Op::Plus | Op::Minus, DataType::Timestamp(unit, Some(_)), _) if *right == INTERVAL => {
                let op = if raw.op == Op::Plus { Operator::Plus } else { Operator::Minus };
                binary(cast(raw.left, self.zoned(*unit)), op, raw.right)
            }
            (Op::Plus, _, DataType::Timestamp(unit, Some(_))) if *left == INTERVAL => {
                binary(cast(raw.right, self.zoned(*unit)), Operator::Plus, raw.left)
            }
            (Op::Minus, a, b) if is_time(a) && is_time(b) => match (a, b) {
                (DataType::Date32, DataType::Date32) => {
                    cast(binary(raw.left, Operator::Minus, raw.right), DataType::Int32)
                }
                _ => TIMESTAMP_SUBTRACT.call(vec![raw.left, raw.right]),
            },
            _ => match checked(&raw.op, raw.left, raw.right, [left, right]) {
                Some(planned) => planned,
                None => {
                    let raw =
                        RawBinaryExpr { op: raw.op, left: original_left, right: original_right };
                    return Ok(PlannerResult::Original(raw));
                }
            },
        };
        Ok(PlannerResult::Planned(planned))
    }

    fn zoned(&self, unit: TimeUnit) -> DataType {
        DataType::Timestamp(unit, Some(self.zone().into()))
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// An operand of `||` as PostgreSQL writes it.
pub(super) fn as_text(expr: Expr, data_type: &DataType) -> Expr {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => expr,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Dictionary(..) => expr,
        data_type if data_type.is_integer() => expr,
        _ => text::TEXT.call(vec![expr]),
    }
}
