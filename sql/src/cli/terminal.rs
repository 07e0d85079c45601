//! The terminal that results go to: its size, and the pager for results longer than a screen.

use std::env::var_os;
use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write, stdout};
use std::process::{Command, Stdio};

use engine::Result;

use super::messages::{output_error, print_message};

/// The size of a terminal that does not know its own.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// The pager unless PAGER names another, and its options unless LESS has some: pass on colours, cut
/// long lines, leave short texts and the last screen on the terminal.
const PAGER: &str = "less";
const LESS: &str = "FRSX";

/// Exit codes of a shell that could not run a command.
const NOT_RUN: [i32; 2] = [126, 127];

/// The terminal that stdout is, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terminal {
    pub(super) width: usize,
    height: usize,
}

impl Terminal {
    /// `None` if stdout is no terminal.
    pub(super) fn of_stdout() -> Option<Self> {
        if !stdout().is_terminal() {
            return None;
        }
        let size =
            crossterm::terminal::size().ok().filter(|(width, height)| *width > 0 && *height > 0);
        let (width, height) = size.unwrap_or(USUAL_SIZE);
        Some(Self { width: usize::from(width), height: usize::from(height) })
    }

    /// Writes a result to stdout; one that is longer than a screen through the pager, if there is
    /// one. Returns whether Ctrl-C is ignored from now on: it belongs to the pager while that runs.
    pub(super) fn show(self, text: &[u8]) -> Result<bool> {
        let lines = text.iter().filter(|byte| **byte == b'\n').count();
        if lines < self.height {
            return print(text).map(|()| false);
        }
        let Some(pager) = pager(var_os("PAGER"), var_os("TERM")) else {
            return print(text).map(|()| false);
        };
        ignore_interrupts();
        if !page(&pager, text) {
            print_message(&format!(
                "note: the pager `{}` cannot be run; set PAGER to another one, or to nothing",
                pager.display()
            ));
            print(text)?;
        }
        Ok(true)
    }
}

/// The command of the pager; none if PAGER is empty, or on a terminal without cursor movements.
fn pager(named: Option<OsString>, terminal: Option<OsString>) -> Option<OsString> {
    let named = named.unwrap_or_else(|| PAGER.into());
    let is_dumb = terminal.is_some_and(|name| name == "dumb");
    let is_empty = named.to_str().is_some_and(|name| name.trim().is_empty());
    (!is_dumb && !is_empty).then_some(named)
}

/// Gives a text to the pager and waits for its end; `false` if the pager did not run. The text need
/// not be read to its end.
fn page(pager: &OsStr, text: &[u8]) -> bool {
    let mut command = Command::new("sh");
    command.arg("-c").arg(pager).stdin(Stdio::piped());
    if var_os("LESS").is_none() {
        command.env("LESS", LESS);
    }
    let Ok(mut child) = command.spawn() else { return false };
    if let Some(mut input) = child.stdin.take() {
        // An error means that the pager was left before the end.
        let _ = input.write_all(text);
    }
    child.wait().is_ok_and(|status| status.code().is_none_or(|code| !NOT_RUN.contains(&code)))
}

fn print(text: &[u8]) -> Result<()> {
    let mut out = stdout();
    out.write_all(text).and_then(|()| out.flush()).map_err(output_error)
}

/// Ctrl-C goes to all processes of a terminal, and pagers use it; without this it would end the
/// program and leave the pager behind.
fn ignore_interrupts() {
    #[cfg(unix)]
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() {
        let _guard = runtime.enter();
        // The handler stays when the receiver is dropped.
        let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
    }
}

#[cfg(test)]
mod tests {
    use super::pager;

    #[test]
    fn the_pager_is_the_one_of_the_environment() {
        for (named, terminal, expected) in [
            (None, Some("xterm"), Some("less")),
            (None, None, Some("less")),
            (None, Some("dumb"), None),
            (Some("more -d"), Some("xterm"), Some("more -d")),
            (Some(""), Some("xterm"), None),
            (Some(" "), Some("xterm"), None),
        ] {
            let found = pager(named.map(Into::into), terminal.map(Into::into));
            assert_eq!(found, expected.map(Into::into), "{named:?} {terminal:?}");
        }
    }
}
