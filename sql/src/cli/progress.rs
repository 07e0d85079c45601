//! A progress bar on a terminal; silence in a pipe.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// How many rows are done, of how many.
const BAR: &str = "{msg} {wide_bar} {human_pos} of {human_len} rows, {eta} to go";
/// How many rows are done, when nobody knows of how many.
const SPINNER: &str = "{spinner} {msg} {human_pos} rows, {elapsed}";

/// Shows how many rows are done. Dropping it takes the bar away.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar that says what is being done.
    pub(super) fn new(what: &'static str) -> Self {
        if !stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::no_length().with_message(what);
        bar.set_style(style(SPINNER));
        Self(bar)
    }

    /// Rows done so far, of all rows; 0 if nobody knows how many these are.
    pub(super) fn at(&self, done: u64, total: u64) {
        self.of(total);
        self.0.set_position(done);
    }

    /// More rows done.
    pub(super) fn advance(&self, rows: u64, total: u64) {
        self.of(total);
        self.0.inc(rows);
    }

    fn of(&self, total: u64) {
        if total > 0 && self.0.length() != Some(total) {
            self.0.set_length(total);
            self.0.set_style(style(BAR));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Both templates are constants; the default stands in for one that does not parse.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
