//! Answers of SQL as lines, to be held against each other.

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches_with_schema;
use datafusion::prelude::SessionContext;

/// The lines of an answer; no rows are no rows, in one batch or in none.
pub(crate) async fn lines(session: &SessionContext, sql: &str) -> Vec<String> {
    let frame = session.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let text = pretty_format_batches_with_schema(schema, &batches).unwrap().to_string();
    text.lines().map(str::to_owned).collect()
}

/// The lines that every plan gives, sorted.
pub(crate) async fn sorted(session: &SessionContext, sql: &str) -> Vec<String> {
    let mut lines = lines(session, sql).await;
    lines.retain(|line| !is_total_of_nothing(line));
    lines.sort();
    lines
}

/// Whether a line is the grand total of no rows at all, which DataFusion gives under ROLLUP and
/// CUBE or leaves out, depending on the number of partitions; our operator always gives it.
fn is_total_of_nothing(line: &str) -> bool {
    let cells = || line.trim_matches('|').split('|').map(str::trim);
    line.starts_with('|')
        && cells().next() == Some("")
        && cells().all(|cell| cell.is_empty() || cell == "0")
}
