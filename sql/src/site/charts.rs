//! The chart of a page, and the trend of a row.

use std::fmt::Write;

use engine::Result;

use super::entry::{Entry, Figures, Origin, month};
use super::numbers::Month;
use crate::output::html::chart::{Chart, Form, Point, Shape, Size, Tooltip};
use crate::output::html::escape;
use crate::output::html::scale::{Axis, short};
use crate::output::text::format_number;

/// Most months with tooltips: ten years.
const MAX_TOOLTIPS: usize = 120;
/// Most months with dots.
const MAX_DOTS: usize = 48;
/// Width and height of a trend, in pixels.
const TREND: (f64, f64) = (96.0, 22.0);

/// All months. Incomplete ones are hollow at the end of a dashed line.
///
/// # Errors
/// [`engine::Kind::Internal`] when it cannot be drawn.
pub(super) fn chart(figures: &Figures) -> Result<String> {
    let months = &figures.series.months;
    let (Some(first), Some(last)) = (months.first(), months.last()) else {
        return Ok(String::new());
    };
    let highest = months.iter().map(|month| month.value).max().unwrap_or(0);
    let points: Vec<Point> =
        months.iter().enumerate().map(|(at, month)| (at as f64, month.value as f64)).collect();
    let complete = months.partition_point(|month| month.complete);
    let mut forms = vec![Form::Line(points[..complete].to_vec())];
    if complete < points.len() {
        forms.push(Form::Dashed(points[complete.saturating_sub(1)..].to_vec()));
    }
    for (at, point) in points.iter().enumerate() {
        match at < complete {
            true if months.len() <= MAX_DOTS => forms.push(Form::Dot(*point, 4, 1.0)),
            true => {}
            false => forms.push(Form::Ring(*point, 4)),
        }
    }
    let unit = unit(figures.origin);
    let tooltip = |(at, of): (usize, &Month)| {
        let mark = if of.complete { "" } else { " (incomplete)" };
        let text = format!("{}{mark}: {} {unit}", month(of.start), format_number(of.value));
        Tooltip { from: at as f64 - 0.5, to: at as f64 + 0.5, text }
    };
    let skipped = months.len().saturating_sub(MAX_TOOLTIPS);
    let days: Vec<_> = months.iter().map(|of| (of.start, month(of.start))).collect();
    let chart = Chart {
        title: format!("{unit} by month, {} to {}", month(first.start), month(last.start)),
        size: Size::Wide,
        x: Axis::time(&days, 10),
        y: Axis::from_zero(highest as f64, short),
        shapes: forms.into_iter().map(|form| Shape { color: 0, form }).collect(),
        tooltips: months.iter().enumerate().skip(skipped).map(tooltip).collect(),
    };
    chart.svg()
}

/// What numbers of this origin count.
pub(super) fn unit(origin: Origin) -> &'static str {
    match origin {
        Origin::Events => "users",
        Origin::Pings => "recorded",
    }
}

/// A small line of the last months, from 0; empty for fewer than two.
pub(super) fn trend(entry: &Entry) -> String {
    let months = entry.trend();
    let [first, .., last] = months else { return String::new() };
    let highest = months.iter().map(|month| month.value).max().unwrap_or(0).max(1);
    let (width, height) = TREND;
    let x = |at: usize| 2.0 + (width - 5.0) * at as f64 / (months.len() - 1) as f64;
    let y = |value: u64| height - 2.0 - (height - 5.0) * value as f64 / highest as f64;
    let mut points = String::new();
    for (at, month) in months.iter().enumerate() {
        // Writing to a string does not fail.
        let _ =
            write!(points, "{}{:.1},{:.1}", if at > 0 { " " } else { "" }, x(at), y(month.value));
    }
    let label = format!(
        "{} to {}: {}",
        month(first.start),
        month(last.start),
        super::columns::trend(entry)
    );
    format!(
        "<svg class=\"trend\" viewBox=\"0 0 {width} {height}\" role=\"img\"><title>{}</title>\
         <polyline points=\"{points}\"/><circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2\"/></svg>",
        escape(&label),
        x(months.len() - 1),
        y(last.value),
    )
}
