//! Pictures as inline SVG: curves over the size of a set, and a cloud of sets.
//!
//! As in the report's own pictures the colours are names that the page's style sheet finds by
//! attribute, and everything is drawn larger than it is shown.

use std::io;

use engine::{Error, Kind, Result};
use plotters::backend::SVGBackend;
use plotters::chart::ChartBuilder;
use plotters::drawing::{DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, DashedPathElement, PathElement, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont};

use crate::report::html::chart::{COLORS, GRID, PIXEL_SCALE, TEXT};
use crate::report::html::markup::escape;

/// Pixels shown.
const WIDTH: u32 = 450;
const HEIGHT: u32 = 230;

/// A line through points, in the coordinates of the axes.
pub(super) struct Curve {
    /// Place among the page's colours.
    pub(super) color: usize,
    pub(super) points: Vec<(f64, f64)>,
    /// Dashed and without dots: a promise rather than a measurement.
    pub(super) dashed: bool,
}

/// One axis: its ends, and its marks with their words.
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) marks: Vec<(f64, String)>,
}

/// A picture, from back to front.
pub(super) struct Picture<'a> {
    /// In words, for those who cannot see it.
    pub(super) title: &'a str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// Single points, with their colour.
    pub(super) cloud: (usize, &'a [(f64, f64)]),
    pub(super) curves: &'a [Curve],
    /// What shows under the pointer, from one place of the x axis to the next.
    pub(super) words: &'a [(f64, String)],
}

impl Picture<'_> {
    /// The picture as SVG.
    ///
    /// # Errors
    /// [`Kind::Internal`] when it cannot be drawn.
    pub(super) fn draw(&self) -> Result<String> {
        let mut svg = String::new();
        let mut zones = String::new();
        self.onto(&mut svg, &mut zones).map_err(|cause| {
            Error::new(Kind::Internal, "cannot draw a chart")
                .caused_by(io::Error::other(cause.to_string()))
        })?;
        let inside = svg.split_once('>').map_or("", |(_, inside)| inside);
        let inside = inside.trim().trim_end_matches("</svg>");
        Ok(format!(
            "<svg viewBox=\"0 0 {} {}\" role=\"img\"><title>{}</title>{inside}{zones}</svg>\n",
            WIDTH * PIXEL_SCALE,
            HEIGHT * PIXEL_SCALE,
            escape(self.title)
        ))
    }

    fn onto(
        &self,
        svg: &mut String,
        zones: &mut String,
    ) -> std::result::Result<(), DrawingAreaErrorKind<io::Error>> {
        let size = (WIDTH * PIXEL_SCALE, HEIGHT * PIXEL_SCALE);
        let root = SVGBackend::with_string(svg, size).into_drawing_area();
        let (x, y) = (&self.x, &self.y);
        let mut chart = ChartBuilder::on(&root)
            .margin_top(10 * PIXEL_SCALE)
            .margin_right(14 * PIXEL_SCALE)
            .margin_bottom(24 * PIXEL_SCALE)
            .margin_left(58 * PIXEL_SCALE)
            .build_cartesian_2d(x.from..x.to, y.from..y.to)?;
        // Plotters makes text of size 1.24 one pixel high.
        let style = ("sans-serif", f64::from(12 * PIXEL_SCALE) * 1.24).into_font().color(&TEXT);
        let gap = 7 * PIXEL_SCALE as i32;
        for (value, label) in &y.marks {
            let across = vec![(x.from, *value), (x.to, *value)];
            chart.draw_series([PathElement::new(across, GRID.stroke_width(PIXEL_SCALE))])?;
            let (left, at) = chart.backend_coord(&(x.from, *value));
            let style = style.clone().pos(Pos::new(HPos::Right, VPos::Center));
            root.draw(&Text::new(label.as_str(), (left - gap, at), style))?;
        }
        for (value, label) in &x.marks {
            let (at, bottom) = chart.backend_coord(&(*value, y.from));
            let tick = vec![(at, bottom), (at, bottom + gap / 2)];
            root.draw(&PathElement::new(tick, GRID.stroke_width(PIXEL_SCALE)))?;
            let style = style.clone().pos(Pos::new(HPos::Center, VPos::Top));
            root.draw(&Text::new(label.as_str(), (at, bottom + gap), style))?;
        }
        let (color, points) = self.cloud;
        let color = COLORS[color % COLORS.len()];
        let dot = |point: &(f64, f64)| {
            Circle::new(*point, 2 * PIXEL_SCALE as i32, color.mix(0.5).filled())
        };
        chart.draw_series(points.iter().map(dot))?;
        for curve in self.curves {
            let color = COLORS[curve.color % COLORS.len()];
            let stroke = color.stroke_width(2 * PIXEL_SCALE);
            if curve.dashed {
                let dash = 5 * PIXEL_SCALE as i32;
                let path = DashedPathElement::new(curve.points.clone(), dash, dash, stroke);
                chart.draw_series([path])?;
                continue;
            }
            chart.draw_series([PathElement::new(curve.points.clone(), stroke)])?;
            let dot =
                |point: &(f64, f64)| Circle::new(*point, 3 * PIXEL_SCALE as i32, color.filled());
            chart.draw_series(curve.points.iter().map(dot))?;
        }
        for (at, (place, words)) in self.words.iter().enumerate() {
            let half = |other: Option<&(f64, String)>, end: f64| {
                other.map_or(end, |(other, _)| (place + other) / 2.0)
            };
            let before = at.checked_sub(1).and_then(|at| self.words.get(at));
            let from = half(before, x.from);
            let to = half(self.words.get(at + 1), x.to);
            let (x0, y0) = chart.backend_coord(&(from, y.to));
            let (x1, y1) = chart.backend_coord(&(to, y.from));
            zones.push_str(&format!(
                "<rect class=\"zone\" x=\"{x0}\" y=\"{y0}\" width=\"{}\" height=\"{}\">\
                 <title>{}</title></rect>\n",
                x1 - x0,
                y1 - y0,
                escape(words)
            ));
        }
        root.present()
    }
}
