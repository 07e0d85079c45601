//! The true numbers, and what a correct reading of the files gives: recorded numbers, estimates, and
//! what becomes of uploads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};

use super::history::History;
use super::installations::Deployment;
use super::model::Fleet;
use super::paths::Frame;
use super::uploads::Outcome;
use crate::error::Result;
use crate::folder::Folder;
use crate::truth::write_batch;

/// What the installations of a number share. `path` is the position of a key path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    pub(crate) month: usize,
    pub(crate) path: usize,
    pub(crate) is_ce: bool,
    pub(crate) deployment: Deployment,
}

/// A sum over installations.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    installations: u64,
    active: u64,
    sum: u64,
}

impl Sum {
    fn add(&mut self, number: u64) {
        self.installations += 1;
        self.active += u64::from(number > 0);
        self.sum += number;
    }
}

impl Deployment {
    /// As in the tables.
    const fn name(self) -> &'static str {
        match self {
            Self::Dedicated => "dedicated",
            Self::Saas => "saas",
            Self::SelfManaged => "self_managed",
        }
    }
}

impl Fleet {
    /// Writes the folder `truth`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write_truth(&self, histories: &[History], folder: &Folder) -> Result<()> {
        let true_sums = self.true_sums(histories);
        let recorded = self.recorded(histories);
        let mut sums: BTreeMap<Segment, u64> = BTreeMap::new();
        for ((segment, _), sum) in &recorded {
            *sums.entry(*segment).or_default() += sum.sum;
        }
        folder.write("truth/truth.csv", self.true_csv(&true_sums))?;
        let batch = self.true_batch(&true_sums)?;
        write_batch(&batch, &folder.path("truth/truth.parquet"))?;
        folder.write("truth/installations.csv", self.installations_csv(histories))?;
        folder.write("truth/recorded.csv", self.recorded_csv(&recorded))?;
        folder.write("truth/estimates.csv", self.estimates_csv(histories, &sums))?;
        folder.write("truth/uploads.csv", uploads_csv(histories))
    }

    /// The columns month, key path, edition and deployment.
    fn columns(&self, segment: Segment) -> String {
        let month = self.weeks.month_name(segment.month);
        let key_path = &self.paths[segment.path].key_path;
        format!("{month},{key_path},{},{}", edition(segment.is_ce), segment.deployment.name())
    }

    /// The true numbers of complete months.
    fn true_sums(&self, histories: &[History]) -> BTreeMap<Segment, Sum> {
        let mut sums: BTreeMap<Segment, Sum> = BTreeMap::new();
        for (installation, history) in self.installations.iter().zip(histories) {
            let deployment = installation.deployment;
            for of in &history.true_months {
                let (month, is_ce) = (of.month, of.is_ce);
                for (path, number) in of.numbers.iter().enumerate() {
                    let segment = Segment { month, path, is_ce, deployment };
                    number.iter().for_each(|n| sums.entry(segment).or_default().add(*n));
                }
            }
        }
        sums
    }

    fn true_csv(&self, sums: &BTreeMap<Segment, Sum>) -> String {
        let mut text = "month,key_path,edition,deployment,installations,true_total\n".to_owned();
        for (segment, sum) in sums {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{},{},{}", self.columns(*segment), sum.installations, sum.sum);
        }
        text
    }

    /// The true numbers in the columns of the CSV.
    fn true_batch(&self, sums: &BTreeMap<Segment, Sum>) -> Result<RecordBatch> {
        let texts = |texts: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(texts)) };
        let numbers = |number: fn(&Sum) -> u64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(sums.values().map(|sum| number(sum) as i64)))
        };
        let days = sums.keys().map(|segment| self.weeks.month_days(segment.month).start);
        let days: ArrayRef = Arc::new(Date32Array::from_iter_values(days));
        Ok(RecordBatch::try_from_iter([
            ("month", days),
            (
                "key_path",
                texts(sums.keys().map(|segment| &*self.paths[segment.path].key_path).collect()),
            ),
            ("edition", texts(sums.keys().map(|segment| edition(segment.is_ce)).collect())),
            ("deployment", texts(sums.keys().map(|segment| segment.deployment.name()).collect())),
            ("installations", numbers(|sum| sum.installations)),
            ("true_total", numbers(|sum| sum.sum)),
        ])?)
    }

    fn installations_csv(&self, histories: &[History]) -> String {
        let mut text =
            "month,uuid,hostname,subscription_id,edition,tier,deployment,pings,users\n".to_owned();
        for (installation, history) in self.installations.iter().zip(histories) {
            let subscription = self.subscription_of[installation.number];
            let subscription = subscription.map(|at| self.subscriptions[at].id.as_str());
            for of in &history.true_months {
                let _ = writeln!(
                    text,
                    "{},{},{},{},{},{},{},{},{}",
                    self.weeks.month_name(of.month),
                    installation.uuid,
                    installation.hostname.as_deref().unwrap_or_default(),
                    subscription.unwrap_or_default(),
                    edition(of.is_ce),
                    of.tier,
                    installation.deployment.name(),
                    of.pings,
                    of.users,
                );
            }
        }
        text
    }

    /// The recorded numbers by segment and tier. Those of counters are increases since the previous
    /// month whose last ping has a number, and at least 0.
    fn recorded(&self, histories: &[History]) -> BTreeMap<(Segment, &'static str), Sum> {
        let mut sums: BTreeMap<(Segment, &'static str), Sum> = BTreeMap::new();
        for (installation, history) in self.installations.iter().zip(histories) {
            let deployment = installation.deployment;
            let mut previous: Vec<Option<u64>> = vec![None; self.paths.len()];
            for ping in &history.last_pings {
                let (month, is_ce) = (ping.month, ping.is_ce);
                for (path, number) in ping.numbers.iter().enumerate() {
                    let Some(number) = *number else { continue };
                    let monthly = match self.paths[path].frame {
                        Frame::Week => None,
                        Frame::Month => Some(number),
                        Frame::All => {
                            previous[path].replace(number).map(|old| number.saturating_sub(old))
                        }
                    };
                    let segment = Segment { month, path, is_ce, deployment };
                    if let Some(monthly) = monthly {
                        sums.entry((segment, ping.tier)).or_default().add(monthly);
                    }
                }
            }
        }
        sums
    }

    fn recorded_csv(&self, recorded: &BTreeMap<(Segment, &'static str), Sum>) -> String {
        let mut text = "month,key_path,edition,deployment,tier,time_frame,complete,installations,\
                        installations_active,recorded\n"
            .to_owned();
        for ((segment, tier), sum) in recorded {
            let Sum { installations, active, sum } = sum;
            let (columns, frame) = (self.columns(*segment), self.paths[segment.path].frame.name());
            let complete = segment.month < self.weeks.months();
            let _ = writeln!(
                text,
                "{columns},{tier},{frame},{complete},{installations},{active},{sum}"
            );
        }
        text
    }

    fn estimates_csv(&self, histories: &[History], recorded: &BTreeMap<Segment, u64>) -> String {
        let mut text = "month,key_path,edition,deployment,condition,measure,numerator,denominator,\
                        recorded,estimated,total\n"
            .to_owned();
        for estimate in self.estimates(histories, recorded) {
            let (recorded, total) = (estimate.recorded, estimate.total);
            let share = estimate.share.map_or_else(|| ",".to_owned(), |(n, d)| format!("{n},{d}"));
            let _ = writeln!(
                text,
                "{},{},{},{share},{recorded},{},{total}",
                self.columns(estimate.segment),
                estimate.condition,
                estimate.measure,
                total - recorded,
            );
        }
        text
    }
}

const fn edition(is_ce: bool) -> &'static str {
    if is_ce { "CE" } else { "EE" }
}

/// Number of uploads by what becomes of them.
fn uploads_csv(histories: &[History]) -> String {
    let mut sums: BTreeMap<Outcome, u64> = BTreeMap::new();
    for (outcome, count) in histories.iter().flat_map(|history| &history.uploads) {
        *sums.entry(*outcome).or_default() += count;
    }
    let mut text = "outcome,reason,uploads\n".to_owned();
    for (outcome, count) in sums {
        let (name, reason) = match outcome {
            Outcome::Accepted => ("accepted", ""),
            Outcome::Superseded => ("superseded", ""),
            Outcome::Refused(fault) => ("refused", fault.reason()),
        };
        let _ = writeln!(text, "{name},{reason},{count}");
    }
    text
}
