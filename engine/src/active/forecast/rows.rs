//! The rows of a forecast.

use std::collections::BTreeMap;

use super::series::{Forecast, ForecastMonth, forecast};
use crate::active::level::Level;
use crate::active::row::{Basis, Count, ReportRow};
use crate::calendar::{Day, Period, Window};
use crate::{Error, Result};

/// What the rows of a series share: the node and the values of the dimensions.
type SeriesKey = (Level, [Option<String>; 4], Vec<Option<String>>);

/// Rows of the months after the last complete one, and how they were computed.
#[derive(Debug)]
pub struct ForecastRows {
    /// The rows of the report and those of the forecast, in the order of a report.
    pub rows: Vec<ReportRow>,
    /// The method and its errors in the past, for the first series.
    pub description: String,
    /// Messages for the user.
    pub notes: Vec<String>,
}

/// Adds a forecast of so many months to the rows of a report. The numbers that are continued are the
/// estimated ones if there are any, else the recorded ones. Series with gaps have no forecast.
///
/// # Errors
/// When the window is not monthly, or no series has enough months.
pub fn add_forecast(
    mut rows: Vec<ReportRow>,
    window: Window,
    months: usize,
) -> Result<ForecastRows> {
    if ![Window::Month, Window::Last28dOfMonth, Window::Ping28d].contains(&window) {
        let message = format!("forecasts are made of months, not of the window {window}");
        return Err(
            Error::input(message).with("help", "use --window month, last_28d_of_month or ping_28d")
        );
    }
    let has_estimates = rows.iter().any(|row| row.basis == Basis::Estimated);
    let basis = if has_estimates { Basis::Estimated } else { Basis::Recorded };
    let mut series: BTreeMap<SeriesKey, Vec<&ReportRow>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.basis == basis && row.complete) {
        series.entry(key(row)).or_default().push(row);
    }
    let (mut made, mut first, mut refused) = (Vec::new(), None, Vec::new());
    for of in series.values() {
        let numbers: Vec<(Day, u64)> = of.iter().map(|row| (row.period.end, row.users)).collect();
        match (forecast(&numbers, months), of.last()) {
            (Ok(found), Some(last)) => {
                made.extend(rows_of(&found, last));
                first.get_or_insert(found);
            }
            (Err(error), _) => refused.push(error),
            (Ok(_), None) => {}
        }
    }
    let mut notes = Vec::new();
    let Some(first) = first else {
        let nothing = || Error::input("there is no complete month, so nothing can be forecast");
        return Err(refused.into_iter().next().unwrap_or_else(nothing));
    };
    if let Some(error) = refused.first() {
        notes.push(format!("{} series have no forecast: {error}", refused.len()));
    }
    rows.extend(made);
    rows.sort_by_cached_key(|row| (row.period.end, key(row), row.basis));
    Ok(ForecastRows { rows, description: description(&first, basis), notes })
}

fn key(row: &ReportRow) -> SeriesKey {
    let keys = [&row.section, &row.stage, &row.group, &row.metric].map(Option::clone);
    (row.level, keys, row.by.clone())
}

/// The rows after `last`, the last complete one of a series.
fn rows_of(forecast: &Forecast, last: &ReportRow) -> Vec<ReportRow> {
    let mut before = last.users;
    let row = |month: &ForecastMonth| {
        let end = Window::Month.at(month.month).end;
        let period = match last.window {
            Window::Last28dOfMonth => Period::new(end.plus(-27), end),
            _ => Window::Month.at(end),
        };
        let previous = std::mem::replace(&mut before, month.users);
        let change = (month.users as f64 - previous as f64) / previous as f64 * 100.0;
        ReportRow {
            period,
            complete: false,
            basis: Basis::Forecast,
            count: Count::Approx,
            users: month.users,
            users_low: month.low,
            users_high: month.high,
            previous_users: Some(previous),
            change_pct: (previous > 0).then_some(change),
            ..last.clone()
        }
    };
    forecast.months.iter().map(row).collect()
}

/// How a forecast was made, and its errors.
fn description(forecast: &Forecast, basis: Basis) -> String {
    let mut text = format!(
        "{basis} numbers continued by {} from {} months, with a 95 % interval",
        forecast.method.as_str(),
        forecast.based_on
    );
    if let Some(mape) = forecast.mape {
        text.push_str(&format!(
            "; {} forecasts from earlier months were wrong by {mape:.1} % on average",
            forecast.tested
        ));
    }
    if let Some(mase) = forecast.mase {
        text.push_str(&format!(", {mase:.2} times the mean change from month to month"));
    }
    text + " (the first series)"
}
