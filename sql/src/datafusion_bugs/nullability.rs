//! An aggregate over a repeated `b IS TRUE`, such as
//!
//! ```sql
//! SELECT count(*) FILTER (WHERE b IS TRUE AND n > 1), count(*) FILTER (WHERE b IS TRUE) FROM t
//! ```
//!
//! The repeated part is computed once, as a column below the aggregate. `IS TRUE` is never NULL,
//! according to the logical plan; the physical expression `IS NOT DISTINCT FROM` is declared
//! nullable. Before it plans an aggregate, DataFusion compares the two schemas and ends with an
//! internal error. The same happens to a repeated `CASE`. Nothing depends on the column being
//! declared as never NULL, so the comparison is switched off.
//!
//! <https://github.com/apache/datafusion/issues/24096>,
//! <https://github.com/apache/datafusion/issues/25369>

use datafusion::common::config::ConfigOptions;

pub(super) fn configure(options: &mut ConfigOptions) {
    options.execution.skip_physical_aggregate_schema_check = true;
}

#[cfg(test)]
mod tests {
    use arrow::util::pretty::pretty_format_batches;
    use datafusion::prelude::SessionContext;

    use crate::session::{Options, session};

    const TABLE: &str = "CREATE TABLE t(b BOOLEAN, n INT, m INT) \
                         AS VALUES (true, 1, 1), (false, 2, 2), (NULL, 3, 3), (true, 4, 4)";
    /// What is counted, and how often it is so.
    const STATEMENTS: [(&str, &str); 7] = [
        ("count(*) FILTER (WHERE b IS TRUE AND n > 1), count(*) FILTER (WHERE b IS TRUE)", "1 2"),
        ("count(*) FILTER (WHERE b IS FALSE AND n > 1), count(*) FILTER (WHERE b IS FALSE)", "1 1"),
        (
            "count(*) FILTER (WHERE b IS NOT TRUE AND n > 2), count(*) FILTER (WHERE b IS NOT TRUE)",
            "1 2",
        ),
        (
            "count(*) FILTER (WHERE b IS NOT FALSE AND n > 3), \
             count(*) FILTER (WHERE b IS NOT FALSE)",
            "1 3",
        ),
        (
            "count(DISTINCT n) FILTER (WHERE b IS UNKNOWN OR n = 2), \
             count(DISTINCT n) FILTER (WHERE b IS UNKNOWN)",
            "2 1",
        ),
        ("count(DISTINCT b IS TRUE), sum(CASE WHEN b IS TRUE THEN n END)", "2 5"),
        (
            "sum(CASE WHEN (CASE WHEN (n > 1 AND m < 3) THEN n ELSE 0 END) BETWEEN 1 AND 2 \
             THEN 1 ELSE 0 END)",
            "1",
        ),
    ];

    async fn answer(session: &SessionContext, select: &str) -> Result<String, String> {
        let frame = session.sql(&format!("SELECT {select} FROM t")).await;
        let batches = frame.map_err(|error| error.to_string())?.collect().await;
        let batches = batches.map_err(|error| error.to_string())?;
        let text = pretty_format_batches(&batches).map_err(|error| error.to_string())?.to_string();
        let row = text.lines().nth(3).unwrap_or_default().replace('|', " ");
        Ok(row.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    #[tokio::test]
    async fn is_true_can_be_selected_several_times() {
        let session = session(&Options::default()).unwrap();
        session.sql(TABLE).await.unwrap();
        for (select, expected) in STATEMENTS {
            assert_eq!(answer(&session, select).await.as_deref(), Ok(expected), "{select}");
        }
    }

    #[tokio::test]
    async fn plain_datafusion_cannot() {
        let plain = SessionContext::new();
        plain.sql(TABLE).await.unwrap();
        for (select, _) in [STATEMENTS[0], STATEMENTS[6]] {
            let error = answer(&plain, select).await.expect_err(
                "DataFusion plans this now: once it plans both statements, delete nullability.rs",
            );
            assert!(error.contains("Physical input schema should be the same"), "{error}");
        }
    }
}
