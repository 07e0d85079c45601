//! `headcount publish`: writes the rows of all levels as a table, with a dbt package around it.

use std::collections::BTreeSet;
use std::path::Path;

use engine::active::Answer;
use engine::calendar::Window;
use engine::overview;
use engine::pings::Refused;
use engine::project::Project;
use engine::storage::Storage;
use engine::store::{Publication, PublishedRows};
use engine::{Error, Result};

use super::args;
use super::messages::{Outcome, print_message, print_refused};
use super::progress::Progress;
use super::report::{Asked, SMALLER_REPORT, answer_to, job, load, print_notes};
use crate::output::text::format_number;
use crate::publish::{Package, TABLE, TableRows};
use crate::report::{Style, schema};

pub(super) fn run(root: &Path, options: &args::Publish) -> Result<Outcome> {
    let here = std::env::current_dir().map_err(|cause| Error::io(Path::new("."), cause))?;
    // Before the events are counted.
    let publication = Publication::new(Storage::parse(&here, &options.output)?, options.format)?;
    let (project, dictionary) = load(root)?;
    let windows = windows(&project, &options.window)?;
    let (mut bytes, style) = (Vec::new(), Style::default());
    let (mut answers, mut refused) = (Vec::new(), Refused::new());
    let progress = Progress::new("counting");
    let rows = {
        let job = job(&progress, options.count.memory_limit, SMALLER_REPORT);
        let mut rows = TableRows::new(&mut bytes, &options.count.by, &style, &job);
        for (at, window) in windows.iter().enumerate() {
            let by = dimensions(&project, &windows, at, &options.count.by);
            let asked = Asked {
                question: options.question(*window, by),
                variant: options.count.variant(None),
                use_store: !options.count.no_store,
            };
            let overview = answer_to(&project, &dictionary, &asked, &job, &mut rows)?;
            answers.push(overview.answer);
            refused.extend(overview.refused);
        }
        rows.finish()?
    };
    drop(progress);
    let table = publication.address(TABLE);
    let schema = schema(&options.count.by);
    let package = Package {
        table: table.clone(),
        format: options.format,
        schema: schema.clone(),
        windows: &windows,
        levels: &BTreeSet::from_iter(options.level.iter().copied()),
    };
    let published = PublishedRows { name: TABLE, comment: "Active users", schema, rows, bytes };
    let waiting = || print_message("waiting for another process that is publishing here");
    let changed = publication.replace(published, package.files(), waiting)?;
    let outcomes = [print_all_notes(&answers), print_refused(&refused)];
    let what = if changed { "published" } else { "unchanged:" };
    print_message(&format!("{what} {} rows: {table}", format_number(rows)));
    Ok(outcomes.into_iter().find(|outcome| *outcome != Outcome::Done).unwrap_or(Outcome::Done))
}

/// The windows to publish: those that are named, each once, or else months of events, and pings.
///
/// # Errors
/// When two of them have rows with the same keys.
fn windows(project: &Project, named: &[Window]) -> Result<Vec<Window>> {
    let (has_events, has_pings) = (!project.sources.is_empty(), !project.ping_sources.is_empty());
    let mut windows: Vec<Window> = Vec::new();
    for window in named {
        if !windows.contains(window) {
            windows.push(*window);
        }
    }
    if named.is_empty() {
        windows.extend(has_events.then_some(Window::Month));
        windows.extend(has_pings.then_some(Window::Ping28d));
    }
    let events = Window::Last28dOfMonth;
    if has_events && windows.contains(&events) && windows.contains(&Window::Ping28d) {
        return Err(Error::input(format!(
            "the windows {} and {events} cannot be published together",
            Window::Ping28d
        ))
        .with(
            "help",
            format!(
                "{} has rows of events in {events}, too; publish one of them to another folder",
                Window::Ping28d
            ),
        ));
    }
    Ok(windows)
}

/// The dimensions of `by` that a window knows. Those that no window knows are given to the first one,
/// which refuses them.
fn dimensions(project: &Project, windows: &[Window], at: usize, by: &[String]) -> Vec<String> {
    let knows = |window: Window, name: &String| match window {
        Window::Ping28d => overview::DIMENSIONS.contains(&name.as_str()),
        _ => project.sources.iter().any(|source| source.dimension(name).is_some()),
    };
    let is_known = |name: &&String| {
        let unknown = || !windows.iter().any(|window| knows(*window, name));
        knows(windows[at], name) || at == 0 && unknown()
    };
    by.iter().filter(is_known).cloned().collect()
}

/// Prints the notes of all answers, each once. Unmapped events and rejected rows are those of the first:
/// all answers have read the same events.
fn print_all_notes(answers: &[Answer]) -> Outcome {
    let Some((first, others)) = answers.split_first() else { return Outcome::Done };
    let outcome = print_notes(first);
    let mut seen: BTreeSet<&String> = first.notes.iter().collect();
    for note in others.iter().flat_map(|answer| &answer.notes) {
        if seen.insert(note) {
            print_message(&format!("note: {note}"));
        }
    }
    outcome
}
