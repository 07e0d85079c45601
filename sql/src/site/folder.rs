//! The folder of a site. All files are written below `.partial` and then moved into place, so an
//! interrupted run leaves the earlier site as it was. Files that are not part of an earlier site are
//! never changed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use engine::{Error, Result};

/// Lists the files of a site, one for each line.
const LIST: &str = "files.txt";
const PARTIAL: &str = ".partial";

/// A folder that is being filled.
pub(crate) struct Folder {
    out: PathBuf,
    partial: PathBuf,
    /// Whether `out` was not there before.
    created: bool,
    /// The files of the earlier site.
    earlier: BTreeSet<String>,
    written: Mutex<BTreeSet<String>>,
}

impl Folder {
    /// Starts to fill the folder `out`.
    ///
    /// # Errors
    /// When `out` is not a folder, or is not empty and may not be overwritten, or holds something else
    /// than an earlier site.
    pub(crate) fn create(out: &Path, overwrite: bool) -> Result<Self> {
        let created = !out.exists();
        let mut earlier = BTreeSet::new();
        if !created {
            let mut entries = fs::read_dir(out).map_err(|cause| Error::io(out, cause))?;
            let is_empty = entries.next().is_none();
            if !is_empty && !overwrite {
                return Err(Error::input("the output folder is not empty")
                    .with("file", out.display())
                    .with("help", "choose another folder, or replace a site with --overwrite"));
            }
            let has_partial = out.join(PARTIAL).exists();
            match fs::read_to_string(out.join(LIST)) {
                Ok(list) => {
                    earlier = list.lines().map(str::to_owned).collect();
                    earlier.insert(LIST.to_owned());
                }
                Err(_) if is_empty || has_partial => {}
                Err(_) => {
                    return Err(Error::input("the output folder holds something else than a site")
                        .with("file", out.display())
                        .with("help", "choose another folder"));
                }
            }
            if let Some(wrong) = earlier.iter().find(|name| !is_relative(name)) {
                return Err(Error::input(format!("{LIST} names a file outside of the folder"))
                    .with("file", out.display())
                    .with("name", wrong)
                    .with("help", "choose another folder"));
            }
        }
        let partial = out.join(PARTIAL);
        remove_folder(&partial)?;
        fs::create_dir_all(&partial).map_err(|cause| Error::io(&partial, cause))?;
        let out = out.to_owned();
        Ok(Self { out, partial, created, earlier, written: Mutex::default() })
    }

    /// Writes a file; its name is a path in the folder, with `/`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.partial.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|cause| Error::io(parent, cause))?;
        }
        fs::write(&path, bytes).map_err(|cause| Error::io(&path, cause))?;
        self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        Ok(())
    }

    /// Puts all files in place of those of the earlier site, and returns how many there are.
    ///
    /// # Errors
    /// When another file has the name of one of them, or a file cannot be moved or removed.
    pub(crate) fn finish(self) -> Result<usize> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let list: String = written.iter().map(|name| format!("{name}\n")).collect();
        self.write(LIST, list.as_bytes())?;
        let all: Vec<&str> = written.iter().map(String::as_str).chain([LIST]).collect();
        for name in all.iter().filter(|name| !self.earlier.contains(**name)) {
            if self.out.join(name).exists() {
                return Err(Error::input(
                    "a file is in the way that is not part of an earlier site",
                )
                .with("file", self.out.join(name).display())
                .with("help", "move it away, or choose another folder"));
            }
        }
        for name in self.earlier.iter().filter(|name| !all.contains(&name.as_str())) {
            let path = self.out.join(name);
            match fs::remove_file(&path) {
                Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(&path, cause));
                }
                _ => {}
            }
        }
        for name in &all {
            let to = self.out.join(name);
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(|cause| Error::io(parent, cause))?;
            }
            fs::rename(self.partial.join(name), &to).map_err(|cause| Error::io(&to, cause))?;
        }
        Ok(all.len())
    }
}

impl Drop for Folder {
    /// Takes away what is left. If that fails, the next run starts with the same step.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.partial);
        if self.created {
            // Refused, as it should be, when the site is in place.
            let _ = fs::remove_dir(&self.out);
        }
    }
}

/// Whether a name of the list is a path in the folder that a site can have.
fn is_relative(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        !part.is_empty() && !part.starts_with('.') && part.chars().all(is_plain)
    };
    name.split('/').count() <= 2 && name.split('/').all(is_part)
}

fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, cause)),
        _ => Ok(()),
    }
}
