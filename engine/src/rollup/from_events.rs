//! A roll-up from events.

use std::sync::Arc;

use super::approx::Sketches;
use super::cell::{CellSink, SharedBytes, cells};
use super::cell_users::{CellUsers, Counting, Rollup};
use super::exact::ExactSets;
use crate::Result;
use crate::distinct::{Aggregates, ExactSet, GroupedUsers, QueryIds};
use crate::scan::{Request, Scan};
use crate::users::Sketch;

impl Rollup {
    /// Scans all events into cells.
    ///
    /// # Errors
    /// Errors of the scan.
    pub fn build(scan: &Scan, request: &Request<'_>, counting: Counting) -> Result<Self> {
        let (exact, approximate) = match counting {
            Counting::Exact => (Some(ExactSet::default()), None),
            Counting::Approx(precision) => (None, Some(Sketch::new(precision)?)),
        };
        let empty = approximate.clone();
        let aggregates = Arc::new(Aggregates::of_events(&scan.dimensions, exact, approximate)?);
        let ids = Arc::new(vec![QueryIds::new(scan.has_integer_keys())]);
        let id_size = || ids.iter().map(QueryIds::size).sum();
        let id_bytes = SharedBytes::new(&id_size);
        let sink = || CellSink::new(&aggregates, &ids, &id_bytes, request.job);
        request.job.begin(scan.total_rows());
        let (sinks, summary) = scan.run(request, sink)?;
        let groups = CellSink::merged(sinks)?;
        let (cells, events, exact, sketches) = match groups {
            None => Default::default(),
            Some(GroupedUsers { columns, exact, approximate, events }) => {
                (cells(&columns)?, events, exact, approximate)
            }
        };
        let users = match empty {
            None => {
                let sets = ExactSets::new(exact, Arc::clone(&ids))?;
                // Integers that small sets kept have got ids only now.
                request.job.reserve(id_bytes.growth())?;
                CellUsers::Exact(sets)
            }
            Some(empty) => {
                let sketches = sketches.into_iter().map(Some).collect();
                CellUsers::Approx(Sketches::new(empty, sketches))
            }
        };
        Ok(Self { cells, events, users, summary })
    }
}
