//! The axes of charts, with their tick marks and labels.

use engine::calendar::{Day, Window};

/// An axis: its ends, and its marks with their labels.
pub(crate) struct Axis {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) marks: Vec<(f64, String)>,
}

impl Axis {
    /// Time: a unit for each period, with at most `most` marks. `periods` are in order, each with
    /// its day and its name.
    pub(crate) fn time(periods: &[(Day, String)], most: usize) -> Self {
        let marks = time_marks(periods, most).into_iter().map(|(at, label)| (at as f64, label));
        Self { from: -0.5, to: periods.len() as f64 - 0.5, marks: marks.collect() }
    }

    /// Values from 0 to at least `highest`; `label` gets a value and the end of the axis.
    pub(crate) fn from_zero(highest: f64, label: impl Fn(f64, f64) -> String) -> Self {
        let values = round_values(highest);
        let to = values.last().copied().unwrap_or(1.0);
        let marks = values.into_iter().map(|value| (value, label(value, to))).collect();
        Self { from: 0.0, to, marks }
    }
}

/// Steps of the time axis, from fine to coarse; years by how many of them.
const STEPS: [Step; 11] = [
    Step::Period,
    Step::Week,
    Step::Month,
    Step::Quarter,
    Step::Years(1),
    Step::Years(2),
    Step::Years(5),
    Step::Years(10),
    Step::Years(25),
    Step::Years(100),
    Step::Years(1000),
];

#[derive(Clone, Copy)]
enum Step {
    Period,
    Week,
    Month,
    Quarter,
    Years(i32),
}

impl Step {
    /// The same number for all days of one step.
    fn of(self, day: Day) -> i32 {
        let (year, month, _) = day.ymd();
        match self {
            Self::Period => day.number(),
            Self::Week => Window::Week.at(day).start.number(),
            Self::Month => year * 12 + i32::from(month),
            Self::Quarter => year * 4 + i32::from((month - 1) / 3),
            Self::Years(years) => year.div_euclid(years),
        }
    }

    /// The fewest days of one step: periods this far apart are not gathered by it.
    fn days(self) -> i32 {
        match self {
            Self::Period => i32::MAX,
            Self::Week => 7,
            Self::Month => 28,
            Self::Quarter => 90,
            Self::Years(years) => years.saturating_mul(365),
        }
    }

    fn label(self, day: Day, period: &str) -> String {
        let (year, month, _) = day.ymd();
        match self {
            Self::Period => period.to_owned(),
            Self::Week => day.to_string(),
            Self::Month | Self::Quarter => format!("{year:04}-{month:02}"),
            Self::Years(_) => format!("{year:04}"),
        }
    }
}

/// The marks of the time axis: which of the periods, and the words there; at most `most`, by the
/// finest step that allows it, else the first and the last period. `periods` are in order, each
/// with its day on the axis and its name.
fn time_marks(periods: &[(Day, String)], most: usize) -> Vec<(usize, String)> {
    let [(first, first_name), .., (last, last_name)] = periods else {
        return periods.iter().map(|(_, name)| (0, name.clone())).collect();
    };
    let apart = (last.number() - first.number()) / (periods.len() as i32 - 1).max(1);
    for step in STEPS.into_iter().filter(|step| apart < step.days()) {
        let begins = |at: usize, day: Day| match at.checked_sub(1).and_then(|p| periods.get(p)) {
            Some((before, _)) => step.of(day) != step.of(*before),
            // A step that began before the first period is not marked in its middle.
            None => step.of(day) != step.of(day.plus(-1)),
        };
        let marks: Vec<(usize, String)> = periods
            .iter()
            .enumerate()
            .filter(|(at, (day, _))| begins(*at, *day))
            .map(|(at, (day, name))| (at, step.label(*day, name)))
            .collect();
        if marks.len() > most {
            continue;
        }
        if marks.len() > 1 {
            return marks;
        }
        break;
    }
    vec![(0, first_name.clone()), (periods.len() - 1, last_name.clone())]
}

/// Round values from 0 to at least `highest`, in three to six steps of 1, 2 or 5 times a power of
/// ten; users are whole, so no step is below 1.
fn round_values(highest: f64) -> Vec<f64> {
    let rough = (highest / 5.0).max(1.0);
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = step.into_iter().find(|step| *step >= rough).unwrap_or(10.0 * power);
    let steps = (highest / step).ceil().max(1.0) as u32;
    (0..=steps).map(|at| f64::from(at) * step).collect()
}

/// A number for an axis that ends at `top`, with the same unit all along: `950`, `5 k`, `1.5 M`.
pub(crate) fn short(number: f64, top: f64) -> String {
    let (size, unit) = match top {
        _ if number == 0.0 => (1.0, ""),
        top if top >= 1e9 => (1e9, " G"),
        top if top >= 1e6 => (1e6, " M"),
        top if top >= 1e4 => (1e3, " k"),
        _ => (1.0, ""),
    };
    let rounded = (number / size * 100.0).round() / 100.0;
    format!("{rounded}{unit}")
}

#[cfg(test)]
mod tests {
    use engine::calendar::{Day, Period, Window};

    use super::{round_values, short, time_marks};

    #[test]
    fn marks_are_as_fine_as_there_is_room() {
        let check = |window: Window, from: &str, to: &str, most: usize, expected: &[&str]| {
            let (from, to): (Day, Day) = (from.parse().unwrap(), to.parse().unwrap());
            let periods: Vec<(Day, String)> = window
                .periods(Period::new(from, to))
                .into_iter()
                .map(|period| (period.start, period.start.to_string()))
                .collect();
            let found: Vec<String> =
                time_marks(&periods, most).into_iter().map(|(_, label)| label).collect();
            assert_eq!(found, expected);
        };
        check(Window::Month, "2026-01-01", "2026-02-28", 8, &["2026-01-01", "2026-02-01"]);
        check(
            Window::Month,
            "2025-11-01",
            "2026-12-31",
            5,
            &["2026-01", "2026-04", "2026-07", "2026-10"],
        );
        check(
            Window::Month,
            "2004-11-01",
            "2026-05-31",
            6,
            &["2005", "2010", "2015", "2020", "2025"],
        );
        check(
            Window::Day,
            "2026-03-01",
            "2026-03-20",
            4,
            &["2026-03-02", "2026-03-09", "2026-03-16"],
        );
        check(Window::Month, "2025-08-01", "2026-06-30", 10, &["2025-10", "2026-01", "2026-04"]);
        check(Window::Month, "2026-02-01", "2026-05-31", 3, &["2026-02-01", "2026-05-01"]);
        check(Window::Day, "2026-03-01", "2026-03-01", 4, &["2026-03-01"]);
        check(Window::Day, "2026-03-01", "2026-02-01", 4, &[]);
    }

    #[test]
    fn values_are_round_and_reach_the_highest() {
        let check = |highest: f64, expected: &[f64]| assert_eq!(round_values(highest), expected);
        check(0.0, &[0.0, 1.0]);
        check(3.0, &[0.0, 1.0, 2.0, 3.0]);
        check(1_234.0, &[0.0, 500.0, 1_000.0, 1_500.0]);
        check(5_000_000.0, &[0.0, 1e6, 2e6, 3e6, 4e6, 5e6]);
    }

    #[test]
    fn short_numbers_carry_the_unit_of_their_axis() {
        let check = |number: f64, top: f64, expected: &str| {
            assert_eq!(short(number, top), expected);
        };
        check(0.0, 1e6, "0");
        check(8_000.0, 8_000.0, "8000");
        check(5_000.0, 15_000.0, "5 k");
        check(500_000.0, 1_500_000.0, "0.5 M");
        check(2.5e9, 5e9, "2.5 G");
    }
}
