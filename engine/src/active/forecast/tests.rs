//! Forecasts against numbers derived by hand, a plain reference, and simulated series.

use super::series::{ForecastMethod, forecast, student};
use crate::calendar::{Day, Window};

/// A series from January 2024 on.
fn series(numbers: &[u64]) -> Vec<(Day, u64)> {
    let mut month = "2024-01-01".parse::<Day>().unwrap();
    let mut next = || {
        let this = month;
        month = Window::Month.at(month).end.plus(1);
        this
    };
    numbers.iter().map(|users| (next(), *users)).collect()
}

/// Eleven changes: six of 10 and five of 20. D = 160 / 11 = 14.545; s^2 = (2600 - 11 D^2) / 10 = 27.273, so
/// s = 5.2223; t(10) = 2.2281.
#[test]
fn the_average_change_goes_on() {
    let numbers = [100, 110, 130, 140, 160, 170, 190, 200, 220, 230, 250, 260];
    let found = forecast(&series(&numbers), 2).unwrap();
    assert_eq!((found.method, found.based_on), (ForecastMethod::Drift, 12));
    let months = found.months.iter().map(|m| (m.month.to_string(), m.users, m.low, m.high));
    assert_eq!(
        months.collect::<Vec<_>>(),
        [
            // 274.545 +- 2.2281 * 5.2223 * sqrt(12 / 11) = 12.153
            ("2025-01-01".to_owned(), 275, 262, 287),
            // 289.091 +- 2.2281 * 5.2223 * sqrt(2 * 13 / 11) = 17.889
            ("2025-02-01".to_owned(), 289, 271, 307),
        ]
    );
    // From 6 months: 170 + 14 and 28, truly 190 and 200. From 7: 190 + 15 and 30, truly 200 and 220. And
    // so on: 200 + 14.29 and 28.57, 220 + 15 and 30, 230 + 14.44 and 28.89, and 250 + 15.
    let errors = [6, 2, 5, 0, 6, 1, 5, 0, 6, 1, 5];
    let truths = [190, 200, 200, 220, 220, 230, 230, 250, 250, 260, 260];
    assert_eq!(found.tested, errors.len());
    let mean = |numbers: &mut dyn Iterator<Item = f64>| numbers.sum::<f64>() / 11.0;
    let mape =
        mean(&mut errors.iter().zip(truths).map(|(e, t)| 100.0 * f64::from(*e) / f64::from(t)));
    let mase = mean(&mut errors.iter().map(|e| f64::from(*e))) / (160.0 / 11.0);
    assert!((found.mape.unwrap() - mape).abs() < 1e-9, "{:?} {mape}", found.mape);
    assert!((found.mase.unwrap() - mase).abs() < 1e-9, "{:?} {mase}", found.mase);
}

/// Every year is 120 more than the last, with a summer of 500 fewer.
#[test]
fn seasons_are_continued() {
    let at = |month: u64| 5_000 + 10 * month - if (6..8).contains(&(month % 12)) { 500 } else { 0 };
    let numbers: Vec<u64> = (0..36).map(at).collect();
    let found = forecast(&series(&numbers), 14).unwrap();
    assert_eq!(found.method, ForecastMethod::SeasonalDrift);
    for (month, found) in (36..).zip(&found.months) {
        assert_eq!((found.users, found.low, found.high), (at(month), at(month), at(month)));
    }
    assert_eq!((found.mape, found.mase), (Some(0.0), Some(0.0)));
    // Of 35 months no season is learned.
    assert_eq!(forecast(&series(&numbers[..35]), 1).unwrap().method, ForecastMethod::Drift);
    // Nor of a straight line.
    let line: Vec<u64> = (0..40).map(|month| 7 + 3 * month).collect();
    let found = forecast(&series(&line), 3).unwrap();
    assert_eq!(found.method, ForecastMethod::Drift);
    assert_eq!(
        found.months.iter().map(|m| (m.low, m.users)).collect::<Vec<_>>(),
        [(127, 127), (130, 130), (133, 133)]
    );
}

#[test]
fn numbers_stay_in_their_range() {
    let falling: Vec<u64> = (0..12).map(|month| 110 - 10 * month).collect();
    let found = forecast(&series(&falling), 2).unwrap();
    assert!(found.months.iter().all(|month| (month.users, month.low) == (0, 0)));
    // A true number of 0 has no relative error, and a series without changes no scale.
    assert_eq!(found.mape, None);
    let constant = forecast(&series(&[7; 12]), 6).unwrap();
    assert!(constant.months.iter().all(|m| (m.users, m.low, m.high) == (7, 7, 7)));
    assert_eq!((constant.mape, constant.mase), (Some(0.0), None));
}

#[test]
fn too_few_months_are_refused() {
    for (known, ahead, message) in [
        (
            11,
            1,
            "a forecast of 1 month needs 12 complete months, and the series has 11; at least 12",
        ),
        (0, 1, "needs 12 complete months, and the series has 0"),
        (
            18,
            12,
            "a forecast of 12 months needs 24 complete months, and the series has 18; ask for at most 9 months",
        ),
        (12, 0, "at least one month"),
        (12, usize::MAX, "ask for at most 6 months"),
    ] {
        let error = forecast(&series(&vec![5; known]), ahead).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let mut gap = series(&[5; 14]);
    gap.remove(7);
    let error = forecast(&gap, 1).unwrap_err().to_string();
    assert!(error.contains("without gaps (missing: 2024-08-01)"), "{error}");
    // Any day of a month will do, such as the first of its last 28.
    let days: Vec<_> = series(&[5; 12]).iter().map(|(day, users)| (day.plus(3), *users)).collect();
    assert_eq!(forecast(&days, 1).unwrap().months[0].month.to_string(), "2025-01-01");
}

#[test]
fn the_quantiles_are_those_of_tables() {
    for (freedom, quantile) in
        [(5.0, 2.5706), (10.0, 2.2281), (11.0, 2.2010), (23.0, 2.0687), (100.0, 1.9840)]
    {
        assert!(
            (student(freedom) / quantile - 1.0).abs() < 0.002,
            "{freedom}: {}",
            student(freedom)
        );
    }
}

/// Normal random numbers by the sum of twelve uniform ones.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// A random walk with drift over a lag, of 60 months of which the last `ahead` are to be forecast.
fn walk(random: &mut Random, lag: usize) -> Vec<u64> {
    let mut numbers: Vec<f64> = (0..lag).map(|at| 100_000.0 + 700.0 * at as f64).collect();
    while numbers.len() < 60 {
        numbers.push(numbers[numbers.len() - lag] + 300.0 + 1_000.0 * random.normal());
    }
    numbers.iter().map(|number| number.round() as u64).collect()
}

/// Of series that are as the method supposes, 95 % of the true numbers are in the intervals, near and far.
#[test]
fn the_intervals_hold_95_percent() {
    let mut random = Random(1);
    for known in [12, 24, 48] {
        let (mut inside, trials) = ([0_u32; 6], 2_000);
        for _ in 0..trials {
            let numbers = walk(&mut random, 1);
            let found = forecast(&series(&numbers[..known]), 6).unwrap();
            // Where a season was chosen by mistake its intervals hold, too, but not as exactly.
            for (at, month) in found.months.iter().enumerate() {
                inside[at] += u32::from((month.low..=month.high).contains(&numbers[known + at]));
            }
        }
        for inside in inside {
            let share = f64::from(inside) / f64::from(trials);
            assert!((0.935..0.965).contains(&share), "{known} months: {share}");
        }
    }
}

/// Everything by a plain second computation: sums over explicit indexes.
#[test]
fn a_plain_computation_gives_the_same() {
    let mut random = Random(7);
    for round in 0..200 {
        let lag = [1, 12][round % 2];
        let known = 12 + round % 40;
        let ahead = 1 + round % (known / 2);
        let numbers = walk(&mut random, lag);
        let y: Vec<f64> = numbers[..known].iter().map(|number| *number as f64).collect();
        let predict = |n: usize, m: usize, h: usize| {
            let k = h.div_ceil(m);
            let (mut sum, mut squares) = (0.0, 0.0);
            for t in m..n {
                sum += y[t] - y[t - m];
                squares += (y[t] - y[t - m]) * (y[t] - y[t - m]);
            }
            let count = (n - m) as f64;
            let variance = (squares - sum * sum / count) / (count - 1.0);
            let error = (variance * k as f64 * (1.0 + k as f64 / count)).sqrt();
            (y[n + h - 1 - k * m] + k as f64 * sum / count, error)
        };
        let origin = if known >= 36 { 24 } else { 6 };
        let total = |m: usize| {
            let mut total = (0.0, 0);
            for n in origin..known {
                for h in 1..=ahead {
                    if n + h <= known {
                        total.0 += (predict(n, m, h).0.round() - y[n + h - 1]).abs();
                        total.1 += 1;
                    }
                }
            }
            total
        };
        let m = if known >= 36 && total(12).0 < total(1).0 { 12 } else { 1 };
        let found = forecast(&series(&numbers[..known]), ahead).unwrap();
        assert_eq!(found.method.lag(), m, "{known} months");
        let (errors, tested) = total(m);
        let scale: f64 =
            (1..known).map(|t| (y[t] - y[t - 1]).abs()).sum::<f64>() / (known - 1) as f64;
        assert_eq!(found.tested, tested);
        assert!((found.mase.unwrap() - errors / tested as f64 / scale).abs() < 1e-9);
        for (h, month) in (1..).zip(&found.months) {
            let (center, error) = predict(known, m, h);
            let half = student((known - m - 1) as f64) * error;
            for (number, exact) in
                [(month.users, center), (month.low, center - half), (month.high, center + half)]
            {
                assert!((number as f64 - exact).abs() <= 1.0, "{number} {exact}");
            }
        }
    }
}
