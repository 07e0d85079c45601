//! All that is to be counted of one installation: its true numbers, and the pings that count.

use std::collections::BTreeMap;

use super::content::Value;
use super::installations::Installation;
use super::model::Fleet;
use super::numbers::{Numbers, total};
use super::paths::{Count, Frame, MetricPath};
use super::releases::Version;
use super::uploads::Outcome;

/// Lowest and highest version (major * 100 + minor) with a key path.
pub(crate) type Window = (u32, u32);

/// What is to be counted of one installation.
pub(crate) struct History {
    /// By month, from the first in which it exists to the last.
    pub(crate) true_months: Vec<TrueMonth>,
    /// The last pings of months that count, by month.
    pub(crate) last_pings: Vec<LastPing>,
    /// The versions with each key path, for CE and EE, and for releases and pre-releases.
    pub(crate) windows: BTreeMap<(usize, bool, bool), Window>,
    /// Number of uploads by what became of them.
    pub(crate) uploads: BTreeMap<Outcome, u64>,
}

/// The true numbers of a complete month, as its last ping would have them.
pub(crate) struct TrueMonth {
    pub(crate) month: usize,
    pub(crate) is_ce: bool,
    pub(crate) tier: &'static str,
    /// Its pings that count.
    pub(crate) pings: u32,
    /// Active users.
    pub(crate) users: u64,
    /// By key path; `None` for weekly numbers, and for those that the edition does not have.
    pub(crate) numbers: Vec<Option<u64>>,
}

/// The last ping of a month that counts.
pub(crate) struct LastPing {
    pub(crate) month: usize,
    pub(crate) is_ce: bool,
    pub(crate) tier: &'static str,
    /// Its version as (major * 100 + minor, pre-release).
    pub(crate) version: Option<(u32, bool)>,
    /// The number at each key path, if it can be used.
    pub(crate) numbers: Vec<Option<u64>>,
}

impl Fleet {
    /// Counts what there is to count of an installation.
    pub(crate) fn history(&self, of: &Installation) -> History {
        let mut history = History {
            true_months: Vec::new(),
            last_pings: Vec::new(),
            windows: BTreeMap::new(),
            uploads: BTreeMap::new(),
        };
        // The week before the month.
        let mut before = i64::from(of.weeks.start) - 1;
        for month in 0..=self.weeks.months() {
            let weeks = of.weeks.clone();
            let weeks: Vec<u32> = weeks.filter(|week| self.month(of, *week) == month).collect();
            let Some(last) = weeks.last() else { continue };
            let accepted: Vec<u32> =
                weeks.iter().copied().filter(|week| self.is_accepted(of, *week)).collect();
            if month < self.weeks.months() {
                let pings = accepted.len() as u32;
                history.true_months.push(self.true_month(of, month, pings, before, *last));
            }
            before = i64::from(*last);
            if let Some(week) = accepted.last() {
                history.last_pings.push(self.last_ping(of, month, *week));
            }
            for week in accepted {
                self.add_windows(of, week, &mut history.windows);
            }
            for upload in weeks.iter().flat_map(|week| self.uploads(of, *week)) {
                *history.uploads.entry(upload.outcome).or_default() += 1;
            }
        }
        history
    }

    /// The month of the ping of a week.
    fn month(&self, of: &Installation, week: u32) -> usize {
        self.weeks.month_of(self.weeks.day(week, of.weekday))
    }

    fn true_month(
        &self,
        of: &Installation,
        month: usize,
        pings: u32,
        before: i64,
        last: u32,
    ) -> TrueMonth {
        let numbers = Numbers::new(of, last);
        let is_ce = of.is_ce(last);
        let number = |path: &MetricPath| match (path.frame, path.count) {
            (Frame::Week, _) => None,
            _ if path.is_ee_only && is_ce => None,
            (_, Count::Counter(counter)) => {
                Some(numbers.of(path.count) - total(of, counter, before))
            }
            _ => Some(numbers.of(path.count)),
        };
        TrueMonth {
            month,
            is_ce,
            tier: of.tier(last, of.recorded_at(&self.weeks, last)),
            pings,
            users: numbers.active(),
            numbers: self.paths.iter().map(number).collect(),
        }
    }

    fn last_ping(&self, of: &Installation, month: usize, week: u32) -> LastPing {
        let is_ce = of.is_ce(week);
        LastPing {
            month,
            is_ce,
            tier: of.tier(week, of.recorded_at(&self.weeks, week)),
            version: self.version(of, week).map(Version::number),
            numbers: self.values(of, week).into_iter().map(Value::number).collect(),
        }
    }

    /// Adds the version of a ping to the window of each key path in it, with any value.
    fn add_windows(
        &self,
        of: &Installation,
        week: u32,
        windows: &mut BTreeMap<(usize, bool, bool), Window>,
    ) {
        let Some(version) = self.version(of, week) else { return };
        if !self.releases.is_listed(version.release) {
            return;
        }
        let (number, is_prerelease) = version.number();
        for (path, value) in self.values(of, week).into_iter().enumerate() {
            if value != Value::Absent {
                let key = (path, of.is_ce(week), is_prerelease);
                let window = windows.entry(key).or_insert((number, number));
                *window = (window.0.min(number), window.1.max(number));
            }
        }
    }
}
