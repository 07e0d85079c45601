//! `IN` lists that are combined with AND, OR and NOT, such as
//!
//! ```sql
//! WHERE x NOT IN (1, 2) OR x NOT IN (1, NULL)
//! ```
//!
//! DataFusion's simplifier merges two lists for the same `x` into one by comparing their items as
//! text: here to `x NOT IN (1)`, which is true for 2. It is wrong when
//!
//! * an item is NULL, because comparing with it gives NULL and not false,
//! * an item is no constant, because `x IN (y) AND x IN (1)` becomes false although `y` may be 1,
//! * `x` is NULL: `x NOT IN (1) OR x NOT IN (2)` becomes true, and should be NULL.
//!
//! So before the simplifier sees them, items that are NULL or not constant are compared one by one:
//!
//! ```text
//! x IN (1, 2, y, NULL)      ->  x IN (1, 2) OR x = y OR NULL
//! x NOT IN (1, 2, y, NULL)  ->  x NOT IN (1, 2) AND x <> y AND NULL
//! ```
//!
//! What is left are lists of constants, which merge wrongly for a NULL `x` only. Where that matters
//! the list gets a term that changes no value and keeps it from being merged:
//!
//! ```text
//! x IN (1, 2)      ->  x IN (1, 2) OR (x IS NULL AND NULL)
//! x NOT IN (1, 2)  ->  x NOT IN (1, 2) AND (x IS NOT NULL OR NULL)
//! ```
//!
//! It does not matter in a filter, where NULL is as good as false, but for a `NOT IN` below OR and
//! for everything below NOT. So ordinary filters stay as they are and can be used to skip files.
//!
//! <https://github.com/apache/datafusion/pull/24258>

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, lit};
use datafusion::optimizer::AnalyzerRule;

use super::conditions;

/// Rewrites lists so that the simplifier does not merge them wrongly.
#[derive(Debug)]
pub(super) struct InListRule;

impl AnalyzerRule for InListRule {
    fn name(&self) -> &'static str {
        "separate_in_lists"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(node).map(|plan| plan.data)
    }
}

fn node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    let lists = Lists { schema: &schema };
    conditions::rewrite(
        plan,
        |expr, below_or| lists.operand(expr, below_or),
        |expr| lists.value(expr),
    )
}

/// The rewriting of expressions over a schema.
struct Lists<'a> {
    schema: &'a DFSchema,
}

impl Lists<'_> {
    /// An operand of a condition, where NULL is as good as false.
    fn operand(&self, expr: Expr, below_or: bool) -> Result<Transformed<Expr>> {
        match expr {
            Expr::InList(list) => {
                let guard = list.negated && below_or;
                self.list(list, guard)
            }
            expr => self.value(expr),
        }
    }

    /// An expression whose value may be shown or negated.
    fn value(&self, expr: Expr) -> Result<Transformed<Expr>> {
        expr.transform_down(|expr| match expr {
            Expr::InList(list) => self.list(list, true),
            expr => match alternatives(&expr).cloned() {
                Some(column) if self.may_be_null(&column) => {
                    let guarded = guarded(expr, column, false);
                    Ok(Transformed::new(guarded, true, TreeNodeRecursion::Jump))
                }
                _ => Ok(Transformed::no(expr)),
            },
        })
    }

    fn list(&self, list: InList, guard: bool) -> Result<Transformed<Expr>> {
        // These are computed once for all items, or are no lists.
        let stays = list.expr.is_volatile()
            || has_subquery(&list.expr)
            || matches!(list.list.as_slice(), [] | [Expr::ScalarSubquery(_)]);
        if stays {
            return Ok(Transformed::no(Expr::InList(list)));
        }
        let InList { expr, list, negated } = list;
        let Transformed { data: expr, transformed, .. } = self.value(*expr)?;
        let (constants, others): (Vec<_>, Vec<_>) =
            list.into_iter().partition(|item| constant(item) == Some(Constant::Value));
        let guard = guard && self.may_be_null(&expr);
        if !guard && others.is_empty() {
            let list = Expr::InList(InList::new(Box::new(expr), constants, negated));
            return Ok(Transformed::new(list, transformed, TreeNodeRecursion::Jump));
        }
        let mut terms = Vec::new();
        if !constants.is_empty() {
            let list = Expr::InList(InList::new(Box::new(expr.clone()), constants, negated));
            terms.push(if guard { guarded(list, expr.clone(), negated) } else { list });
        }
        let (compared, combined) =
            if negated { (Operator::NotEq, Operator::And) } else { (Operator::Eq, Operator::Or) };
        let mut null = None;
        for item in others {
            if constant(&item) == Some(Constant::Null) {
                null = Some(lit(ScalarValue::Boolean(None)));
            } else {
                terms.push(binary(expr.clone(), compared, self.value(item)?.data));
            }
        }
        terms.extend(null);
        Ok(Transformed::new(balanced(terms, combined), true, TreeNodeRecursion::Jump))
    }

    fn may_be_null(&self, expr: &Expr) -> bool {
        expr.nullable(self.schema).unwrap_or(true)
    }
}

/// The same value, in a form that is not merged with other lists for `subject`.
fn guarded(list: Expr, subject: Expr, negated: bool) -> Expr {
    let null = lit(ScalarValue::Boolean(None));
    if negated {
        list.and(subject.is_not_null().or(null))
    } else {
        list.or(subject.is_null().and(null))
    }
}

/// The column of `x = 1 OR x = 2`, from which the simplifier makes a list.
fn alternatives(expr: &Expr) -> Option<&Expr> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) = expr else { return None };
    let (left, right) = (alternative(left)?, alternative(right)?);
    (left == right).then_some(left)
}

fn alternative(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            match (without_casts(left), without_casts(right)) {
                (column @ Expr::Column(_), other) | (other, column @ Expr::Column(_)) => {
                    other.column_refs().is_empty().then_some(column)
                }
                _ => None,
            }
        }
        Expr::InList(list) if !list.negated => {
            let constants = list.list.iter().all(|item| constant(item) == Some(Constant::Value));
            let column = without_casts(&list.expr);
            (constants && matches!(column, Expr::Column(_))).then_some(column)
        }
        expr => alternatives(expr),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Constant {
    Null,
    Value,
}

/// Whether an item is certainly NULL or certainly not, whatever the row is.
fn constant(expr: &Expr) -> Option<Constant> {
    match expr {
        Expr::Literal(value, _) if value.is_null() => Some(Constant::Null),
        Expr::Literal(..) => Some(Constant::Value),
        Expr::Cast(cast) => constant(&cast.expr),
        Expr::Negative(negated) => constant(negated),
        _ => None,
    }
}

fn without_casts(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) => without_casts(&cast.expr),
        Expr::TryCast(cast) => without_casts(&cast.expr),
        expr => expr,
    }
}

fn has_subquery(expr: &Expr) -> bool {
    let subquery = |expr: &Expr| {
        Ok(matches!(expr, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_)))
    };
    expr.exists(subquery).unwrap_or(true)
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// Combines terms, of which there is at least one, in a tree whose depth is the logarithm of their
/// number.
fn balanced(mut terms: Vec<Expr>, op: Operator) -> Expr {
    while terms.len() > 1 {
        let mut rest = terms.into_iter();
        let mut pairs = Vec::with_capacity(rest.len().div_ceil(2));
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => binary(left, op, right),
                None => left,
            });
        }
        terms = pairs;
    }
    terms.pop().unwrap_or_else(|| lit(ScalarValue::Boolean(None)))
}

#[cfg(test)]
mod tests;
