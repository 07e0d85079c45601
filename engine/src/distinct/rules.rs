//! The optimizer rules that plan queries onto the operator.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::functions_aggregate::count::Count;
use datafusion::logical_expr::expr::{AggregateFunction, NullTreatment};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{AggregateUDF, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use super::exec::DistinctAggregateExec;
use super::plan::Aggregates;
use crate::functions::{Planning, exact_distinct, is_approx_count_distinct, is_exact_distinct};
use crate::scan::is_countable;

/// Turns `COUNT(DISTINCT x)` into `exact_distinct(x)`, under its old name.
#[derive(Debug)]
pub struct CountDistinctRule {
    function: Arc<AggregateUDF>,
}

impl Default for CountDistinctRule {
    fn default() -> Self {
        Self { function: Arc::new(exact_distinct()) }
    }
}

impl AnalyzerRule for CountDistinctRule {
    fn name(&self) -> &'static str {
        "count_distinct_to_exact_distinct"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        if !Planning::of(config).exact_distinct {
            return Ok(plan);
        }
        plan.transform_up_with_subqueries(|plan| self.node(plan)).map(|plan| plan.data)
    }
}

impl CountDistinctRule {
    fn node(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = &plan else { return Ok(Transformed::no(plan)) };
        let schema = Arc::clone(aggregate.input.schema());
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform_up(|expr| match expr {
                Expr::AggregateFunction(call) => {
                    let countable = match call.params.args.as_slice() {
                        [argument] => is_countable(&argument.get_type(&schema)?),
                        _ => false,
                    };
                    Ok(self.call(call, countable))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })
    }

    fn call(&self, mut call: AggregateFunction, countable: bool) -> Transformed<Expr> {
        let params = &mut call.params;
        let ours = countable
            && call.func.inner().is::<Count>()
            && params.distinct
            && params.order_by.is_empty()
            && params.null_treatment != Some(NullTreatment::RespectNulls);
        if ours {
            params.distinct = false;
            params.null_treatment = None;
            call.func = Arc::clone(&self.function);
        }
        Transformed::new_transformed(Expr::AggregateFunction(call), ours)
    }
}

/// Replaces an aggregation with distinct counts by [`DistinctAggregateExec`].
#[derive(Debug)]
struct DistinctAggregateRule;

impl PhysicalOptimizerRule for DistinctAggregateRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !Planning::of(config).exact_distinct {
            return Ok(plan);
        }
        let plan = plan.transform_up(|plan| {
            Ok(match plan.downcast_ref::<AggregateExec>().and_then(replacement) {
                Some(ours) => Transformed::yes(ours),
                None => Transformed::no(plan),
            })
        })?;
        Ok(plan.data)
    }

    fn name(&self) -> &'static str {
        "distinct_aggregate"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Both halves of an aggregation, or its only one, as one operator.
fn replacement(last: &AggregateExec) -> Option<Arc<dyn ExecutionPlan>> {
    let first = match last.mode() {
        AggregateMode::Final | AggregateMode::FinalPartitioned => {
            let first = last.input().downcast_ref::<AggregateExec>()?;
            Some(first).filter(|first| *first.mode() == AggregateMode::Partial)?
        }
        AggregateMode::Single | AggregateMode::SinglePartitioned => last,
        _ => return None,
    };
    let counts = first.aggr_expr().iter().any(|aggregate| {
        is_exact_distinct(aggregate.fun()) || is_approx_count_distinct(aggregate.fun())
    });
    let limited = first.limit_options().is_some() || last.limit_options().is_some();
    if !counts || limited || first.input().boundedness().is_unbounded() {
        return None;
    }
    let schema: SchemaRef = last.schema();
    let (mut aggregates, mut input) = (Aggregates::of(first, &schema)?, first.input());
    while let Some(projection) = input.downcast_ref::<ProjectionExec>()
        && let Some(below) = aggregates.below(projection)
    {
        (aggregates, input) = (below, projection.input());
    }
    Some(Arc::new(DistinctAggregateExec::new(Arc::new(aggregates), Arc::clone(input))))
}

/// The rules that make a physical plan, with ours among them.
pub fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    // Before the two halves of an aggregation are torn apart by an exchange of rows.
    let before = ["FilterPushdown", "EnsureRequirements"];
    let at = rules.iter().position(|rule| before.contains(&rule.name())).unwrap_or(0);
    rules.insert(at, Arc::new(DistinctAggregateRule));
    rules
}
