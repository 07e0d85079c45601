//! Ways to count, and how each fills a set.

use std::fmt;
use std::time::Duration;

use datasketches::cpc::CpcSketch;
use datasketches::hll::HllSketch;
use datasketches::theta::ThetaSketchBuilder;
use engine::Result;
use engine::users::{Sketch, hash_int};

use crate::accumulator::Accumulator;
use crate::filled::{FilledSet, REGISTERS, Work, refused, timed};
use crate::sample::Sample;

/// The precision of DataFusion's `approx_distinct`; it cannot be chosen.
const FIXED: u8 = 14;
/// The lowest precision of a Theta sketch.
const LOWEST_THETA: u8 = 5;

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

    /// Fills a set with users. Returns it with the time that took by `clock`, which returns the
    /// time since any fixed moment.
    ///
    /// # Errors
    /// When a sketch refuses its precision.
    pub fn fill(
        self,
        sample: &Sample,
        clock: &dyn Fn() -> Duration,
    ) -> Result<(FilledSet, Duration)> {
        timed(clock, || self.take_all(sample))
    }

    fn take_all(self, sample: &Sample) -> Result<Work> {
        let precision = self.precision.unwrap_or(FIXED);
        let filled = match self.kind {
            Kind::Exact => FilledSet::Exact(sample.numbers().iter().copied().collect()),
            Kind::Headcount => {
                let mut sketch = Sketch::new(precision)?;
                sample.each_key(|key| sketch.insert(hash_int(key)));
                FilledSet::Headcount(sketch)
            }
            Kind::Hll => {
                let mut sketch = HllSketch::new(precision, REGISTERS).map_err(refused)?;
                sample.each_key(|key| sketch.update(key));
                FilledSet::Hll(sketch)
            }
            Kind::Theta => {
                let builder = ThetaSketchBuilder::default().lg_k(precision);
                let mut sketch = builder.build().map_err(refused)?;
                sample.each_key(|key| sketch.update(key));
                FilledSet::Theta(sketch)
            }
            Kind::Cpc => {
                let mut sketch = CpcSketch::new(precision).map_err(refused)?;
                sample.each_key(|key| sketch.update(key));
                FilledSet::Cpc(sketch)
            }
            Kind::DataFusion => {
                let mut accumulator = Accumulator::new()?;
                for batch in sample.batches() {
                    accumulator.update(batch)?;
                }
                return Ok(Work::Accumulator(accumulator));
            }
        };
        Ok(Work::Done(filled))
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
