//! The files that pings are computed from.

use std::path::Path;

use super::settings::{PingSettings, PingSource};
use crate::scan::{EventFile, Format};
use crate::{Error, Result};

/// All files as they were found. Equal inputs give equal tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Files of pings, by path.
    pub pings: Vec<EventFile>,
    /// Files of subscriptions.
    pub subscriptions: Vec<EventFile>,
    /// Files of releases; `None` if the project names none.
    pub releases: Option<Vec<EventFile>>,
}

impl Inputs {
    /// Finds the files; relative paths start at `root`.
    ///
    /// # Errors
    /// When a pattern matches no file, or names a file of unknown format.
    pub fn find(root: &Path, sources: &[PingSource], settings: &PingSettings) -> Result<Self> {
        let mut pings = Vec::new();
        for source in sources {
            let found = ping_files(root, &source.files);
            pings.extend(found.map_err(|error| error.with("source", &source.name))?);
        }
        pings.sort_by(|a: &EventFile, b| a.path.cmp(&b.path));
        pings.dedup_by(|a, b| a.path == b.path);
        let subscriptions = EventFile::find(root, &settings.subscriptions)?;
        let releases = &settings.releases;
        let releases = match releases.is_empty() {
            true => None,
            false => Some(EventFile::find(root, releases)?),
        };
        Ok(Self { pings, subscriptions, releases })
    }
}

/// The files of a source of pings. A folder may hold files of other formats, which are left out.
fn ping_files(root: &Path, patterns: &[String]) -> Result<Vec<EventFile>> {
    let found = |patterns: &[String]| -> Result<Vec<EventFile>> {
        let mut files = EventFile::present(root, patterns)?;
        files.retain(|file| file.format == Format::Ndjson);
        Ok(files)
    };
    for pattern in patterns {
        if found(std::slice::from_ref(pattern))?.is_empty() {
            let path = root.join(pattern);
            return Err(Error::input("no files of pings found").with("file", path.display()).with(
                "help",
                "name a file, a folder or a glob of .json, .ndjson or .jsonl files; they may also \
                 end in .gz or .zst",
            ));
        }
    }
    found(patterns)
}
