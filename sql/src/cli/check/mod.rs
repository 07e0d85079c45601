//! `headcount check`: reports every problem of the project, the dictionary and the sources, with
//! file, line and key, the events that no metric uses, and where metrics have data.

mod data_table;

use std::collections::BTreeMap;
use std::io::{BufWriter, Write, stdout};
use std::path::Path;

use engine::active::{Survey, inspect};
use engine::metric::{Dictionary, Problem, Severity, Uncounted};
use engine::metric_data::metric_data;
use engine::pings::{Inputs, MetricPaths, PingTables, Refused};
use engine::project::Project;
use engine::scan::Source;
use engine::{JobContext, Result};

use super::args;
use super::messages::{Outcome, output_error, print_refused, print_reject_reasons};
use super::progress::Progress;

/// Most unused events that are listed; the rest is counted.
const MOST: usize = 20;

pub(super) fn run(root: &Path, options: &args::Check) -> Result<Outcome> {
    let mut out = BufWriter::new(stdout().lock());
    let (project, problems) = Project::read(root);
    let mut errors = list(&mut out, &problems)?;
    let Some(project) = project else {
        return print_result(&mut out, errors);
    };
    let loaded = project.dictionary.as_ref().map(Dictionary::load).transpose();
    let is_defined = project.dictionary.is_some();
    let dictionary = match loaded {
        Ok(None) => Some(Dictionary::default()),
        Ok(Some(dictionary)) => {
            errors += list(&mut out, &dictionary.problems)?;
            print_dictionary(&mut out, &dictionary).map_err(output_error)?;
            Some(dictionary)
        }
        Err(error) => {
            errors += 1;
            writeln!(out, "error: {error}").map_err(output_error)?;
            None
        }
    };
    out.flush().map_err(output_error)?;
    let dictionary = dictionary.filter(|_| errors == 0);
    // Sources with errors are skipped; the others are checked.
    let is_sure = |source: &Source| {
        let is_own = |problem: &&Problem| problem.key.starts_with(&source.key);
        problems.iter().filter(is_own).all(|problem| problem.severity != Severity::Error)
    };
    let found = {
        let progress = Progress::new("reading");
        let job = JobContext::default().with_progress(|done, total| progress.at(done, total));
        inspect(&project, dictionary.as_ref(), is_sure, &job)?
    };
    errors += list(&mut out, &found.problems)?;
    if let Some(survey) = &found.survey {
        match is_defined {
            true => print_survey(&mut out, survey),
            false => {
                let events = survey.unknown.iter().map(|(name, events)| (name.clone(), *events));
                let title = |sum| format!("no dictionary: {sum} events are counted by their names");
                print_events(&mut out, title, events)
            }
        }
        .map_err(output_error)?;
    }
    let mut refused = Refused::new();
    if let Some(dictionary) = dictionary.filter(|_| errors == 0) {
        match pings(&project, &dictionary, &mut out) {
            Ok(tables) => {
                refused = tables.as_ref().map(|t| t.collection.refused()).unwrap_or_default();
                let data = metric_data(&dictionary, found.survey.as_ref(), tables.as_ref());
                if is_defined {
                    data_table::print(&mut out, &dictionary, &data, options.verbose)
                        .map_err(output_error)?;
                }
            }
            Err(error) => {
                errors += 1;
                writeln!(out, "error: {error}").map_err(output_error)?;
            }
        }
    }
    let outcome = print_result(&mut out, errors)?;
    let outcomes = [outcome, print_reject_reasons(&found.rejects), print_refused(&refused)];
    Ok(outcomes.into_iter().find(|outcome| *outcome != Outcome::Done).unwrap_or(Outcome::Done))
}

/// Reads the pings; `None` if the project has no sources of them.
fn pings(
    project: &Project,
    dictionary: &Dictionary,
    out: &mut impl Write,
) -> Result<Option<PingTables>> {
    if project.ping_sources.is_empty() {
        return Ok(None);
    }
    let Project { root, ping_sources, pings, .. } = project;
    let inputs = Inputs::find(root, ping_sources, pings, None)?;
    let paths = MetricPaths::key_paths(dictionary);
    let job = JobContext::default();
    let tables = PingTables::load(pings, dictionary, &inputs, Some(&paths), &job)?;
    let collection = &tables.collection;
    let (pings, installations) = (collection.pings.len(), collection.installations.len());
    writeln!(out, "pings: {pings} of {installations} installations").map_err(output_error)?;
    for overflow in tables.overflows() {
        writeln!(out, "note: {overflow}").map_err(output_error)?;
    }
    Ok(Some(tables))
}

/// Lists problems and returns how many of them are errors.
fn list(out: &mut impl Write, problems: &[Problem]) -> Result<usize> {
    for problem in problems {
        writeln!(out, "{problem}").map_err(output_error)?;
    }
    Ok(problems.iter().filter(|problem| problem.severity == Severity::Error).count())
}

fn print_result(out: &mut impl Write, errors: usize) -> Result<Outcome> {
    let (text, outcome) = match errors {
        0 => ("no errors".to_owned(), Outcome::Done),
        1 => ("1 error".to_owned(), Outcome::Failed),
        more => (format!("{more} errors"), Outcome::Failed),
    };
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(output_error)?;
    Ok(outcome)
}

fn print_dictionary(out: &mut impl Write, dictionary: &Dictionary) -> std::io::Result<()> {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let uncounted = dictionary.metrics.iter().filter_map(|metric| metric.counted().err());
    for reason in uncounted {
        let reason: Uncounted = reason;
        *reasons.entry(reason.to_string()).or_default() += 1;
    }
    let left: usize = reasons.values().sum();
    writeln!(
        out,
        "dictionary: {} files, {} events, {} metrics, {} of them counted",
        dictionary.files.len(),
        dictionary.events.len(),
        dictionary.metrics.len(),
        dictionary.metrics.len() - left,
    )?;
    for (reason, metrics) in reasons {
        writeln!(out, "  not counted ({reason}): {metrics}")?;
    }
    Ok(())
}

fn print_survey(out: &mut impl Write, found: &Survey) -> std::io::Result<()> {
    let known = found.events.values().map(|span| span.count);
    let events: u64 = known.chain(found.unknown.values().copied()).sum();
    writeln!(
        out,
        "data: {events} events with {} different names",
        found.events.len() + found.unknown.len()
    )?;
    for note in &found.notes {
        writeln!(out, "warning: {note}")?;
    }
    let unknown = found.unknown.iter().map(|(name, events)| (name.clone(), *events));
    let title = |sum| format!("warning: {sum} events are not in the dictionary and not counted");
    print_events(out, title, unknown)?;
    let unmapped = found.unmapped.iter().map(|((event, values), events)| {
        let values = found.dimensions.iter().zip(values).map(|(dimension, value)| {
            format!("{dimension}: {}", value.as_deref().unwrap_or("(none)"))
        });
        (format!("{event} {{{}}}", values.collect::<Vec<_>>().join(", ")), *events)
    });
    let title =
        |sum| format!("warning: {sum} events are used by no metric and counted only in the total");
    print_events(out, title, unmapped)
}

fn print_events(
    out: &mut impl Write,
    title: impl Fn(u64) -> String,
    events: impl Iterator<Item = (String, u64)>,
) -> std::io::Result<()> {
    let mut events: Vec<(String, u64)> = events.collect();
    if events.is_empty() {
        return Ok(());
    }
    events.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let sum: u64 = events.iter().map(|(_, events)| events).sum();
    writeln!(out, "{}:", title(sum))?;
    for (name, events) in events.iter().take(MOST) {
        writeln!(out, "  {events:>10}  {name}")?;
    }
    if events.len() > MOST {
        writeln!(out, "  ... and {} more kinds", events.len() - MOST)?;
    }
    Ok(())
}
