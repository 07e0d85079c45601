//! Destination and format of a command's result: the options `-o` and `--format`.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use engine::{Error, Result};

use super::messages::{output_error, use_colors};
use super::terminal::Terminal;
use crate::output::{Format, Out};

/// Where a command writes its result, and in which format.
#[derive(Clone, Copy, Debug)]
pub(super) struct Destination<'a> {
    pub(super) format: Format,
    /// `None` is stdout.
    file: Option<&'a Path>,
}

impl<'a> Destination<'a> {
    /// The format is the named one, else that of the file's ending, else the first of those that
    /// the command supports. An unknown ending is a usage error and exits the program.
    pub(super) fn new(named: Option<Format>, file: Option<&'a Path>, supported: &[Format]) -> Self {
        match named.map_or_else(|| by_ending(file, supported), Ok) {
            Ok(format) => Self { format, file },
            Err(message) => {
                clap::Error::raw(ErrorKind::ValueValidation, format!("{message}\n")).exit()
            }
        }
    }

    /// The terminal that the result goes to; `None` if it goes elsewhere.
    pub(super) fn terminal(&self) -> Option<Terminal> {
        Terminal::of_stdout().filter(|_| self.file.is_none())
    }

    /// The width that a table has to fit into: that of the terminal.
    pub(super) fn width(&self) -> Option<usize> {
        let terminal = self.terminal().filter(|_| self.format == Format::Table);
        terminal.map(|terminal| terminal.width)
    }

    /// Writes a result. `fill` gets the output, and whether it takes colours. On a terminal, texts
    /// that are longer than a screen go through the pager.
    pub(super) fn write<T>(&self, fill: impl FnOnce(Out<'_>, bool) -> Result<T>) -> Result<T> {
        let Some(terminal) = self.terminal().filter(|_| self.format.is_paged()) else {
            return self.stream(fill);
        };
        let mut text = Vec::new();
        let done = fill(&mut text, use_colors());
        // Results before an error are written.
        terminal.show(&text)?;
        done
    }

    /// As [`write`](Self::write), but without a pager.
    pub(super) fn stream<T>(&self, fill: impl FnOnce(Out<'_>, bool) -> Result<T>) -> Result<T> {
        if let Some(path) = self.file {
            return to_file(path, |out| fill(out, false));
        }
        if self.format.is_binary() && stdout().is_terminal() {
            return Err(binary_to_terminal("use -o FILE"));
        }
        let mut out = BufWriter::new(stdout());
        let done = fill(&mut out, use_colors());
        // Results before an error are written.
        out.flush().map_err(output_error)?;
        done
    }
}

fn by_ending(file: Option<&Path>, supported: &[Format]) -> std::result::Result<Format, String> {
    let Some((path, ending)) = file.and_then(|path| Some((path, path.extension()?))) else {
        return Ok(supported.first().copied().unwrap_or(Format::Table));
    };
    let ending = ending.to_string_lossy();
    let known = || Format::ENDINGS.iter().filter(|(_, format)| supported.contains(format));
    let found = known().find(|(known, _)| known.eq_ignore_ascii_case(&ending));
    found.map(|(_, format)| *format).ok_or_else(|| {
        let names: Vec<String> = known().map(|(known, _)| format!(".{known}")).collect();
        format!(
            "unknown ending `.{ending}` of the output file {}; known endings: {}",
            path.display(),
            names.join(", ")
        )
    })
}

/// The error for binary output to a terminal, with what to do.
pub(super) fn binary_to_terminal(help: &'static str) -> Error {
    Error::input("refusing to write binary output to a terminal").with("help", help)
}

/// Writes a file atomically: to a temporary file that is then renamed. Pipes and devices are
/// written directly.
fn to_file<T>(path: &Path, fill: impl FnOnce(Out<'_>) -> Result<T>) -> Result<T> {
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

    use clap::ValueEnum;

    use super::{binary_to_terminal, by_ending};
    use crate::output::Format;

    #[test]
    fn the_error_for_binary_output_has_help() {
        assert_eq!(
            binary_to_terminal("use -o FILE").to_string(),
            "refusing to write binary output to a terminal; use -o FILE"
        );
    }

    #[test]
    fn the_ending_decides_where_no_format_is_named() {
        let check = |path: &str| by_ending(Some(Path::new(path)), Format::OF_QUERIES);
        assert_eq!(check("a.csv"), Ok(Format::Csv));
        assert_eq!(check("a.b/c.MD"), Ok(Format::Markdown));
        assert_eq!(check("a"), Ok(Format::Table));
        assert_eq!(by_ending(None, Format::value_variants()), Ok(Format::Table));
        assert_eq!(by_ending(Some(Path::new("a.htm")), &[Format::Html]), Ok(Format::Html));
        for unknown in ["a.xlsx", "a.html"] {
            let error = check(unknown).unwrap_err();
            assert!(error.contains(&unknown[1..]) && error.contains(".csv, .tsv"), "{error}");
        }
    }

    #[test]
    fn every_format_has_an_ending_and_its_name_is_one() {
        for format in Format::value_variants() {
            let own = format.to_string().replace("table", "txt");
            assert!(Format::ENDINGS.contains(&(own.as_str(), *format)), "{format}");
        }
    }
}
