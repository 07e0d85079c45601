//! The prompt's backslash commands.

use engine::{Error, Result};

use crate::output::Format;

/// The text of `\?`.
pub(super) const HELP: &str = "\
\\d [TABLE]         list the tables, or the columns of one
\\h [FUNCTION]      list the functions, or describe one; \\h * writes docs/functions.md
\\format [FORMAT]   table, csv, tsv, json, ndjson, markdown or parquet
\\timing [on|off]   show how long each statement takes
\\q                 quit (also Ctrl-D)
\\?                 this list
A statement ends with a semicolon. Ctrl-C cancels a running statement, or clears the input.
Tab completes. Files, folders and globs in single quotes are tables.
";

/// The commands by name, for completion.
pub(super) const NAMES: [&str; 6] = ["\\d", "\\h", "\\format", "\\timing", "\\q", "\\?"];

/// Whether a text means `\q`.
pub(super) fn is_quit(text: &str) -> bool {
    let word = text.trim().trim_end_matches(';').trim_end();
    word.eq_ignore_ascii_case("quit") || word.eq_ignore_ascii_case("exit")
}

/// A parsed command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Tables,
    Describe(String),
    Functions,
    FunctionsPage,
    Function(String),
    Format(Option<Format>),
    Timing(Option<bool>),
    Quit,
    Help,
}

impl Command {
    /// Parses a command, such as `\d visits`. A trailing semicolon is ignored.
    ///
    /// # Errors
    /// When the command or its argument is invalid.
    pub(super) fn of(text: &str) -> Result<Self> {
        let text = text.trim_end_matches(|c: char| c.is_whitespace() || c == ';');
        let (name, argument) = match text.split_once(char::is_whitespace) {
            Some((name, argument)) => (name, Some(argument.trim())),
            None => (text, None),
        };
        let argument = argument.filter(|argument| !argument.is_empty());
        match (name, argument) {
            ("\\d", None) => Ok(Self::Tables),
            ("\\d", Some(table)) => Ok(Self::Describe(table.to_owned())),
            ("\\h", None) => Ok(Self::Functions),
            ("\\h", Some("*")) => Ok(Self::FunctionsPage),
            ("\\h", Some(function)) => Ok(Self::Function(function.to_ascii_lowercase())),
            ("\\format", None) => Ok(Self::Format(None)),
            ("\\format", Some(word)) => {
                let format: Option<Format> = clap::ValueEnum::from_str(word, true).ok();
                match format.filter(|format| Format::OF_QUERIES.contains(format)) {
                    Some(format) => Ok(Self::Format(Some(format))),
                    None => Err(Error::input(format!("unknown format `{word}`"))
                        .with("help", format!("use one of {}", Format::names(Format::OF_QUERIES)))),
                }
            }
            ("\\timing", None) => Ok(Self::Timing(None)),
            ("\\timing", Some("on")) => Ok(Self::Timing(Some(true))),
            ("\\timing", Some("off")) => Ok(Self::Timing(Some(false))),
            ("\\timing", Some(_)) => Err(Error::input("use `on` or `off`")),
            ("\\q" | "\\quit", _) => Ok(Self::Quit),
            ("\\?" | "\\help", _) => Ok(Self::Help),
            _ => Err(Error::input(format!("unknown command `{name}`"))
                .with("help", "`\\?` lists the commands")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, HELP, NAMES};
    use crate::output::Format;

    #[test]
    fn commands_are_read() {
        for (text, expected) in [
            ("\\d", Command::Tables),
            ("\\d  visits ;", Command::Describe("visits".to_owned())),
            ("\\h", Command::Functions),
            ("\\h *", Command::FunctionsPage),
            ("\\h Exact_Distinct", Command::Function("exact_distinct".to_owned())),
            ("\\format csv", Command::Format(Some(Format::Csv))),
            ("\\timing", Command::Timing(None)),
            ("\\timing off", Command::Timing(Some(false))),
            ("\\q", Command::Quit),
            ("\\?", Command::Help),
        ] {
            assert_eq!(Command::of(text).unwrap(), expected, "{text}");
        }
        for text in ["\\x", "\\format docx", "\\timing maybe", "\\"] {
            assert!(Command::of(text).is_err(), "{text}");
        }
        for name in NAMES {
            assert!(HELP.contains(name) && Command::of(name).is_ok(), "{name}");
        }
    }
}
