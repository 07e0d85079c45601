//! `headcount generate`: synthetic events with known counts, or a fleet of installations that send
//! pings.

use std::io::{Write, stdout};

use datasets::{FleetSettings, Settings, generate, generate_fleet};
use engine::{Error, Result};

use super::args;
use super::messages::{Outcome, output_error, print_message};
use super::progress::Progress;

pub(super) fn run(options: &args::Generate) -> Result<Outcome> {
    match options.installations {
        Some(installations) => fleet(installations, options),
        None => events(options),
    }
}

fn fleet(installations: u32, options: &args::Generate) -> Result<Outcome> {
    let mut settings = FleetSettings::new(&options.output);
    settings.installations = installations;
    settings.months = options.months;
    settings.seed = options.seed;
    settings.start = options.start;
    settings.keys = options.keys;
    settings.nonresponse = options.nonresponse;
    settings.overwrite = options.overwrite;
    let summary = {
        let progress = Progress::new("writing");
        generate_fleet(&settings, &|done, total| progress.advance(done, total))
            .map_err(|error| Error::input(error.to_string()))?
    };
    let mut out = stdout().lock();
    let (all, reporting) = ("installations", "reporting");
    writeln!(out, "{:>8} {all:>14} {reporting:>10} {:>12}", "month", "users")
        .map_err(output_error)?;
    for month in &summary.months {
        let (all, reporting, users) = (month.installations, month.reporting, month.users);
        let month = month.period_start.get(..7).unwrap_or(&month.period_start);
        writeln!(out, "{month:>8} {all:>14} {reporting:>10} {users:>12}").map_err(output_error)?;
    }
    print_message(&format!(
        "{} uploads of pings in {} files, {:.1} MB: {}",
        summary.uploads,
        summary.files,
        summary.bytes as f64 / 1e6,
        options.output.display()
    ));
    Ok(Outcome::Done)
}

fn events(options: &args::Generate) -> Result<Outcome> {
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
