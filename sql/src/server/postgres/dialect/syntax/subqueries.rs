//! `IN (SELECT ...)` and EXISTS as values, which DataFusion has as conditions only.

use std::mem;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Query, SetExpr, TableFactor, UnaryOperator, VisitorMut,
};

use crate::ast::{call, query, take, visit_mut};

/// Replaces them in a value by calls and scalar subqueries.
pub(super) fn make_values(expr: &mut Expr) {
    let _ = visit_mut(expr, &mut Subqueries { depth: 0 });
}

struct Subqueries {
    depth: usize,
}

impl VisitorMut for Subqueries {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        // The lists of other selects have been visited.
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let (negated, value) = match expr {
            Expr::InSubquery { expr, subquery, negated } => {
                let list =
                    aggregate("SELECT array_agg(value) FROM (SELECT 1) AS items (value)", subquery);
                (*negated, list.map(|list| call("any_of", [take(expr), list])))
            }
            Expr::Exists { subquery, negated } => {
                (*negated, aggregate("SELECT count(*) > 0 FROM (SELECT 1) AS items", subquery))
            }
            _ => return ControlFlow::Continue(()),
        };
        if let Some(value) = value {
            *expr = match negated {
                true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(value) },
                false => value,
            };
        }
        ControlFlow::Continue(())
    }
}

/// A scalar subquery that aggregates the rows of another one, which replaces `(SELECT 1)`.
fn aggregate(template: &str, rows: &mut Query) -> Option<Expr> {
    let mut query = query(template).ok()?;
    let SetExpr::Select(select) = &mut *query.body else { return None };
    let TableFactor::Derived { subquery, .. } = &mut select.from.first_mut()?.relation else {
        return None;
    };
    mem::swap(&mut **subquery, rows);
    Some(Expr::Subquery(query))
}
