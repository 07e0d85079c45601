//! `headcount init`: creates a working project, from an example or for given files.

mod draft;
mod guess;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use engine::{Error, Result};

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

/// Writes new files below a folder.
fn write_files<T: AsRef<str>>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'static str, T)>,
) -> Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|cause| Error::io(parent, cause))?;
        }
        // `create_new`, so that no existing file is overwritten.
        let mut file = fs::File::create_new(&path).map_err(|cause| Error::io(&path, cause))?;
        let text = text.as_ref().as_bytes();
        file.write_all(text).map_err(|cause| Error::io(&path, cause))?;
    }
    Ok(())
}
