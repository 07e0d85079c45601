//! Planning and plans that can be cancelled.
//!
//! Planning runs without an await point, and a statement with many joins or long expressions takes
//! a while. It consists of dozens of rules, most of which are called node by node, so each rule
//! checks for cancellation before it starts.
//!
//! Running plans are cancelled at await points. Scans yield regularly, but a join can produce
//! millions of batches from one input batch without yielding, so joins are wrapped too.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::exec_err;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{AnalyzerRule, OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::{PhysicalOptimizerContext, PhysicalOptimizerRule};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::prelude::SessionContext;

use crate::cancellation::is_cancelled;

/// Wraps all rules of a session, so that its planning stops once it [is cancelled](is_cancelled).
pub(super) fn make_planning_cancellable(session: &SessionContext) {
    let state = session.state_ref();
    let mut state = state.write();
    // In place, because an analyzer holds more than its rules.
    let mut builder = SessionStateBuilder::new_from_existing(state.clone());
    for rule in builder.analyzer().iter_mut().flat_map(|analyzer| &mut analyzer.rules) {
        *rule = Arc::new(CancellableRule(Arc::clone(rule)));
    }
    for rule in builder.optimizer().iter_mut().flat_map(|optimizer| &mut optimizer.rules) {
        *rule = Arc::new(CancellableRule(Arc::clone(rule)));
    }
    for rule in builder.physical_optimizers().iter_mut().flat_map(|physical| &mut physical.rules) {
        *rule = Arc::new(CancellableRule(Arc::clone(rule)));
    }
    *state = builder.build();
}

/// A rule that fails once the statement is cancelled.
#[derive(Debug)]
struct CancellableRule<R: ?Sized>(Arc<R>);

fn check_cancelled() -> Result<()> {
    if is_cancelled() { exec_err!("cancelled") } else { Ok(()) }
}

impl AnalyzerRule for CancellableRule<dyn AnalyzerRule + Send + Sync> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        check_cancelled()?;
        self.0.analyze(plan, config)
    }
}

impl OptimizerRule for CancellableRule<dyn OptimizerRule + Send + Sync> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        check_cancelled()?;
        self.0.rewrite(plan, config)
    }
}

impl PhysicalOptimizerRule for CancellableRule<dyn PhysicalOptimizerRule + Send + Sync> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        check_cancelled()?;
        self.0.optimize(plan, config)
    }

    fn optimize_with_context(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        context: &dyn PhysicalOptimizerContext,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        check_cancelled()?;
        self.0.optimize_with_context(plan, context)
    }
}

/// Makes the nodes yield whose output can be much larger than their input.
///
/// # Errors
/// When a node cannot be rebuilt.
pub(super) fn make_cooperative(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        Ok(match multiplies(&*node) {
            true => Transformed::yes(Arc::new(CooperativeExec::new(node)) as _),
            false => Transformed::no(node),
        })
    });
    wrapped.map(|wrapped| wrapped.data)
}

fn multiplies(node: &dyn ExecutionPlan) -> bool {
    node.is::<HashJoinExec>()
        || node.is::<NestedLoopJoinExec>()
        || node.is::<CrossJoinExec>()
        || node.is::<SortMergeJoinExec>()
        || node.is::<UnnestExec>()
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::displayable;
    use tokio_util::sync::CancellationToken;

    use super::make_planning_cancellable;
    use crate::cancellation::scope;
    use crate::session::{Options, session};

    const SQL: &str = "SELECT a.value, count(DISTINCT b.value) FROM generate_series(1, 9) AS a \
                       JOIN generate_series(1, 9) AS b ON a.value = b.value GROUP BY 1";

    #[tokio::test]
    async fn cancelled_planning_stops_and_other_plans_are_unchanged() {
        let (plain, cancellable) = (session(&Options::default()), session(&Options::default()));
        let (plain, cancellable) = (plain.unwrap(), cancellable.unwrap());
        make_planning_cancellable(&cancellable);
        let mut plans = Vec::new();
        for session in [plain, cancellable] {
            let state = session.state();
            let logical = state.create_logical_plan(SQL).await.unwrap();
            let planner = state.query_planner();
            let optimized = state.optimize(&logical).unwrap();
            let physical = planner.create_physical_plan(&optimized, &state).await.unwrap();
            // Cancelled without an await point, so that only the rules can end it.
            let token = CancellationToken::new();
            let cancelled = scope(token.clone(), async {
                token.cancel();
                let physical = planner.create_physical_plan(&optimized, &state).await;
                Ok((state.optimize(&logical).is_err(), physical.is_err()))
            });
            let cancelled = cancelled.await.unwrap();
            let text = displayable(physical.as_ref()).indent(false).to_string();
            plans.push((format!("{optimized}"), text, cancelled));
        }
        let [(logical, physical, unwrapped), (same, also, cancelled)] = plans.try_into().unwrap();
        assert_eq!((logical, physical), (same, also));
        assert_eq!((unwrapped, cancelled), ((false, false), (true, true)));
    }
}
