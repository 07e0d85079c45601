//! Destination and format of a command's result: the options `-o` and `--format`.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::ErrorKind;
use engine::{Error, Result};

use super::args::Arguments;

/// The named format, else that of the file's ending, else the default. An unknown ending is a usage
/// error and exits the program.
pub(super) fn format<F: Copy>(
    named: Option<F>,
    output: Option<&Path>,
    endings: &[(&str, F)],
    default: F,
) -> F {
    match by_ending(named, output, endings) {
        Ok(format) => format.unwrap_or(default),
        Err(message) => Arguments::command().error(ErrorKind::ValueValidation, message).exit(),
    }
}

fn by_ending<F: Copy>(
    named: Option<F>,
    output: Option<&Path>,
    endings: &[(&str, F)],
) -> std::result::Result<Option<F>, String> {
    let (None, Some(path)) = (named, output) else { return Ok(named) };
    let Some(ending) = path.extension() else { return Ok(None) };
    let ending = ending.to_string_lossy();
    let known = endings.iter().find(|(known, _)| known.eq_ignore_ascii_case(&ending));
    let names = || endings.iter().map(|(ending, _)| format!(".{ending}")).collect::<Vec<_>>();
    known.map(|(_, format)| Some(*format)).ok_or_else(|| {
        format!(
            "unknown ending `.{ending}` of the output file {}; known endings: {}",
            path.display(),
            names().join(", ")
        )
    })
}

/// Refuses to write binary output to a terminal.
pub(super) fn refuse_terminal(is_binary: bool) -> Result<()> {
    if is_binary && stdout().is_terminal() {
        return Err(binary_to_terminal("use -o FILE"));
    }
    Ok(())
}

/// The error for that, with what to do.
pub(super) fn binary_to_terminal(help: &'static str) -> Error {
    Error::input("refusing to write binary output to a terminal").with("help", help)
}

/// Writes a file atomically: to a temporary file that is then renamed. Pipes and devices are
/// written directly.
pub(super) fn to_file<T>(
    path: &Path,
    fill: impl FnOnce(&mut (dyn Write + Send)) -> Result<T>,
) -> Result<T> {
    let failed = |cause| Error::io(path, cause);
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let mut out = BufWriter::new(OpenOptions::new().write(true).open(path).map_err(failed)?);
        return fill(&mut out).and_then(|what| out.flush().map(|()| what).map_err(failed));
    }
    let mut name = OsString::from(".");
    name.push(
        path.file_name().ok_or_else(|| {
            Error::input("the output file has no name").with("file", path.display())
        })?,
    );
    name.push(".part");
    let part: PathBuf = path.with_file_name(name);
    let mut out = BufWriter::new(File::create(&part).map_err(failed)?);
    let written = fill(&mut out).and_then(|what| out.flush().map(|()| what).map_err(failed));
    drop(out);
    match written {
        Ok(what) => std::fs::rename(&part, path).map(|()| what).map_err(failed),
        Err(error) => {
            // The first error is reported; a leftover temporary file is harmless.
            let _ = std::fs::remove_file(&part);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{binary_to_terminal, by_ending};

    const ENDINGS: [(&str, u8); 2] = [("csv", 1), ("md", 2)];

    #[test]
    fn the_error_for_binary_output_has_help() {
        assert_eq!(
            binary_to_terminal("use -o FILE").to_string(),
            "refusing to write binary output to a terminal; use -o FILE"
        );
    }

    #[test]
    fn the_ending_decides_where_no_format_is_named() {
        let check = |named, path: &str| by_ending(named, Some(Path::new(path)), &ENDINGS);
        assert_eq!(check(None, "a.csv"), Ok(Some(1)));
        assert_eq!(check(None, "a.b/c.MD"), Ok(Some(2)));
        assert_eq!(check(None, "a"), Ok(None));
        assert_eq!(check(Some(7), "a.csv"), Ok(Some(7)));
        assert_eq!(check(Some(7), "a.xlsx"), Ok(Some(7)));
        assert_eq!(by_ending(None, None, &ENDINGS), Ok(None));
        let error = check(None, "a.xlsx").unwrap_err();
        assert!(error.contains("`.xlsx`") && error.contains(".csv, .md"), "{error}");
    }
}
