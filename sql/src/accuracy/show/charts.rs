//! The charts of the page: for each precision one of every sort, side by side.

use counters::{Counter, Kind};
use engine::Result;

use crate::accuracy::advice::{bytes, percent, time};
use crate::accuracy::measurement::{Measured, Measurement, Node, SetKind};
use crate::output::html::chart::{Chart, Form, GREY, Point, Shape, Size, Tooltip};
use crate::output::html::scale::{Axis, short};
use crate::output::html::{figure, legend, section};
use crate::output::text::format_number;

/// Most points of a scatter plot, to keep the page small.
const MAX_POINTS: usize = 1500;
/// Errors are drawn in hundredths of a per cent, so that round numbers are whole ones.
const PERCENT_SCALE: f64 = 10_000.0;

/// The colour of a kind; grey is for the exact set and for expected values.
fn color(kind: Kind) -> usize {
    match kind {
        Kind::Headcount => 0,
        Kind::Hll => 1,
        Kind::Theta => 2,
        Kind::Cpc => 3,
        Kind::DataFusion => 5,
        Kind::Exact => GREY,
    }
}

/// How a value of the lines is drawn.
struct Sort {
    title: &'static str,
    hint: &'static str,
    value: fn(&Measurement) -> Option<f64>,
    label: fn(f64) -> String,
    scale: Scale,
    exact: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Scale {
    /// From 0.
    Linear,
    /// In powers of ten.
    Log,
    /// Per cent up to 100, with the 95 % that intervals promise.
    Promise,
}

const SORTS: [Sort; 4] = [
    Sort {
        title: "Error",
        hint: "Mean error by size of the set. A sketch is exact while it is a list of hashes.",
        value: |line| Some(line.errors.mean * PERCENT_SCALE),
        label: |value| percent(value / PERCENT_SCALE),
        scale: Scale::Linear,
        exact: false,
    },
    Sort {
        title: "Memory of a set",
        hint: "A sketch saves memory where its line is below the grey line of the exact set.",
        value: |line| Some(line.memory),
        label: bytes,
        scale: Scale::Log,
        exact: true,
    },
    Sort {
        title: "Time to fill",
        hint: "Median time per user of a set, each user inserted once, on one thread.",
        value: |line| Some(line.fill / line.users.max(1) as f64).filter(|time| *time > 0.0),
        label: |micros| match micros {
            micros if micros < 1.0 => format!("{:.1} ns", micros * 1e3),
            micros => time(micros),
        },
        scale: Scale::Log,
        exact: true,
    },
    Sort {
        title: "Coverage of the stated interval",
        hint: "Percentage of sets whose exact count is inside the stated 95 % interval; the \
               dashed line is at 95 %. DataFusion states no interval.",
        value: |line| line.errors.inside.map(|inside| inside * 100.0),
        label: |value| format!("{value:.1} %"),
        scale: Scale::Promise,
        exact: false,
    },
];

/// All charts that there are lines for, in sections.
///
/// # Errors
/// When one cannot be drawn.
pub(super) fn chart_sections(measured: &Measured) -> Result<String> {
    let mut sections = String::new();
    let sizes: Vec<&Measurement> =
        measured.lines.iter().filter(|line| line.part == SetKind::Size).collect();
    let mut precisions: Vec<u8> = sizes.iter().filter_map(|line| line.counter.precision).collect();
    precisions.sort_unstable();
    precisions.dedup();
    let mut kinds: Vec<Kind> = sizes.iter().map(|line| line.counter.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for sort in SORTS.iter().filter(|_| !sizes.is_empty()) {
        let mut figures = String::new();
        for precision in &precisions {
            figures.push_str(&by_size(&sizes, *precision, sort)?);
        }
        let shown = kinds.iter().filter(|kind| match kind {
            Kind::Exact => sort.exact,
            Kind::DataFusion => sort.scale != Scale::Promise,
            _ => true,
        });
        let entries = shown.map(|kind| (color(*kind), kind.name().to_owned(), String::new()));
        let body = pairs(&figures) + &legend(entries);
        sections.push_str(&section(sort.title, sort.hint, &body));
    }
    let mut figures = String::new();
    for (counter, nodes) in &measured.nodes {
        figures.push_str(&cloud(*counter, nodes)?);
    }
    if !figures.is_empty() {
        let hint = "Each point is a node of the project in one period: the error of the sketch by \
                    the number of users. The dashed lines are the bounds of the 95 % interval.";
        sections.push_str(&section("The sets of the report", hint, &pairs(&figures)));
    }
    Ok(sections)
}

fn pairs(figures: &str) -> String {
    format!("<div class=\"pairs\">\n{figures}</div>\n")
}

/// One chart: a value by size, of all counters of a precision.
fn by_size(sizes: &[&Measurement], precision: u8, sort: &Sort) -> Result<String> {
    let place = |line: &Measurement| (line.users.max(1) as f64).log10();
    let scaled = |value: f64| if sort.scale == Scale::Log { value.log10() } else { value };
    let mut shapes = Vec::new();
    let mut words: Vec<(f64, String)> = Vec::new();
    let mut values = Vec::new();
    for kind in Kind::ALL {
        let exact = kind == Kind::Exact;
        if exact && !sort.exact {
            continue;
        }
        let counter = Counter { kind, precision: (!exact).then_some(precision) };
        let mut points = Vec::new();
        for line in sizes.iter().filter(|line| line.counter == counter) {
            let Some(value) = (sort.value)(line) else { continue };
            let at = place(line);
            points.push((at, scaled(value)));
            values.push(value);
            let word = format!("{} {}", kind.name(), (sort.label)(value));
            match words.iter_mut().find(|(place, _)| *place == at) {
                Some((_, words)) => *words = format!("{words}, {word}"),
                None => words.push((at, format!("{} users: {word}", format_number(line.users)))),
            }
        }
        if !points.is_empty() {
            let dots: Vec<Form> = points.iter().map(|at| Form::Dot(*at, 3, 1.0)).collect();
            let forms = [Form::Line(points)].into_iter().chain(dots);
            shapes.extend(forms.map(|form| Shape { color: color(kind), form }));
        }
    }
    words.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    let x = users_axis(sizes.iter().map(|line| line.users));
    let y = match sort.scale {
        Scale::Linear => Axis::from_zero(high, |value, _| share(value)),
        Scale::Log => powers(low, high, sort.label),
        Scale::Promise => {
            let from = (low.min(90.0) / 10.0).floor() * 10.0;
            shapes.insert(0, promise(&x, 95.0));
            let step = if from < 60.0 { 20.0 } else { 5.0 };
            let marks = (0..=20).map(|at| 100.0 - f64::from(at) * step);
            let marks = marks.take_while(|mark| *mark >= from);
            // Some room above, so that the dots of 100 % are whole.
            Axis {
                from,
                to: 100.0 + (100.0 - from) * 0.04,
                marks: marks.map(|mark| (mark, format!("{mark} %"))).collect(),
            }
        }
    };
    let title = format!("{} by size of the set, at precision {precision}", sort.title);
    let tooltips = tooltips(words, &x);
    let chart = Chart { title, size: Size::Half, x, y, shapes, tooltips };
    Ok(figure(&format!("Precision {precision}"), "", &chart.svg()?))
}

/// A tooltip for each place, halfway to the places beside it.
fn tooltips(words: Vec<(f64, String)>, x: &Axis) -> Vec<Tooltip> {
    let places: Vec<f64> = words.iter().map(|(place, _)| *place).collect();
    let middles = places.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0);
    let ends: Vec<f64> = [x.from].into_iter().chain(middles).chain([x.to]).collect();
    let tooltip =
        |((_, text), ends): ((f64, String), &[f64])| Tooltip { from: ends[0], to: ends[1], text };
    words.into_iter().zip(ends.windows(2)).map(tooltip).collect()
}

/// A dashed line at an expected value.
fn promise(x: &Axis, value: f64) -> Shape {
    Shape { color: GREY, form: Form::Dashed(vec![(x.from, value), (x.to, value)]) }
}

/// A share on an axis, in per cent.
fn share(value: f64) -> String {
    format!("{} %", value / PERCENT_SCALE * 100.0)
}

/// The errors of a project's nodes by their users.
fn cloud(counter: Counter, nodes: &[Node]) -> Result<String> {
    let precision = counter.precision.unwrap_or_default();
    let mut nodes = nodes.to_vec();
    nodes.sort_unstable_by_key(|node| node.users);
    let step = nodes.len().div_ceil(MAX_POINTS).max(1);
    let dots = nodes.iter().step_by(step).map(|node| {
        let at: Point = ((node.users.max(1) as f64).log10(), node.error * PERCENT_SCALE);
        Shape { color: 0, form: Form::Dot(at, 2, 0.5) }
    });
    let stated = 1.96 * 1.04 / 2_f64.powi(i32::from(precision)).sqrt();
    let off = nodes.iter().map(|node| node.error.abs()).fold(stated, f64::max);
    let x = users_axis(nodes.iter().map(|node| node.users));
    // The same below zero as above.
    let mut y = Axis::from_zero(off * PERCENT_SCALE, |value, _| share(value));
    let below: Vec<f64> = y.marks.iter().skip(1).map(|(value, _)| -value).collect();
    y.marks.splice(0..0, below.into_iter().map(|value| (value, share(value))));
    y.from = -y.to;
    let bounds = [stated, -stated].map(|error| promise(&x, error * PERCENT_SCALE));
    let shapes = dots.chain(bounds).collect();
    let title = format!("Errors of the report's sets, at precision {precision}");
    let chart = Chart { title, size: Size::Half, x, y, shapes, tooltips: Vec::new() };
    let sets = format!("{} sets", format_number(nodes.len() as u64));
    Ok(figure(&format!("Precision {precision}"), &sets, &chart.svg()?))
}

/// Numbers of users in powers of ten, with some room at the ends.
fn users_axis(users: impl Iterator<Item = u64>) -> Axis {
    let (low, high) =
        users.fold((u64::MAX, 1), |(low, high), users| (low.min(users.max(1)), high.max(users)));
    let (low, high) = ((low.min(high) as f64).log10(), (high as f64).log10());
    let room = ((high - low) * 0.05).max(0.1);
    let marks = (low.ceil() as i32..=high.floor() as i32)
        .map(|power| (f64::from(power), short(10_f64.powi(power), 10_f64.powi(power))))
        .collect();
    Axis { from: low - room, to: high + room, marks }
}

/// Powers of ten around some values.
fn powers(low: f64, high: f64, label: fn(f64) -> String) -> Axis {
    let from = if low > 0.0 && low.is_finite() { low.log10().floor() } else { 0.0 };
    let to = if high > 0.0 { high.log10().ceil() } else { 1.0 }.max(from + 1.0);
    let every = (((to - from) / 6.0).ceil() as usize).max(1);
    let marks = (from as i32..=to as i32)
        .step_by(every)
        .map(|power| (f64::from(power), label(10_f64.powi(power)).replace(".0 ", " ")))
        .collect();
    Axis { from, to, marks }
}
