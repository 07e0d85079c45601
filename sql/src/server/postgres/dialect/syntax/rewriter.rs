//! What the rewrites of all constructs use.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Interval, UnaryOperator, Value, ValueWithSpan,
};
use engine::Error;

use crate::ast::text;
use crate::server::postgres::dialect::input::Span;

/// The rewriting of a statement.
pub(super) struct Rewrite {
    pub(super) error: Option<Error>,
    /// The names of the columns of the selects around this place, before they are rewritten.
    pub(super) names: Vec<Vec<Option<String>>>,
}

impl Rewrite {
    pub(super) fn refuse(&mut self, what: &str, help: &str) {
        let error = Error::input(format!("{what} is not supported")).with("help", help.to_owned());
        self.error.get_or_insert(error);
    }
}

/// Whether this is a constant of the type `integer`.
pub(super) fn is_integer(expr: &Expr) -> bool {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => {
            digits.parse::<i32>().is_ok()
        }
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => is_integer(expr),
        _ => false,
    }
}

/// Whether these are constants of the type `integer`.
pub(super) fn are_integers(arguments: &[FunctionArg]) -> bool {
    arguments.iter().all(|argument| {
        matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if is_integer(expr))
    })
}

/// An interval in a form that DataFusion reads.
pub(super) fn interval(span: Span) -> Expr {
    let Span { months, days, micros } = span;
    let text = text(&format!("{months} months {days} days {micros} microseconds"));
    Expr::Interval(Interval {
        value: Box::new(text),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}
