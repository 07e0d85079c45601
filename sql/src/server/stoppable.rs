//! Planning that can be stopped.
//!
//! A plan is made in one go, without a wait at which its task could be dropped, and a statement of
//! many joins or long chains takes a while. But it is made by dozens of rules, and most of these
//! look at one node after the other: before each such step they ask whether the statement was given
//! up meanwhile.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::exec_err;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{AnalyzerRule, OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::{PhysicalOptimizerContext, PhysicalOptimizerRule};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;

use crate::given_up::is_given_up;

/// Lets the planning of a session stop once it [is given up](is_given_up).
pub(super) fn stoppable(session: &SessionContext) {
    let state = session.state_ref();
    let mut state = state.write();
    // Each in its place: an analyzer has more than its rules.
    let mut builder = SessionStateBuilder::new_from_existing(state.clone());
    for rule in builder.analyzer().iter_mut().flat_map(|analyzer| &mut analyzer.rules) {
        *rule = Arc::new(Stoppable(Arc::clone(rule)));
    }
    for rule in builder.optimizer().iter_mut().flat_map(|optimizer| &mut optimizer.rules) {
        *rule = Arc::new(Stoppable(Arc::clone(rule)));
    }
    for rule in builder.physical_optimizers().iter_mut().flat_map(|physical| &mut physical.rules) {
        *rule = Arc::new(Stoppable(Arc::clone(rule)));
    }
    *state = builder.build();
}

/// A rule that does nothing any more once the statement is given up.
#[derive(Debug)]
struct Stoppable<R: ?Sized>(Arc<R>);

fn wanted() -> Result<()> {
    if is_given_up() { exec_err!("cancelled") } else { Ok(()) }
}

impl AnalyzerRule for Stoppable<dyn AnalyzerRule + Send + Sync> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        wanted()?;
        self.0.analyze(plan, config)
    }
}

impl OptimizerRule for Stoppable<dyn OptimizerRule + Send + Sync> {
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
        wanted()?;
        self.0.rewrite(plan, config)
    }
}

impl PhysicalOptimizerRule for Stoppable<dyn PhysicalOptimizerRule + Send + Sync> {
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
        wanted()?;
        self.0.optimize(plan, config)
    }

    fn optimize_with_context(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        context: &dyn PhysicalOptimizerContext,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        wanted()?;
        self.0.optimize_with_context(plan, context)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::displayable;
    use tokio_util::sync::CancellationToken;

    use super::stoppable;
    use crate::given_up::until;
    use crate::session::{Options, session};

    const SQL: &str = "SELECT a.value, count(DISTINCT b.value) FROM generate_series(1, 9) AS a \
                       JOIN generate_series(1, 9) AS b ON a.value = b.value GROUP BY 1";

    #[tokio::test]
    async fn planning_stops_when_it_is_given_up_and_is_the_same_otherwise() {
        let (plain, stops) = (session(&Options::default()), session(&Options::default()));
        let (plain, stops) = (plain.unwrap(), stops.unwrap());
        stoppable(&stops);
        let mut plans = Vec::new();
        for session in [plain, stops] {
            let state = session.state();
            let logical = state.create_logical_plan(SQL).await.unwrap();
            let planner = state.query_planner();
            let optimized = state.optimize(&logical).unwrap();
            let physical = planner.create_physical_plan(&optimized, &state).await.unwrap();
            // Given up in the same step, so that nothing but the rules can end it.
            let token = CancellationToken::new();
            let stopped = until(token.clone(), async {
                token.cancel();
                let physical = planner.create_physical_plan(&optimized, &state).await;
                Ok((state.optimize(&logical).is_err(), physical.is_err()))
            });
            let stopped = stopped.await.unwrap();
            let text = displayable(physical.as_ref()).indent(false).to_string();
            plans.push((format!("{optimized}"), text, stopped));
        }
        let [(logical, physical, goes_on), (same, also, stopped)] = plans.try_into().unwrap();
        assert_eq!((logical, physical), (same, also));
        assert_eq!((goes_on, stopped), ((false, false), (true, true)));
    }
}
