//! The output folder: written to a temporary folder, then moved into place.
//!
//! Everything is written below `.partial` in the folder, then moved to its place, `headcount.yaml`
//! last: without that file the folder is no project, so an interrupted run leaves no project.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const PARTIAL: &str = ".partial";
/// What data sets consist of, in the order in which the parts are put in place, and taken away
/// in the opposite order.
const PARTS: [&str; 8] = [
    "events",
    "pings",
    "subscriptions.csv",
    "releases.csv",
    "truth",
    "dictionary",
    "README.md",
    "headcount.yaml",
];
/// Made from the events by others: it is stale when they change.
const DERIVED: &str = "store";

/// A folder that is being filled.
pub(crate) struct Folder {
    out: PathBuf,
    partial: PathBuf,
    /// Whether `out` was not there before.
    created: bool,
}

impl Folder {
    /// Starts to fill the folder `out`.
    ///
    /// # Errors
    /// When `out` is not a folder, is not empty and may not be overwritten, or holds anything that
    /// is not part of an earlier data set.
    pub(crate) fn create(out: &Path, overwrite: bool) -> Result<Self> {
        let created = !out.exists();
        if !created {
            inspect(out, overwrite)?;
        }
        let partial = out.join(PARTIAL);
        remove(&partial)?;
        fs::create_dir_all(&partial).map_err(Error::io("create", &partial))?;
        Ok(Self { out: out.to_owned(), partial, created })
    }

    /// Where a part is written, from its path in the data set.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.partial.join(name)
    }

    /// Creates a folder inside, with those around it.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(crate) fn create_folder(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        fs::create_dir_all(&path).map_err(Error::io("create", &path))
    }

    /// Writes a file whose content is in memory, and creates its folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        if let Some((folder, _)) = name.rsplit_once('/') {
            self.create_folder(folder)?;
        }
        let path = self.path(name);
        fs::write(&path, content).map_err(Error::io("write", &path))
    }

    /// Puts all parts in place of those of an earlier data set.
    ///
    /// # Errors
    /// When a file cannot be moved or removed.
    pub(crate) fn finish(self) -> Result<()> {
        for part in PARTS.iter().rev().chain([&DERIVED]) {
            remove(&self.out.join(part))?;
        }
        for part in PARTS.into_iter().filter(|part| self.path(part).exists()) {
            let to = self.out.join(part);
            fs::rename(self.path(part), &to).map_err(Error::io("move into place", &to))?;
        }
        Ok(())
    }
}

impl Drop for Folder {
    /// Takes away what is left. Nobody can be told when that fails, and the next run starts with
    /// the same step.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.partial);
        if self.created {
            // Refused, as it should be, when the data set is in place.
            let _ = fs::remove_dir(&self.out);
        }
    }
}

fn inspect(out: &Path, overwrite: bool) -> Result<()> {
    let refuse = |problem: String, help| Err(Error::Folder { path: out.to_owned(), problem, help });
    if !out.is_dir() {
        return refuse("is not a folder".to_owned(), "choose another path");
    }
    for entry in fs::read_dir(out).map_err(Error::io("read", out))? {
        let name = entry.map_err(Error::io("read", out))?.file_name();
        let name = name.to_string_lossy();
        if !overwrite && name == PARTIAL {
            let problem = "holds a data set that is incomplete or still being written".to_owned();
            return refuse(problem, "choose another folder, or use --overwrite");
        }
        if !overwrite {
            let problem = format!("is not empty (it holds {name})");
            return refuse(problem, "choose another folder, or use --overwrite");
        }
        if name != PARTIAL && name != DERIVED && !PARTS.contains(&name.as_ref()) {
            let problem = format!("holds {name}, which is not part of a data set");
            return refuse(problem, "choose another folder, or move it away");
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Folder;

    fn fill(folder: &Folder) {
        folder.write("README.md", "new").unwrap();
        folder.write("headcount.yaml", "new").unwrap();
    }

    #[test]
    fn a_folder_that_is_not_finished_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("a/b");
        let folder = Folder::create(&out, false).unwrap();
        fill(&folder);
        assert!(!out.join("headcount.yaml").exists());
        drop(folder);
        assert!(!out.exists());
    }

    #[test]
    fn a_finished_folder_holds_all_parts_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::create(home.path(), false).unwrap();
        fill(&folder);
        folder.write("truth/more/truth.csv", "new").unwrap();
        folder.create_folder("events").unwrap();
        folder.finish().unwrap();
        let mut names: Vec<String> = fs::read_dir(home.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["README.md", "events", "headcount.yaml", "truth"]);
    }

    #[test]
    fn only_an_earlier_data_set_is_replaced() {
        let refused = |entries: &[&str], overwrite| {
            let home = tempfile::tempdir().unwrap();
            for entry in entries {
                fs::write(home.path().join(entry), "old").unwrap();
            }
            let error = Folder::create(home.path(), overwrite).err().map(|e| e.to_string());
            for entry in entries {
                assert!(error.is_none() || home.path().join(entry).exists(), "{entry} is gone");
            }
            error.map(|text| text.split_once(' ').unwrap().1.to_owned())
        };
        let check = |entries: &[&str], overwrite, expected: Option<&str>| {
            assert_eq!(refused(entries, overwrite).as_deref(), expected);
        };
        let or = "choose another folder, or use --overwrite";
        let held = format!("is not empty (it holds README.md): {or}");
        let cut = format!("holds a data set that is incomplete or still being written: {or}");
        let alien = "holds taxes.pdf, which is not part of a data set: \
                     choose another folder, or move it away";
        check(&[], false, None);
        check(&["README.md"], false, Some(&held));
        check(&[".partial"], false, Some(&cut));
        check(&[".partial"], true, None);
        check(&["README.md", "headcount.yaml", "store"], true, None);
        check(&["taxes.pdf"], true, Some(alien));
    }

    #[test]
    fn a_file_is_not_a_folder() {
        let home = tempfile::NamedTempFile::new().unwrap();
        let error = Folder::create(home.path(), true).err().unwrap().to_string();
        assert!(error.ends_with("is not a folder: choose another path"), "{error}");
    }
}
