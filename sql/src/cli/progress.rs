//! A progress bar, shown on terminals only.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// How many rows are done, of how many.
const BAR: &str = "{msg} {wide_bar} {human_pos} of {human_len} rows, {eta} to go";
/// How many rows are done, if the total is unknown.
const SPINNER: &str = "{spinner} {msg} {human_pos} rows, {elapsed}";

/// Shows how many rows are done, until it is dropped.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar with a message.
    pub(super) fn new(what: &'static str) -> Self {
        if !stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::no_length().with_message(what);
        bar.set_style(style(SPINNER));
        Self(bar)
    }

    /// Sets the rows done so far, and their total (0 if unknown).
    pub(super) fn at(&self, done: u64, total: u64) {
        self.set_total(total);
        self.0.set_position(done);
    }

    /// Adds rows that are done.
    pub(super) fn advance(&self, rows: u64, total: u64) {
        self.set_total(total);
        self.0.inc(rows);
    }

    fn set_total(&self, total: u64) {
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

/// The templates are constants; the default replaces one that does not parse.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
