//! Compares exact and approximate counting, on sets of real or synthetic users.
//!
//! ```text
//! UserPool --draw--> sets of each size    --+
//! project --members--> sets of each level --+--> Trials per counter --> Measurement --> output
//! project --answer--> whole reports       --+
//! ```
//!
//! The [`Counter`]s are the engine's exact set and sketch, the sketches of Apache DataSketches, and
//! DataFusion's `approx_distinct`. All of them receive the same users in the same order, each once,
//! on one thread, and their estimates are compared with the size of the set. The timed code is in
//! the package `headcount-counters`, so that it is compiled alike for all counters. Equal seeds
//! give equal results, except for times and the memory of whole reports.

mod advice;
mod levels;
mod measurement;
mod settings;
mod show;
mod sizes;
mod trials;
mod user_pool;

#[cfg(test)]
mod tests;

use std::path::Path;

use engine::active::{Level, Question, ReportRow, answer_from_events, definitions, members};
use engine::metric::{Dictionary, Operator};
use engine::project::Project;
use engine::rollup::Counting;
use engine::scan::Rejects;
use engine::{Error, JobContext, Result};

pub use counters::{Counter, Kind};
pub use measurement::{Errors, Measured, Measurement, Node, SetKind};
pub use settings::Settings;
pub use show::write;

use crate::output::text::format_number;
use user_pool::UserPool;

impl Measured {
    /// Conclusions in sentences; the first one is the verdict.
    pub fn advice(&self) -> Vec<String> {
        advice::advice(self)
    }
}

/// Measures with synthetic users, whose keys are dense integers.
///
/// # Errors
/// When there are too many users, or a counter fails.
pub fn measure_synthetic(users: u64, settings: &Settings<'_>) -> Result<Measured> {
    let mut pool = UserPool::synthetic(users)?;
    let mut measured = Measured::new(format!("{} synthetic users", format_number(users)), settings);
    measured.by_size(&mut pool, settings)?;
    Ok(measured)
}

/// Measures with the users of a project: drawn sets, and the nodes and periods of a question.
///
/// # Errors
/// When the project cannot be read, and for questions at the level `combined`.
pub fn measure_project(
    root: &Path,
    question: &Question,
    settings: &Settings<'_>,
) -> Result<Measured> {
    if question.levels.contains(&Level::Combined) {
        return Err(Error::input("the level `combined` is a sum of stages, not a set of users")
            .with("help", "use the level `stage`"));
    }
    let project = Project::load(root)?;
    let dictionary = definitions(&project, &JobContext::default())?;
    if dictionary.has_errors() {
        return Err(Error::input("the dictionary has errors")
            .with("help", "run `headcount check` to list them"));
    }
    let folder = std::path::absolute(root).map_err(|cause| Error::io(root, cause))?;
    let name = folder.file_name().unwrap_or(folder.as_os_str()).display();
    let mut measured = Measured::new(format!("the users of {name}"), settings);
    measured.from_project = true;

    let mut levels = levels::Levels::new(settings);
    let all_users = members(&project, &dictionary, question, &job(settings), &mut |row, users| {
        levels.add(row, users)
    })?;
    if all_users.is_empty() {
        return Err(Error::input(
            "the project has no counted events, so there are no users to measure",
        )
        .with("file", root.display())
        .with(
            "help",
            "run `headcount check` to see why, or use `--invented` to measure with synthetic users",
        ));
    }
    measured.by_size(&mut UserPool::from_users(&all_users), settings)?;
    drop(all_users);
    let (lines, nodes) = levels.finish();
    measured.lines.extend(lines);
    measured.nodes = nodes;
    measured.whole_reports(&project, &dictionary, question, settings)?;
    Ok(measured)
}

impl Measured {
    fn new(subject: String, settings: &Settings<'_>) -> Self {
        Self {
            subject,
            from_project: false,
            users: 0,
            trials: settings.trials,
            seed: settings.seed,
            lines: Vec::new(),
            nodes: Vec::new(),
            notes: Vec::new(),
            rejects: Rejects::default(),
        }
    }

    fn by_size(&mut self, pool: &mut UserPool, settings: &Settings<'_>) -> Result<()> {
        self.users = pool.len();
        let (fit, large): (Vec<u64>, Vec<u64>) =
            settings.sizes.iter().partition(|size| **size <= self.users);
        let words = |sizes: &[u64]| {
            sizes.iter().map(|size| format_number(*size)).collect::<Vec<_>>().join(", ")
        };
        if !large.is_empty() {
            self.notes.push(format!(
                "there are only {} users, so sets of {} were skipped",
                format_number(self.users),
                words(&large)
            ));
        }
        let close: Vec<u64> = fit.iter().copied().filter(|size| size * 2 > self.users).collect();
        if !close.is_empty() {
            self.notes.push(format!(
                "sets of {} users overlap by more than half, so their errors are correlated",
                words(&close)
            ));
        }
        self.lines.extend(sizes::measure(pool, &fit, settings)?);
        Ok(())
    }

    /// Computes the report exactly and with the engine's sketches.
    fn whole_reports(
        &mut self,
        project: &Project,
        dictionary: &Dictionary,
        question: &Question,
        settings: &Settings<'_>,
    ) -> Result<()> {
        let mut counters = vec![Counter::EXACT];
        let intersection = dictionary.metrics.iter().find(|metric| {
            metric.operator == Operator::Intersection
                && metric.rules.len() > 1
                && metric.counted().is_ok()
        });
        match intersection {
            Some(metric) => self.notes.push(format!(
                "no approximate reports: `{}` counts users who did all of its events, and \
                 sketches cannot be intersected",
                metric.key_path
            )),
            None => counters.extend(Counter::all(&settings.precisions, &[Kind::Headcount])),
        }
        let mut truth: Vec<ReportRow> = Vec::new();
        for counter in counters {
            let counting = counter.precision.map_or(Counting::Exact, Counting::Approx);
            let question = Question { counting, ..question.clone() };
            let mut times = Vec::new();
            let mut last = None;
            for _ in 0..levels::REPORTS {
                let start = (settings.clock)();
                last = Some(answer_from_events(project, dictionary, &question, &job(settings))?);
                times.push((settings.clock)().saturating_sub(start));
            }
            let Some(answer) = last else { continue };
            if counter == Counter::EXACT {
                self.notes.extend(answer.notes);
                self.rejects = answer.summary.rejects;
                truth.clone_from(&answer.report.rows);
            }
            let rows = truth.iter().zip(&answer.report.rows);
            self.lines.push(levels::report_line(counter, rows, answer.bytes, &mut times));
        }
        Ok(())
    }
}

/// A job that shows the progress.
fn job<'a>(settings: &Settings<'a>) -> JobContext<'a> {
    JobContext::default().with_progress(settings.progress)
}
