//! Converts filters on a column of days, such as `period_start`, to a range of days.

use datafusion::common::Column;
use datafusion::logical_expr::expr::Between;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;
use engine::active::Question;
use engine::calendar::{Day, Window};

/// First days of periods, both bounds inclusive; `None` is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::catalog) struct Starts {
    pub(in crate::catalog) from: Option<Day>,
    pub(in crate::catalog) to: Option<Day>,
}

/// The days that a filter selects at most of a column; `None` if it does not constrain them.
pub(in crate::catalog) fn of(filter: &Expr, name: &str) -> Option<Starts> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (&**left, &**right) {
            (Expr::Column(column), value) => compared(column, name, *op, day(value)?),
            (value, Expr::Column(column)) => compared(column, name, op.swap()?, day(value)?),
            _ => None,
        },
        Expr::Between(Between { expr, negated: false, low, high }) => match &**expr {
            Expr::Column(column) if column.name() == name => {
                Some(Starts { from: Some(day(low)?), to: Some(day(high)?) })
            }
            _ => None,
        },
        _ => None,
    }
}

fn compared(column: &Column, name: &str, op: Operator, day: Day) -> Option<Starts> {
    if column.name() != name {
        return None;
    }
    let (from, to) = match op {
        Operator::Eq => (Some(day), Some(day)),
        Operator::GtEq => (Some(day), None),
        Operator::Gt => (Some(day.plus(1)), None),
        Operator::LtEq => (None, Some(day)),
        Operator::Lt => (None, Some(day.plus(-1))),
        _ => return None,
    };
    Some(Starts { from, to })
}

fn day(value: &Expr) -> Option<Day> {
    match value {
        Expr::Literal(ScalarValue::Date32(Some(number)), _) => Some(Day::new(*number)),
        _ => None,
    }
}

/// Narrows a question to the days needed for all periods that start in the range. Other periods may
/// also be in the result; their rows are unaffected.
pub(super) fn narrow(question: &mut Question, starts: Starts) {
    // A rolling window is selected by its reporting day, which is days after its first day; a
    // calendar period by any of its days.
    let later = match question.window {
        Window::Trailing(days) => i32::from(days) - 1,
        Window::Iso4w => 27,
        Window::Lagged28d => 29,
        _ => 0,
    };
    if let Some(from) = starts.from {
        let from = from.plus(later);
        question.from = Some(question.from.map_or(from, |before| before.max(from)));
    }
    if let Some(to) = starts.to {
        let to = to.plus(later);
        question.to = Some(question.to.map_or(to, |before| before.min(to)));
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{Expr, col, lit};
    use datafusion::scalar::ScalarValue;
    use engine::active::Question;
    use engine::calendar::{Day, Period, Window};

    use super::{narrow, of};

    fn date(day: Day) -> Expr {
        lit(ScalarValue::Date32(Some(day.number())))
    }

    #[test]
    fn only_bounds_of_the_start_are_converted() {
        let day = Day::new(20_000);
        let start = || col("period_start");
        for filter in [
            start().gt_eq(date(day)),
            date(day).lt(start()),
            start().between(date(day), date(day.plus(3))),
            start().eq(date(day)),
        ] {
            assert!(of(&filter, "period_start").is_some(), "{filter}");
        }
        for filter in [
            start().not_eq(date(day)),
            start().not_between(date(day), date(day)),
            col("period_end").gt(date(day)),
            start().gt(lit("2026-01-01")),
            start().gt(date(day)).or(start().lt(date(day))),
        ] {
            assert!(of(&filter, "period_start").is_none(), "{filter}");
        }
    }

    /// Every period that a filter selects is in the narrowed range, for all windows and bounds.
    #[test]
    fn no_period_is_lost() {
        let first = Day::from_ymd(2024, 1, 1).unwrap();
        let last = Day::from_ymd(2025, 3, 31).unwrap();
        for window in [
            Window::Day,
            Window::Week,
            Window::Month,
            Window::Quarter,
            Window::Year,
            Window::Last28dOfMonth,
            Window::Trailing(28),
            Window::Trailing(1),
            Window::Iso4w,
            Window::Lagged28d,
        ] {
            let all = window.periods(Period::new(first, last));
            for number in 0..120 {
                let low = first.plus(60 + number * 2);
                let high = low.plus(number % 45);
                let filter = col("period_start").between(date(low), date(high));
                let question = Question { window, ..Question::default() };
                let mut narrowed = question.clone();
                narrow(&mut narrowed, of(&filter, "period_start").unwrap());
                let range = Period::new(narrowed.from.unwrap(), narrowed.to.unwrap());
                let found = window.periods(range);
                for period in all.iter().filter(|p| (low..=high).contains(&p.start)) {
                    assert!(found.contains(period), "{window}: {period} by {low}..{high}");
                }
            }
        }
    }
}
