//! The dictionary as tables: `metrics`, `stages`, `events`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int64Array, ListBuilder, StringArray, StringBuilder,
};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{MemTable, TableProvider};
use engine::active::definitions;
use engine::calendar::Day;
use engine::metric::{Dictionary, Group, Metric, Placement, Rule, Severity, Stage, Validity};
use engine::project::Project;
use engine::{Error, JobContext, Result};

use crate::failure::statement_error;

/// The tables.
pub(super) const TABLES: [&str; 3] = ["events", "metrics", "stages"];

/// Reads a project's dictionary.
///
/// # Errors
/// When it has errors: then what the definitions mean is uncertain. The first one is returned.
pub(super) fn load(project: &Project) -> Result<Dictionary> {
    let dictionary = definitions(project, &JobContext::default())?;
    if !dictionary.has_errors() {
        return Ok(dictionary);
    }
    let is_error = |problem: &engine::metric::Problem| problem.severity == Severity::Error;
    let errors = dictionary.problems.iter().filter(|problem| is_error(problem)).count();
    let first = dictionary.problems.into_iter().find(is_error).map(Error::from);
    let error = first.unwrap_or_else(|| Error::internal("an error that is not listed"));
    Err(error.with("errors", errors).with("help", "run `headcount check` to list all errors"))
}

/// The table of that name.
///
/// # Errors
/// As [`load`].
pub(super) fn table(project: &Project, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
    let rows = match name {
        "events" => events(&load(project)?),
        "metrics" => metrics(&load(project)?),
        "stages" => stages(&load(project)?),
        _ => return Ok(None),
    }?;
    let table = MemTable::try_new(rows.schema(), vec![vec![rows]]);
    Ok(Some(Arc::new(table.map_err(|cause| statement_error(cause, None))?)))
}

fn events(dictionary: &Dictionary) -> Result<RecordBatch> {
    let events = || dictionary.events.iter();
    batch(vec![
        ("event", text(events().map(|event| Some(event.action.as_str())))),
        ("aliases", lists(events().map(|event| event.aliases.clone()))),
        ("category", text(events().map(|event| event.category.as_deref()))),
        ("description", text(events().map(|event| Some(event.description.as_str())))),
        ("identifiers", lists(events().map(|event| event.identifiers.clone()))),
        ("group", text(events().map(|event| event.group.as_deref()))),
        ("status", text(events().map(|event| Some(event.status.to_string())))),
        ("file", text(events().map(|event| Some(event.file.display().to_string())))),
        ("line", lines(events().map(|event| event.line))),
    ])
}

/// The place of a metric is the latest that the tree gives it.
fn metrics(dictionary: &Dictionary) -> Result<RecordBatch> {
    let metrics = || dictionary.metrics.iter();
    let places: Vec<Placement<'_>> = metrics()
        .map(|metric| match dictionary.tree.placement(metric, Day::MAX) {
            nowhere if nowhere == Placement::default() => dictionary.tree.any_placement(metric),
            place => place,
        })
        .collect();
    let events = |metric: &Metric| -> Vec<String> {
        let mut events: Vec<String> = metric.rules.iter().map(|rule| rule.event.clone()).collect();
        events.dedup();
        events
    };
    batch(vec![
        ("metric", text(metrics().map(|metric| Some(metric.key_path.as_str())))),
        ("description", text(metrics().map(|metric| Some(metric.description.as_str())))),
        ("section", text(places.iter().map(|place| place.section))),
        ("stage", text(places.iter().map(|place| place.stage))),
        ("group", text(places.iter().map(|place| place.group))),
        (
            "indicators",
            lists(metrics().map(|m| m.indicators.iter().map(ToString::to_string).collect())),
        ),
        ("events", lists(metrics().map(events))),
        ("rules", lists(metrics().map(|m| m.rules.iter().map(rule).collect()))),
        ("operator", text(metrics().map(|metric| Some(metric.operator.to_string())))),
        (
            "time_frames",
            lists(metrics().map(|m| m.time_frames.iter().map(ToString::to_string).collect())),
        ),
        ("data_source", text(metrics().map(|metric| metric.data_source.as_deref()))),
        ("status", text(metrics().map(|metric| Some(metric.status.to_string())))),
        (
            "counted",
            Arc::new(metrics().map(|m| Some(m.counted().is_ok())).collect::<BooleanArray>()),
        ),
        (
            "not_counted_because",
            text(metrics().map(|metric| metric.counted().err().map(|why| why.to_string()))),
        ),
        ("valid_from", days(metrics().map(|metric| metric.valid.from))),
        ("valid_to", days(metrics().map(|metric| metric.valid.to))),
        ("file", text(metrics().map(|metric| Some(metric.file.display().to_string())))),
        ("line", lines(metrics().map(|metric| metric.line))),
    ])
}

/// One row for each group; a stage without groups has one row of its own.
fn stages(dictionary: &Dictionary) -> Result<RecordBatch> {
    let tree = &dictionary.tree;
    let rows: Vec<(&Stage, Option<&Group>)> = tree
        .stages
        .iter()
        .flat_map(|stage| {
            let groups = stage.groups.iter().map(move |group| (stage, Some(group)));
            groups.chain(stage.groups.is_empty().then_some((stage, None)))
        })
        .collect();
    let rows = || rows.iter().copied();
    let section = |stage: &Stage| -> Option<String> {
        let key = stage.section.as_deref()?;
        let section = tree.sections.iter().find(|section| section.key == key);
        Some(section.map_or(key, |section| &section.name).to_owned())
    };
    let valid = |stage: &Stage, group: Option<&Group>| -> Validity {
        group.map_or(stage.valid, |group| group.valid)
    };
    batch(vec![
        ("section", text(rows().map(|(stage, _)| stage.section.as_deref()))),
        ("section_name", text(rows().map(|(stage, _)| section(stage)))),
        ("stage", text(rows().map(|(stage, _)| Some(stage.key.as_str())))),
        ("stage_name", text(rows().map(|(stage, _)| Some(stage.name.as_str())))),
        ("group", text(rows().map(|(_, group)| group.map(|group| group.key.as_str())))),
        ("group_name", text(rows().map(|(_, group)| group.map(|group| group.name.as_str())))),
        ("valid_from", days(rows().map(|(stage, group)| valid(stage, group).from))),
        ("valid_to", days(rows().map(|(stage, group)| valid(stage, group).to))),
        ("file", text(rows().map(|(stage, _)| Some(stage.file.display().to_string())))),
        ("line", lines(rows().map(|(stage, group)| group.map_or(stage.line, |group| group.line)))),
    ])
}

/// `file_modified(component in activerecord, activemodel)`
fn rule(rule: &Rule) -> String {
    let filters: Vec<String> = rule
        .filter
        .iter()
        .map(|(dimension, values)| format!("{dimension} in {}", values.join(", ")))
        .collect();
    if filters.is_empty() {
        rule.event.clone()
    } else {
        format!("{}({})", rule.event, filters.join("; "))
    }
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

fn text<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn lines(values: impl Iterator<Item = usize>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values.map(|line| line as i64)))
}

fn days(values: impl Iterator<Item = Option<Day>>) -> ArrayRef {
    Arc::new(values.map(|day| day.map(Day::number)).collect::<Date32Array>())
}

fn lists(values: impl Iterator<Item = Vec<String>>) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for list in values {
        lists.append_value(list.into_iter().map(Some));
    }
    Arc::new(lists.finish())
}
