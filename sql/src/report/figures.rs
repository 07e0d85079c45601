//! Formats periods, changes and values of dimensions for people.

use std::cmp::Ordering;

use engine::calendar::{Day, Period, Window};

use crate::output::text::{format_number, plain};

/// Marks incomplete periods and comparisons with them.
const INCOMPLETE: &str = " …";

/// U+2212, as wide as the plus sign.
const MINUS: char = '−';

/// The shortest unambiguous name of a period of the window; `--from` accepts it too.
pub(crate) fn period(window: Window, period: Period) -> String {
    let (year, month, _) = period.start.ymd();
    match window {
        Window::Day => period.start.to_string(),
        Window::Week => {
            // The ISO year of a week is the year of its Thursday.
            let (year, ..) = period.start.plus(3).ymd();
            let fourth = Window::Year.at(period.start.plus(3)).start.plus(3);
            let first = Window::Week.at(fourth).start;
            let week = (period.start.number() - first.number()) / 7 + 1;
            format!("{year:04}-W{week:02}")
        }
        Window::Month => format!("{year:04}-{month:02}"),
        // Those of events are parts of the month.
        Window::Ping28d => {
            let (year, month, _) = period.end.ymd();
            format!("{year:04}-{month:02}")
        }
        Window::Quarter => format!("{year:04}-Q{}", month.div_ceil(3)),
        Window::Year => format!("{year:04}"),
        _ => period.to_string(),
    }
}

/// A period's day on the time axis, and its short name. Calendar periods are placed at their first
/// day, trailing windows at their last.
pub(super) fn mark(window: Window, days: Period) -> (Day, String) {
    match window {
        Window::Day | Window::Week | Window::Month | Window::Quarter | Window::Year => {
            (days.start, period(window, days))
        }
        Window::Ping28d => (window.at(days.end).start, period(window, days)),
        _ => (days.end, days.end.to_string()),
    }
}

/// `+1,234`, `−56`, `0`
pub(super) fn difference(now: u64, before: u64) -> String {
    let sign = match now.cmp(&before) {
        Ordering::Greater => "+",
        Ordering::Equal => "",
        Ordering::Less => "−",
    };
    format!("{sign}{}", format_number(now.abs_diff(before)))
}

/// Per cent with one decimal: `+4.2 %`, `−12.0 %`, `0.0 %`.
pub(crate) fn change(pct: f64) -> String {
    let tenths = (pct.abs() * 10.0).round() as u64;
    let sign = match tenths {
        0 => String::new(),
        _ if pct < 0.0 => MINUS.to_string(),
        _ => "+".to_owned(),
    };
    format!("{sign}{}.{} %", format_number(tenths / 10), tenths % 10)
}

/// Adds the mark of an incomplete period.
pub(super) fn marked(text: String, complete: bool) -> String {
    if complete { text } else { text + INCOMPLETE }
}

/// A dimension's value, with labels for all values and for an empty text.
pub(super) fn value(by: Option<&str>) -> String {
    match by {
        None => "(all)".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(value) => plain(value),
    }
}
