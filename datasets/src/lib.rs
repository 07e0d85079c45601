//! Data with a known answer: a seeded generator of events, and one of fleets of installations that
//! send pings.
//!
//! [`generate`] writes a whole project: events in Parquet, the dictionary that gives them meaning,
//! and beside them the true number of users per month, counted while the events were made. The
//! same [`Settings`] give the same bytes, on any number of threads.
//!
//! In the order of the data: `schedule` computes when events happen, `population` who acts,
//! `tenants` where (installation, namespace, plan), `product` which action; `model` combines the four
//! into one event per number, `columns` writes them, `truth` counts them, `project` adds the text
//! files and `folder` moves all of it into place at the end. [`generate_fleet`] makes a project of
//! pings; `fleet` describes how.
//!
//! [`CONTRIBUTIONS`] is the real data set of the demo.
//!
//! This crate does not depend on the engine, so its counts are an independent check.

mod calendar;
mod columns;
mod contributions;
mod error;
mod fleet;
mod folder;
mod generate;
mod ids;
mod model;
mod population;
mod product;
mod project;
mod random;
mod schedule;
mod settings;
mod summary;
mod tenants;
mod truth;

#[cfg(test)]
mod tests;

pub use contributions::CONTRIBUTIONS;
pub use error::{Error, Result};
pub use fleet::{FleetMonth, FleetSettings, FleetSummary, Nonresponse, generate_fleet};
pub use generate::generate;
pub use ids::Ids;
pub use settings::Settings;
pub use summary::{Month, Summary};
