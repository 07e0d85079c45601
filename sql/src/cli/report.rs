//! `headcount report`: asks the question and writes the answer.

use std::io::{BufWriter, Write, stdout};
use std::path::Path;

use engine::active::{Answer, Question, answer, answer_from_events};
use engine::metric::Dictionary;
use engine::project::Project;
use engine::{Error, Kind, Result};

use super::output::{format, refuse_terminal, to_file};
use super::progress::Progress;
use super::{Outcome, args, colours, output_error, say, tell_rejects};
use crate::report::{Format, Style, write};

pub(super) fn run(root: &Path, options: &args::Report) -> Result<Outcome> {
    let output = options.output.as_deref();
    let format = format(options.format, output, &Format::ENDINGS, Format::Table);
    if output.is_none() {
        refuse_terminal(format.is_binary())?;
    }
    let answer = ask(root, &options.question(), !options.no_store)?;
    match output {
        Some(path) => to_file(path, |out| write(&answer.report, format, out, &Style::default()))?,
        None => {
            let style = Style { color: colours(), ..Style::default() };
            let mut out = BufWriter::new(stdout().lock());
            write(&answer.report, format, &mut out, &style)?;
            out.flush().map_err(output_error)?;
        }
    }
    Ok(tell(&answer))
}

/// Answers a question about the project in a folder.
pub(super) fn ask(root: &Path, question: &Question, use_store: bool) -> Result<Answer> {
    let project = Project::load(root)?;
    let dictionary = dictionary(&project)?;
    let progress = Progress::new("counting");
    let answer = if use_store { answer } else { answer_from_events };
    answer(&project, &dictionary, question, &|done, total| progress.at(done, total))
}

/// Tells what a reader of the report should know besides.
pub(super) fn tell(answer: &Answer) -> Outcome {
    for note in &answer.notes {
        say(&format!("note: {note}"));
    }
    if !answer.unmapped.is_empty() {
        let events: u64 = answer.unmapped.values().sum();
        let mut names: Vec<(&String, &u64)> = answer.unmapped.iter().collect();
        names.sort_by_key(|(name, events)| (std::cmp::Reverse(**events), *name));
        let first: Vec<&str> = names.iter().take(3).map(|(name, _)| name.as_str()).collect();
        say(&format!(
            "note: {events} events of {} names are not in the dictionary and were not counted \
             ({}{}); see `headcount check`",
            names.len(),
            first.join(", "),
            if names.len() > 3 { ", ..." } else { "" },
        ));
    }
    tell_rejects(&answer.seen.rejects)
}

/// Loads the dictionary; its errors end the command, its warnings are counted.
fn dictionary(project: &Project) -> Result<Dictionary> {
    let dictionary = Dictionary::load(&project.dictionary)?;
    if !dictionary.has_errors() {
        return Ok(dictionary);
    }
    let errors: Vec<_> = dictionary
        .problems
        .into_iter()
        .filter(|problem| problem.severity == engine::metric::Severity::Error)
        .collect();
    for problem in &errors {
        say(&problem.to_string());
    }
    Err(Error::new(Kind::Input, format!("the dictionary has {} errors", errors.len()))
        .with("help", "run `headcount check` to list them"))
}
