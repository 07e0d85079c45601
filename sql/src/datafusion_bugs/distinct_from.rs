//! `IS DISTINCT FROM` before AND or OR, such as
//!
//! ```sql
//! WHERE a IS DISTINCT FROM b AND c
//! ```
//!
//! The parser takes all that follows for the second operand, here `b AND c`. What stands in
//! parentheses is marked in the syntax tree, so a second operand with an AND at its top was never
//! meant, and the tree is put right: `IS DISTINCT FROM` binds like `IS NULL`, stronger than NOT, AND
//! and OR. Operators before it took too much in the same way: in `NOT a IS DISTINCT FROM b AND c`,
//! NOT is for the comparison only.
//!
//! <https://github.com/apache/datafusion-sqlparser-rs/pull/2436>,
//! <https://github.com/apache/datafusion/issues/23692>

use std::mem;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value, VisitorMut};

/// Puts the operators of every expression into their order.
pub(super) struct Regroup;

/// How strongly operators bind, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Or,
    And,
    /// All others, which are parsed right unless an AND or OR got into their last operand.
    Other,
    /// `IS DISTINCT FROM`, and all that is equally strong.
    Is,
}

impl VisitorMut for Regroup {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some((last, strength)) = last_operand(expr)
            && first_operand(last, strength).is_some()
        {
            let mut whole = taken(last);
            insert(&mut whole, taken(expr), strength);
            *expr = whole;
        }
        ControlFlow::Continue(())
    }
}

/// Puts an operator without its last operand around the part of `expr` that is this operand: the
/// first one.
fn insert(expr: &mut Expr, operator: Expr, strength: Strength) {
    if let Some(first) = first_operand(expr, strength) {
        return insert(first, operator, strength);
    }
    let operand = mem::replace(expr, operator);
    if let Some((last, _)) = last_operand(expr) {
        *last = operand;
    }
}

/// The operand at the end of an expression, and how strongly its operator binds.
fn last_operand(expr: &mut Expr) -> Option<(&mut Expr, Strength)> {
    match expr {
        Expr::BinaryOp { op, right, .. } => Some((right, strength(op))),
        Expr::UnaryOp { expr, .. } => Some((expr, Strength::Other)),
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => {
            Some((right, Strength::Is))
        }
        _ => None,
    }
}

/// The operand at the beginning of an expression whose operator is too weak to stand in the last
/// operand of one of that strength.
fn first_operand(expr: &mut Expr, than: Strength) -> Option<&mut Expr> {
    match expr {
        Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), left, .. } => {
            (strength(op) < than).then_some(left)
        }
        Expr::IsNull(first)
        | Expr::IsNotNull(first)
        | Expr::IsTrue(first)
        | Expr::IsNotTrue(first)
        | Expr::IsFalse(first)
        | Expr::IsNotFalse(first)
        | Expr::IsUnknown(first)
        | Expr::IsNotUnknown(first)
        | Expr::IsDistinctFrom(first, _)
        | Expr::IsNotDistinctFrom(first, _) => (than == Strength::Is).then_some(first),
        _ => None,
    }
}

fn strength(op: &BinaryOperator) -> Strength {
    match op {
        BinaryOperator::Or => Strength::Or,
        BinaryOperator::And => Strength::And,
        _ => Strength::Other,
    }
}

fn taken(expr: &mut Expr) -> Expr {
    mem::replace(expr, Expr::value(Value::Null))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use arrow::util::pretty::pretty_format_batches;
    use datafusion::prelude::SessionContext;
    use datafusion::sql::sqlparser::ast::{Expr, VisitMut, VisitorMut};
    use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect, PostgreSqlDialect};
    use datafusion::sql::sqlparser::parser::Parser;

    use super::Regroup;
    use crate::session::{Options, session, sql};

    /// An expression, and with all its parentheses.
    const EXPRESSIONS: [(&str, &str); 20] = [
        ("a IS DISTINCT FROM b", "(a IS DISTINCT FROM b)"),
        ("a IS DISTINCT FROM (b AND c)", "(a IS DISTINCT FROM ((b AND c)))"),
        ("a IS DISTINCT FROM b AND c", "((a IS DISTINCT FROM b) AND c)"),
        ("a IS NOT DISTINCT FROM b OR c", "((a IS NOT DISTINCT FROM b) OR c)"),
        ("a IS DISTINCT FROM b AND c OR d", "(((a IS DISTINCT FROM b) AND c) OR d)"),
        ("a IS DISTINCT FROM b OR c AND d", "((a IS DISTINCT FROM b) OR (c AND d))"),
        ("a AND b IS DISTINCT FROM c AND d", "(a AND ((b IS DISTINCT FROM c) AND d))"),
        ("a AND b IS DISTINCT FROM c OR d", "((a AND (b IS DISTINCT FROM c)) OR d)"),
        ("a OR b IS DISTINCT FROM c AND d", "(a OR ((b IS DISTINCT FROM c) AND d))"),
        ("a OR b AND c IS DISTINCT FROM d OR e", "(a OR ((b AND (c IS DISTINCT FROM d)) OR e))"),
        ("NOT a IS DISTINCT FROM b AND c", "((NOT (a IS DISTINCT FROM b)) AND c)"),
        ("NOT NOT a IS DISTINCT FROM b OR c", "((NOT (NOT (a IS DISTINCT FROM b))) OR c)"),
        ("a AND NOT b IS DISTINCT FROM c OR d", "((a AND (NOT (b IS DISTINCT FROM c))) OR d)"),
        ("a IS DISTINCT FROM NOT b AND c", "((a IS DISTINCT FROM (NOT b)) AND c)"),
        ("a IS DISTINCT FROM b = c AND d", "((a IS DISTINCT FROM (b = c)) AND d)"),
        ("a IS DISTINCT FROM b + 1 AND d", "((a IS DISTINCT FROM (b + 1)) AND d)"),
        ("a IS DISTINCT FROM b AND c IS NULL", "((a IS DISTINCT FROM b) AND (c IS NULL))"),
        ("a IS DISTINCT FROM b IS NULL OR c", "(((a IS DISTINCT FROM b) IS NULL) OR c)"),
        (
            "a IS DISTINCT FROM b AND c IS NOT DISTINCT FROM d AND e",
            "((a IS DISTINCT FROM b) AND ((c IS NOT DISTINCT FROM d) AND e))",
        ),
        (
            "CASE WHEN a IS DISTINCT FROM b AND c THEN d END",
            "CASE WHEN ((a IS DISTINCT FROM b) AND c) THEN d END",
        ),
    ];

    /// Writes all parentheses.
    struct Nest;

    impl VisitorMut for Nest {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            let has_operands =
                super::last_operand(expr).is_some() || matches!(expr, Expr::IsNull(_));
            if has_operands {
                *expr = Expr::Nested(Box::new(super::taken(expr)));
            }
            ControlFlow::Continue(())
        }
    }

    #[test]
    fn operators_bind_as_they_should() {
        for dialect in [&GenericDialect {} as &dyn Dialect, &PostgreSqlDialect {}] {
            for (text, expected) in EXPRESSIONS {
                let mut parser = Parser::new(dialect).try_with_sql(text).unwrap();
                let mut expr = parser.parse_expr().unwrap();
                let _ = VisitMut::visit(&mut expr, &mut Regroup);
                // Parentheses are not printed unless they are in the tree.
                assert_eq!(expr.to_string(), text);
                let _ = VisitMut::visit(&mut expr, &mut Nest);
                assert_eq!(expr.to_string(), expected);
            }
        }
    }

    const STATEMENT: &str = "SELECT count(*) FROM (VALUES (true, false), (false, true)) t(a, b) \
                             WHERE a IS DISTINCT FROM true AND false";

    async fn counted(session: &SessionContext, statement: &str) -> String {
        let rows = sql(session, statement).await.unwrap().collect().await.unwrap();
        pretty_format_batches(&rows).unwrap().to_string()
    }

    #[tokio::test]
    async fn statements_of_every_kind_are_put_right() {
        let session = session(&Options::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("count.csv");
        assert!(counted(&session, STATEMENT).await.contains("| 0 "));
        let copy = format!("COPY ({STATEMENT}) TO '{}' STORED AS CSV", file.display());
        counted(&session, &copy).await;
        assert_eq!(std::fs::read_to_string(file).unwrap(), "count(*)\n0\n");
        let explained = counted(&session, &format!("EXPLAIN {STATEMENT}")).await;
        assert_eq!(
            explained.lines().nth(3),
            counted(&session, &format!("EXPLAIN {STATEMENT} AND b")).await.lines().nth(3)
        );
    }

    #[tokio::test]
    async fn plain_datafusion_is_wrong() {
        let rows = SessionContext::new().sql(STATEMENT).await.unwrap().collect().await.unwrap();
        let text = pretty_format_batches(&rows).unwrap().to_string();
        assert!(
            !text.contains("| 0 "),
            "DataFusion is right about this now: once it is about every expression above, delete \
             distinct_from"
        );
    }
}
