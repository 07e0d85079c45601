//! The chart sections of the page.

use engine::Result;
use engine::active::{Basis, Level, ReportRow};

use super::charts::{line, stack};
use crate::output::html::chart::{MAX_COLORS, Size};
use crate::output::html::{escape, figure, legend, section};
use crate::output::text::{format_number, plain};
use crate::report::series::{Series, TimeSeries};
use crate::report::view::ReportView;

/// Most dimension values with a chart of their own.
const MAX_CHARTED_VALUES: usize = 12;

/// All charts of the report: over time, or as bars for a single period.
///
/// # Errors
///
/// Those of [`line`] and [`stack`].
pub(super) fn chart_sections(view: &ReportView<'_>, data: &TimeSeries<'_>) -> Result<String> {
    let mut page = String::new();
    let over_time = data.spans.len() > 1;
    let estimates = with_estimates(data);
    if over_time && !estimates.is_empty() {
        page.push_str(&recorded_and_estimated(data, &estimates)?);
    }
    if let Some(whole) = data.whole().filter(|_| over_time && estimates.is_empty()) {
        let title = match data.level(Level::Total).is_empty() {
            true => format!("{} over time", whole.name),
            false => format!("{} over time", view.subject()),
        };
        let chart = line(data, &whole, Size::Wide, chart_description(data, &whole, &title))?;
        let marks = marks_of_line(&whole);
        let body = format!("<figure class=\"wide\">{chart}</figure>\n{marks}");
        page.push_str(&section(&title, "", &body));
    }
    let levels = [Level::Total, Level::Combined, Level::Stage];
    let predicted: Vec<_> =
        levels.into_iter().flat_map(|level| data.of_basis(level, Basis::Predicted)).collect();
    if over_time && !predicted.is_empty() {
        let hint = "What would have been recorded if installations had behaved otherwise: not what was \
                    counted. ";
        page.push_str(&small_multiples(data, "Predicted", hint, &predicted)?);
    }
    let forecasts = forecasts(data);
    if over_time && !forecasts.is_empty() {
        let hint = "Dashed: the past numbers continued, with a 95 % interval. ";
        page.push_str(&small_multiples(data, "Forecast", hint, &forecasts)?);
    }
    let stages = data.largest(Level::Stage);
    if stages.len() > 1 && over_time {
        page.push_str(&composition(data, &stages)?);
    }
    let mut parts = vec![
        ("Each section".to_owned(), String::new(), data.largest(Level::Section)),
        ("Each stage".to_owned(), String::new(), stages),
    ];
    for (at, dimension) in view.report.by.iter().enumerate() {
        let mut values = data.values(at);
        let mut hint = String::new();
        if values.len() > MAX_CHARTED_VALUES {
            let rest = values.len() - MAX_CHARTED_VALUES;
            hint = format!(
                "The {MAX_CHARTED_VALUES} largest values; {rest} more are in the table below. "
            );
            values.truncate(MAX_CHARTED_VALUES);
        }
        parts.push((format!("By {}", plain(dimension)), hint, values));
    }
    for (title, hint, series) in parts.iter().filter(|(.., series)| !series.is_empty()) {
        page.push_str(&match over_time {
            true => small_multiples(data, title, hint, series)?,
            false => bars(data, title, hint, series),
        });
    }
    Ok(page)
}

/// The whole and the stages that have estimates: recorded, estimated.
fn with_estimates<'a>(data: &TimeSeries<'a>) -> Vec<(Series<'a>, Series<'a>)> {
    let levels = [Level::Total, Level::Combined, Level::Stage];
    let pairs = levels.into_iter().flat_map(|level| {
        let mut estimated = data.of_basis(level, Basis::Estimated);
        let pair = move |recorded: Series<'a>| {
            let same = |one: &Series<'_>| one.is_of_node(&recorded);
            let at = estimated.iter().position(same)?;
            Some((recorded, estimated.swap_remove(at)))
        };
        data.level(level).into_iter().filter_map(pair)
    });
    pairs.collect()
}

/// The whole and the stages with their forecasts, each as one series.
fn forecasts<'a>(data: &TimeSeries<'a>) -> Vec<Series<'a>> {
    let levels = [Level::Total, Level::Combined, Level::Stage];
    let continued = levels.into_iter().flat_map(|level| {
        // As in the forecast: what it continues is estimated if anything is.
        let past = [Basis::Estimated, Basis::Recorded].map(|basis| data.of_basis(level, basis));
        let past = past.into_iter().find(|series| !series.is_empty()).unwrap_or_default();
        let continued = move |mut forecast: Series<'a>| {
            let before = past.iter().find(|one| one.is_of_node(&forecast))?;
            for (row, before) in forecast.rows.iter_mut().zip(&before.rows) {
                *row = row.or(before.filter(|row| row.complete));
            }
            Some(forecast)
        };
        data.of_basis(level, Basis::Forecast).into_iter().filter_map(continued)
    });
    continued.collect()
}

/// What was recorded with what the estimate adds on top, for the whole and each stage.
fn recorded_and_estimated(
    data: &TimeSeries<'_>,
    pairs: &[(Series<'_>, Series<'_>)],
) -> Result<String> {
    let names = ["recorded", "added by the estimate"];
    let mut figures = String::new();
    for (at, (recorded, estimated)) in pairs.iter().enumerate() {
        let (low, high) = (users(data, &[recorded]), users(data, &[estimated]));
        let added = high.iter().zip(&low).map(|(high, low)| high.saturating_sub(*low)).collect();
        let layers = [(names[0].to_owned(), low), (names[1].to_owned(), added)];
        let title = format!("{}, recorded and estimated. {}", recorded.name, extent(data));
        let size = if at == 0 { Size::Wide } else { Size::Small };
        let chart = stack(data, &layers, size, title)?;
        let now = |series| data.now(series).map(|row| format_number(row.users));
        let (low, high) = (now(recorded).unwrap_or_default(), now(estimated).unwrap_or_default());
        if at == 0 {
            let added = format!("{high} with the estimate");
            let entries = [(0, names[0].to_owned(), low), (1, names[1].to_owned(), added)];
            figures.push_str(&format!("<figure class=\"wide\">{chart}</figure>\n"));
            figures.push_str(&legend(entries.into_iter()));
            figures.push_str("<div class=\"many below\">\n");
        } else {
            figures.push_str(&figure(&recorded.name, &format!("{low} → {high}"), &chart));
        }
    }
    figures.push_str("</div>\n");
    let latest = &data.spans[data.latest].name;
    let hint = format!(
        "Users of the pings that were received, and what installations that sent none, or run a \
         version without the metric, would add. Incomplete months have no estimate. The numbers are \
         for {latest}."
    );
    Ok(section("Recorded and estimated", &hint, &figures))
}

fn composition(data: &TimeSeries<'_>, stages: &[Series<'_>]) -> Result<String> {
    // The last colour is for all the others together.
    let own = if stages.len() <= MAX_COLORS { stages.len() } else { MAX_COLORS - 1 };
    let mut layers: Vec<(String, Vec<u64>)> =
        stages[..own].iter().map(|stage| (stage.name.clone(), users(data, &[stage]))).collect();
    let others: Vec<&Series<'_>> = stages[own..].iter().collect();
    if !others.is_empty() {
        layers.push((format!("{} other stages", others.len()), users(data, &others)));
    }
    let now = |layer: &[u64]| layer.get(data.latest).copied().unwrap_or(0);
    let sum: u64 = layers.iter().map(|(_, users)| now(users)).sum();
    let share = |users: &[u64]| if sum == 0 { 0.0 } else { now(users) as f64 / sum as f64 };
    let entries = layers.iter().enumerate().map(|(color, (name, users))| {
        (color, name.clone(), format!("{:.0} %", share(users) * 100.0))
    });
    let title = format!("Users of the stages, stacked. {}", extent(data));
    let chart = stack(data, &layers, Size::Wide, title)?;
    let hint = format!(
        "The height is the sum of the stages: a user of three stages counts three times, so it is \
         not the number of unique users. Percentages are of this sum in {}.",
        data.spans[data.latest].name
    );
    let body = format!("<figure class=\"wide\">{chart}</figure>\n{}", legend(entries));
    Ok(section("Sum of the stages", &hint, &body))
}

fn small_multiples<'a>(
    data: &TimeSeries<'a>,
    title: &str,
    hint: &str,
    series: &[Series<'a>],
) -> Result<String> {
    let mut figures = String::new();
    for one in series {
        let chart = line(data, one, Size::Small, chart_description(data, one, &one.name))?;
        let now = data.points(one).get(data.latest).copied().flatten();
        let now = now.map(|point| format_number(point.users)).unwrap_or_default();
        figures.push_str(&figure(&one.name, &now, &chart));
    }
    let own = if series.len() > 1 { "Each chart has its own scale. " } else { "" };
    let latest = &data.spans[data.latest].name;
    let hint = format!("{hint}{own}The numbers are for {latest}.");
    Ok(section(title, &hint, &format!("<div class=\"many\">\n{figures}</div>\n")))
}

/// Bars on one scale, for a report of a single period.
fn bars<'a>(data: &TimeSeries<'a>, title: &str, hint: &str, series: &[Series<'a>]) -> String {
    let rows = || series.iter().filter_map(|one| Some((one, data.now(one)?)));
    let widest = rows().map(|(_, row)| row.users).max().unwrap_or(0).max(1) as f64;
    let mut body = String::new();
    for (one, row) in rows() {
        body.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"length\" \
             aria-hidden=\"true\"><i style=\"width:{:.1}%\"></i></td></tr>\n",
            escape(&one.name),
            format_number(row.users),
            row.users as f64 / widest * 100.0
        ));
    }
    let hint = format!("{hint}Users in {}.", data.spans[data.latest].name);
    let table = format!("<table class=\"bars\">\n<tbody>\n{body}</tbody>\n</table>\n");
    section(title, &hint, &table)
}

/// What a line's special marks mean, if it has any.
fn marks_of_line(series: &Series<'_>) -> String {
    let any = |test: fn(&ReportRow) -> bool| series.rows.iter().flatten().any(|row| test(row));
    let mut words = Vec::new();
    if any(|row| row.users_low != row.users_high) {
        words.push("The band is the 95 % interval of the approximate count.");
    }
    if any(|row| !row.complete) {
        words.push("A hollow point on a dashed line is an incomplete period.");
    }
    if words.is_empty() {
        String::new()
    } else {
        format!("<p class=\"hint\">{}</p>\n", words.join(" "))
    }
}

/// The text alternative of a chart.
fn chart_description<'a>(data: &TimeSeries<'a>, series: &Series<'a>, title: &str) -> String {
    let points = data.points(series);
    let users = || points.iter().flatten().filter(|point| point.complete).map(|point| point.users);
    let range = match (users().min(), users().max()) {
        (Some(low), Some(high)) => {
            format!(
                " Between {} and {} users in complete periods.",
                format_number(low),
                format_number(high)
            )
        }
        _ => String::new(),
    };
    format!("{title}. {}{range}", extent(data))
}

fn extent(data: &TimeSeries<'_>) -> String {
    match data.spans.as_slice() {
        [first, .., last] => format!("{} to {}.", first.name, last.name),
        [only] => format!("{}.", only.name),
        [] => String::new(),
    }
}

/// The users of some series together, period by period.
fn users(data: &TimeSeries<'_>, series: &[&Series<'_>]) -> Vec<u64> {
    let of = |at: usize| {
        let rows = series.iter().filter_map(|series| series.rows.get(at).copied().flatten());
        rows.map(|row| row.users).sum()
    };
    (0..data.spans.len()).map(of).collect()
}
