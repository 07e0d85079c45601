//! The charts of a report: lines, and stacked columns or areas.

use engine::Result;

use crate::output::html::chart::{Chart, Form, Point as ChartPoint, Shape, Size, Tooltip};
use crate::output::html::scale::{Axis, short};
use crate::output::text::format_number;
use crate::report::figures::marked;
use crate::report::series::{Point, Series, Span, TimeSeries};

/// Most periods with dots or columns of their own.
const MAX_MARKED_PERIODS: usize = 48;

/// Most periods with tooltips.
const MAX_TOOLTIPS: usize = 400;

/// Approximate maximum of points of a line or area; more than pixels are not visible.
const MAX_POINTS: usize = 1000;

/// One series over time. Incomplete periods are hollow at the end of a dashed line; where numbers
/// are approximate their interval is a band.
///
/// # Errors
/// [`engine::Kind::Internal`] when the chart cannot be drawn.
pub(super) fn line<'a>(
    data: &TimeSeries<'a>,
    series: &Series<'a>,
    size: Size,
    title: String,
) -> Result<String> {
    let points = data.points(series);
    let highest = points.iter().flatten().map(|point| point.high.max(point.users)).max();
    let mut forms = Vec::new();
    for run in runs(&points) {
        let run = thinned(&run);
        if run.iter().any(|(_, point)| !point.is_exact) {
            let upper = run.iter().map(|(at, point)| (*at as f64, point.high as f64));
            let lower = run.iter().rev().map(|(at, point)| (*at as f64, point.low as f64));
            forms.push(Form::Area(upper.chain(lower).collect(), 0.25));
        }
        let places: Vec<ChartPoint> = run.iter().map(|(at, point)| place(*at, point)).collect();
        let complete = run.partition_point(|(_, point)| point.complete);
        forms.push(Form::Line(places[..complete].to_vec()));
        if complete < run.len() {
            forms.push(Form::Dashed(places[complete.saturating_sub(1)..].to_vec()));
        }
    }
    let few = points.len() <= MAX_MARKED_PERIODS;
    let radius = if size == Size::Wide { 4 } else { 3 };
    for (at, point) in points.iter().enumerate() {
        match point {
            Some(point) if !point.complete => forms.push(Form::Ring(place(at, point), radius)),
            Some(point) if few => forms.push(Form::Dot(place(at, point), radius, 1.0)),
            _ => {}
        }
    }
    let words = |at: usize| {
        let point = points.get(at).copied().flatten()?;
        let interval = match point.is_exact {
            true => String::new(),
            false => format!(" ({} to {})", format_number(point.low), format_number(point.high)),
        };
        Some(format!("{} users{interval}", format_number(point.users)))
    };
    let shapes = forms.into_iter().map(|form| Shape { color: 0, form }).collect();
    over_time(data, size, highest.unwrap_or(0), title, shapes, words)
}

/// Several series on top of each other, the first at the bottom: columns, or areas where there
/// are many periods. Incomplete columns are pale; areas end with the last complete period.
///
/// # Errors
/// [`engine::Kind::Internal`] when the chart cannot be drawn.
pub(super) fn stack(
    data: &TimeSeries<'_>,
    layers: &[(String, Vec<u64>)],
    size: Size,
    title: String,
) -> Result<String> {
    let count = data.spans.len();
    let layer = |at: usize, period: usize| -> u64 {
        layers.get(at).and_then(|(_, users)| users.get(period)).copied().unwrap_or(0)
    };
    // sums[k][p]: the users of the first k layers in period p
    let mut sums = vec![vec![0_u64; count]];
    for at in 0..layers.len() {
        let below = &sums[at];
        sums.push((0..count).map(|period| below[period] + layer(at, period)).collect());
    }
    let highest = sums.iter().flatten().copied().max().unwrap_or(0);
    let mut shapes = Vec::new();
    for color in 0..layers.len() {
        let (low, high) = (&sums[color], &sums[color + 1]);
        if count <= MAX_MARKED_PERIODS {
            let half = if count < 6 { 0.25 } else { 0.4 };
            shapes.extend((0..count).map(|period| {
                let x = period as f64;
                let opacity = if data.spans[period].complete { 1.0 } else { 0.45 };
                let corners = [(x - half, high[period] as f64), (x + half, low[period] as f64)];
                Shape { color, form: Form::Column(corners, opacity) }
            }));
            continue;
        }
        let step = count.div_ceil(MAX_POINTS);
        let mut shown: Vec<usize> = (0..=data.latest).step_by(step).collect();
        if shown.last() != Some(&data.latest) {
            shown.push(data.latest);
        }
        let upper = shown.iter().map(|period| (*period as f64, high[*period] as f64));
        let lower = shown.iter().rev().map(|period| (*period as f64, low[*period] as f64));
        let outline = upper.chain(lower).collect();
        shapes.push(Shape { color, form: Form::Area(outline, 1.0) });
    }
    let words = |period: usize| {
        let parts = layers
            .iter()
            .enumerate()
            .rev()
            .map(|(at, (name, _))| format!("{name} {}", format_number(layer(at, period))));
        Some(parts.collect::<Vec<_>>().join(", "))
    };
    over_time(data, size, highest, title, shapes, words)
}

/// A chart of users over the periods of the report. `words` are those of a period's tooltip.
fn over_time(
    data: &TimeSeries<'_>,
    size: Size,
    highest: u64,
    title: String,
    shapes: Vec<Shape>,
    words: impl Fn(usize) -> Option<String>,
) -> Result<String> {
    let days: Vec<_> = data.spans.iter().map(|span| span.mark.clone()).collect();
    let mut y = Axis::from_zero(highest as f64, short);
    if size == Size::Small && y.marks.len() > 4 {
        y.marks = y.marks.into_iter().step_by(2).collect();
    }
    let tooltip = |(at, span): (usize, &Span)| {
        let name = marked(span.name.clone(), span.complete);
        let (from, to) = (at as f64 - 0.5, at as f64 + 0.5);
        Some(Tooltip { from, to, text: format!("{name}: {}", words(at)?) })
    };
    let spans = data.spans.iter().enumerate().filter(|_| data.spans.len() <= MAX_TOOLTIPS);
    let tooltips = spans.filter_map(tooltip).collect();
    let x = Axis::time(&days, if size == Size::Small { 3 } else { 10 });
    Chart { title, size, x, y, shapes, tooltips }.svg()
}

fn place(at: usize, point: &Point) -> ChartPoint {
    (at as f64, point.users as f64)
}

/// Stretches of periods without a gap.
fn runs(points: &[Option<Point>]) -> Vec<Vec<(usize, Point)>> {
    let mut runs = vec![Vec::new()];
    for (at, point) in points.iter().enumerate() {
        match (point, runs.last_mut()) {
            (Some(point), Some(run)) => run.push((at, *point)),
            (None, Some(run)) if !run.is_empty() => runs.push(Vec::new()),
            _ => {}
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// The lowest and the highest point of each short stretch, so that no peak is lost.
fn thinned(run: &[(usize, Point)]) -> Vec<(usize, Point)> {
    if run.len() <= MAX_POINTS {
        return run.to_vec();
    }
    let mut thin = Vec::with_capacity(MAX_POINTS);
    for stretch in run.chunks((2 * run.len()).div_ceil(MAX_POINTS)) {
        let users = |at: &usize| stretch[*at].1.users;
        let low = (0..stretch.len()).min_by_key(users).unwrap_or(0);
        let high = (0..stretch.len()).max_by_key(users).unwrap_or(0);
        thin.push(stretch[low.min(high)]);
        if low != high {
            thin.push(stretch[low.max(high)]);
        }
    }
    thin
}
