//! Data with a known answer: a seeded generator of events.
//!
//! [`generate`] writes a whole project: events in Parquet, the dictionary that gives them meaning,
//! and beside them the true number of users per month, counted while the events were made. The
//! same [`Settings`] give the same bytes, on any number of threads.
//!
//! In the order of the data: `rhythm` says when events happen, `people` who acts, `places` where
//! (installation, namespace, plan), `product` what they can do; `model` joins the four into one
//! event per number, `columns` writes them, `truth` counts them, `project` adds the text files
//! and `folder` makes all of it appear at once.
//!
//! This crate knows nothing of the engine that reads its files: it is the other road to every
//! number.

mod calendar;
mod columns;
mod error;
mod folder;
mod generate;
mod ids;
mod model;
mod people;
mod places;
mod product;
mod project;
mod random;
mod rhythm;
mod settings;
mod truth;

#[cfg(test)]
mod tests;

pub use error::{Error, Result};
pub use generate::{Month, Summary, generate};
pub use ids::Ids;
pub use settings::Settings;
