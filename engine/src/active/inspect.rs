//! Reports every problem of the sources of a project: for `headcount check`.

use std::collections::BTreeMap;

use super::survey::{Survey, request, survey};
use arrow::record_batch::RecordBatch;

use crate::metric::{Dictionary, Problem, Severity};
use crate::project::Project;
use crate::scan::{
    ColumnProblem, EventFile, Rejects, Scan, Sink, Source, column_problems, dimensions_of,
};
use crate::{Error, JobContext, Result};

/// Files that are named for the same problem of a source; the rest is counted.
const MAX_FILES_PER_PROBLEM: usize = 20;

/// What a look at all sources found.
#[derive(Debug)]
pub struct Inspection {
    /// What is wrong with the sources, in their order.
    pub problems: Vec<Problem>,
    /// Data and dictionary side by side, if there was nothing wrong before.
    pub survey: Option<Survey>,
    /// Rejected rows of the files that could be read.
    pub rejects: Rejects,
}

/// Looks at every file of every source, and goes on after a problem. Files are read only for
/// sources that `is_sure` of, because the others might be misunderstood, and are held against the
/// dictionary only if there is one and no file has a problem.
///
/// # Errors
/// When something else than a file is at fault.
pub fn inspect(
    project: &Project,
    dictionary: Option<&Dictionary>,
    is_sure: impl Fn(&Source) -> bool,
    job: &JobContext<'_>,
) -> Result<Inspection> {
    let mut problems = Vec::new();
    let mut fitting = Vec::new();
    for source in &project.sources {
        for file in files(project, source, &mut problems) {
            fitting.push((source, file));
        }
    }
    let fitting = fit(project, fitting, &mut problems);
    let held = match dictionary.filter(|_| problems.is_empty()) {
        Some(dictionary) => survey(project, dictionary, job, false).map(Some),
        None => Ok(None),
    };
    let (survey, rejects) = match held {
        Ok(Some(mut survey)) => {
            let rejects = std::mem::take(&mut survey.summary.rejects);
            (Some(survey), rejects)
        }
        failed => {
            let sure = fitting.into_iter().filter(|(source, _)| is_sure(source));
            let rejects = read(project, sure, &mut problems, job);
            match failed {
                // No file alone is the reason.
                Err(error) if problems.is_empty() => return Err(error),
                _ => (None, rejects),
            }
        }
    };
    for lost in rejects.fully_rejected() {
        let Some(source) = project.sources.iter().find(|source| source.name == lost.source) else {
            continue;
        };
        let problem = project.problem(source, lost.reason.key(), lost.to_string());
        problems.push(problem.with_help(Some(lost.reason.help())));
    }
    Ok(Inspection { problems, survey, rejects })
}

/// The files of a source, pattern by pattern.
fn files(project: &Project, source: &Source, problems: &mut Vec<Problem>) -> Vec<EventFile> {
    let mut files = Vec::new();
    for (at, pattern) in source.files.iter().enumerate() {
        match EventFile::find(&project.root, std::slice::from_ref(pattern)) {
            Ok(found) => files.extend(found.into_iter().map(|file| source.configured(file))),
            Err(error) => {
                problems.push(project.problem(source, &format!("files[{at}]"), error.to_string()));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    files
}

/// Keeps the files that have all columns of their source.
fn fit<'a>(
    project: &Project,
    files: Vec<(&'a Source, EventFile)>,
    problems: &mut Vec<Problem>,
) -> Vec<(&'a Source, EventFile)> {
    let mut fitting = Vec::new();
    // By source and key, in their order.
    let mut found: BTreeMap<(&str, String), Vec<Error>> = BTreeMap::new();
    for (source, file) in files {
        let own = column_problems(source, &file)
            .unwrap_or_else(|error| vec![ColumnProblem { key: "files".to_owned(), error }]);
        if own.is_empty() {
            fitting.push((source, file));
        }
        for ColumnProblem { key, error } in own {
            found.entry((source.name.as_str(), key)).or_default().push(error);
        }
    }
    for source in &project.sources {
        for ((_, key), errors) in found.iter().filter(|((name, _), _)| *name == source.name) {
            for error in errors.iter().take(MAX_FILES_PER_PROBLEM) {
                problems.push(project.problem(source, key, error.to_string()));
            }
            if errors.len() > MAX_FILES_PER_PROBLEM {
                let more = format!(
                    "... and the same in {} more files",
                    errors.len() - MAX_FILES_PER_PROBLEM
                );
                problems.push(project.problem(source, key, more));
            }
        }
    }
    fitting
}

/// Reads files one by one, with all dimensions of their source.
fn read<'a>(
    project: &Project,
    files: impl Iterator<Item = (&'a Source, EventFile)>,
    problems: &mut Vec<Problem>,
    job: &JobContext<'_>,
) -> Rejects {
    let request = request(project, job);
    let mut rejects = Rejects::default();
    for (source, file) in files {
        let own = std::slice::from_ref(source);
        let scan = Scan::of_files(own, vec![(0, file)], &dimensions_of(own));
        match scan.and_then(|scan| scan.run(&request, || Ok(NullSink))) {
            Ok((_, summary)) => rejects.merge(&summary.rejects),
            Err(error) => problems.push(project.problem(source, "files", error.to_string())),
        }
    }
    rejects
}

/// Wants no batch.
struct NullSink;

impl Sink for NullSink {
    fn take(&mut self, _: &RecordBatch) -> Result<()> {
        Ok(())
    }
}

impl Project {
    /// A problem with what the project file says of a source. `key` leads from its definition to
    /// the part that is meant; the line is that of the deepest part that is there.
    fn problem(&self, source: &Source, key: &str, message: String) -> Problem {
        let file = self.root.join(crate::project::PROJECT_FILE);
        let key = format!("{}.{key}", source.key);
        Problem::new(Severity::Error, &file, self.line_of(&key), key, message)
    }
}
