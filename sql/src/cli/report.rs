//! `headcount report`: computes a report and writes it.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::ValueEnum;
use clap::error::ErrorKind;
use engine::active::{
    Answer, CollectedRows, Question, ReportRow, RowSink, add_forecast, answer, answer_into,
    definitions,
};
use engine::calendar::Window;
use engine::metric::Dictionary;
use engine::overview::{self, Overview, Variant};
use engine::pings::Refused;
use engine::project::Project;
use engine::{Error, JobContext, Kind, Result};

use super::messages::{Outcome, print_message, print_refused, print_rejects};
use super::output::Destination;
use super::progress::Progress;
use super::{args, explain};
use crate::output::Format;
use crate::output::text::format_number;
use crate::report::{Style, Writer, default_top};

pub(super) fn run(root: &Path, options: &args::Report) -> Result<Outcome> {
    let destination =
        Destination::new(options.format, options.output.as_deref(), Format::value_variants());
    if let Some(explanation) = options.explanation() {
        return explain::run(root, &explanation, &destination);
    }
    let format = destination.format;
    if options.pivot == Some(true) && !format.is_for_people() {
        let message = format!("--pivot is for table, markdown and html, not for {format}\n");
        clap::Error::raw(ErrorKind::ArgumentConflict, message).exit();
    }
    let Overview { answer, refused } = destination.write(|out, color| {
        // The line of progress is gone before the result is written.
        let progress = Progress::new("counting");
        let job = job(&progress, options.count.memory_limit, SMALLER_REPORT);
        let style =
            Style { color, width: destination.width(), pivot: options.pivot, ..Style::default() };
        let mut writer = Writer::new(format, out, &style, &job);
        let overview = match options.forecast {
            None => answer_report(root, options, format, &job, &mut writer)?,
            Some(months) => {
                let mut found = CollectedRows::new(&job);
                let overview = answer_report(root, options, format, &job, &mut found)?;
                with_forecast(overview, found.rows, months, &mut writer)?
            }
        };
        writer.finish()?;
        Ok(overview)
    })?;
    let outcomes = [print_notes(&answer), print_refused(&refused)];
    Ok(outcomes.into_iter().find(|outcome| *outcome != Outcome::Done).unwrap_or(Outcome::Done))
}

/// Gives the rows and their forecast to `out`.
fn with_forecast(
    mut overview: Overview,
    rows: Vec<ReportRow>,
    months: NonZeroUsize,
    out: &mut dyn RowSink,
) -> Result<Overview> {
    let Answer { report, notes, .. } = &mut overview.answer;
    let forecast = add_forecast(rows, report.window, months.get())?;
    report.forecast = Some(forecast.description);
    notes.extend(forecast.notes);
    out.start(report)?;
    forecast.rows.into_iter().try_for_each(|row| out.row(row))?;
    Ok(overview)
}

/// Gives the rows to `out`.
fn answer_report(
    root: &Path,
    options: &args::Report,
    format: Format,
    job: &JobContext<'_>,
    out: &mut dyn RowSink,
) -> Result<Overview> {
    let (project, dictionary) = load(root)?;
    let has_pings = !project.ping_sources.is_empty();
    let mut question = options.question(&dictionary, has_pings)?;
    if question.window != Window::Ping28d || overview::check_top(&project, &question).is_ok() {
        question.top = question.top.or(default_top(format, question.by.len()));
    }
    let asked = Asked {
        question,
        variant: options.count.variant(options.predict),
        use_store: !options.count.no_store,
    };
    let mut overview = answer_to(&project, &dictionary, &asked, job, out)?;
    let window = asked.question.window;
    if has_pings && window != Window::Ping28d {
        let note = format!("pings have no window {window}; only events were counted");
        overview.answer.notes.push(note);
    }
    Ok(overview)
}

/// What a report is asked for.
pub(super) struct Asked {
    pub(super) question: Question,
    /// Which estimates and predictions of pings.
    pub(super) variant: Variant,
    /// Whether the store may answer.
    pub(super) use_store: bool,
}

/// Gives the rows about a project to `out`.
pub(super) fn answer_to(
    project: &Project,
    dictionary: &Dictionary,
    asked: &Asked,
    job: &JobContext<'_>,
    out: &mut dyn RowSink,
) -> Result<Overview> {
    let Asked { question, variant, use_store } = asked;
    if question.window == Window::Ping28d {
        return overview::answer_into(
            project, dictionary, question, *variant, job, *use_store, out,
        );
    }
    if variant.scenario.is_some() {
        let message =
            format!("predictions are made of pings, and the window {} has none", question.window);
        return Err(Error::input(message).with("help", "use --window ping_28d"));
    }
    if project.sources.is_empty() {
        return Err(Error::input("the project has only pings, and no events to count")
            .with("help", "leave out --window, or use --window ping_28d"));
    }
    let answer = answer_into(project, dictionary, question, job, *use_store, out)?;
    Ok(Overview { answer, refused: Refused::new() })
}

/// Answers a question about the project in a folder, from the store and new events.
pub(super) fn answer_question(root: &Path, question: &Question) -> Result<Answer> {
    let (project, dictionary) = load(root)?;
    let progress = Progress::new("counting");
    answer(&project, &dictionary, question, &job(&progress, None, SMALLER_REPORT))
}

/// The project in a folder, and its dictionary.
pub(super) fn load(root: &Path) -> Result<(Project, Dictionary)> {
    let project = Project::load(root)?;
    let dictionary = dictionary(&project)?;
    Ok((project, dictionary))
}

/// How a report needs less memory.
pub(super) const SMALLER_REPORT: &str =
    "narrow `--from` and `--to`, use a longer `--window`, fewer levels or dimensions, or `--top N`";

/// A job that shows its progress and has a memory limit; `help` says how to need less.
pub(super) fn job<'a>(
    progress: &'a Progress,
    limit: Option<usize>,
    help: &'static str,
) -> JobContext<'a> {
    let taken = AtomicUsize::new(0);
    let reserve = move |more: usize| {
        let taken = taken.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        match limit.filter(|limit| taken > *limit) {
            None => Ok(()),
            Some(limit) => {
                let (taken, limit) = (format_number(taken as u64), format_number(limit as u64));
                let message = format!(
                    "the report needs more memory than its limit: {taken} bytes so far, of {limit}"
                );
                Err(Error::limit(message)
                    .with("help", format!("{help}; or raise `--memory-limit`")))
            }
        }
    };
    JobContext::default().with_progress(|done, total| progress.at(done, total)).with_memory(reserve)
}

/// Prints notes, unmapped events and rejected rows of an answer.
pub(super) fn print_notes(answer: &Answer) -> Outcome {
    for note in &answer.notes {
        print_message(&format!("note: {note}"));
    }
    if !answer.summary.unmapped.is_empty() {
        let events: u64 = answer.summary.unmapped.values().sum();
        let mut names: Vec<(&String, &u64)> = answer.summary.unmapped.iter().collect();
        names.sort_by_key(|(name, events)| (std::cmp::Reverse(**events), *name));
        let first: Vec<&str> = names.iter().take(3).map(|(name, _)| name.as_str()).collect();
        print_message(&format!(
            "note: {events} events of {} names are not in the dictionary and were not counted \
             ({}{}); see `headcount check`",
            names.len(),
            first.join(", "),
            if names.len() > 3 { ", ..." } else { "" },
        ));
    }
    print_rejects(&answer.summary.rejects)
}

/// Loads the dictionary; its errors end the command, its warnings are counted.
pub(super) fn dictionary(project: &Project) -> Result<Dictionary> {
    let dictionary = definitions(project, &JobContext::default())?;
    if !dictionary.has_errors() {
        return Ok(dictionary);
    }
    let errors: Vec<_> = dictionary
        .problems
        .into_iter()
        .filter(|problem| problem.severity == engine::metric::Severity::Error)
        .collect();
    for problem in &errors {
        print_message(&problem.to_string());
    }
    Err(Error::new(Kind::Input, format!("the dictionary has {} errors", errors.len()))
        .with("help", "run `headcount check` to list them"))
}
