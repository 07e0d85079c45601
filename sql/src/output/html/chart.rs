//! Charts as inline SVG.
//!
//! The colours are identifiers: the page's style sheet matches them by attribute and sets the
//! colours for light and dark mode and print. Plotters rounds to whole pixels, so a chart is drawn
//! [`PIXEL_SCALE`] times as large as it is shown.

use std::io;

use engine::{Error, Kind, Result};
use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, DashedPathElement, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor};

use super::escape::escape;
use super::scale::Axis;

/// Colour-blind safe (after Okabe and Ito 2008); the last one is for "all others".
const COLORS: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0xB3, 0xA1, 0x25),
    RGBColor(0x80, 0x80, 0x80),
];

/// The number of colours.
pub(crate) const MAX_COLORS: usize = COLORS.len();

/// The index of the colour for all others.
pub(crate) const GREY: usize = MAX_COLORS - 1;

const TEXT: RGBColor = RGBColor(0x00, 0x00, 0x00);
const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
const BACKGROUND: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);

/// Pixels drawn for each pixel shown.
const PIXEL_SCALE: u32 = 2;

/// Between an axis and its labels.
const GAP: u32 = 7 * PIXEL_SCALE;

/// How large a chart is shown at its natural size, in pixels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// 920 x 300.
    Wide,
    /// 450 x 230: one of two in a row.
    Half,
    /// 300 x 150: one of many.
    Small,
}

/// In the coordinates of the axes.
pub(crate) type Point = (f64, f64);

pub(crate) struct Shape {
    /// The index of its colour.
    pub(crate) color: usize,
    pub(crate) form: Form,
}

pub(crate) enum Form {
    Line(Vec<Point>),
    Dashed(Vec<Point>),
    /// An outline, filled with this opacity.
    Area(Vec<Point>, f64),
    /// Two corners of a rectangle, filled with this opacity.
    Column([Point; 2], f64),
    /// A point with its radius in pixels and its opacity.
    Dot(Point, u32, f64),
    /// The same, hollow.
    Ring(Point, u32),
}

/// Text that shows under the pointer, in a part of the x axis.
pub(crate) struct Tooltip {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) text: String,
}

pub(crate) struct Chart {
    /// The text alternative.
    pub(crate) title: String,
    pub(crate) size: Size,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// From back to front.
    pub(crate) shapes: Vec<Shape>,
    pub(crate) tooltips: Vec<Tooltip>,
}

type Root<'b> = DrawingArea<SVGBackend<'b>, Shift>;
type Context<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn<T> = std::result::Result<T, DrawingAreaErrorKind<io::Error>>;

impl Chart {
    /// The chart as SVG.
    ///
    /// # Errors
    /// [`Kind::Internal`] when it cannot be drawn.
    pub(crate) fn svg(&self) -> Result<String> {
        let (width, height, left, right, font) = match self.size {
            Size::Wide => (920, 300, 56, 26, 12),
            Size::Half => (450, 230, 58, 14, 12),
            Size::Small => (300, 150, 46, 26, 11),
        };
        let (width, height) = (width * PIXEL_SCALE, height * PIXEL_SCALE);
        let mut svg = String::new();
        let mut axis = String::new();
        let mut drawing = || -> Drawn<String> {
            let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
            let mut context = ChartBuilder::on(&root)
                .margin_top(10 * PIXEL_SCALE)
                .margin_right(right * PIXEL_SCALE)
                .margin_bottom(24 * PIXEL_SCALE)
                .margin_left(left * PIXEL_SCALE)
                .build_cartesian_2d(self.x.from..self.x.to, self.y.from..self.y.to)?;
            self.draw_axes(&root, &mut context, font * PIXEL_SCALE)?;
            for shape in &self.shapes {
                draw(&mut context, shape)?;
            }
            let zones = self.zones(&context);
            if self.size == Size::Wide {
                axis = self.axis(&context, (left * PIXEL_SCALE, height), font * PIXEL_SCALE);
            }
            root.present()?;
            Ok(zones)
        };
        let zones = drawing().map_err(|cause| {
            Error::new(Kind::Internal, "cannot draw a chart")
                .caused_by(io::Error::other(cause.to_string()))
        })?;
        let inside = svg.split_once('>').map_or("", |(_, inside)| inside);
        let inside = inside.trim().trim_end_matches("</svg>");
        let chart = format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\">\
             <title>{}</title>{inside}{zones}</svg>\n",
            escape(&self.title)
        );
        Ok(match self.size {
            Size::Wide => format!("<div class=\"chart\">{chart}{axis}</div>\n"),
            Size::Half | Size::Small => chart,
        })
    }

    /// The labels of the y axis once more, as a picture of their own: on a narrow screen it stays
    /// where it is while the chart scrolls below it.
    fn axis(&self, context: &Context<'_, '_>, (width, height): (u32, u32), font: u32) -> String {
        let right = width.saturating_sub(GAP);
        let label = |(value, label): &(f64, String)| {
            let (_, y) = context.backend_coord(&(self.x.from, *value));
            format!(
                "<text x=\"{right}\" y=\"{y}\" dy=\"0.35em\" text-anchor=\"end\" \
                 font-size=\"{font}\" fill=\"#000000\">{}</text>",
                escape(label)
            )
        };
        let labels: String = self.y.marks.iter().map(label).collect();
        format!(
            "<svg class=\"axis\" viewBox=\"0 0 {width} {height}\" aria-hidden=\"true\">\
             {labels}</svg>"
        )
    }

    /// Lines and labels of the y axis, ticks and labels of the x axis.
    fn draw_axes(&self, root: &Root<'_>, context: &mut Context<'_, '_>, font: u32) -> Drawn<()> {
        let (x, y) = (&self.x, &self.y);
        // Plotters makes text of size 1.24 one pixel high.
        let style = ("sans-serif", f64::from(font) * 1.24).into_font().color(&TEXT);
        let gap = GAP as i32;
        for (value, label) in &y.marks {
            let across = vec![(x.from, *value), (x.to, *value)];
            context.draw_series([PathElement::new(across, GRID.stroke_width(PIXEL_SCALE))])?;
            let (left, at) = context.backend_coord(&(x.from, *value));
            let style = style.clone().pos(Pos::new(HPos::Right, VPos::Center));
            root.draw(&Text::new(label.as_str(), (left - gap, at), style))?;
        }
        for (value, label) in &x.marks {
            let (at, bottom) = context.backend_coord(&(*value, y.from));
            let tick = vec![(at, bottom), (at, bottom + gap / 2)];
            root.draw(&PathElement::new(tick, GRID.stroke_width(PIXEL_SCALE)))?;
            let style = style.clone().pos(Pos::new(HPos::Center, VPos::Top));
            root.draw(&Text::new(label.as_str(), (at, bottom + gap), style))?;
        }
        Ok(())
    }

    /// Invisible zones with the tooltips.
    fn zones(&self, context: &Context<'_, '_>) -> String {
        let zone = |tooltip: &Tooltip| {
            let (x0, y0) = context.backend_coord(&(tooltip.from, self.y.to));
            let (x1, y1) = context.backend_coord(&(tooltip.to, self.y.from));
            format!(
                "<rect class=\"zone\" x=\"{x0}\" y=\"{y0}\" width=\"{}\" height=\"{}\">\
                 <title>{}</title></rect>\n",
                x1 - x0,
                y1 - y0,
                escape(&tooltip.text)
            )
        };
        self.tooltips.iter().map(zone).collect()
    }
}

fn draw(context: &mut Context<'_, '_>, shape: &Shape) -> Drawn<()> {
    let color = COLORS[shape.color % COLORS.len()];
    let stroke = color.stroke_width(2 * PIXEL_SCALE);
    let pixels = |pixels: u32| (pixels * PIXEL_SCALE) as i32;
    match &shape.form {
        Form::Line(points) => {
            context.draw_series([PathElement::new(points.clone(), stroke)])?;
        }
        Form::Dashed(points) => {
            let dash = pixels(5);
            let path = DashedPathElement::new(points.clone(), dash, dash, stroke);
            context.draw_series([path])?;
        }
        Form::Area(outline, opacity) => {
            let area = Polygon::new(outline.clone(), color.mix(*opacity).filled());
            context.draw_series([area])?;
        }
        Form::Column(corners, opacity) => {
            context.draw_series([Rectangle::new(*corners, color.mix(*opacity).filled())])?;
        }
        Form::Dot(at, radius, opacity) => {
            let dot = Circle::new(*at, pixels(*radius), color.mix(*opacity).filled());
            context.draw_series([dot])?;
        }
        Form::Ring(at, radius) => {
            let inside = pixels(*radius) - PIXEL_SCALE as i32;
            context.draw_series([Circle::new(*at, pixels(*radius), color.filled())])?;
            context.draw_series([Circle::new(*at, inside, BACKGROUND.filled())])?;
        }
    }
    Ok(())
}
