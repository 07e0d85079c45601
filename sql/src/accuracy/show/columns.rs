//! The columns for programs: the one place that names, orders and types them.
//!
//! | column | type | null |
//! |---|---|---|
//! | measured | `size` (drawn sets), `level` (the project's own), `report` (whole ones) | never |
//! | level | Utf8 | but for levels |
//! | counter | Utf8: exact, headcount, datasketches_hll, ... | never |
//! | precision | Int64 | exact sets |
//! | sets, users, users_largest | Int64: how many sets; users in one on average, in the largest | never |
//! | error_mean, error_p95, error_worst | Float64, shares of the exact count | never |
//! | inside | Float64, share of sets within the stated 95 % interval | none is stated |
//! | error_mean_merged | Float64, of the union of two sets | but for sizes |
//! | bytes_memory | Float64, of a set; of everything behind a report | never |
//! | bytes_stored | Float64, of a set | reports |
//! | fill_us | Float64, microseconds to fill a set, or to answer a report | never |
//! | merge_us | Float64, microseconds to unite two sets | but for sizes |

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use engine::{Error, Kind, Result};

use crate::accuracy::measurement::{Measured, Measurement, SetKind};

/// One row for each line.
///
/// # Errors
/// [`Kind::Internal`] when the columns do not fit together.
pub(super) fn record_batch(measured: &Measured) -> Result<RecordBatch> {
    let lines = &measured.lines;
    let columns = [
        ("measured", text(lines, |line| Some(line.part.as_str()))),
        ("level", text(lines, level)),
        ("counter", text(lines, |line| Some(line.counter.kind.as_str()))),
        ("precision", whole(lines, |line| line.counter.precision.map(u64::from))),
        ("sets", whole(lines, |line| Some(line.sets))),
        ("users", whole(lines, |line| Some(line.users))),
        ("users_largest", whole(lines, |line| Some(line.largest))),
        ("error_mean", real(lines, |line| Some(line.errors.mean))),
        ("error_p95", real(lines, |line| Some(line.errors.p95))),
        ("error_worst", real(lines, |line| Some(line.errors.worst))),
        ("inside", real(lines, |line| line.errors.inside)),
        ("error_mean_merged", real(lines, |line| line.merged)),
        ("bytes_memory", real(lines, |line| Some(line.memory))),
        ("bytes_stored", real(lines, |line| line.stored)),
        ("fill_us", real(lines, |line| Some(line.fill))),
        ("merge_us", real(lines, |line| line.merge)),
    ];
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
    .map_err(|cause| Error::new(Kind::Internal, "the columns are inconsistent").caused_by(cause))
}

fn level(line: &Measurement) -> Option<&str> {
    match line.part {
        SetKind::Level(level) => Some(level.as_str()),
        SetKind::Size | SetKind::Report => None,
    }
}

fn text(lines: &[Measurement], value: impl Fn(&Measurement) -> Option<&str>) -> ArrayRef {
    Arc::new(lines.iter().map(value).collect::<StringArray>())
}

fn whole(lines: &[Measurement], value: impl Fn(&Measurement) -> Option<u64>) -> ArrayRef {
    let signed = |line| value(line).map(|number| number as i64); // counts of things in memory
    Arc::new(lines.iter().map(signed).collect::<Int64Array>())
}

fn real(lines: &[Measurement], value: impl Fn(&Measurement) -> Option<f64>) -> ArrayRef {
    Arc::new(lines.iter().map(value).collect::<Float64Array>())
}
