//! Tests of the calendar; each fast path is compared with a slow one, mostly `jiff`'s own.

mod day;
mod instant;
mod window;
mod zone;

use super::{Day, Period};

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// `2026-01-01..2026-01-31`
fn period(text: &str) -> Period {
    let (start, end) = text.split_once("..").unwrap();
    Period::new(day(start), day(end))
}
