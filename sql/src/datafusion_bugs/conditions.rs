//! Where the expressions of a plan stand: in a condition, where NULL is as good as false, or where
//! their value counts.

use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};

/// Rewrites the expressions of a node.
///
/// `operand` gets what AND and OR combine in a condition, and whether it stands below an OR: where it
/// is NULL, it may become false, and the other way round. `value` gets all other expressions.
pub(super) fn rewrite(
    plan: LogicalPlan,
    operand: impl Fn(Expr, bool) -> Result<Transformed<Expr>>,
    value: impl Fn(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Filter(mut filter) => {
            let predicate = condition(filter.predicate, false, &operand)?;
            filter.predicate = predicate.data;
            Ok(Transformed::new_transformed(LogicalPlan::Filter(filter), predicate.transformed))
        }
        LogicalPlan::Join(mut join) => {
            let filter = join.filter.take().map(|filter| condition(filter, false, &operand));
            let filter = filter.transpose()?;
            let transformed = filter.as_ref().is_some_and(|filter| filter.transformed);
            join.filter = filter.map(|filter| filter.data);
            Ok(Transformed::new_transformed(LogicalPlan::Join(join), transformed))
        }
        plan => {
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                // An expression of a grouping set is known by its name alone, and cannot be renamed.
                if matches!(expr, Expr::GroupingSet(_)) {
                    return Ok(Transformed::no(expr));
                }
                let name = names.save(&expr);
                Ok(value(expr)?.update_data(|expr| name.restore(expr)))
            })
        }
    }
}

fn condition(
    expr: Expr,
    below_or: bool,
    operand: &impl Fn(Expr, bool) -> Result<Transformed<Expr>>,
) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let below_or = below_or || op == Operator::Or;
            let left = condition(*left, below_or, operand)?;
            let right = condition(*right, below_or, operand)?;
            let transformed = left.transformed || right.transformed;
            let binary = BinaryExpr::new(Box::new(left.data), op, Box::new(right.data));
            Ok(Transformed::new_transformed(Expr::BinaryExpr(binary), transformed))
        }
        expr => operand(expr, below_or),
    }
}
