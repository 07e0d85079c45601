//! `headcount docs`: writes the documentation of metrics as a folder of HTML pages.

use std::path::Path;

use engine::pings::{Inputs, PingTables, Refused};
use engine::project::Project;
use engine::{JobContext, Result};

use super::args;
use super::messages::{Outcome, print_message, print_refused};
use super::progress::Progress;
use super::report::{load, print_notes};
use crate::site::folder::Folder;
use crate::site::{Facts, Site};

const INDEX: &str = "index.html";

pub(super) fn run(root: &Path, options: &args::Docs) -> Result<Outcome> {
    let (project, dictionary) = load(root)?;
    // Before the events are counted.
    let folder = Folder::create(&options.output, options.overwrite)?;
    let facts = {
        let progress = Progress::new("counting");
        let job = JobContext::default().with_progress(|done, total| progress.at(done, total));
        let pings = match project.ping_sources.is_empty() {
            true => None,
            false => {
                let Project { root, ping_sources, pings, .. } = &project;
                let inputs = Inputs::find(root, ping_sources, pings)?;
                Some(PingTables::load(root, pings, &dictionary, &inputs, &job)?)
            }
        };
        Facts::new(&project, &dictionary, pings, &job)?
    };
    let site = Site::new(&options.title, &facts)?;
    site.files(&|name, bytes| folder.write(name, bytes))?;
    let (entries, files) = (site.len(), folder.finish()?);
    print_message(&format!(
        "{entries} entries, {files} files: {}",
        options.output.join(INDEX).display()
    ));
    let refused = facts.refused().unwrap_or_else(Refused::new);
    let outcomes =
        [facts.answer.as_ref().map_or(Outcome::Done, print_notes), print_refused(&refused)];
    Ok(outcomes.into_iter().find(|outcome| *outcome != Outcome::Done).unwrap_or(Outcome::Done))
}
