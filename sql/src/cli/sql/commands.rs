//! The prompt's backslash commands.

use engine::{Error, Result};

use crate::output::Format;

/// The text of `\?`.
pub(super) const HELP: &str = "\
\\d [TABLE]         list the tables, or the columns of one
\\h [FUNCTION]      list the functions, or describe one; \\h * writes docs/functions.md
\\format [FORMAT]   table, csv, tsv, json, ndjson, markdown or parquet
\\x [on|off]        show every row as a record, one line for each value
\\timing [on|off]   show how long each statement takes
\\q                 quit (also Ctrl-D)
\\?                 this list
A statement ends with a semicolon. Ctrl-C cancels a running statement, or clears the input.
Results longer than a screen go through $PAGER, and tables stop after 1,000 rows.
Tab completes. Files, folders and globs in single quotes are tables.
";

/// The commands by name, for completion.
pub(super) const NAMES: [&str; 7] = ["\\d", "\\h", "\\format", "\\x", "\\timing", "\\q", "\\?"];

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
    Expanded(Option<bool>),
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
            ("\\x", word) => Ok(Self::Expanded(word.map(on_or_off).transpose()?)),
            ("\\timing", word) => Ok(Self::Timing(word.map(on_or_off).transpose()?)),
            ("\\q" | "\\quit", _) => Ok(Self::Quit),
            ("\\?" | "\\help", _) => Ok(Self::Help),
            _ => Err(Error::input(format!("unknown command `{name}`"))
                .with("help", "`\\?` lists the commands")),
        }
    }
}

fn on_or_off(word: &str) -> Result<bool> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Error::input("use `on` or `off`")),
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
            ("\\x", Command::Expanded(None)),
            ("\\x on", Command::Expanded(Some(true))),
            ("\\timing", Command::Timing(None)),
            ("\\timing off", Command::Timing(Some(false))),
            ("\\q", Command::Quit),
            ("\\?", Command::Help),
        ] {
            assert_eq!(Command::of(text).unwrap(), expected, "{text}");
        }
        for text in ["\\y", "\\format docx", "\\timing maybe", "\\x auto", "\\"] {
            assert!(Command::of(text).is_err(), "{text}");
        }
        for name in NAMES {
            assert!(HELP.contains(name) && Command::of(name).is_ok(), "{name}");
        }
    }
}
