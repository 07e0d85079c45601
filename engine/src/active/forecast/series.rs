//! Forecasts of a monthly series, with intervals and the errors that the method made in the past.
//!
//! The method goes on by the average change ("random walk with drift", R. J. Hyndman and
//! G. Athanasopoulos, *Forecasting: Principles and Practice*, 3rd ed., sections 5.2 and 5.5). With a lag of
//! m months (1, or 12 for series with seasons) and N = n - m changes d(t) = y(t) - y(t - m), whose mean is D
//! and whose standard deviation is s (with N - 1), the forecast for h months ahead is
//!
//! ```text
//! y(n + h - k m) + k D                  where k = h / m, rounded up
//! +- t(N - 1) s sqrt(k (1 + k / N))     a 95 % interval, t being Student's quantile
//! ```
//!
//! Errors are measured by forecasts from earlier months (section 5.10, rolling origin). They also choose
//! between the lags.

use crate::calendar::{Day, Window};
use crate::{Error, Result};

/// Fewest months for a forecast; also, so many times the months that are forecast.
const MIN_MONTHS: usize = 12;
const MONTHS_PER_FORECAST: usize = 2;
/// Months of a year, and the fewest for which a season is considered.
const SEASON: usize = 12;
const MIN_SEASONAL_MONTHS: usize = 3 * SEASON;
/// Fewest months that a forecast is tested from.
const FIRST_ORIGIN: usize = MIN_MONTHS / 2;
const FIRST_SEASONAL_ORIGIN: usize = 2 * SEASON;
/// 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// How a series is continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForecastMethod {
    /// By its average monthly change, from the last month.
    Drift,
    /// By its average yearly change, from the same month of the last year.
    SeasonalDrift,
}

impl ForecastMethod {
    /// As shown to users.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drift => "drift",
            Self::SeasonalDrift => "seasonal drift",
        }
    }

    pub(super) fn lag(self) -> usize {
        match self {
            Self::Drift => 1,
            Self::SeasonalDrift => SEASON,
        }
    }
}

/// The forecast of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForecastMonth {
    /// The first day of the month.
    pub month: Day,
    /// The most likely number.
    pub users: u64,
    /// Lower end of the 95 % interval.
    pub low: u64,
    /// Upper end of the 95 % interval.
    pub high: u64,
}

/// The next months of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// The months after the series.
    pub months: Vec<ForecastMonth>,
    /// How they were computed.
    pub method: ForecastMethod,
    /// Months that it is based on.
    pub based_on: usize,
    /// How many numbers of the series were forecast from earlier months, up to as far ahead as this
    /// forecast goes.
    pub tested: usize,
    /// Mean absolute error of these in per cent of the true numbers; `None` if one of those is 0.
    pub mape: Option<f64>,
    /// Mean absolute error of these, divided by the mean absolute change from month to month; `None` if
    /// nothing ever changed. Below 1 is better than forecasting no change by one month.
    pub mase: Option<f64>,
}

/// Forecasts the `ahead` months after a series: complete months with their numbers, in order and without
/// gaps. A month is given by any of its days.
///
/// # Errors
/// When there are too few months, or one is missing.
pub fn forecast(series: &[(Day, u64)], ahead: usize) -> Result<Forecast> {
    check(series, ahead)?;
    let numbers: Vec<f64> = series.iter().map(|(_, users)| *users as f64).collect();
    let has_seasons = numbers.len() >= MIN_SEASONAL_MONTHS;
    let (methods, origin): (&[ForecastMethod], usize) = match has_seasons {
        true => (&[ForecastMethod::Drift, ForecastMethod::SeasonalDrift], FIRST_SEASONAL_ORIGIN),
        false => (&[ForecastMethod::Drift], FIRST_ORIGIN),
    };
    let (mut method, mut errors) = (ForecastMethod::Drift, Errors::default());
    for (at, candidate) in methods.iter().enumerate() {
        let found = Errors::of(*candidate, &numbers, origin, ahead);
        if at == 0 || found.absolute < errors.absolute {
            (method, errors) = (*candidate, found);
        }
    }
    let line = Line::fit(method, &numbers);
    let mut month = series.last().map_or(Day::MIN, |(day, _)| *day);
    let months = (1..=ahead).map(|h| {
        month = next_month(month);
        let (users, half) = (line.at(h), line.half_interval(h));
        let whole = |number: f64| number.max(0.0) as u64;
        ForecastMonth {
            month,
            users: whole(users.round()),
            low: whole((users - half).floor()),
            high: whole((users + half).ceil()),
        }
    });
    let months = months.collect();
    let changes = numbers.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    let change = changes.sum::<f64>() / (numbers.len() - 1) as f64;
    let mean = |sum: f64| sum / errors.tested as f64;
    Ok(Forecast {
        months,
        method,
        based_on: numbers.len(),
        tested: errors.tested,
        mape: errors.relative.map(|sum| 100.0 * mean(sum)),
        mase: (change > 0.0).then(|| mean(errors.absolute) / change),
    })
}

fn check(series: &[(Day, u64)], ahead: usize) -> Result<()> {
    let (known, needed) = (series.len(), MIN_MONTHS.max(MONTHS_PER_FORECAST.saturating_mul(ahead)));
    if ahead == 0 {
        return Err(Error::input("a forecast needs at least one month")
            .with("help", "ask for 1 month or more"));
    }
    if known < needed {
        let months = |months: usize| match months {
            1 => "1 month".to_owned(),
            months => format!("{months} months"),
        };
        let message = format!(
            "a forecast of {} needs {needed} complete months, and the series has {known}",
            months(ahead)
        );
        let help = match known < MIN_MONTHS {
            true => format!(
                "at least {MIN_MONTHS} complete months are needed; start with an earlier one"
            ),
            false => format!("ask for at most {}", months(known / MONTHS_PER_FORECAST)),
        };
        return Err(Error::input(message).with("help", help));
    }
    for pair in series.windows(2) {
        let expected = next_month(pair[0].0);
        if Window::Month.at(pair[1].0).start != expected {
            let message = "the months of a series to forecast must follow each other without gaps";
            return Err(Error::input(message).with("missing", expected));
        }
    }
    Ok(())
}

/// The first day of the month after that of a day.
fn next_month(day: Day) -> Day {
    Window::Month.at(day).end.plus(1)
}

/// A method, fitted to a series.
struct Line<'a> {
    numbers: &'a [f64],
    lag: usize,
    /// Number, mean and standard deviation of the changes over the lag.
    changes: f64,
    drift: f64,
    deviation: f64,
}

impl<'a> Line<'a> {
    /// Needs two months more than the lag.
    fn fit(method: ForecastMethod, numbers: &'a [f64]) -> Self {
        let lag = method.lag();
        let all = || numbers.iter().zip(&numbers[lag..]).map(|(before, now)| now - before);
        let changes = (numbers.len() - lag) as f64;
        let drift = all().sum::<f64>() / changes;
        let squares: f64 = all().map(|change| (change - drift).powi(2)).sum();
        Self { numbers, lag, changes, drift, deviation: (squares / (changes - 1.0)).sqrt() }
    }

    /// The forecast for `h` months ahead.
    fn at(&self, h: usize) -> f64 {
        let steps = h.div_ceil(self.lag);
        self.numbers[self.numbers.len() - 1 + h - steps * self.lag] + steps as f64 * self.drift
    }

    /// Half the width of the interval for `h` months ahead.
    fn half_interval(&self, h: usize) -> f64 {
        let steps = h.div_ceil(self.lag) as f64;
        let error = self.deviation * (steps * (1.0 + steps / self.changes)).sqrt();
        student(self.changes - 1.0) * error
    }
}

/// What forecasts from earlier months were off by.
#[derive(Default)]
struct Errors {
    tested: usize,
    absolute: f64,
    /// In parts of the true numbers; `None` if one of these is 0.
    relative: Option<f64>,
}

impl Errors {
    /// Forecasts up to `ahead` months from every month from `origin` on.
    fn of(method: ForecastMethod, numbers: &[f64], origin: usize, ahead: usize) -> Self {
        let mut errors = Self { tested: 0, absolute: 0.0, relative: Some(0.0) };
        for known in origin..numbers.len() {
            let line = Line::fit(method, &numbers[..known]);
            for (h, truth) in (1..=ahead).zip(&numbers[known..]) {
                // As it would have been shown.
                let error = (line.at(h).round().max(0.0) - truth).abs();
                errors.tested += 1;
                errors.absolute += error;
                errors.relative =
                    errors.relative.filter(|_| *truth > 0.0).map(|sum| sum + error / truth);
            }
        }
        errors
    }
}

/// 97.5 % quantile of Student's distribution with 5 degrees of freedom or more, to 0.2 %
/// (M. Abramowitz and I. Stegun, *Handbook of Mathematical Functions*, 26.7.5).
pub(super) fn student(freedom: f64) -> f64 {
    let power = |n: i32| Z.powi(n);
    Z + (power(3) + Z) / (4.0 * freedom)
        + (5.0 * power(5) + 16.0 * power(3) + 3.0 * Z) / (96.0 * freedom.powi(2))
        + (3.0 * power(7) + 19.0 * power(5) + 17.0 * power(3) - 15.0 * Z)
            / (384.0 * freedom.powi(3))
}
