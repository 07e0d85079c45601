//! Writes the files of a new project.

use std::fs;
use std::io::Write;
use std::path::Path;

use engine::{Error, Result};

/// Writes new files below a folder.
pub(super) fn write_files<T: AsRef<str>>(
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
