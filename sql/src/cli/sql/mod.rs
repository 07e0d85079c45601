//! `headcount sql`: statements from the command line, from files, from stdin, or from a prompt.

pub(super) mod answers;
mod commands;
mod complete;
mod progress;
mod prompt;
mod shell;

use std::io::{IsTerminal, Read, stdin, stdout};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use engine::project::Project;
use engine::{Error, Result};

use super::args;
use super::messages::Outcome;
use super::output::Destination;
use crate::output::{Format, Out};
use shell::{Origin, Shell};

pub(super) fn run(project: Option<PathBuf>, options: &args::Sql) -> Result<Outcome> {
    let output = options.output.as_deref();
    let destination = Destination::new(options.format, output, Format::OF_QUERIES);
    let project = project_of(project)?;
    let root = project.as_ref().map(|project| project.root.clone());
    if options.expanded && destination.format != Format::Table {
        let message = format!("--expanded is for tables, not for format {}\n", destination.format);
        clap::Error::raw(ErrorKind::ArgumentConflict, message).exit();
    }
    let mut shell = Shell::new(project, &options.options(), destination.format)?;
    shell.expand(options.expanded);
    let has_texts = !options.file.is_empty() || !options.command.is_empty();
    if !has_texts && output.is_none() && stdin().is_terminal() && stdout().is_terminal() {
        prompt::run(&mut shell, root.as_deref())?;
        return Ok(Outcome::Done);
    }
    let mut texts = Vec::new();
    for file in &options.file {
        texts.push((Origin::File(file.clone()), read(file)?));
    }
    texts.extend(options.command.iter().map(|text| (Origin::Argument, text.clone())));
    if !has_texts {
        let file = PathBuf::from("-");
        let text = read(&file)?;
        texts.push((Origin::File(file), text));
    }
    if output.is_none() {
        shell.find_terminal();
    }
    destination.stream(|out, _| run_all(&mut shell, &texts, out))?;
    Ok(shell.outcome())
}

/// Runs all texts in one session, until the first error or `\q`.
fn run_all(shell: &mut Shell, texts: &[(Origin, String)], out: Out<'_>) -> Result<()> {
    for (origin, text) in texts {
        if shell.run_all(origin, text, out)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The named project, else the nearest one in a parent folder; `None` if there is none.
fn project_of(named: Option<PathBuf>) -> Result<Option<Project>> {
    let here = Path::new(".");
    match named.or_else(|| Project::find(here).ok()) {
        Some(root) => Project::load(&root).map(Some),
        None => Ok(None),
    }
}

/// The text of a file, or of stdin for `-`.
fn read(path: &Path) -> Result<String> {
    let failed = |cause| Error::io(path, cause);
    if path.as_os_str() == "-" {
        let mut text = String::new();
        stdin().read_to_string(&mut text).map_err(failed)?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(failed)
}
