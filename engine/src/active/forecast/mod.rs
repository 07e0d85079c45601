//! Forecasts of monthly series, and the rows of a report that they make.

mod rows;
mod series;
#[cfg(test)]
mod tests;

pub use rows::{ForecastRows, add_forecast};
pub use series::{Forecast, ForecastMethod, ForecastMonth, forecast};
