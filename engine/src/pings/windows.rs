//! Version windows: the versions that are known to have a metric.

use std::collections::{BTreeMap, BTreeSet};

use super::collection::Collection;
use super::identity::{Deployment, Edition};
use super::metrics::MetricPaths;

/// The lowest and the highest version that have a metric, as major * 100 + minor.
pub type VersionWindow = (i64, i64);

/// The windows by metric, edition, and whether they are of pre-releases.
#[derive(Debug)]
pub struct Windows(BTreeMap<(usize, Edition, bool), VersionWindow>);

impl Windows {
    /// Learns the windows from all pings but those of the SaaS installation: a ping has a metric if
    /// its key is there, with any value. With `releases`, only these versions count.
    pub(super) fn new(
        collection: &Collection,
        metrics: &MetricPaths,
        releases: Option<&BTreeSet<i64>>,
    ) -> Self {
        let mut windows: BTreeMap<(usize, Edition, bool), VersionWindow> = BTreeMap::new();
        for ping in collection.pings.iter().filter(|p| p.deployment != Deployment::Saas) {
            let Some(version) = ping.major_minor() else { continue };
            if releases.is_some_and(|releases| !releases.contains(&version)) {
                continue;
            }
            let is_prerelease = ping.is_prerelease();
            for (code, _) in collection.values(ping) {
                let Some(metric) = metrics.index(code) else { continue };
                let key = (metric, ping.edition, is_prerelease);
                let window = windows.entry(key).or_insert((version, version));
                *window = (window.0.min(version), window.1.max(version));
            }
        }
        Self(windows)
    }

    /// The windows with their metric, edition and whether they are of pre-releases, in this order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Edition, bool, VersionWindow)> {
        self.0
            .iter()
            .map(|((metric, edition, is_pre), window)| (*metric, *edition, *is_pre, *window))
    }

    /// Whether a version (major * 100 + minor, pre-release) is in the window of a metric.
    pub(super) fn contain(
        &self,
        metric: usize,
        edition: Edition,
        (version, is_prerelease): (i64, bool),
    ) -> bool {
        let window = self.get(metric, edition, is_prerelease);
        window.is_some_and(|(first, last)| (first..=last).contains(&version))
    }

    /// The window of a metric, edition and kind of release.
    pub(crate) fn get(
        &self,
        metric: usize,
        edition: Edition,
        is_prerelease: bool,
    ) -> Option<VersionWindow> {
        self.0.get(&(metric, edition, is_prerelease)).copied()
    }
}
