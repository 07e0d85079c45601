//! Subqueries where DataFusion has none: `IN (SELECT ...)` and EXISTS as values, and in ORDER BY.

use std::mem;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, OrderBy, OrderByKind, Query, SelectItem, SetExpr, TableFactor, UnaryOperator,
    Value, VisitorMut,
};

use crate::ast::{call, for_each_expr, take, visit_mut};
use crate::server::postgres::statements::grammar::query;

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
    mem::swap(subquery(&mut query)?, rows);
    Some(Expr::Subquery(query))
}

/// The query in FROM.
fn subquery(query: &mut Query) -> Option<&mut Query> {
    let SetExpr::Select(select) = &mut *query.body else { return None };
    match &mut select.from.first_mut()?.relation {
        TableFactor::Derived { subquery, .. } => Some(subquery.as_mut()),
        _ => None,
    }
}

/// Makes keys of ORDER BY columns, if one of them has a subquery: `SELECT a AS b FROM t ORDER BY
/// (expression), 1` becomes `SELECT b FROM (SELECT a AS b, (expression) AS order_0 FROM t) AS ordered ORDER
/// BY order_0, 1`. All columns must have an alias.
pub(super) fn select_keys(ordered: &mut Query) {
    let Some(OrderBy { kind: OrderByKind::Expressions(keys), .. }) = &mut ordered.order_by else {
        return;
    };
    let SetExpr::Select(select) = ordered.body.as_mut() else { return };
    let names = select.projection.iter().map(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.to_string()),
        _ => None,
    });
    let names: Option<Vec<String>> = names.collect();
    let mut has_subquery = false;
    for key in keys.iter() {
        for_each_expr(&key.expr, |expr| {
            has_subquery |= matches!(expr, Expr::InSubquery { .. } | Expr::Exists { .. });
        });
    }
    let Some(names) = names.filter(|_| has_subquery && select.distinct.is_none()) else { return };
    let Ok(mut outer) = query(&format!("SELECT {} FROM (SELECT 1) AS ordered", names.join(", ")))
    else {
        return;
    };
    let is_position =
        |key: &Expr| matches!(key, Expr::Value(value) if matches!(value.value, Value::Number(..)));
    for (at, key) in keys.iter_mut().enumerate().filter(|(_, key)| !is_position(&key.expr)) {
        let alias = Ident::new(format!("order_{at}"));
        let mut expr = mem::replace(&mut key.expr, Expr::Identifier(alias.clone()));
        make_values(&mut expr);
        select.projection.push(SelectItem::ExprWithAlias { expr, alias });
    }
    if let Some(inner) = subquery(&mut outer) {
        mem::swap(&mut inner.body, &mut ordered.body);
        ordered.body = outer.body;
    }
}
