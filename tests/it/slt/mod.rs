//! Runs the sqllogictest files of `tests/slt`, whose README.md describes the folders and labels.
//!
//! A file runs once for every way to execute its queries, and on a project once for every state of
//! the store: the rows must be the same.

mod database;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::physical_plan::collect;
use sqllogictest::{
    DefaultColumnType, Record, RecordOutput, Runner, TestErrorKind, parse_file,
    strict_column_validator,
};
use tokio::runtime::Runtime;

use self::database::Database;
use crate::answer::sum_of_metric;
use crate::project::{Project, contributions, copy_contributions};
use crate::store::ingest_new;
use crate::visits::{self, Keys};

/// Settings that every file runs with; the names are labels.
const SETTINGS: [(&str, &[&str]); 5] = [
    ("default", &[]),
    ("one_partition", &["datafusion.execution.target_partitions = 1"]),
    ("small_batches", SMALL_BATCHES),
    ("datafusion_aggregation", &[DATAFUSION_AGGREGATION]),
    ("row_states", ROW_STATES),
];
/// Without our planning of distinct counts, which has the label `exact_distinct`.
const DATAFUSION_AGGREGATION: &str = "headcount.exact_distinct = false";
const SMALL_BATCHES: &[&str] =
    &["datafusion.execution.target_partitions = 4", "datafusion.execution.batch_size = 64"];
/// DataFusion skips partial aggregation: each row becomes a state (`convert_to_state`).
const ROW_STATES: &[&str] = &[
    DATAFUSION_AGGREGATION,
    "datafusion.execution.target_partitions = 4",
    "datafusion.execution.batch_size = 100",
    "datafusion.execution.skip_partial_aggregation_probe_rows_threshold = 0",
    "datafusion.execution.skip_partial_aggregation_probe_ratio_threshold = 0.0",
];

#[test]
fn without_a_project() {
    run("", None, &SETTINGS, &[]);
}

#[test]
fn contributions_from_events() {
    let copy = Project::empty();
    copy_contributions(copy.root());
    run("contributions", Some(copy.root()), &SETTINGS, &["events"]);
}

#[test]
fn contributions_from_the_store() {
    let copy = Project::empty();
    copy_contributions(copy.root());
    ingest_new(copy.root());
    run("contributions", Some(copy.root()), &SETTINGS, &["store"]);
}

/// Dense keys with all settings, the others with the default ones.
#[test]
fn visits_of_every_kind_of_key() {
    for keys in Keys::ALL {
        let settings = if keys == Keys::Dense { &SETTINGS[..] } else { &SETTINGS[..1] };
        let label = format!("{keys:?}").to_lowercase();
        let project = visits::project();
        let run = |state| run("visits", Some(project.root()), settings, &[state, &label]);
        visits::write_half(&project, keys, 1);
        ingest_new(project.root());
        visits::write_half(&project, keys, 0);
        run("partial_store");
        ingest_new(project.root());
        run("store");
        std::fs::remove_dir_all(project.path("store")).unwrap();
        run("events");
    }
}

/// The workarounds of `sql/src/datafusion_bugs` give the right rows, and are still needed: plain
/// DataFusion gives other rows for every query that it does not skip.
#[test]
fn datafusion_bugs() {
    run("datafusion_bugs", None, &SETTINGS[..3], &[]);
    let runtime = Arc::new(Runtime::new().unwrap());
    for file in files("datafusion_bugs") {
        let mut runner = Runner::new(|| async { Ok(Database::plain(&runtime)) });
        runner.with_column_validator(strict_column_validator);
        for record in parse_file::<DefaultColumnType>(&file).unwrap() {
            let place = match &record {
                Record::Query { loc, .. } => loc.clone(),
                _ => {
                    runner.run(record).unwrap_or_else(|error| panic!("{error}"));
                    continue;
                }
            };
            match runner.run(record) {
                Ok(RecordOutput::Nothing) => (),
                Ok(_) => panic!(
                    "{place}: DataFusion is right about this now; once it is right about all of \
                     the file, delete the workaround"
                ),
                Err(error) => {
                    let is_wrong =
                        matches!(error.kind(), TestErrorKind::QueryResultMismatch { .. });
                    assert!(is_wrong, "{error}");
                }
            }
        }
    }
}

/// Without this, `row_states` might not test the states of single rows in whole queries.
#[test]
fn partial_aggregation_is_skipped() {
    let runtime = Arc::new(Runtime::new().unwrap());
    let sql = "SELECT exact_distinct(author), approx_count_distinct(author) FROM contributions \
               GROUP BY component";
    let skipped = |settings| {
        let database = Database::open(&runtime, Some(&contributions()), settings).unwrap();
        runtime.block_on(async {
            let frame = database.session.sql(sql).await.unwrap();
            let context = Arc::new(frame.task_ctx());
            let plan = frame.create_physical_plan().await.unwrap();
            collect(Arc::clone(&plan), context).await.unwrap();
            sum_of_metric(&plan, "skipped_aggregation_rows")
        })
    };
    assert_eq!(skipped(&[]), 0);
    assert!(skipped(ROW_STATES) > 50_000);
}

/// Runs the files of a folder once for every setting, with its name and `labels` as labels.
fn run(folder: &str, project: Option<&Path>, settings: &[(&str, &[&str])], labels: &[&str]) {
    let runtime = Arc::new(Runtime::new().unwrap());
    let mut failures = Vec::new();
    for file in files(folder) {
        for (name, settings) in settings {
            let mut runner = Runner::new(|| async { Database::open(&runtime, project, settings) });
            runner.with_column_validator(strict_column_validator);
            for label in labels.iter().chain([name]) {
                runner.add_label(label);
            }
            if !settings.contains(&DATAFUSION_AGGREGATION) {
                runner.add_label("exact_distinct");
            }
            if let Err(error) = runner.run_file(&file) {
                failures.push(format!("{labels:?}, {name}: {error}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The files of a folder of `tests/slt`, by name.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/slt").join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "slt"));
    files.sort();
    assert!(!files.is_empty(), "no files in {}", folder.display());
    files
}
