//! The prompt: lines in, answers out, and a history that lasts.

use std::io::{BufWriter, Write, stdout};
use std::path::{Path, PathBuf};

use engine::{Error, Kind, Result};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use super::super::{output_error, say};
use super::complete::Assistant;
use super::shell::{Origin, Shell};

/// Statements that the history keeps.
const HISTORY: usize = 10_000;

/// Asks for statements until there is an end.
pub(super) fn run(shell: &mut Shell, project: Option<&Path>) -> Result<()> {
    shell.be_interactive();
    let config = Config::builder()
        .max_history_size(HISTORY)
        .map_err(|cause| broken(&cause))?
        .completion_type(CompletionType::List)
        .auto_add_history(true)
        .build();
    let mut editor: Editor<Assistant, FileHistory> =
        Editor::with_config(config).map_err(|cause| broken(&cause))?;
    let (session, runtime) = shell.session()?;
    editor.set_helper(Some(Assistant::new(session, runtime)));
    let history = history_file();
    if let Some(file) = &history {
        // The first time there is none; one that cannot be read is no reason to refuse service.
        let _ = editor.load_history(file);
    }
    let place = project.map_or("no project".to_owned(), |root| root.display().to_string());
    say(&format!("headcount {} ({place}); \\? for help, \\q to quit", env!("CARGO_PKG_VERSION")));
    loop {
        match editor.readline("headcount> ") {
            Ok(text) => {
                if let Some(file) = &history {
                    let _ = editor.append_history(file);
                }
                if leave(&text) || !answer(shell, &text)? {
                    return Ok(());
                }
                if let Some(helper) = editor.helper_mut() {
                    helper.forget();
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => return Ok(()),
            Err(cause) => return Err(broken(&cause)),
        }
    }
}

/// Answers a text; an error is told, and is not the end. `false` if it was asked to leave.
fn answer(shell: &mut Shell, text: &str) -> Result<bool> {
    // The window may have another size by now.
    shell.fit_terminal();
    shell.begin_text();
    let mut out = BufWriter::new(stdout());
    let done = shell.run_all(&Origin::Argument, text, &mut out);
    out.flush().map_err(output_error)?;
    match done {
        Ok(flow) => return Ok(flow.is_continue()),
        Err(error) => say(&format!("error: {error}")),
    }
    Ok(true)
}

/// Words that are meant as `\q`.
pub(super) fn leave(text: &str) -> bool {
    let word = text.trim().trim_end_matches(';').trim_end();
    word.eq_ignore_ascii_case("quit") || word.eq_ignore_ascii_case("exit")
}

/// Where the history lies: the user's folder for such things. `None` if nobody knows it.
fn history_file() -> Option<PathBuf> {
    let of = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = of("XDG_STATE_HOME")
        .or_else(|| Some(of("HOME")?.join(".local/state")))
        .or_else(|| of("LOCALAPPDATA"))?;
    let folder = state.join("headcount");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("sql_history"))
}

fn broken(cause: &ReadlineError) -> Error {
    Error::new(Kind::Io, format!("cannot read from the terminal: {cause}"))
}
