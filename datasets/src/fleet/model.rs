//! A fleet: all that the settings determine before any ping is made.

use super::form::Form;
use super::installations::{self, Installation};
use super::paths::{self, MetricPath};
use super::releases::Releases;
use super::settings::FleetSettings;
use super::subscriptions::{self, BillingRow, Subscription};
use super::weeks::Weeks;

/// A fleet before its pings.
pub(super) struct Fleet {
    pub(super) weeks: Weeks,
    pub(super) releases: Releases,
    pub(super) paths: Vec<MetricPath>,
    pub(super) form: Form,
    pub(super) installations: Vec<Installation>,
    pub(super) subscriptions: Vec<Subscription>,
    /// The position of each installation's subscription.
    pub(super) subscription_of: Vec<Option<usize>>,
    pub(super) billing: Vec<BillingRow>,
}

impl Fleet {
    pub(super) fn new(settings: &FleetSettings) -> Self {
        let weeks = Weeks::new(settings.first_month(), settings.months);
        let releases = Releases::new(settings.first_month(), settings.months);
        let paths = paths::metric_paths(releases.count());
        let installations = installations::installations(settings, &weeks);
        let (subscriptions, subscription_of) =
            subscriptions::subscriptions(settings.seed, &installations, weeks.months());
        let billing = subscriptions::billing(&subscriptions, &installations, &weeks, &releases);
        let form = Form::new(&paths, settings.keys);
        Self {
            weeks,
            releases,
            paths,
            form,
            installations,
            subscriptions,
            subscription_of,
            billing,
        }
    }
}
