//! Sets that counters have filled: their unions, estimates and sizes.

use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::UInt64Type;
use datasketches::common::NumStdDev;
use datasketches::cpc::{CpcSketch, CpcUnion};
use datasketches::hll::{HllSketch, HllType, HllUnion};
use datasketches::theta::{CompactThetaSketch, ThetaSketch, ThetaUnionBuilder};
use engine::users::{Sketch, UserSet};
use engine::{Error, Result};

use crate::accumulator::Accumulator;

/// The 95 % interval of a DataSketches sketch.
const SIGMAS: NumStdDev = NumStdDev::Two;
/// What DataSketches's registers are kept in: the fastest form, which Spark uses too. The 4-bit
/// form takes half the bytes and gives the same estimates.
pub(crate) const REGISTERS: HllType = HllType::Hll8;

/// A counter's estimate of a set, in whole users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The estimate, rounded.
    pub users: u64,
    /// The 95 % interval, where one is stated.
    pub interval: Option<(u64, u64)>,
}

/// A set that a counter has filled.
pub enum FilledSet {
    /// The engine's exact set.
    Exact(UserSet),
    /// The engine's sketch.
    Headcount(Sketch),
    /// HLL of Apache DataSketches.
    Hll(HllSketch),
    /// Theta of Apache DataSketches.
    Theta(ThetaSketch),
    /// The union of Theta sketches, which has a form of its own.
    Compact(CompactThetaSketch),
    /// CPC of Apache DataSketches.
    Cpc(CpcSketch),
    /// The state that DataFusion's accumulator hands on.
    DataFusion(Vec<ArrayRef>),
}

impl FilledSet {
    /// Makes a new set of the users of two that the same counter filled. Returns it with the time
    /// that took by `clock`. DataFusion merges states, so reading both of them is in its time.
    ///
    /// # Errors
    /// When the two are of different counters.
    pub fn merge(&self, other: &Self, clock: &dyn Fn() -> Duration) -> Result<(Self, Duration)> {
        timed(clock, || self.union(other))
    }

    fn union(&self, other: &Self) -> Result<Work> {
        let both = match (self, other) {
            (Self::Exact(ours), Self::Exact(theirs)) => {
                let mut both = ours.clone();
                both.union_with(theirs);
                Self::Exact(both)
            }
            (Self::Headcount(ours), Self::Headcount(theirs)) => {
                let mut both = ours.clone();
                both.merge(theirs)?;
                Self::Headcount(both)
            }
            (Self::Hll(ours), Self::Hll(theirs)) => {
                let mut both = HllUnion::new(ours.lg_config_k()).map_err(refused)?;
                both.update(ours);
                both.update(theirs);
                Self::Hll(both.to_sketch(REGISTERS))
            }
            (Self::Theta(ours), Self::Theta(theirs)) => {
                let union = ThetaUnionBuilder::default().lg_k(ours.lg_k());
                let mut both = union.build().map_err(refused)?;
                both.update(ours).map_err(refused)?;
                both.update(theirs).map_err(refused)?;
                Self::Compact(both.to_sketch(false))
            }
            (Self::Cpc(ours), Self::Cpc(theirs)) => {
                let mut both = CpcUnion::new(ours.lg_k()).map_err(refused)?;
                both.update(ours).map_err(refused)?;
                both.update(theirs).map_err(refused)?;
                Self::Cpc(both.to_sketch())
            }
            (Self::DataFusion(ours), Self::DataFusion(theirs)) => {
                let mut both = Accumulator::of_state(ours)?;
                both.merge(theirs)?;
                return Ok(Work::Accumulator(both));
            }
            _ => return Err(Error::internal("sets of different counters cannot be merged")),
        };
        Ok(Work::Done(both))
    }

    /// How many users there are.
    ///
    /// # Errors
    /// When DataFusion's answer is not of the expected type.
    pub fn estimate(&self) -> Result<Estimate> {
        let around = |users: f64, low: f64, high: f64| Estimate {
            users: users.round() as u64,
            interval: Some((low.floor() as u64, high.ceil() as u64)),
        };
        Ok(match self {
            Self::Exact(set) => {
                Estimate { users: set.len(), interval: Some((set.len(), set.len())) }
            }
            Self::Headcount(sketch) => {
                let estimate = sketch.estimate()?;
                Estimate { users: estimate.users, interval: Some((estimate.low, estimate.high)) }
            }
            Self::Hll(s) => around(s.estimate(), s.lower_bound(SIGMAS), s.upper_bound(SIGMAS)),
            Self::Theta(s) => around(s.estimate(), s.lower_bound(SIGMAS), s.upper_bound(SIGMAS)),
            Self::Compact(s) => around(s.estimate(), s.lower_bound(SIGMAS), s.upper_bound(SIGMAS)),
            Self::Cpc(s) => around(s.estimate(), s.lower_bound(SIGMAS), s.upper_bound(SIGMAS)),
            Self::DataFusion(state) => {
                let counts = Accumulator::of_state(state)?.into_estimates()?;
                let counts = counts.as_primitive_opt::<UInt64Type>();
                let users = counts.filter(|counts| counts.len() == 1).map(|c| c.value(0));
                let users =
                    users.ok_or_else(|| Error::internal("approx_distinct is no longer UInt64"))?;
                Estimate { users, interval: None }
            }
        })
    }

    /// Bytes in memory, as reported by the counter.
    ///
    /// # Errors
    /// When DataFusion cannot read its own state.
    pub fn memory(&self) -> Result<usize> {
        Ok(match self {
            Self::Exact(set) => size_of::<UserSet>() + set.size(),
            Self::Headcount(sketch) => size_of::<Sketch>() + sketch.size(),
            Self::Hll(sketch) => size_of::<HllSketch>() + sketch.estimated_size(),
            Self::Theta(sketch) => size_of::<ThetaSketch>() + sketch.estimated_size(),
            Self::Compact(sketch) => size_of::<CompactThetaSketch>() + sketch.estimated_size(),
            Self::Cpc(sketch) => size_of::<CpcSketch>() + sketch.estimated_size(),
            // Of an accumulator that only merges: one that is filled also holds a batch of hashes,
            // however many groups it has.
            Self::DataFusion(state) => Accumulator::of_state(state)?.size(),
        })
    }

    /// Bytes as stored or handed on.
    ///
    /// # Errors
    /// When DataFusion's state is not of the expected type.
    pub fn stored(&self) -> Result<usize> {
        Ok(match self {
            Self::Exact(set) => set.to_roaring().serialized_size(),
            Self::Headcount(sketch) => sketch.to_bytes().len(),
            Self::Hll(sketch) => sketch.serialize().len(),
            Self::Theta(sketch) => sketch.compact(true).serialize().len(),
            Self::Compact(sketch) => sketch.serialize().len(),
            Self::Cpc(sketch) => sketch.serialize().len(),
            Self::DataFusion(state) => {
                let state = state.first().and_then(|state| state.as_binary_opt::<i32>());
                let bytes = state.filter(|state| state.len() == 1).map(|state| state.value(0));
                bytes.map(<[u8]>::len).ok_or_else(|| {
                    Error::internal("the state of approx_distinct is no longer one Binary")
                })?
            }
        })
    }
}

/// What the timed work ends with. DataFusion's accumulator loses its groups when it is read, so a
/// set is kept as its state, and writing the state is not part of the time.
pub(crate) enum Work {
    Done(FilledSet),
    Accumulator(Accumulator),
}

/// Does the work and takes its time.
pub(crate) fn timed(
    clock: &dyn Fn() -> Duration,
    work: impl FnOnce() -> Result<Work>,
) -> Result<(FilledSet, Duration)> {
    let start = clock();
    let done = work()?;
    let took = clock().saturating_sub(start);
    let filled = match done {
        Work::Done(filled) => filled,
        Work::Accumulator(accumulator) => FilledSet::DataFusion(accumulator.into_state()?),
    };
    Ok((filled, took))
}

pub(crate) fn refused(cause: datasketches::error::Error) -> Error {
    Error::internal("a sketch of DataSketches failed").caused_by(cause)
}
