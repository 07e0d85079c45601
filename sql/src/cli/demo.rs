//! `headcount demo`: a report on the real data set in this repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use engine::active::{Level, Question};
use engine::calendar::{Day, Window};
use engine::project::PROJECT_FILE;
use engine::{Error, Result};

use super::args;
use super::messages::{Outcome, print_message};
use super::output::Destination;
use super::report::{answer_question, print_notes};
use crate::output::Format;
use crate::report::{Style, write};

/// Months of the table in a file or pipe. On a terminal the table has those that fit, and the HTML
/// report has all.
const MONTHS: usize = 6;
const TITLE: &str = "Who builds Rails and Jekyll: monthly active contributors";

pub(super) fn run(options: &args::Demo) -> Result<Outcome> {
    let page = Destination::new(None, Some(&options.output), &[Format::Html]);
    let root = project()?;
    let levels = [Level::Total, Level::Combined, Level::Section, Level::Stage];
    let question = Question { levels: levels.into(), ..Question::default() };
    let mut answer = answer_question(&root, &question)?;
    let table = Destination::new(Some(Format::Table), None, &[]);
    let style = |color, width| Style { title: TITLE.to_owned(), color, width, pivot: None };
    page.write(|out, color| write(&answer.report, page.format, out, &style(color, None)))?;

    let width = table.width();
    let mut part = String::new();
    if width.is_none() {
        let ends: BTreeSet<Day> = answer.report.rows.iter().map(|row| row.period.end).collect();
        let from = ends.iter().rev().nth(MONTHS - 1).map(|end| Window::Month.at(*end).start);
        answer = answer_question(&root, &Question { from, ..question })?;
        part = format!("The last {MONTHS} of {} months. ", ends.len());
    }
    table.write(|out, color| write(&answer.report, table.format, out, &style(color, width)))?;
    print_message(&format!("\n{part}The full report, with charts: {}", options.output.display()));
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
