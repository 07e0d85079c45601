//! All that is computed from pings.

use std::collections::BTreeSet;

use super::collection::{Collection, Ping};
use super::counts::Counts;
use super::estimate::{Estimate, estimates, sums};
use super::inputs::Inputs;
use super::metrics::{Kind, MetricPaths};
use super::population::{Subscriber, population};
use super::prediction::{Prediction, predictions};
use super::recorded::{Recorded, recorded};
use super::settings::PingSettings;
use super::subscriptions::{releases, subscriptions};
use super::windows::Windows;
use crate::metric::Dictionary;
use crate::{JobContext, Result};

/// The pings of a project, and all that is computed from them.
#[derive(Debug)]
pub struct PingTables {
    /// Uploads, installations and pings.
    pub collection: Collection,
    /// The key paths of metrics.
    pub metrics: MetricPaths,
    /// Recorded numbers.
    pub recorded: Vec<Recorded>,
    /// Version windows.
    pub windows: Windows,
    /// The population of each month.
    pub population: Vec<Subscriber>,
    /// Estimated numbers.
    pub estimates: Vec<Estimate>,
    /// Predicted numbers.
    pub predictions: Vec<Prediction>,
}

/// Selected key paths, by code.
#[derive(Debug)]
pub struct Selection(Vec<bool>);

impl PingTables {
    /// Reads the store and the files that it does not have, and computes everything, in parallel on
    /// the threads of the current pool. With `key_paths` only the values of these are read, and
    /// there are only rows of their metrics; the store can read them without the others.
    ///
    /// # Errors
    /// When a file or the store cannot be read, a file of subscriptions or releases has an invalid
    /// value, or the job is cancelled or has no more memory.
    pub fn load(
        settings: &PingSettings,
        dictionary: &Dictionary,
        inputs: &Inputs,
        key_paths: Option<&BTreeSet<String>>,
        job: &JobContext<'_>,
    ) -> Result<Self> {
        let rows = subscriptions(&inputs.subscriptions)?;
        let releases: Option<BTreeSet<i64>> =
            inputs.releases.as_deref().map(releases).transpose()?;
        let collection = Collection::load(inputs, settings, key_paths, job)?;
        let metrics = MetricPaths::new(dictionary, &collection);
        let recorded = recorded(&collection, &metrics);
        let windows = Windows::new(&collection, &metrics, releases.as_ref());
        let population = population(&collection, &rows, settings);
        let counts = Counts::of_population(&collection, &metrics, &population);
        let sums = sums(&recorded);
        let estimates = estimates(&sums, &windows, &counts);
        let predictions = predictions(&collection, &metrics, &sums, &windows, &counts);
        let recorded_and_population = size_of_val(&*recorded) + size_of_val(&*population);
        let computed = size_of_val(&*estimates) + size_of_val(&*predictions);
        job.reserve(recorded_and_population + computed)?;
        Ok(Self { collection, metrics, recorded, windows, population, estimates, predictions })
    }

    /// Selects key paths, for [`values`](Self::values).
    pub fn select(&self, key_paths: &BTreeSet<String>) -> Selection {
        let paths = self.collection.paths.iter();
        Selection(paths.map(|path| key_paths.contains(path)).collect())
    }

    /// The values of a ping by key path, all or those selected. The number of a value that is
    /// not an integer, or not that of its metric, is `None`.
    pub fn values(
        &self,
        ping: &Ping,
        selection: Option<&Selection>,
    ) -> impl Iterator<Item = (&str, Kind, Option<i64>)> {
        let is_selected = |code: u32| selection.is_none_or(|all| all.0[code as usize]);
        let values = self.collection.sorted_values(ping, is_selected);
        values.into_iter().filter_map(|(code, content)| {
            let (kind, value) = self.metrics.kind(code, content)?;
            Some((self.collection.path(code), kind, value))
        })
    }
}
