//! `headcount report --explain METRIC`: the estimates of a metric, and the subscriptions behind them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::prelude::SessionContext;
use engine::active::definitions;
use engine::calendar::Day;
use engine::overview::Variant;
use engine::pings::MetricPath;
use engine::project::Project;
use engine::{Error, JobContext, Result};
use tokio::runtime::Builder;

use super::messages::{Outcome, output_error, print_message, print_refused};
use super::output::Destination;
use super::sql::answers::AnswerCollector;
use crate::catalog::{CatalogOptions, register};
use crate::failure::statement_error;
use crate::output::{Format, Options as OutputOptions, Out, writer};
use crate::session::{self, Options};

/// What to explain.
#[derive(Debug)]
pub(super) struct Explanation<'a> {
    /// A metric of the dictionary, or a key path of pings.
    pub(super) metric: &'a str,
    /// First day, if there is one; months that it lies in are included.
    pub(super) from: Option<Day>,
    /// Last day, if there is one.
    pub(super) to: Option<Day>,
    /// Which estimates.
    pub(super) variant: Variant,
}

/// Writes the explanation: for people the estimates and their subscriptions, otherwise only the
/// subscriptions.
pub(super) fn run(
    root: &Path,
    explanation: &Explanation<'_>,
    destination: &Destination<'_>,
) -> Result<Outcome> {
    let format = destination.format;
    if !Format::OF_QUERIES.contains(&format) {
        let help = format!("use one of: {}", Format::names(Format::OF_QUERIES));
        return Err(
            Error::input(format!("an explanation has no format {format}")).with("help", help)
        );
    }
    let project = Arc::new(Project::load(root)?);
    if project.ping_sources.is_empty() {
        let help = "counts of events have no estimates; see docs/pings.md for sources of pings";
        return Err(Error::input("the project has no pings").with("help", help));
    }
    let dictionary = definitions(&project, &JobContext::default())?;
    let path = MetricPath::find(&dictionary, explanation.metric)?;
    let tables = Tables::new(project)?;
    let estimates = tables.query(&explanation.estimates(&path.key_path))?;
    if estimates.1.iter().all(|batch| batch.num_rows() == 0) {
        let message = format!("there are no estimates of `{}` in these months", path.key_path);
        return Err(Error::input(message).with(
            "help",
            "complete months with a recorded number have estimates; see the tables `ping_recorded` and \
             `ping_estimates`",
        ));
    }
    let subscriptions = tables.query(&explanation.subscriptions(&path.key_path))?;
    let width = destination.width();
    let notes = destination.write(|out, _| {
        let mut notes = BTreeSet::new();
        if matches!(format, Format::Table | Format::Markdown) {
            notes.extend(write(format, width, &estimates, out)?);
            out.write_all(b"\n").map_err(output_error)?;
        }
        notes.extend(write(format, width, &subscriptions, out)?);
        Ok(notes)
    })?;
    let overflows = tables.answers.take_overflows();
    for note in notes.into_iter().chain(overflows.iter().map(ToString::to_string)) {
        print_message(&format!("note: {note}"));
    }
    Ok(print_refused(&tables.answers.take_refused()))
}

impl Explanation<'_> {
    fn estimates(&self, key_path: &str) -> String {
        let condition = self.condition(key_path);
        format!(
            "SELECT month, edition, deployment, condition, measure, numerator, denominator, p, recorded, \
             estimated, total FROM ping_estimates WHERE {condition} AND measure = '{}' \
             ORDER BY month, edition, deployment",
            self.variant.measure
        )
    }

    fn subscriptions(&self, key_path: &str) -> String {
        let condition = self.condition(key_path);
        format!(
            "SELECT month, edition, deployment, subscription_id, seats, counted, versions, why \
             FROM ping_estimate_subscriptions WHERE {condition} \
             ORDER BY month, edition, deployment, subscription_id"
        )
    }

    fn condition(&self, key_path: &str) -> String {
        let first = |day: Day| engine::calendar::Window::Month.at(day).start;
        let from = self.from.map(|day| format!(" AND month >= DATE '{}'", first(day)));
        let to = self.to.map(|day| format!(" AND month <= DATE '{}'", first(day)));
        format!(
            "key_path = '{}' AND condition = '{}'{}{}",
            key_path.replace('\'', "''"),
            self.variant.condition,
            from.unwrap_or_default(),
            to.unwrap_or_default()
        )
    }
}

/// The tables of a project.
struct Tables {
    runtime: tokio::runtime::Runtime,
    session: SessionContext,
    answers: Arc<AnswerCollector>,
}

impl Tables {
    fn new(project: Arc<Project>) -> Result<Self> {
        let failed = |cause| Error::io(".".as_ref(), cause);
        let runtime = Builder::new_multi_thread().enable_all().build().map_err(failed)?;
        let session = session::session(&Options::default())?;
        let answers = Arc::new(AnswerCollector::default());
        let listener = Some(Arc::clone(&answers) as _);
        let options = CatalogOptions { project: Some(project), paths: None, listener };
        register(&session, &options)?;
        Ok(Self { runtime, session, answers })
    }

    fn query(&self, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let rows = async {
            let frame = session::sql(&self.session, sql).await?;
            let schema = Arc::new(frame.schema().as_arrow().clone());
            Ok((schema, frame.collect().await?))
        };
        self.runtime.block_on(rows).map_err(|cause| statement_error(cause, None))
    }
}

/// Writes a table; returns a note about values that it shortens.
fn write(
    format: Format,
    width: Option<usize>,
    (schema, batches): &(SchemaRef, Vec<RecordBatch>),
    out: Out<'_>,
) -> Result<Option<String>> {
    let mut writer =
        writer(format, schema, OutputOptions { width, ..OutputOptions::default() }, out)?;
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    writer.finish()
}
