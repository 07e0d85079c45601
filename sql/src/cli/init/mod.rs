//! `headcount init`: creates a working project, from an example or for given files.

mod draft;
mod guess;
mod new_files;

use std::path::PathBuf;

use engine::{Error, Result};

use self::new_files::write_files;
use super::args;
use super::messages::{Outcome, print_message};

/// Files of the starter project, by their place in it.
const FILES: [(&str, &str); 5] = [
    ("headcount.yaml", include_str!("../starter/headcount.yaml")),
    ("dictionary/stages.yml", include_str!("../starter/stages.yml")),
    ("dictionary/events/events.yml", include_str!("../starter/events.yml")),
    ("dictionary/metrics/metrics.yml", include_str!("../starter/metrics.yml")),
    ("data/events.csv", include_str!("../starter/events.csv")),
];

pub(super) fn run(options: &args::Init) -> Result<Outcome> {
    let folder = &options.folder;
    let taken: Vec<PathBuf> =
        FILES.iter().map(|(name, _)| folder.join(name)).filter(|path| path.exists()).collect();
    if let Some(path) = taken.first() {
        return Err(Error::input("a project already exists here; nothing was written")
            .with("file", path.display())
            .with("help", "name another folder, or move this one away"));
    }
    if !options.from.is_empty() {
        draft::write(folder, &options.from)?;
        return Ok(Outcome::Done);
    }
    write_files(folder, FILES)?;
    print_message(&format!(
        "created {0}; next:\n  headcount check --project {0}\n  headcount report --project {0}",
        folder.display()
    ));
    Ok(Outcome::Done)
}
