//! Calendar periods of timestamps, without truncating them one by one.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit as ArrowUnit};
use datafusion::error::Result;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_plan::PhysicalExpr;

use crate::calendar::{Day, Window, Zone};
use crate::scan::{TimeBucketer, TimeGrain};

/// The rows at which a period begins, and the first day of the period.
pub(super) type Runs = Vec<(usize, i64)>;

/// An expression that is the same for all timestamps of a calendar period.
///
/// It is one over `date_trunc(<day or longer>, x)` or `x::DATE` and constants, where `x` is a
/// timestamp without a zone or in UTC.
#[derive(Debug)]
pub(super) struct Periods {
    timestamps: Arc<dyn PhysicalExpr>,
    bucketer: TimeBucketer,
    /// Last instant of the calendar, in microseconds; the first is 1970.
    end: i64,
    codes: HashMap<i64, u32>,
}

impl Periods {
    /// Recognises such an expression.
    pub(super) fn of(expr: &Arc<dyn PhysicalExpr>, data_type: &DataType) -> Option<Self> {
        // A dictionary is never made of timestamps.
        if matches!(data_type, DataType::Dictionary(_, _)) {
            return None;
        }
        let (timestamps, window) = truncated(expr)?;
        let bucketer = TimeBucketer::new(TimeGrain::of(window), &Zone::utc());
        let end = Zone::utc().end_of(Day::MAX);
        Some(Self { timestamps, bucketer, end, codes: HashMap::new() })
    }

    /// The runs of rows that share a period; `None` if there are nulls, timestamps outside of the
    /// calendar or of another type: then the expression has to be evaluated for every row.
    ///
    /// # Errors
    /// When the timestamps cannot be evaluated.
    pub(super) fn runs(&mut self, batch: &RecordBatch) -> Result<Option<Runs>> {
        let array = self.timestamps.evaluate(batch)?.into_array(batch.num_rows())?;
        let DataType::Timestamp(unit, zone) = array.data_type() else { return Ok(None) };
        if array.null_count() > 0 || !zone.as_deref().is_none_or(is_utc) {
            return Ok(None);
        }
        // Periods begin at whole seconds, so a rounded-down microsecond is in the same period.
        let (times, per_micro) = match unit {
            ArrowUnit::Microsecond => (cast(&array, &DataType::Int64)?, 1),
            ArrowUnit::Nanosecond => (cast(&array, &DataType::Int64)?, 1_000),
            ArrowUnit::Second | ArrowUnit::Millisecond => {
                let micros = DataType::Timestamp(ArrowUnit::Microsecond, zone.clone());
                (cast(&cast(&array, &micros)?, &DataType::Int64)?, 1)
            }
        };
        if times.null_count() > 0 {
            return Ok(None);
        }
        let times = times.as_primitive::<Int64Type>().values();
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for time in times {
            first = first.min(*time);
            last = last.max(*time);
        }
        if first < 0 || last / per_micro >= self.end {
            return Ok(None);
        }
        if times.is_empty() {
            return Ok(None);
        }
        // Mostly one period for the whole batch.
        match self.period(first, per_micro) {
            Some((period, bounds)) if bounds.contains(&last) => return Ok(Some(vec![(0, period)])),
            _ => {}
        }
        let mut runs = Runs::new();
        let mut row = 0;
        while let Some(time) = times.get(row) {
            let Some((period, bounds)) = self.period(*time, per_micro) else { return Ok(None) };
            runs.push((row, period));
            row += times[row..].iter().take_while(|time| bounds.contains(time)).count();
        }
        Ok(Some(runs))
    }

    /// The period of a time, and the times in it.
    fn period(&mut self, time: i64, per_micro: i64) -> Option<(i64, Range<i64>)> {
        let day = self.bucketer.bucket(time / per_micro)?;
        let Range { start, end } = self.bucketer.bounds(time / per_micro);
        let times = start.checked_mul(per_micro)?..end.saturating_mul(per_micro);
        Some((i64::from(day.number()), times))
    }

    /// The column that the timestamps are, if they are one.
    pub(super) fn column(&self) -> Option<usize> {
        self.timestamps.downcast_ref::<Column>().map(Column::index)
    }

    /// Whether two timestamps of this type, and so all between them, are in one period.
    pub(super) fn contains_both(
        &mut self,
        data_type: &DataType,
        (first, last): (i64, i64),
    ) -> bool {
        let DataType::Timestamp(unit, zone) = data_type else { return false };
        let (factor, per_micro) = match unit {
            ArrowUnit::Microsecond => (1, 1),
            ArrowUnit::Nanosecond => (1, 1_000),
            ArrowUnit::Millisecond => (1_000, 1),
            ArrowUnit::Second => return false,
        };
        let (Some(first), Some(last)) = (first.checked_mul(factor), last.checked_mul(factor))
        else {
            return false;
        };
        let known = first >= 0 && last / per_micro < self.end;
        known
            && zone.as_deref().is_none_or(is_utc)
            && self.period(first, per_micro).is_some_and(|(_, times)| times.contains(&last))
    }

    /// The code of a period, if it is known.
    pub(super) fn code(&self, period: i64) -> Option<u32> {
        self.codes.get(&period).copied()
    }

    /// Remembers the code of a period.
    pub(super) fn insert(&mut self, period: i64, code: u32) {
        self.codes.insert(period, code);
    }
}

/// The timestamps under an expression that is the same in each of their periods.
fn truncated(expr: &Arc<dyn PhysicalExpr>) -> Option<(Arc<dyn PhysicalExpr>, Window)> {
    if expr.is_volatile_node() {
        return None;
    }
    if let Some(function) = expr.downcast_ref::<ScalarFunctionExpr>()
        && function.name() == "date_trunc"
        && let [unit, timestamps] = function.args()
        && let Some(unit) = unit.downcast_ref::<Literal>()
        && let Some(Some(unit)) = unit.value().try_as_str()
    {
        let window = match unit.to_lowercase().as_str() {
            "day" => Window::Day,
            "week" => Window::Week,
            "month" => Window::Month,
            "quarter" => Window::Quarter,
            "year" => Window::Year,
            _ => return None,
        };
        return Some((Arc::clone(timestamps), window));
    }
    let children = expr.children();
    let mut changing = children.iter().filter(|child| !child.is::<Literal>());
    let (Some(child), None) = (changing.next(), changing.next()) else { return None };
    if let Some(inner) = truncated(child) {
        return Some(inner);
    }
    let cast = expr.downcast_ref::<CastExpr>()?;
    (*cast.cast_type() == DataType::Date32).then(|| (Arc::clone(child), Window::Day))
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "Z" | "+00:00" | "+00" | "Etc/UTC")
}
