//! The interactive prompt, with a persistent history.

use std::io::{BufWriter, Write, stdout};
use std::path::{Path, PathBuf};

use engine::{Error, Kind, Result};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use super::super::messages::{output_error, print_message};
use super::commands::is_quit;
use super::complete::EditorHelper;
use super::shell::{Origin, Shell};

/// Statements that the history keeps.
const HISTORY: usize = 10_000;

/// Reads and runs statements until the input ends.
pub(super) fn run(shell: &mut Shell, project: Option<&Path>) -> Result<()> {
    shell.be_interactive();
    let config = Config::builder()
        .max_history_size(HISTORY)
        .map_err(|cause| broken(&cause))?
        .completion_type(CompletionType::List)
        .auto_add_history(true)
        .build();
    let mut editor: Editor<EditorHelper, FileHistory> =
        Editor::with_config(config).map_err(|cause| broken(&cause))?;
    let (session, runtime) = shell.session()?;
    editor.set_helper(Some(EditorHelper::new(session, runtime)));
    let history = history_file();
    if let Some(file) = &history {
        // The file does not exist at first; one that cannot be read is ignored.
        let _ = editor.load_history(file);
    }
    let place = project.map_or("no project".to_owned(), |root| root.display().to_string());
    print_message(&format!(
        "headcount {} ({place}); \\? for help, \\q to quit",
        env!("CARGO_PKG_VERSION")
    ));
    loop {
        match editor.readline("headcount> ") {
            Ok(text) => {
                if let Some(file) = &history {
                    let _ = editor.append_history(file);
                }
                if is_quit(&text) || !answer(shell, &text)? {
                    return Ok(());
                }
                if let Some(helper) = editor.helper_mut() {
                    helper.clear_columns();
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => return Ok(()),
            Err(cause) => return Err(broken(&cause)),
        }
    }
}

/// Runs a text and prints its error, if any. `false` on `\q`.
fn answer(shell: &mut Shell, text: &str) -> Result<bool> {
    // The window may have been resized.
    shell.find_terminal();
    shell.begin_text();
    let mut out = BufWriter::new(stdout());
    let done = shell.run_all(&Origin::Argument, text, &mut out);
    out.flush().map_err(output_error)?;
    match done {
        Ok(flow) => return Ok(flow.is_continue()),
        Err(error) => print_message(&format!("error: {error}")),
    }
    Ok(true)
}

/// The history file in the user's state folder; `None` if there is no such folder.
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
