//! `headcount generate`: synthetic events with known counts.

use std::io::{Write, stdout};

use datasets::{Settings, generate};
use engine::{Error, Result};

use super::args;
use super::messages::{Outcome, output_error, print_message};
use super::progress::Progress;

pub(super) fn run(options: &args::Generate) -> Result<Outcome> {
    let mut settings = Settings::new(&options.output);
    settings.events = options.events;
    settings.users = options.users;
    settings.months = options.months;
    settings.seed = options.seed;
    settings.start = options.start;
    settings.ids = options.ids;
    settings.scoped = options.scoped;
    settings.files_per_month = options.files_per_month;
    settings.rows_per_group = options.rows_per_group;
    settings.late = options.late;
    settings.overwrite = options.overwrite;
    let summary = {
        let progress = Progress::new("writing");
        generate(&settings, &|rows| progress.advance(rows, options.events))
            .map_err(|error| Error::input(error.to_string()))?
    };
    let mut out = stdout().lock();
    writeln!(out, "{:>8} {:>12} {:>14}", "month", "users", "events").map_err(output_error)?;
    for month in &summary.months {
        let (users, events) = (month.users, month.events);
        let month = month.period_start.get(..7).unwrap_or(&month.period_start);
        writeln!(out, "{month:>8} {users:>12} {events:>14}").map_err(output_error)?;
    }
    print_message(&format!(
        "{} events in {} files, {:.1} MB: {}",
        summary.events,
        summary.files,
        summary.bytes as f64 / 1e6,
        options.output.display()
    ));
    Ok(Outcome::Done)
}
