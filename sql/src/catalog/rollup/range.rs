//! The time range of a query: its whole days, and the partial days at its ends.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, lit};
use engine::calendar::Day;

/// Nanoseconds of a day.
pub(super) const DAY: i128 = 86_400_000_000_000;

/// Instants in nanoseconds since 1970, from `start` (inclusive) to `end` (exclusive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: i128,
    pub(super) end: i128,
}

impl Range {
    /// All time.
    pub(super) const ALL: Self = Self { start: i128::MIN, end: i128::MAX };

    /// The instants that a comparison selects, if it compares an `is_time` expression with a
    /// literal.
    pub(super) fn of(expr: &Expr, is_time: impl Fn(&Expr) -> bool) -> Option<Self> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return None };
        let (op, instant) = if is_time(left) {
            (*op, instant(right)?)
        } else if is_time(right) {
            (op.swap()?, instant(left)?)
        } else {
            return None;
        };
        let (start, end) = match op {
            Operator::Eq => (instant, instant + 1),
            Operator::GtEq => (instant, i128::MAX),
            Operator::Gt => (instant + 1, i128::MAX),
            Operator::LtEq => (i128::MIN, instant + 1),
            Operator::Lt => (i128::MIN, instant),
            _ => return None,
        };
        Some(Self { start, end })
    }

    /// The intersection.
    pub(super) fn and(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }

    pub(super) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// All instants of these days, both inclusive.
    pub(super) fn of_days((first, last): (Day, Day)) -> Self {
        let start = |number: i32| i128::from(number) * DAY;
        Self { start: start(first.number()), end: start(last.number() + 1) }
    }

    /// The whole days in a bounded range, both inclusive, and the rest before and after them.
    pub(super) fn days(self) -> Option<((Day, Day), [Self; 2])> {
        let start = self.start.div_euclid(DAY) + i128::from(self.start.rem_euclid(DAY) != 0);
        let end = self.end.div_euclid(DAY);
        let day = |number: i128| i32::try_from(number).ok().map(Day::new);
        let days = (day(start)?, day(end - 1)?);
        let cut = [Self { end: start * DAY, ..self }, Self { start: end * DAY, ..self }];
        (start < end).then_some((days, cut))
    }

    /// The days that overlap a bounded range, both inclusive.
    pub(super) fn around(self) -> Option<(Day, Day)> {
        let day = |instant: i128| i32::try_from(instant.div_euclid(DAY)).ok().map(Day::new);
        if self.is_empty() { None } else { Some((day(self.start)?, day(self.end - 1)?)) }
    }

    /// The condition that a time column of this type lies in the range; `None` if it always does.
    pub(super) fn condition(self, column: &Column, data_type: &DataType) -> Option<Expr> {
        let DataType::Timestamp(unit, zone) = data_type else { return None };
        let nanos = nanoseconds(*unit);
        // The first instant at the column's resolution that is not before the bound.
        let bound = |instant: i128| {
            let count = instant.div_euclid(nanos) + i128::from(instant.rem_euclid(nanos) != 0);
            let count = count.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
            lit(match unit {
                TimeUnit::Second => ScalarValue::TimestampSecond(Some(count), zone.clone()),
                TimeUnit::Millisecond => {
                    ScalarValue::TimestampMillisecond(Some(count), zone.clone())
                }
                TimeUnit::Microsecond => {
                    ScalarValue::TimestampMicrosecond(Some(count), zone.clone())
                }
                TimeUnit::Nanosecond => ScalarValue::TimestampNanosecond(Some(count), zone.clone()),
            })
        };
        let time = || Expr::Column(column.clone());
        let from = (self.start > i128::MIN).then(|| time().gt_eq(bound(self.start)));
        let to = (self.end < i128::MAX).then(|| time().lt(bound(self.end)));
        from.into_iter().chain(to).reduce(Expr::and)
    }
}

/// A literal timestamp in UTC, or the start of a literal day.
pub(super) fn instant(expr: &Expr) -> Option<i128> {
    let Expr::Literal(value, _) = expr else { return None };
    if let ScalarValue::Date32(day) = value {
        return day.map(|day| i128::from(day) * DAY);
    }
    if !is_utc(&value.data_type()) {
        return None;
    }
    let (count, unit) = match value {
        ScalarValue::TimestampSecond(count, _) => (count, TimeUnit::Second),
        ScalarValue::TimestampMillisecond(count, _) => (count, TimeUnit::Millisecond),
        ScalarValue::TimestampMicrosecond(count, _) => (count, TimeUnit::Microsecond),
        ScalarValue::TimestampNanosecond(count, _) => (count, TimeUnit::Nanosecond),
        _ => return None,
    };
    count.map(|count| i128::from(count) * nanoseconds(unit))
}

/// Whether this is a timestamp type without a zone or in UTC.
pub(super) fn is_utc(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, None) => true,
        DataType::Timestamp(_, Some(zone)) => ["UTC", "+00:00"].contains(&&**zone),
        _ => false,
    }
}

fn nanoseconds(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

#[cfg(test)]
mod tests {
    use engine::calendar::Day;

    use super::{DAY, Range};

    #[test]
    fn ranges_split_into_whole_and_partial_days() {
        let day = Day::new;
        let range = |start, end| Range { start, end };
        for (start, end, days) in [
            (0, DAY, Some((0, 0))),
            (0, 3 * DAY, Some((0, 2))),
            (1, 3 * DAY, Some((1, 2))),
            (-1, 3 * DAY + 7, Some((0, 2))),
            (1, 2 * DAY - 1, None),
            (1, 2 * DAY, Some((1, 1))),
            (5, 9, None),
            (9, 9, None),
        ] {
            let found = range(start, end).days();
            assert_eq!(found.map(|(days, _)| days), days.map(|(a, b)| (day(a), day(b))));
            let Some((days, [before, after])) = found else { continue };
            let whole = Range::of_days(days);
            assert_eq!((before.start, before.end), (start, whole.start));
            assert_eq!((after.start, after.end), (whole.end, end));
            let (first, last) = range(start, end).around().unwrap();
            assert!(first <= days.0 && last >= days.1 && last.number() - first.number() < 5);
            assert_eq!(before.is_empty(), start % DAY == 0);
            assert_eq!(after.is_empty(), end % DAY == 0);
        }
    }
}
