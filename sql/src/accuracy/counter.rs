//! Ways to count: each takes users one by one, and tells how many there were.

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Schema, UInt64Type};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::Column;
use datasketches::common::NumStdDev;
use datasketches::cpc::{CpcSketch, CpcUnion};
use datasketches::hll::{HllSketch, HllType, HllUnion};
use datasketches::theta::{CompactThetaSketch, ThetaSketch, ThetaSketchBuilder, ThetaUnionBuilder};
use engine::users::{Sketch, UserSet};
use engine::{Error, Result};

use super::people::Draw;
use crate::session::{Options, session};

/// The precision of DataFusion's `approx_distinct`; it cannot be chosen.
const FIXED: u8 = 14;
/// The lowest precision of a Theta sketch.
const LOWEST_THETA: u8 = 5;
/// The 95 % interval of a DataSketches sketch.
const SIGMAS: NumStdDev = NumStdDev::Two;
/// What DataSketches's registers are kept in: the fastest form, which Spark uses too. The 4-bit
/// form takes half the bytes and gives the same estimates.
const REGISTERS: HllType = HllType::Hll8;
/// All rows belong to one group.
static GROUPS: [usize; 8192] = [0; 8192];

/// Who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The engine's exact set.
    Exact,
    /// The engine's sketch.
    Headcount,
    /// HLL of Apache DataSketches.
    Hll,
    /// Theta of Apache DataSketches.
    Theta,
    /// CPC of Apache DataSketches.
    Cpc,
    /// `approx_distinct` of DataFusion.
    DataFusion,
}

impl Kind {
    /// Every kind, in the order of the output.
    pub const ALL: [Self; 6] =
        [Self::Exact, Self::Headcount, Self::Hll, Self::Theta, Self::Cpc, Self::DataFusion];

    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Headcount => "headcount",
            Self::Hll => "datasketches_hll",
            Self::Theta => "datasketches_theta",
            Self::Cpc => "datasketches_cpc",
            Self::DataFusion => "datafusion",
        }
    }

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "Exact set",
            Self::Headcount => "Headcount HLL",
            Self::Hll => "DataSketches HLL",
            Self::Theta => "DataSketches Theta",
            Self::Cpc => "DataSketches CPC",
            Self::DataFusion => "DataFusion approx_distinct",
        }
    }
}

/// A kind of counting at a precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// Who counts.
    pub kind: Kind,
    /// The sketch has 2^precision registers or hashes; `None` for exact sets.
    pub precision: Option<u8>,
}

impl Counter {
    /// The engine's exact set.
    pub const EXACT: Self = Self { kind: Kind::Exact, precision: None };

    /// These kinds at those of the precisions that they have.
    pub fn all(precisions: &[u8], kinds: &[Kind]) -> Vec<Self> {
        let mut counters = Vec::new();
        for kind in kinds {
            match kind {
                Kind::Exact => counters.push(Self::EXACT),
                Kind::DataFusion => counters.push(Self { kind: *kind, precision: Some(FIXED) }),
                _ => {
                    let lowest = if *kind == Kind::Theta { LOWEST_THETA } else { 0 };
                    let precisions = precisions.iter().copied().filter(|p| *p >= lowest);
                    counters.extend(precisions.map(|p| Self { kind: *kind, precision: Some(p) }));
                }
            }
        }
        counters
    }

    /// Fills a set with users.
    pub(super) fn fill(self, draw: &Draw) -> Result<Filled> {
        let precision = self.precision.unwrap_or(FIXED);
        Ok(match self.kind {
            Kind::Exact => Filled::Exact(draw.numbers.iter().copied().collect()),
            Kind::Headcount => {
                let mut sketch = Sketch::new(precision)?;
                draw.hashes.iter().for_each(|hash| sketch.insert(*hash));
                Filled::Headcount(sketch)
            }
            Kind::Hll => {
                let mut sketch = HllSketch::new(precision, REGISTERS).map_err(refused)?;
                draw.hashes.iter().for_each(|hash| sketch.update(*hash));
                Filled::Hll(sketch)
            }
            Kind::Theta => {
                let builder = ThetaSketchBuilder::default().lg_k(precision);
                let mut sketch = builder.build().map_err(refused)?;
                draw.hashes.iter().for_each(|hash| sketch.update(*hash));
                Filled::Theta(sketch)
            }
            Kind::Cpc => {
                let mut sketch = CpcSketch::new(precision).map_err(refused)?;
                draw.hashes.iter().for_each(|hash| sketch.update(*hash));
                Filled::Cpc(sketch)
            }
            Kind::DataFusion => {
                let mut groups = approx_distinct()?;
                for batch in &draw.batches {
                    let one = std::slice::from_ref(batch);
                    groups.update_batch(one, &GROUPS[..batch.len()], None, 1).map_err(broken)?;
                }
                Filled::of_groups(groups.as_mut())?
            }
        })
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.precision {
            Some(precision) => write!(f, "{} {precision}", self.kind.name()),
            None => f.write_str(self.kind.name()),
        }
    }
}

/// What a counter says of a set, in whole users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) users: u64,
    /// The 95 % interval, where one is stated.
    pub(super) interval: Option<(u64, u64)>,
}

/// A set that a counter has filled.
pub(super) enum Filled {
    Exact(UserSet),
    Headcount(Sketch),
    Hll(HllSketch),
    Theta(ThetaSketch),
    /// The union of Theta sketches has a form of its own.
    Compact(CompactThetaSketch),
    Cpc(CpcSketch),
    /// The state that an accumulator hands on.
    DataFusion(Vec<ArrayRef>),
}

impl Filled {
    /// Takes the only group out of an accumulator.
    fn of_groups(groups: &mut dyn GroupsAccumulator) -> Result<Self> {
        Ok(Self::DataFusion(groups.state(EmitTo::All).map_err(broken)?))
    }

    /// A new set with the users of two that the same counter filled.
    pub(super) fn merged(&self, other: &Self) -> Result<Self> {
        Ok(match (self, other) {
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
                Self::Compact(both.to_sketch(true))
            }
            (Self::Cpc(ours), Self::Cpc(theirs)) => {
                let mut both = CpcUnion::new(ours.lg_k()).map_err(refused)?;
                both.update(ours).map_err(refused)?;
                both.update(theirs).map_err(refused)?;
                Self::Cpc(both.to_sketch())
            }
            (Self::DataFusion(ours), Self::DataFusion(theirs)) => {
                let mut groups = merging(ours)?;
                groups.merge_batch(theirs, &GROUPS[..1], 1).map_err(broken)?;
                Self::of_groups(groups.as_mut())?
            }
            _ => return Err(Error::internal("sets of different counters cannot be merged")),
        })
    }

    /// How many users there are.
    pub(super) fn guess(&self) -> Result<Guess> {
        let around = |users: f64, low: f64, high: f64| Guess {
            users: users.round() as u64,
            interval: Some((low.floor() as u64, high.ceil() as u64)),
        };
        Ok(match self {
            Self::Exact(set) => Guess { users: set.len(), interval: Some((set.len(), set.len())) },
            Self::Headcount(sketch) => {
                let estimate = sketch.estimate()?;
                Guess { users: estimate.users, interval: Some((estimate.low, estimate.high)) }
            }
            Self::Hll(s) => around(s.estimate(), s.lower_bound(SIGMAS), s.upper_bound(SIGMAS)),
            Self::Theta(s) => around(s.estimate(), s.lower_bound(SIGMAS), s.upper_bound(SIGMAS)),
            Self::Compact(s) => around(s.estimate(), s.lower_bound(SIGMAS), s.upper_bound(SIGMAS)),
            Self::Cpc(s) => around(s.estimate(), s.lower_bound(SIGMAS), s.upper_bound(SIGMAS)),
            Self::DataFusion(state) => {
                let counts = merging(state)?.evaluate(EmitTo::All).map_err(broken)?;
                let counts = counts.as_primitive_opt::<UInt64Type>();
                let users = counts.filter(|counts| counts.len() == 1).map(|c| c.value(0));
                let users =
                    users.ok_or_else(|| Error::internal("approx_distinct is no longer UInt64"))?;
                Guess { users, interval: None }
            }
        })
    }

    /// Bytes in memory, as each counter tells them.
    pub(super) fn memory(&self) -> Result<usize> {
        Ok(match self {
            Self::Exact(set) => size_of::<UserSet>() + set.size(),
            Self::Headcount(sketch) => size_of::<Sketch>() + sketch.size(),
            Self::Hll(sketch) => size_of::<HllSketch>() + sketch.estimated_size(),
            Self::Theta(sketch) => size_of::<ThetaSketch>() + sketch.estimated_size(),
            Self::Compact(sketch) => size_of::<CompactThetaSketch>() + sketch.estimated_size(),
            Self::Cpc(sketch) => size_of::<CpcSketch>() + sketch.estimated_size(),
            // Of an accumulator that only merges: one that is filled also holds a batch of hashes,
            // however many groups it has.
            Self::DataFusion(state) => merging(state)?.size(),
        })
    }

    /// Bytes as stored or handed on.
    pub(super) fn stored(&self) -> Result<usize> {
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

/// DataFusion's function over 64-bit integers, as a session of ours has it.
static APPROX_DISTINCT: LazyLock<Result<AggregateFunctionExpr>> = LazyLock::new(|| {
    let session = session(&Options { threads: Some(1), ..Options::default() })?;
    let state = session.state();
    let function = state.aggregate_functions().get("approx_distinct");
    let function = function.ok_or_else(|| Error::internal("DataFusion has no approx_distinct"))?;
    let schema = Schema::new(vec![Field::new("user", DataType::Int64, false)]);
    AggregateExprBuilder::new(Arc::clone(function), vec![Arc::new(Column::new("user", 0))])
        .schema(Arc::new(schema))
        .alias("users")
        .build()
        .map_err(broken)
});

/// An accumulator without groups.
fn approx_distinct() -> Result<Box<dyn GroupsAccumulator>> {
    match &*APPROX_DISTINCT {
        Ok(function) => function.create_groups_accumulator().map_err(broken),
        Err(error) => Err(Error::internal(error.to_string())),
    }
}

/// An accumulator that continues a state.
fn merging(state: &[ArrayRef]) -> Result<Box<dyn GroupsAccumulator>> {
    let mut groups = approx_distinct()?;
    groups.merge_batch(state, &GROUPS[..1], 1).map_err(broken)?;
    Ok(groups)
}

fn refused(cause: datasketches::error::Error) -> Error {
    Error::internal("DataSketches refuses its work").caused_by(cause)
}

fn broken(cause: DataFusionError) -> Error {
    Error::internal("approx_distinct refuses its work").caused_by(cause)
}
