//! A fleet of installations that send pings, with known answers.
//!
//! [`generate_fleet`] writes a project: pings in JSON, subscriptions, releases, the dictionary whose
//! metrics the pings carry, and beside them the true numbers of every installation, whether or not it
//! sends pings. The folder `truth` also has what a correct reading of the files gives: recorded numbers,
//! estimates, and what becomes of each upload. They are computed from the model, not from the files.
//!
//! In the order of the data: `weeks` and `releases` are the calendar, `installations` and
//! `subscriptions` who exists, `model` holds all of these; `numbers` are their true numbers, `content`
//! what a ping says of them, `uploads` how pings arrive, `form` and `document` the JSON, `history` what
//! counts in the end; `truth` and `estimates` sum it up, `files` writes it all.

mod content;
mod document;
mod estimates;
mod files;
mod form;
mod history;
mod installations;
mod model;
mod numbers;
mod paths;
mod releases;
mod settings;
mod subscriptions;
mod truth;
mod uploads;
mod weeks;

#[cfg(test)]
mod tests;

pub use files::{FleetMonth, FleetSummary, generate_fleet};
pub use settings::{FleetSettings, Nonresponse};
