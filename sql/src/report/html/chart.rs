//! Charts as inline SVG: lines, and stacked columns or areas.
//!
//! The colours are identifiers: the page's style sheet matches them by attribute and sets the
//! colours for light and dark mode and print. Plotters rounds to whole pixels, so a chart is drawn
//! [`PIXEL_SCALE`] times as large as it is shown.

use std::io;

use engine::active::{Count, ReportRow};
use engine::{Error, Kind, Result};
use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, DashedPathElement, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle};

use super::chart_data::{ChartData, Series};
use super::markup::escape;
use super::scale::{marks, round_values, short};
use crate::report::figures::{INCOMPLETE, format_number};

/// Colour-blind safe (after Okabe and Ito 2008); the last one is for "all others".
pub(crate) const COLORS: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0xB3, 0xA1, 0x25),
    RGBColor(0x80, 0x80, 0x80),
];

pub(crate) const TEXT: RGBColor = RGBColor(0x00, 0x00, 0x00);
pub(crate) const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
const BACKGROUND: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);

/// Pixels drawn for each pixel shown.
pub(crate) const PIXEL_SCALE: u32 = 2;

/// Most periods with dots or columns of their own.
const MAX_MARKED_PERIODS: usize = 48;

/// Most periods with tooltips.
const MAX_TOOLTIPS: usize = 400;

/// Approximate maximum of points of a line or area; more than pixels are not visible.
const MAX_POINTS: usize = 1000;

/// How large a picture is shown at its natural size, in pixels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// 920 x 300.
    Wide,
    /// 300 x 150: one of many.
    Small,
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn = std::result::Result<(), DrawingAreaErrorKind<io::Error>>;

/// One series over time. Incomplete periods are hollow at the end of a dashed line; where numbers
/// are approximate their interval is a band.
///
/// # Errors
///
/// [`Kind::Internal`] when the picture cannot be drawn.
pub(super) fn line(
    data: &ChartData<'_>,
    series: &Series<'_>,
    color: usize,
    size: Size,
    title: &str,
) -> Result<String> {
    let rows = || series.rows.iter().flatten();
    let highest = rows().map(|row| row.users_high.max(row.users)).max().unwrap_or(0);
    let color = COLORS[color % COLORS.len()];
    let words = |at: usize| {
        let row = series.rows.get(at).copied().flatten()?;
        let interval = match row.count {
            Count::Exact => String::new(),
            Count::Approx => {
                format!(" ({} to {})", format_number(row.users_low), format_number(row.users_high))
            }
        };
        Some(format!("{} users{interval}", format_number(row.users)))
    };
    picture(data, size, highest as f64, "", title, words, |chart| {
        for run in runs(&series.rows) {
            let run = thinned(&run, |(_, row)| row.users);
            band(chart, &run, color)?;
            let (done, open) = run.split_at(run.partition_point(|(_, row)| row.complete));
            chart.draw_series([PathElement::new(points(done), stroke(color))])?;
            if !open.is_empty() {
                let tail: Vec<_> = done.last().into_iter().chain(open).copied().collect();
                let dash = (5 * PIXEL_SCALE) as i32;
                let path = DashedPathElement::new(points(&tail), dash, dash, stroke(color));
                chart.draw_series([path])?;
            }
        }
        let few = series.rows.len() <= MAX_MARKED_PERIODS;
        for (at, row) in series.rows.iter().enumerate() {
            let Some(row) = row.filter(|row| few || !row.complete) else { continue };
            let point = (at as f64, row.users as f64);
            let radius = if size == Size::Wide { 4 } else { 3 } * PIXEL_SCALE as i32;
            chart.draw_series([Circle::new(point, radius, color.filled())])?;
            if !row.complete {
                let inside = Circle::new(point, radius - PIXEL_SCALE as i32, BACKGROUND.filled());
                chart.draw_series([inside])?;
            }
        }
        Ok(())
    })
}

/// Several series on top of each other, the first at the bottom: columns, or areas where there
/// are many periods. Incomplete columns are pale; areas end with the last complete period.
///
/// # Errors
///
/// [`Kind::Internal`] when the picture cannot be drawn.
pub(super) fn stack(
    data: &ChartData<'_>,
    layers: &[(String, Vec<u64>)],
    title: &str,
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
    let words = |period: usize| {
        let parts = layers
            .iter()
            .enumerate()
            .rev()
            .map(|(at, (name, _))| format!("{name} {}", format_number(layer(at, period))));
        Some(parts.collect::<Vec<_>>().join(", "))
    };
    picture(data, Size::Wide, highest as f64, "stack", title, words, |chart| {
        for at in 0..layers.len() {
            let (low, high) = (&sums[at], &sums[at + 1]);
            let color = COLORS[at % COLORS.len()];
            if count <= MAX_MARKED_PERIODS {
                let half = if count < 6 { 0.25 } else { 0.4 };
                chart.draw_series((0..count).map(|period| {
                    let x = period as f64;
                    let opacity = if data.spans[period].complete { 1.0 } else { 0.45 };
                    let corners = [(x - half, high[period] as f64), (x + half, low[period] as f64)];
                    Rectangle::new(corners, color.mix(opacity).filled())
                }))?;
                continue;
            }
            let step = count.div_ceil(MAX_POINTS);
            let mut shown: Vec<usize> = (0..=data.latest).step_by(step).collect();
            if shown.last() != Some(&data.latest) {
                shown.push(data.latest);
            }
            let upper = shown.iter().map(|period| (*period as f64, high[*period] as f64));
            let lower = shown.iter().rev().map(|period| (*period as f64, low[*period] as f64));
            let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
            chart.draw_series([Polygon::new(outline, color.filled())])?;
        }
        Ok(())
    })
}

/// The frame of all charts: axes, content and tooltips.
fn picture(
    data: &ChartData<'_>,
    size: Size,
    highest: f64,
    class: &str,
    title: &str,
    words: impl Fn(usize) -> Option<String>,
    draw: impl FnOnce(&mut Chart<'_, '_>) -> Drawn,
) -> Result<String> {
    let (width, height, left, font, most) = match size {
        Size::Wide => (920, 300, 56, 12, 10),
        Size::Small => (300, 150, 46, 11, 3),
    };
    let (width, height) = (width * PIXEL_SCALE, height * PIXEL_SCALE);
    let days: Vec<_> = data.spans.iter().map(|span| span.mark.clone()).collect();
    let mut values = round_values(highest);
    let top = values.last().copied().unwrap_or(1.0);
    if size == Size::Small && values.len() > 4 {
        values = values.into_iter().step_by(2).collect();
    }
    let end = data.spans.len() as f64 - 0.5;
    let mut svg = String::new();
    let mut zones = String::new();
    let drawing = || -> Drawn {
        let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(10 * PIXEL_SCALE)
            .margin_right(26 * PIXEL_SCALE)
            .margin_bottom(24 * PIXEL_SCALE)
            .margin_left(left * PIXEL_SCALE)
            .build_cartesian_2d(-0.5..end, 0.0..top)?;
        // Plotters makes text of size 1.24 one pixel high.
        let style = ("sans-serif", f64::from(font * PIXEL_SCALE) * 1.24).into_font().color(&TEXT);
        let gap = 7 * PIXEL_SCALE as i32;
        for value in values {
            chart.draw_series([PathElement::new(
                vec![(-0.5, value), (end, value)],
                GRID.stroke_width(PIXEL_SCALE),
            )])?;
            let (x, y) = chart.backend_coord(&(-0.5, value));
            let style = style.clone().pos(Pos::new(HPos::Right, VPos::Center));
            root.draw(&Text::new(short(value, top), (x - gap, y), style))?;
        }
        for (at, label) in marks(&days, most) {
            let (x, y) = chart.backend_coord(&(at as f64, 0.0));
            let tick = vec![(x, y), (x, y + gap / 2)];
            root.draw(&PathElement::new(tick, GRID.stroke_width(PIXEL_SCALE)))?;
            let style = style.clone().pos(Pos::new(HPos::Center, VPos::Top));
            root.draw(&Text::new(label, (x, y + gap), style))?;
        }
        draw(&mut chart)?;
        if data.spans.len() <= MAX_TOOLTIPS {
            zones = tooltips(data, &chart, top, &words);
        }
        root.present()
    };
    drawing().map_err(|cause| {
        Error::new(Kind::Internal, "cannot draw a chart")
            .caused_by(io::Error::other(cause.to_string()))
    })?;
    let inside = svg.split_once('>').map_or("", |(_, inside)| inside);
    let inside = inside.trim().trim_end_matches("</svg>");
    let title = escape(title);
    Ok(format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\
         <title>{title}</title>{inside}{zones}</svg>\n"
    ))
}

/// Invisible zones, one for each period, with tooltips of its numbers.
fn tooltips(
    data: &ChartData<'_>,
    chart: &Chart<'_, '_>,
    top: f64,
    words: &impl Fn(usize) -> Option<String>,
) -> String {
    let mut zones = String::new();
    for (at, span) in data.spans.iter().enumerate() {
        let Some(words) = words(at) else { continue };
        let (x0, y0) = chart.backend_coord(&(at as f64 - 0.5, top));
        let (x1, y1) = chart.backend_coord(&(at as f64 + 0.5, 0.0));
        let mark = if span.complete { "" } else { INCOMPLETE };
        zones.push_str(&format!(
            "<rect class=\"zone\" x=\"{x0}\" y=\"{y0}\" width=\"{}\" height=\"{}\">\
             <title>{}{mark}: {}</title></rect>\n",
            x1 - x0,
            y1 - y0,
            escape(&span.name),
            escape(&words)
        ));
    }
    zones
}

/// The interval of approximate numbers.
fn band(chart: &mut Chart<'_, '_>, run: &[(usize, &ReportRow)], color: RGBColor) -> Drawn {
    if run.iter().all(|(_, row)| row.count == Count::Exact) {
        return Ok(());
    }
    let upper = run.iter().map(|(at, row)| (*at as f64, row.users_high as f64));
    let lower = run.iter().rev().map(|(at, row)| (*at as f64, row.users_low as f64));
    let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
    chart.draw_series([Polygon::new(outline, color.mix(0.25).filled())])?;
    Ok(())
}

fn points(run: &[(usize, &ReportRow)]) -> Vec<(f64, f64)> {
    run.iter().map(|(at, row)| (*at as f64, row.users as f64)).collect()
}

fn stroke(color: RGBColor) -> ShapeStyle {
    color.stroke_width(2 * PIXEL_SCALE)
}

/// Stretches of periods without a gap.
fn runs<'a>(rows: &[Option<&'a ReportRow>]) -> Vec<Vec<(usize, &'a ReportRow)>> {
    let mut runs = vec![Vec::new()];
    for (at, row) in rows.iter().enumerate() {
        match (row, runs.last_mut()) {
            (Some(row), Some(run)) => run.push((at, *row)),
            (None, Some(run)) if !run.is_empty() => runs.push(Vec::new()),
            _ => {}
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// The lowest and the highest point of each short stretch, so that no peak is lost.
fn thinned<T: Copy>(run: &[T], height: impl Fn(T) -> u64) -> Vec<T> {
    if run.len() <= MAX_POINTS {
        return run.to_vec();
    }
    let mut thin = Vec::with_capacity(MAX_POINTS);
    for stretch in run.chunks((2 * run.len()).div_ceil(MAX_POINTS)) {
        let place = |at: &usize| height(stretch[*at]);
        let low = (0..stretch.len()).min_by_key(place).unwrap_or(0);
        let high = (0..stretch.len()).max_by_key(place).unwrap_or(0);
        thin.push(stretch[low.min(high)]);
        if low != high {
            thin.push(stretch[low.max(high)]);
        }
    }
    thin
}
