//! Pings: JSON documents that installations send about once a week, with a number for each key path
//! instead of events. Their users cannot be told apart, so numbers are summed over installations; only
//! those that send sketches can be united.
//!
//! | step | module | is |
//! |---|---|---|
//! | files | `read`, `documents`, `json`, `flatten` | documents, and their values by key path |
//! | store | [`PingIngest`], `stored` | the same from the store |
//! | uploads | `upload`, [`Collection`] | which are accepted, and the newest of each ping |
//! | identity | `identity` | edition, tier, version and deployment of an installation |
//! | metrics | [`MetricPaths`] | which values are valid, and what the others are |
//! | recorded | [`Recorded`] | monthly values, summed over installations |
//! | united | [`PingSketches`], [`unions`] | users of several installations, from their sketches |
//! | estimated | [`Windows`], [`Subscriber`], [`Estimate`] | what those that do not report would add |
//! | predicted | [`Prediction`] | what would be recorded if installations behaved otherwise |
//!
//! [`PingTables`] computes all of it from the files of [`Inputs`] and from the store.

mod collection;
mod counts;
mod documents;
mod estimate;
mod explanation;
mod flatten;
mod identity;
mod ingest;
mod inputs;
mod json;
mod key_tree;
mod last_sketches;
mod line_reader;
mod metrics;
mod overflow;
mod own;
mod paths;
mod population;
mod prediction;
mod read;
mod recorded;
mod settings;
mod share;
mod sketches;
mod spans;
mod stored;
mod subscriptions;
mod tables;
mod unions;
mod upload;
mod values;
mod windows;

pub use collection::{Collection, Installation, Outcome, Ping, Refused, UploadRow};
pub use estimate::{Condition, Estimate, Measure};
pub use explanation::{EstimateFilter, Explanation};
pub use identity::{Deployment, Edition, Tier};
pub use ingest::PingIngest;
pub(crate) use ingest::ingest;
pub use inputs::{Inputs, find_ping_files};
pub use last_sketches::last_sketches;
pub(crate) use metrics::month_window;
pub use metrics::{Kind, MetricPath, MetricPaths};
pub use overflow::Overflow;
pub use own::{IdentityValue, OwnInstallation, SketchSettings};
pub use population::{Origin, Subscriber};
pub use prediction::{Prediction, Scenario, Unit};
pub use recorded::Recorded;
pub(crate) use recorded::for_each_monthly_value;
pub use settings::{CountedFrom, FORMAT, PingSettings, PingSource};
pub use share::Share;
pub use sketches::{PingSketches, SKETCHES_KEY};
pub use tables::{PingTables, Selection};
pub use unions::{PingUnion, unions};
pub use upload::Reason;
pub use windows::{VersionWindow, Windows};
