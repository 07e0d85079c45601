//! Creates DataFusion sessions.
//!
//! Everything that runs SQL (prompt, scripts, servers, tests) gets its session from [`session`], so
//! that all functions are registered and all limits apply.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use engine::distinct::{CountDistinctRule, physical_rules};
use engine::functions::Planning;
use engine::{Error, Kind, Result};

use crate::catalog::RollupRule;
use crate::datafusion_bugs;
use crate::default_schema::{CATALOG, SCHEMA};

/// How many of the largest consumers an error about memory names.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);

/// Resources of a session. By default there are no limits.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Most bytes of memory for all queries; above that they spill to disk or fail. `None`: no
    /// limit.
    pub memory_limit: Option<usize>,
    /// Threads per query; at least 1. `None`: one per core.
    pub threads: Option<usize>,
    /// Folder to spill to, made if it is missing. `None`: the system's folder for such files.
    pub temporary: Option<PathBuf>,
    /// DataFusion settings by name, such as `datafusion.execution.batch_size`; they override our
    /// defaults.
    pub settings: Vec<(String, String)>,
}

/// A session with our functions, `information_schema`, and filters that Parquet files apply while
/// they are read.
///
/// # Errors
/// When the options are invalid or the folder cannot be created.
pub fn session(options: &Options) -> Result<SessionContext> {
    session_with_runtime(options, runtime(options)?)
}

/// The runtime that sessions with these options can share: memory pool and spill folder.
///
/// # Errors
/// When the folder cannot be created.
pub fn runtime(options: &Options) -> Result<Arc<RuntimeEnv>> {
    let mut runtime = RuntimeEnvBuilder::new();
    if let Some(bytes) = options.memory_limit {
        // A fair pool: queries that can spill leave memory for those that cannot.
        let pool = TrackConsumersPool::new(FairSpillPool::new(bytes), NAMED_CONSUMERS);
        runtime = runtime.with_memory_pool(Arc::new(pool));
    }
    if let Some(folder) = &options.temporary {
        runtime = runtime.with_temp_file_path(folder);
    }
    runtime.build_arc().map_err(refused)
}

/// As [`session`], with an existing runtime.
///
/// # Errors
/// When the options are invalid.
pub fn session_with_runtime(options: &Options, runtime: Arc<RuntimeEnv>) -> Result<SessionContext> {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_information_schema(true)
        .with_option_extension(Planning::default());
    if let Some(threads) = options.threads {
        if threads == 0 {
            return Err(Error::input("the number of threads must be at least 1")
                .with("help", "omit it to use one per core"));
        }
        config = config.with_target_partitions(threads);
    }
    // A metric reads a few events of many: decode the other columns only where the filter holds.
    let parquet = &mut config.options_mut().execution.parquet;
    parquet.pushdown_filters = true;
    parquet.reorder_filters = true;
    datafusion_bugs::configure(config.options_mut());
    for (key, value) in &options.settings {
        config.options_mut().set(key, value).map_err(|cause| unknown_setting(key, cause))?;
    }
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_physical_optimizer_rules(physical_rules())
        .build();
    let session = SessionContext::new_with_state(state);
    session.add_analyzer_rule(Arc::new(RollupRule::default()));
    session.add_analyzer_rule(Arc::new(CountDistinctRule::default()));
    for rule in datafusion_bugs::analyzer_rules() {
        session.add_analyzer_rule(rule);
    }
    for aggregate in engine::functions::aggregates() {
        session.register_udaf(aggregate);
    }
    for scalar in engine::functions::scalars() {
        session.register_udf(scalar);
    }
    Ok(session)
}

/// Plans a statement, and runs it if it is not a query.
///
/// Use this or [`plan`] instead of [`SessionContext::sql`], which refuses statements such as
/// `SELECT 1, 1`.
///
/// # Errors
/// When it is not SQL or cannot be planned.
pub async fn sql(session: &SessionContext, text: &str) -> Result<DataFrame, DataFusionError> {
    let plan = plan_text(&session.state(), text).await?;
    session.execute_logical_plan(plan).await
}

/// Plans a text with one statement.
///
/// # Errors
/// When it is not SQL or cannot be planned.
pub async fn plan_text(state: &SessionState, text: &str) -> Result<LogicalPlan, DataFusionError> {
    plan(state, parse(state, text)?).await
}

/// Parses a text with one statement.
///
/// # Errors
/// When it is not SQL.
pub fn parse(state: &SessionState, text: &str) -> Result<Statement, DataFusionError> {
    state.sql_to_statement(text, &state.config().options().sql_parser.dialect)
}

/// Plans a statement.
///
/// # Errors
/// When it cannot be planned.
pub async fn plan(
    state: &SessionState,
    statement: Statement,
) -> Result<LogicalPlan, DataFusionError> {
    datafusion_bugs::plan(state, statement).await
}

fn unknown_setting(key: &str, cause: DataFusionError) -> Error {
    Error::input(cause.find_root().strip_backtrace())
        .with("key", key)
        .with("help", "`SHOW ALL` lists the settings")
        .caused_by(cause)
}

fn refused(cause: DataFusionError) -> Error {
    Error::new(Kind::Io, cause.strip_backtrace()).caused_by(cause)
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    use super::{Options, session};

    async fn count(options: &Options, sql: &str) -> Result<i64, String> {
        let session = session(options).unwrap();
        let frame = session.sql(sql).await.map_err(|error| error.to_string())?;
        let batches = frame.collect().await.map_err(|error| error.to_string())?;
        Ok(batches[0].column(0).as_primitive::<Int64Type>().value(0))
    }

    #[test]
    fn sessions_have_our_functions_and_threads() {
        let session = session(&Options { threads: Some(3), ..Options::default() }).unwrap();
        for aggregate in engine::functions::aggregates() {
            assert!(session.state().aggregate_functions().contains_key(aggregate.name()));
        }
        assert_eq!(session.state().config().target_partitions(), 3);
        let none = Options { threads: Some(0), ..Options::default() };
        assert!(super::session(&none).err().unwrap().to_string().contains("number of threads"));
    }

    #[test]
    fn settings_override_our_defaults() {
        let with = |key: &str, value: &str| {
            let settings = vec![(key.to_owned(), value.to_owned())];
            session(&Options { threads: Some(3), settings, ..Options::default() })
        };
        let session = with("datafusion.execution.target_partitions", "7").unwrap();
        assert_eq!(session.state().config().target_partitions(), 7);
        for (key, value) in [("batch", "1"), ("datafusion.execution.batch_size", "many")] {
            let error = with(key, value).err().unwrap().to_string();
            assert!(error.contains(&format!("key: {key}")), "{error}");
        }
    }

    #[tokio::test]
    async fn counts_respect_the_memory_limit() {
        let sql = "SELECT exact_distinct(value * 1000000007) FROM generate_series(1, 1000000)";
        assert_eq!(count(&Options::default(), sql).await, Ok(1_000_000));
        let little = Options { memory_limit: Some(4 << 20), ..Options::default() };
        let error = count(&little, sql).await.unwrap_err();
        assert!(error.contains("Resources exhausted"), "{error}");
        // Dense ids need only a bit each.
        let dense = "SELECT exact_distinct(value) FROM generate_series(1, 1000000)";
        assert_eq!(count(&little, dense).await, Ok(1_000_000));
    }

    #[tokio::test]
    async fn groups_that_do_not_fit_into_memory_are_spilled_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let sql = "SELECT sum(n) FROM (SELECT exact_distinct(value % 1000) n, \
                   approx_count_distinct(value % 1000) a \
                   FROM generate_series(1, 2000000) GROUP BY value % 300000) WHERE n = a";
        let options = |planned: bool| Options {
            memory_limit: Some(24 << 20),
            threads: Some(2),
            temporary: Some(folder.path().join("spilled")),
            settings: vec![("headcount.exact_distinct".to_owned(), planned.to_string())],
        };
        assert_eq!(count(&options(false), sql).await, Ok(300_000));
        let error = count(&options(true), sql).await.unwrap_err();
        for part in ["Resources exhausted", "SET headcount.exact_distinct = false"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
