//! Servers only run statements that read.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{LogicalPlan, Statement};
use engine::{Error, Result};

use crate::failure::statement_error;

/// Name prefixes of the settings that a connection may change for itself.
const ALLOWED_SETTINGS: [&str; 3] =
    ["headcount.", "datafusion.explain.", "datafusion.execution.time_zone"];

/// Refuses plans that write, access files, or change settings other than the connection's own.
///
/// # Errors
/// When the plan is refused.
pub fn read_only(plan: &LogicalPlan) -> Result<()> {
    let mut refused = None;
    let visited = plan.apply_with_subqueries(|node| {
        refused = refusal(node);
        Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    visited.map_err(|cause| statement_error(cause, None))?;
    match refused {
        None => Ok(()),
        Some((what, help)) => {
            Err(Error::input(format!("{what} is refused: this server only reads"))
                .with("help", help))
        }
    }
}

fn refusal(node: &LogicalPlan) -> Option<(String, &'static str)> {
    let query = "use SELECT; `headcount sql` on the server's machine runs every statement";
    match node {
        LogicalPlan::Ddl(ddl) => Some((ddl.name().to_owned(), query)),
        LogicalPlan::Dml(dml) => Some((dml.op.name().to_owned(), query)),
        LogicalPlan::Copy(_) => Some(("COPY".to_owned(), query)),
        LogicalPlan::Statement(Statement::SetVariable(set)) => setting(&set.variable),
        LogicalPlan::Statement(Statement::ResetVariable(reset)) => setting(&reset.variable),
        LogicalPlan::Statement(statement) => Some((statement.name().to_owned(), query)),
        _ => None,
    }
}

fn setting(name: &str) -> Option<(String, &'static str)> {
    let allowed = ALLOWED_SETTINGS.iter().any(|known| name.to_lowercase().starts_with(known));
    (!allowed).then(|| {
        let help = "a connection may set headcount.*, datafusion.explain.* and \
                    datafusion.execution.time_zone";
        (format!("SET {name}"), help)
    })
}

#[cfg(test)]
mod tests {
    use super::read_only;
    use crate::session::{Options, session};

    #[tokio::test]
    async fn only_reading_plans_are_accepted() {
        let session = session(&Options::default()).unwrap();
        for sql in [
            "SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "SHOW TABLES",
            "SET headcount.exact_distinct = false",
            "WITH a AS (SELECT 1) SELECT * FROM a",
        ] {
            let plan = session.state().create_logical_plan(sql).await.unwrap();
            assert!(read_only(&plan).is_ok(), "{sql}");
        }
        for (sql, what) in [
            ("CREATE TABLE t AS SELECT 1", "CreateMemoryTable"),
            ("CREATE VIEW v AS SELECT 1", "CreateView"),
            ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "CreateExternalTable"),
            ("COPY (SELECT 1) TO '/tmp/out.csv'", "COPY"),
            ("DROP TABLE t", "DropTable"),
            ("EXPLAIN COPY (SELECT 1) TO '/tmp/out.csv'", "COPY"),
            ("SET datafusion.runtime.memory_limit = '1T'", "memory_limit"),
            ("SET datafusion.execution.target_partitions = 9999", "target_partitions"),
            ("PREPARE p AS SELECT 1", "Prepare"),
        ] {
            let plan = session.state().create_logical_plan(sql).await.unwrap();
            let error = read_only(&plan).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("refused"), "{sql}: {error}");
        }
    }
}
