//! What commands write besides their results, and how they end.

use std::io::{IsTerminal, Write, stderr, stdout};

use engine::Error;
use engine::pings::Refused;
use engine::scan::Rejects;

use crate::output::text::printable;

/// How a command ended, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Everything was done.
    Done,
    /// Done, but some input was rejected, as listed on stderr.
    Rejected,
    /// The command found errors, such as `check`.
    Failed,
}

impl Outcome {
    /// 0 done, 1 failed, 2 wrong usage (given by the parser of arguments), 3 done with rejected
    /// input.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Rejected => 3,
        }
    }
}

/// Writes a line to stderr, with control characters escaped. Write errors are ignored.
pub(super) fn print_message(line: &str) {
    let _ = writeln!(stderr(), "{}", printable(line));
}

/// Prints rejected rows by reason, and sources with no accepted rows.
pub(super) fn print_rejects(rejects: &Rejects) -> Outcome {
    let outcome = print_reject_reasons(rejects);
    for lost in rejects.fully_rejected() {
        print_message(&format!("error: {lost}; {}", lost.reason.help()));
    }
    outcome
}

/// Prints rejected rows by reason.
pub(super) fn print_reject_reasons(rejects: &Rejects) -> Outcome {
    if rejects.total() == 0 {
        return Outcome::Done;
    }
    let rows = |rows: u64| if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
    print_message(&format!("rejected {}, not counted:", rows(rejects.total())));
    for (source, reason, all) in rejects.iter() {
        print_message(&format!(
            "  {source}: {reason}: {}, the first in {}",
            rows(all.rows),
            all.first
        ));
    }
    Outcome::Rejected
}

/// Prints refused uploads of pings by reason.
pub(super) fn print_refused(refused: &Refused) -> Outcome {
    if refused.is_empty() {
        return Outcome::Done;
    }
    let uploads = |uploads| format!("{uploads} upload{}", if uploads == 1 { "" } else { "s" });
    let all = refused.values().map(|(count, _)| count).sum::<u64>();
    print_message(&format!("refused {} of pings:", uploads(all)));
    for (reason, (count, first)) in refused {
        print_message(&format!("  {reason}: {}, the first in {first}", uploads(*count)));
    }
    Outcome::Rejected
}

/// Whether to write colours: only to a terminal, and if `NO_COLOR` is not set.
pub(super) fn use_colors() -> bool {
    stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Error for a result that cannot be written to stdout.
pub(super) fn output_error(cause: std::io::Error) -> Error {
    Error::io(std::path::Path::new("standard output"), cause)
}
