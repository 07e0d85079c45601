//! The dictionary of a project.

use super::survey::survey;
use crate::metric::Dictionary;
use crate::project::Project;
use crate::{JobContext, Result};

/// Reads the definitions of a project. Without any, each event in the data is a metric, for which all
/// events are read once, or the store and what it does not have.
///
/// # Errors
/// When the definitions or the events cannot be read. What is wrong inside of definitions ends up in
/// their problems.
pub fn definitions(project: &Project, job: &JobContext<'_>) -> Result<Dictionary> {
    match &project.dictionary {
        Some(paths) => Dictionary::load(paths),
        None => {
            let survey = survey(project, &Dictionary::default(), job, true)?;
            Ok(Dictionary::of_events(survey.unknown.into_keys()))
        }
    }
}
