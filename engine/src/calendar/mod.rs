//! The calendar: days, named windows, and the one place where a time zone is applied.
//!
//! | step | type | is |
//! |---|---|---|
//! | text or number | [`parse_instant`], [`TimeUnit`] | what a file says about time |
//! | instant | `i64` | microseconds since 1970-01-01T00:00:00Z, may be negative |
//! | day | [`Day`], by way of [`Zone`] | a civil day in the reporting time zone |
//! | period | [`Period`] | days, both ends inclusive |
//! | window | [`Window`] | the named rule by which periods are laid over the days |
//!
//! After an instant has become a day no time zone is known any more: windows are arithmetic on
//! days. Nothing in here reads a clock, and the time zone rules are compiled in, so the same input
//! gives the same days on every machine.
//!
//! ```
//! use engine::calendar::{Window, Zone, parse_instant};
//!
//! let zone = Zone::get("Europe/Berlin")?;
//! let instant = parse_instant("2026-03-31T22:30:00Z", &Zone::utc()).unwrap_or_default();
//! let day = zone.day_of(instant);
//! assert_eq!(day.to_string(), "2026-04-01");
//! assert_eq!(Window::Month.at(day).to_string(), "2026-04-01..2026-04-30");
//! # Ok::<(), engine::Error>(())
//! ```

mod day;
pub mod instant;
mod period;
mod span;
mod time_format;
mod unit;
mod window;
mod zone;

#[cfg(test)]
mod tests;

pub use day::Day;
pub use instant::{parse as parse_instant, parse_with_offset as parse_instant_with_offset};
pub use period::Period;
pub use span::{first_day, last_day};
pub use time_format::TimeFormat;
pub use unit::TimeUnit;
pub use window::Window;
pub use zone::Zone;
