//! `headcount reconcile`: compares numbers from events with those from pings.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::record_batch::RecordBatch;
use engine::Result;
use engine::calendar::Day;
use engine::project::Project;
use engine::reconcile::{Cause, Comparison, Reconciliation, Selection, reconcile};

use super::args;
use super::messages::{Outcome, print_message, print_refused, print_rejects};
use super::output::Destination;
use super::progress::Progress;
use super::report::{dictionary, job};
use crate::output::{Format, Options, writer};

/// The columns of tables for people; other formats have all.
const SHOWN: [&str; 8] =
    ["month", "metric", "events", "pings", "difference", "difference_pct", "cause", "explanation"];

pub(super) fn run(root: &Path, options: &args::Reconcile) -> Result<Outcome> {
    let supported = Format::OF_QUERIES;
    let destination = Destination::new(options.format, options.output.as_deref(), supported);
    let project = Project::load(root)?;
    let dictionary = dictionary(&project)?;
    let selection =
        Selection { from: options.from, to: options.to, metrics: options.metric.clone() };
    let found = {
        let progress = Progress::new("counting");
        let help = "narrow `--from` and `--to`, or compare fewer metrics (`--metric`)";
        let job = job(&progress, options.memory_limit, help);
        reconcile(&project, &dictionary, &selection, &job)?
    };
    let Reconciliation { comparisons, notes, summary, refused } = found;
    let is_for_people = matches!(destination.format, Format::Table | Format::Markdown);
    let batch = batch(&comparisons, is_for_people)?;
    let width = destination.width();
    let note = destination.write(|out, _| {
        let options = Options { width, ..Options::default() };
        let mut writer = writer(destination.format, batch.schema_ref(), options, out)?;
        writer.write(&batch)?;
        writer.finish()
    })?;
    for note in notes.iter().chain(&note) {
        print_message(&format!("note: {note}"));
    }
    print_message(&summary_of(&comparisons));
    let outcomes = [print_rejects(&summary.rejects), print_refused(&refused)];
    Ok(outcomes.into_iter().find(|outcome| *outcome != Outcome::Done).unwrap_or(Outcome::Done))
}

/// How many comparisons there are of each cause.
fn summary_of(comparisons: &[Comparison]) -> String {
    let mut causes: BTreeMap<Cause, usize> = BTreeMap::new();
    for comparison in comparisons {
        *causes.entry(comparison.cause).or_default() += 1;
    }
    let causes: Vec<String> =
        causes.into_iter().map(|(cause, count)| format!("{count} {cause}")).collect();
    format!("compared {}: {}", comparisons.len(), causes.join(", "))
}

/// The rows, with all columns or those for people, whose percentages are rounded.
fn batch(rows: &[Comparison], is_for_people: bool) -> Result<RecordBatch> {
    let day = |of: &dyn Fn(&Comparison) -> Day| -> ArrayRef {
        Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| of(row).number())))
    };
    let count = |of: &dyn Fn(&Comparison) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Int64Array>())
    };
    let text = |of: &dyn Fn(&Comparison) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let recorded_at = rows.iter().map(|row| row.recorded_at);
    let recorded_at = TimestampMicrosecondArray::from_iter_values(recorded_at).with_timezone("UTC");
    let complete: BooleanArray = rows.iter().map(|row| Some(row.complete)).collect();
    let change = rows.iter().map(|row| match is_for_people {
        true => row.difference_pct().map(|pct| (pct * 10.0).round() / 10.0),
        false => row.difference_pct(),
    });
    let columns: [(&str, ArrayRef); 17] = [
        ("month", day(&|row| row.month)),
        ("metric", text(&|row| Some(row.key_path.clone()))),
        ("events_start", day(&|row| row.days.start)),
        ("events_end", day(&|row| row.days.end)),
        ("complete", Arc::new(complete)),
        ("events", count(&|row| row.events)),
        ("ping_recorded_at", Arc::new(recorded_at)),
        ("ping_version", text(&|row| row.version.clone())),
        ("pings", count(&|row| row.pings)),
        ("difference", count(&Comparison::difference)),
        ("difference_pct", Arc::new(change.collect::<Float64Array>())),
        ("ping_window", text(&|row| Some(row.ping_window.to_string()))),
        ("ping_start", day(&|row| row.ping_days.start)),
        ("ping_end", day(&|row| row.ping_days.end)),
        ("events_in_ping_days", count(&|row| row.events_in_ping_days)),
        ("cause", text(&|row| Some(row.cause.to_string()))),
        (
            "explanation",
            text(&|row| {
                Some(row.explanation.clone()).filter(|text| is_for_people || !text.is_empty())
            }),
        ),
    ];
    let is_shown = |name: &str| !is_for_people || SHOWN.contains(&name);
    let columns = columns.into_iter().filter(|(name, _)| is_shown(name));
    Ok(RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))?)
}
