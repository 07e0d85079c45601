//! Limited plans give the same rows, in smaller batches; what would not fit is refused.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use datafusion::error::Result;
use datafusion::physical_plan::collect;

use super::limit_batches;
use crate::session::{Options, session};

const MEMORY: usize = 4 << 20;

/// The rows, sorted; without limits if there is no `memory`.
async fn ask(sql: &str, memory: Option<usize>) -> Result<(String, Vec<RecordBatch>)> {
    let frame = session(&Options::default()).unwrap().sql(sql).await?;
    let context = Arc::new(frame.task_ctx());
    let mut plan = frame.create_physical_plan().await?;
    if let Some(memory) = memory {
        let rows = context.session_config().batch_size();
        plan = limit_batches(plan, context.memory_pool(), memory, rows)?;
    }
    let batches = collect(plan, context).await?;
    let text = pretty_format_batches(&batches)?.to_string();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    Ok((lines.join("\n"), batches))
}

/// Texts of 0 to 99 letters, which are copied, and their lengths.
fn texts(rows: usize) -> String {
    format!(
        "(SELECT value AS n, value % 100 AS l, \
         arrow_cast(repeat('x', CAST(value % 100 AS INT)), 'Utf8') AS t \
         FROM generate_series(1, {rows}))"
    )
}

#[tokio::test]
async fn limited_plans_give_the_same_rows() {
    let (many, few) = (texts(20_000), texts(300));
    for sql in [
        format!("SELECT upper(t), t || 'a', CASE WHEN n > 9 THEN t END, n FROM {many}"),
        format!("SELECT upper(t) AS u, count(*), sum(n) FROM {many} GROUP BY u"),
        format!("SELECT l, count(DISTINCT upper(t)), max(lower(t)) FROM {many} GROUP BY l"),
        format!("SELECT n FROM {many} WHERE reverse(upper(t)) = repeat('X', 7)"),
        format!("SELECT t, n FROM {many} ORDER BY upper(t) DESC, n LIMIT 50"),
        format!("SELECT a.t, b.n FROM {few} a JOIN {few} b ON a.l = b.l"),
        format!("SELECT a.t, b.t FROM {few} a LEFT JOIN {few} b ON a.n = b.n + 150"),
        format!("SELECT a.t, b.t FROM {few} a FULL JOIN {few} b ON a.n = b.n + 150"),
        format!("SELECT a.n, b.t FROM {few} a JOIN {few} b ON a.n < b.n AND a.t > b.t"),
        format!("SELECT a.t, b.n FROM {few} a CROSS JOIN {few} b"),
        format!("SELECT n FROM {few} a WHERE EXISTS (SELECT 1 FROM {few} b WHERE b.t = a.t)"),
        format!("SELECT t, unnest(range(0, n % 5)) FROM {many}"),
        format!("SELECT n, unnest(string_to_array(t, 'xx')) FROM {few}"),
        format!("SELECT n, sum(n) OVER (), max(t) OVER (PARTITION BY l) FROM {few}"),
        format!("SELECT n, lag(t) OVER (ORDER BY n), row_number() OVER (ORDER BY n) FROM {few}"),
        format!("SELECT n, array_agg(n) OVER (PARTITION BY l ORDER BY n) FROM {few}"),
        format!("SELECT n, array_agg(n) OVER (PARTITION BY n % 5000 ORDER BY n) FROM {many}"),
    ] {
        let (expected, _) = ask(&sql, None).await.unwrap();
        let (found, _) = ask(&sql, Some(16 * MEMORY)).await.expect(&sql);
        assert_eq!(found, expected, "{sql}");
    }
}

#[tokio::test]
async fn long_batches_are_cut() {
    let long = "x".repeat(30_000);
    for sql in [
        format!("SELECT upper(t), lower(t), n FROM {}", texts(8_000)),
        format!("SELECT '{long}' AS t, value FROM generate_series(1, 200)"),
        format!("SELECT concat('{long}', value) AS t FROM generate_series(1, 200)"),
    ] {
        let (expected, _) = ask(&sql, None).await.unwrap();
        let (found, batches) = ask(&sql, Some(MEMORY)).await.unwrap();
        assert_eq!(found, expected);
        assert!(batches.iter().all(|batch| batch.get_array_memory_size() <= MEMORY / 2));
    }
}

#[tokio::test]
async fn values_too_long_to_be_repeated_are_refused() {
    let long = |bytes: usize| format!("(SELECT arrow_cast(repeat('x', {bytes}), 'Utf8') AS t)");
    let joined = |bytes: usize, on: &str| {
        format!("SELECT max(t || CAST(value AS VARCHAR)) FROM {} a {on}", long(bytes))
    };
    let filtered = |bytes: usize| {
        format!(
            "SELECT count(*) FROM (SELECT arrow_cast(repeat('x', CAST(value * {bytes} AS INT)), \
             'Utf8View') AS t FROM generate_series(1, 1)) a \
             JOIN generate_series(1, 9000) b ON upper(CASE WHEN b.value > 5 THEN t END) < 'a'"
        )
    };
    let unnested = |bytes: usize| {
        format!(
            "SELECT max(length(t)) FROM (SELECT t, unnest(range(0, 1000)) FROM {})",
            long(bytes)
        )
    };
    let first = |bytes: usize| {
        format!(
            "SELECT max(length(f)) FROM (SELECT first_value(t) OVER () AS f FROM (SELECT \
             repeat('x', CASE WHEN value = 1 THEN {bytes} ELSE 0 END) AS t \
             FROM generate_series(1, 8000)))"
        )
    };
    let lists = |rows: usize| {
        format!(
            "SELECT max(cardinality(a)) FROM (SELECT array_agg(value) OVER () AS a \
             FROM generate_series(1, {rows}))"
        )
    };
    let counted = |times: usize| {
        let counts = (1..=times).map(|at| format!("count(DISTINCT reverse(substr(t, {at})))"));
        let counts: Vec<String> = counts.collect();
        let text = "string_agg(repeat('x', 1000), '') AS t FROM generate_series(1, 100)";
        format!("SELECT {} FROM (SELECT {text})", counts.join(", "))
    };
    for (small, large, who) in [
        (
            joined(100, "CROSS JOIN generate_series(1, 9000)"),
            joined(50_000, "CROSS JOIN generate_series(1, 9000)"),
            "a join",
        ),
        (
            joined(100, "JOIN generate_series(1, 9000) ON value > length(t)"),
            joined(50_000, "JOIN generate_series(1, 90000) ON value > length(t)"),
            "a join",
        ),
        (filtered(20), filtered(50_000), "a join"),
        (unnested(1_000), unnested(100_000), "a row"),
        (first(100), first(100_000), "a window function"),
        (lists(300), lists(20_000), "a window function"),
        (counted(2), counted(60), "a row"),
    ] {
        ask(&small, Some(MEMORY)).await.expect(&small);
        let refused = ask(&large, Some(MEMORY)).await.expect_err(&large).to_string();
        assert!(refused.contains(&format!("{who} needs ")), "{large}: {refused}");
    }
}
