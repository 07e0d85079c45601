//! A fleet of installations that send pings, with known answers.
//!
//! [`generate_fleet`] writes a project: pings in JSON, subscriptions, releases, the dictionary whose
//! metrics the pings carry, and beside them the true numbers of every installation, whether or not it
//! sends pings. The folder `truth` also has what a correct reading of the files gives: recorded numbers,
//! estimates, and what becomes of each upload. They are computed from the model, not from the files.
//!
//! In the order of the data: `weeks` and `releases` are the calendar, `installations` and
//! `subscriptions` who exists, `numbers` their true numbers, `content` what a ping says of them,
//! `uploads` how pings arrive, `document` the JSON, `history` what counts in the end; `truth` and
//! `estimates` sum it up, `files` writes it all.

mod content;
mod document;
mod estimates;
mod files;
mod history;
mod installations;
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

use document::Form;
use installations::Installation;
use paths::MetricPath;
use releases::Releases;
use subscriptions::{BillingRow, Subscription};
use weeks::Weeks;

pub use files::{FleetMonth, FleetSummary, generate_fleet};
pub use settings::{FleetSettings, Nonresponse};

/// All that the settings determine before any ping is made.
struct Fleet {
    weeks: Weeks,
    releases: Releases,
    paths: Vec<MetricPath>,
    form: Form,
    installations: Vec<Installation>,
    subscriptions: Vec<Subscription>,
    /// The position of each installation's subscription.
    subscription_of: Vec<Option<usize>>,
    billing: Vec<BillingRow>,
}

impl Fleet {
    fn new(settings: &FleetSettings) -> Self {
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
