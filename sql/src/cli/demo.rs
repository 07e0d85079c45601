//! `headcount demo`: a report on a real data set, that of this checkout or the one in the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use datasets::CONTRIBUTIONS;
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
    let project = DemoProject::find()?;
    let root = project.root();
    let levels = [Level::Total, Level::Combined, Level::Section, Level::Stage];
    let question = Question { levels: levels.into(), ..Question::default() };
    let mut answer = answer_question(root, &question)?;
    let table = Destination::new(Some(Format::Table), None, &[]);
    let style = |color, width| Style { title: TITLE.to_owned(), color, width, pivot: None };
    page.write(|out, color| write(&answer.report, page.format, out, &style(color, None)))?;

    let width = table.width();
    let mut part = String::new();
    if width.is_none() {
        let ends: BTreeSet<Day> = answer.report.rows.iter().map(|row| row.period.end).collect();
        let from = ends.iter().rev().nth(MONTHS - 1).map(|end| Window::Month.at(*end).start);
        answer = answer_question(root, &Question { from, ..question })?;
        part = format!("The last {MONTHS} of {} months. ", ends.len());
    }
    table.write(|out, color| write(&answer.report, table.format, out, &style(color, width)))?;
    print_message(&format!("\n{part}The full report, with charts: {}", options.output.display()));
    if let DemoProject::Checkout(root) = &project {
        print_message(&format!("The project: {} (try `headcount report` there)", root.display()));
    }
    Ok(print_notes(&answer))
}

/// The demo's project.
enum DemoProject {
    /// In this checkout.
    Checkout(PathBuf),
    /// Written by this process, and deleted at its end.
    Temporary(PathBuf),
}

impl DemoProject {
    fn find() -> Result<Self> {
        let here = std::env::current_dir().map_err(|cause| Error::io(Path::new("."), cause))?;
        let mut folders = here.ancestors().map(|folder| folder.join("datasets/contributions"));
        if let Some(folder) = folders.find(|folder| folder.join(PROJECT_FILE).is_file()) {
            return Ok(Self::Checkout(folder));
        }
        let name = format!("headcount-demo-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        // Another's folder of this name is an error, and is not deleted.
        fs::create_dir(&folder).map_err(|cause| Error::io(&folder, cause))?;
        let project = Self::Temporary(folder);
        for (name, bytes) in CONTRIBUTIONS {
            let path = project.root().join(name);
            let parent = path.parent().unwrap_or(project.root());
            fs::create_dir_all(parent).map_err(|cause| Error::io(parent, cause))?;
            fs::write(&path, bytes).map_err(|cause| Error::io(&path, cause))?;
        }
        Ok(project)
    }

    fn root(&self) -> &Path {
        match self {
            Self::Checkout(folder) | Self::Temporary(folder) => folder,
        }
    }
}

impl Drop for DemoProject {
    /// A folder that cannot be deleted stays in the system's folder for temporary files.
    fn drop(&mut self) {
        if let Self::Temporary(folder) = self {
            let _ = fs::remove_dir_all(folder);
        }
    }
}
