//! Aggregates trials to one measurement.

use std::time::Duration;

use counters::{Counter, Estimate, FilledSet, Sample};
use engine::Result;

use super::measurement::{Errors, Measurement, SetKind};

/// The trials of one counter.
pub(super) struct Trials {
    part: SetKind,
    pub(super) counter: Counter,
    error_stats: ErrorStats,
    merged: ErrorStats,
    sets: u64,
    users: u64,
    largest: u64,
    memory: u64,
    stored: u64,
    fill: Vec<Duration>,
    merge: Vec<Duration>,
    last: Option<FilledSet>,
}

impl Trials {
    pub(super) fn new(part: SetKind, counter: Counter) -> Self {
        Self {
            part,
            counter,
            error_stats: ErrorStats::default(),
            merged: ErrorStats::default(),
            sets: 0,
            users: 0,
            largest: 0,
            memory: 0,
            stored: 0,
            fill: Vec::new(),
            merge: Vec::new(),
            last: None,
        }
    }

    /// Fills a set and returns the relative error of its estimate.
    pub(super) fn fill(&mut self, sample: &Sample, clock: &dyn Fn() -> Duration) -> Result<f64> {
        let (filled, took) = self.counter.fill(sample, clock)?;
        self.fill.push(took);
        self.sets += 1;
        self.users += sample.users();
        self.largest = self.largest.max(sample.users());
        self.memory += filled.memory()? as u64;
        self.stored += filled.stored()? as u64;
        let error = self.error_stats.add(sample.users(), filled.estimate()?);
        self.last = Some(filled);
        Ok(error)
    }

    /// Merges the last set with another one of the same counter. `users` is the true size of the
    /// union, or `None` to use the estimate. Returns that size.
    pub(super) fn merge(
        &mut self,
        other: &FilledSet,
        users: Option<u64>,
        clock: &dyn Fn() -> Duration,
    ) -> Result<u64> {
        let Some(last) = &self.last else { return Ok(0) };
        let (both, took) = last.merge(other, clock)?;
        self.merge.push(took);
        let estimate = both.estimate()?;
        let users = users.unwrap_or(estimate.users);
        self.merged.add(users, estimate);
        Ok(users)
    }

    /// The set that was filled last.
    pub(super) fn take_last(&mut self) -> Option<FilledSet> {
        self.last.take()
    }

    /// The measurement; `None` without sets.
    pub(super) fn line(mut self) -> Option<Measurement> {
        let mean = |sum: u64| sum as f64 / self.sets as f64;
        let merged = !self.merge.is_empty();
        (self.sets > 0).then(|| Measurement {
            part: self.part,
            counter: self.counter,
            sets: self.sets,
            users: mean(self.users).round() as u64,
            largest: self.largest,
            errors: self.error_stats.errors(),
            merged: merged.then(|| self.merged.errors().mean),
            memory: mean(self.memory),
            stored: Some(mean(self.stored)),
            fill: median(&mut self.fill),
            merge: merged.then(|| median(&mut self.merge)),
        })
    }
}

/// Errors of estimates.
#[derive(Default)]
pub(super) struct ErrorStats {
    /// Absolute relative errors.
    errors: Vec<f64>,
    inside: u64,
    with_interval: u64,
}

impl ErrorStats {
    /// Adds an estimate for a set of `users` users, at least 1; returns its relative error.
    pub(super) fn add(&mut self, users: u64, estimate: Estimate) -> f64 {
        let error = estimate.users as f64 / users as f64 - 1.0;
        self.errors.push(error.abs());
        if let Some((low, high)) = estimate.interval {
            self.with_interval += 1;
            self.inside += u64::from(low <= users && users <= high);
        }
        error
    }

    pub(super) fn errors(mut self) -> Errors {
        let count = self.errors.len();
        self.errors.sort_unstable_by(f64::total_cmp);
        let rank = (count * 95).div_ceil(100).max(1) - 1;
        Errors {
            mean: self.errors.iter().sum::<f64>() / count.max(1) as f64,
            p95: self.errors.get(rank).copied().unwrap_or(0.0),
            worst: self.errors.last().copied().unwrap_or(0.0),
            inside: (self.with_interval > 0)
                .then(|| self.inside as f64 / self.with_interval as f64),
        }
    }
}

/// The median in microseconds; 0 if there are no times.
pub(super) fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let at = |place: usize| times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    match times.len() {
        0 => 0.0,
        count if count % 2 == 1 => at(count / 2),
        count => (at(count / 2 - 1) + at(count / 2)) / 2.0,
    }
}
