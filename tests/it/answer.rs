//! Results of SQL in a form that can be compared.

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches_with_schema;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;

/// The printed lines of a result, whatever its batches are.
async fn lines(session: &SessionContext, sql: &str) -> Vec<String> {
    let frame = session.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let text = pretty_format_batches_with_schema(schema, &batches).unwrap().to_string();
    text.lines().map(str::to_owned).collect()
}

/// The printed lines of a result that do not depend on the plan, sorted.
pub(crate) async fn sorted(session: &SessionContext, sql: &str) -> Vec<String> {
    let mut lines = lines(session, sql).await;
    lines.retain(|line| !is_total_of_nothing(line));
    lines.sort();
    lines
}

/// Whether a line is the grand total of no rows. Under ROLLUP and CUBE DataFusion returns or omits
/// it, depending on the number of partitions; our operator always returns it.
fn is_total_of_nothing(line: &str) -> bool {
    let cells = || line.trim_matches('|').split('|').map(str::trim);
    line.starts_with('|')
        && cells().next() == Some("")
        && cells().all(|cell| cell.is_empty() || cell == "0")
}

/// The sum of a metric over all operators of a plan that has run.
pub(crate) fn sum_of_metric(plan: &Arc<dyn ExecutionPlan>, name: &str) -> usize {
    let own = plan.metrics().and_then(|metrics| metrics.sum_by_name(name));
    let below: usize = plan.children().into_iter().map(|child| sum_of_metric(child, name)).sum();
    own.map_or(0, |value| value.as_usize()) + below
}
