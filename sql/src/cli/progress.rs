//! A progress bar on a terminal; silence in a pipe.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// Shows how many rows are done. Dropping it takes the bar away.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar that says what is being done.
    pub(super) fn new(what: &'static str) -> Self {
        if !stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(0);
        let template = "{msg} {wide_bar} {human_pos} of {human_len} rows, {per_sec}, {eta} to go";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self(bar)
    }

    /// Rows done so far, of all rows.
    pub(super) fn at(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }

    /// More rows done.
    pub(super) fn advance(&self, rows: u64, total: u64) {
        self.0.set_length(total);
        self.0.inc(rows);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
