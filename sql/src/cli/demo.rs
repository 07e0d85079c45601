//! `headcount demo`: a report on the real data set in this repository.

use std::path::{Path, PathBuf};

use engine::active::{Level, Question};
use engine::calendar::Day;
use engine::project::PROJECT_FILE;
use engine::{Error, Result};

use super::args;
use super::messages::{Outcome, print_message};
use super::output::Destination;
use super::report::{answer_question, print_notes};
use crate::output::Format;
use crate::report::{Style, write};

/// Months that the terminal shows; the HTML report has all of them.
const MONTHS: usize = 6;
const TITLE: &str = "Who builds Rails and Jekyll: monthly active contributors";

pub(super) fn run(options: &args::Demo) -> Result<Outcome> {
    let page = Destination::new(None, Some(&options.output), &[Format::Html]);
    let root = project()?;
    let levels = [Level::Total, Level::Combined, Level::Section, Level::Stage];
    let question = Question { levels: levels.into(), ..Question::default() };
    let mut answer = answer_question(&root, &question)?;
    let style = |color| Style { title: TITLE.to_owned(), color };
    page.write(|out, color| write(&answer.report, page.format, out, &style(color)))?;

    let mut starts: Vec<Day> = answer.report.rows.iter().map(|row| row.period.start).collect();
    starts.dedup();
    let first = starts.iter().rev().nth(MONTHS - 1).copied();
    answer.report.rows.retain(|row| first.is_none_or(|first| row.period.start >= first));
    let table = Destination::new(Some(Format::Table), None, &[]);
    table.write(|out, color| write(&answer.report, table.format, out, &style(color)))?;
    print_message(&format!(
        "\nThe last {MONTHS} of {} months. The full report, with charts: {}",
        starts.len(),
        options.output.display()
    ));
    print_message(&format!("The project: {} (try `headcount report` there)", root.display()));
    Ok(print_notes(&answer))
}

/// The demo's project: in this checkout, or where the program was built.
fn project() -> Result<PathBuf> {
    let inside = Path::new("datasets/contributions");
    let here = std::env::current_dir().map_err(|cause| Error::io(Path::new("."), cause))?;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let found = here.ancestors().chain(built).map(|folder| folder.join(inside));
    found.into_iter().find(|root| root.join(PROJECT_FILE).is_file()).ok_or_else(|| {
        Error::input("the data set of the demo was not found")
            .with("file", inside.display())
            .with("help", "run the demo inside a checkout of the repository")
    })
}
