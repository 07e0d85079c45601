//! The SQL files of `tests/slt`: every one on the same session under several settings, because the
//! answer must not depend on how a query is cut into partitions, batches and halves. Those in
//! `project` see the tables of the small real project.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use engine::project::Project;
use headcount::catalog::{CatalogOptions, register};
use headcount::session::{self, Options, session};
use sqllogictest::{DB, DBOutput, DefaultColumnType, Runner, strict_column_validator};
use tokio::runtime::Runtime;

/// Settings that every file has to survive.
const SETTINGS: [(&str, &[&str]); 5] = [
    ("as it is", &[]),
    ("one partition", &["datafusion.execution.target_partitions = 1"]),
    ("four partitions of small batches", PARTS),
    ("our operator switched off", &["headcount.exact_distinct = false"]),
    ("partial aggregation skipped", SKIPPED),
];
const PARTS: &[&str] =
    &["datafusion.execution.target_partitions = 4", "datafusion.execution.batch_size = 64"];
/// Each row becomes a state of its own (`convert_to_state`).
const SKIPPED: &[&str] = &[
    "headcount.exact_distinct = false",
    "datafusion.execution.target_partitions = 4",
    "datafusion.execution.batch_size = 100",
    "datafusion.execution.skip_partial_aggregation_probe_rows_threshold = 0",
    "datafusion.execution.skip_partial_aggregation_probe_ratio_threshold = 0.0",
];

/// A session behind the interface that the files are run through.
struct Database {
    runtime: Arc<Runtime>,
    session: SessionContext,
}

impl Database {
    /// A session with the events of the small real data set, and nothing else.
    fn new(runtime: &Arc<Runtime>, settings: &[&str]) -> Result<Self> {
        let database = Self::empty(runtime, settings)?;
        let data = root().join("datasets/contributions/data");
        let register = database.session.register_parquet(
            "contributions",
            data.to_string_lossy(),
            ParquetReadOptions::default(),
        );
        runtime.block_on(register)?;
        Ok(database)
    }

    /// A session on the small real project.
    fn of_project(runtime: &Arc<Runtime>, settings: &[&str]) -> Result<Self> {
        let database = Self::empty(runtime, settings)?;
        let project = Project::load(&root().join("datasets/contributions")).map_err(external)?;
        let catalog_options =
            CatalogOptions { project: Some(Arc::new(project)), ..CatalogOptions::default() };
        register(&database.session, &catalog_options).map_err(external)?;
        Ok(database)
    }

    fn empty(runtime: &Arc<Runtime>, settings: &[&str]) -> Result<Self> {
        let session = session(&Options::default()).map_err(external)?;
        let database = Self { runtime: Arc::clone(runtime), session };
        for setting in settings {
            database.sql(&format!("SET {setting}"))?;
        }
        Ok(database)
    }

    fn sql(&self, sql: &str) -> Result<DBOutput<DefaultColumnType>> {
        let (fields, batches) = self.runtime.block_on(async {
            let frame = session::sql(&self.session, sql).await?;
            let fields = frame.schema().fields().clone();
            Ok::<_, DataFusionError>((fields, frame.collect().await?))
        })?;
        if fields.is_empty() {
            return Ok(DBOutput::StatementComplete(0));
        }
        let options = FormatOptions::default().with_null("NULL").with_display_error(true);
        let mut rows = Vec::new();
        for batch in &batches {
            let columns = batch.columns().iter();
            let columns = columns
                .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
                .collect::<Result<Vec<_>, _>>()?;
            for row in 0..batch.num_rows() {
                let cells = columns.iter().map(|column| match column.value(row).to_string() {
                    empty if empty.is_empty() => "(empty)".to_owned(),
                    text => text,
                });
                rows.push(cells.collect());
            }
        }
        let types = fields.iter().map(|field| column_type(field.data_type())).collect();
        Ok(DBOutput::Rows { types, rows })
    }
}

impl DB for Database {
    type Error = DataFusionError;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>> {
        self.sql(sql)
    }

    fn engine_name(&self) -> &str {
        "headcount"
    }
}

fn external(error: engine::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[test]
fn sqllogictest_files() {
    run("tests/slt", Database::new);
}

#[test]
fn sqllogictest_files_of_the_project() {
    run("tests/slt/project", Database::of_project);
}

/// Runs the files of a folder.
fn run(folder: &str, open: fn(&Arc<Runtime>, &[&str]) -> Result<Database>) {
    let folder = root().join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "slt"));
    files.sort();
    assert!(!files.is_empty(), "no files in {}", folder.display());
    let runtime = Arc::new(Runtime::new().unwrap());
    let mut failures = Vec::new();
    for file in &files {
        for (name, settings) in SETTINGS {
            let mut runner = Runner::new(|| async { open(&runtime, settings) });
            runner.with_column_validator(strict_column_validator);
            if let Err(error) = runner.run_file(file) {
                failures.push(format!("{name}: {error}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The settings that should skip partial aggregation do: otherwise no test covers the states of
/// single rows in whole queries.
#[test]
fn partial_aggregation_is_skipped_where_it_should_be() {
    let runtime = Arc::new(Runtime::new().unwrap());
    let sql = "SELECT exact_distinct(author), approx_count_distinct(author) FROM contributions \
               GROUP BY component";
    let skipped = |settings| {
        let database = Database::new(&runtime, settings).unwrap();
        runtime.block_on(async {
            let frame = database.session.sql(sql).await.unwrap();
            let context = Arc::new(frame.task_ctx());
            let plan = frame.create_physical_plan().await.unwrap();
            collect(Arc::clone(&plan), context).await.unwrap();
            skipped_rows(&plan)
        })
    };
    assert_eq!(skipped(&[]), 0);
    assert!(skipped(SKIPPED) > 50_000);
}

/// Rows that went past partial aggregation, in all of a plan.
fn skipped_rows(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let here = plan.metrics().and_then(|metrics| metrics.sum_by_name("skipped_aggregation_rows"));
    here.map_or(0, |value| value.as_usize())
        + plan.children().into_iter().map(skipped_rows).sum::<usize>()
}

fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DefaultColumnType::Text,
        integer if integer.is_integer() => DefaultColumnType::Integer,
        float if float.is_floating() => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Any,
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
