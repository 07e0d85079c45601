//! The sections of the page that hold pictures.

use engine::Result;
use engine::active::{Level, ReportRow};

use super::board::{Board, Series};
use super::chart::{COLORS, Size, line, stack};
use super::markup::escape;
use crate::report::figures::{figure, plain};
use crate::report::reading::Reading;

/// Dimension values that have a picture of their own.
const MOST_VALUES: usize = 12;

/// All pictures that the report has rows for: over time, or for a single period as bars.
///
/// # Errors
///
/// Those of [`line`] and [`stack`].
pub(super) fn pictures(reading: &Reading<'_>, board: &Board<'_>) -> Result<String> {
    let mut page = String::new();
    let over_time = board.spans.len() > 1;
    if let Some(whole) = board.whole().filter(|_| over_time) {
        let title = match board.level(Level::Total).is_empty() {
            true => format!("{} over time", whole.name),
            false => format!("{} over time", reading.subject()),
        };
        let picture = line(board, &whole, 0, Size::Wide, &described(board, &whole, &title))?;
        page.push_str(&format!(
            "<section>\n<h2>{}</h2>\n<figure class=\"wide\">{picture}</figure>\n{}</section>\n",
            escape(&title),
            legend_of_line(&whole)
        ));
    }
    let stages = board.largest(Level::Stage);
    if stages.len() > 1 && over_time {
        page.push_str(&composition(board, &stages)?);
    }
    let mut parts = vec![
        ("Each section".to_owned(), String::new(), board.largest(Level::Section)),
        ("Each stage".to_owned(), String::new(), stages),
    ];
    for (at, dimension) in reading.report.by.iter().enumerate() {
        let mut values = board.values(at);
        let mut hint = String::new();
        if values.len() > MOST_VALUES {
            let rest = values.len() - MOST_VALUES;
            hint =
                format!("The {MOST_VALUES} largest values; {rest} more are in the table below. ");
            values.truncate(MOST_VALUES);
        }
        parts.push((format!("By {}", plain(dimension)), hint, values));
    }
    for (title, hint, series) in parts.iter().filter(|(.., series)| !series.is_empty()) {
        page.push_str(&match over_time {
            true => small_multiples(board, title, hint, series)?,
            false => bars(board, title, hint, series),
        });
    }
    Ok(page)
}

fn composition(board: &Board<'_>, stages: &[Series<'_>]) -> Result<String> {
    // The last colour is for all the others together.
    let own = if stages.len() <= COLORS.len() { stages.len() } else { COLORS.len() - 1 };
    let mut layers: Vec<(String, Vec<u64>)> =
        stages[..own].iter().map(|stage| (stage.name.clone(), users(board, &[stage]))).collect();
    let others: Vec<&Series<'_>> = stages[own..].iter().collect();
    if !others.is_empty() {
        layers.push((format!("{} other stages", others.len()), users(board, &others)));
    }
    let now = |layer: &[u64]| layer.get(board.latest).copied().unwrap_or(0);
    let sum: u64 = layers.iter().map(|(_, users)| now(users)).sum();
    let mut legend = String::new();
    for (at, (name, users)) in layers.iter().enumerate() {
        let share = if sum == 0 { 0.0 } else { now(users) as f64 / sum as f64 * 100.0 };
        legend.push_str(&format!(
            "<li><i class=\"c{at}\"></i>{} <b>{share:.0} %</b></li>",
            escape(name)
        ));
    }
    let title = "Users of the stages, stacked";
    let picture = stack(board, &layers, &format!("{title}. {}", extent(board)))?;
    Ok(format!(
        "<section>\n<h2>Sum of the stages</h2>\n<p class=\"hint\">The height is the sum of the \
         stages: a user of three stages counts three times, so it is not the number of unique \
         users. Percentages are of this sum in {}.</p>\n<figure \
         class=\"wide\">{picture}</figure>\n<ul class=\"legend\">{legend}</ul>\n</section>\n",
        escape(&board.spans[board.latest].name)
    ))
}

fn small_multiples(
    board: &Board<'_>,
    title: &str,
    hint: &str,
    series: &[Series<'_>],
) -> Result<String> {
    let mut figures = String::new();
    for one in series {
        let picture = line(board, one, 0, Size::Small, &described(board, one, &one.name))?;
        let now = board.now(one).map(|row| figure(row.users)).unwrap_or_default();
        figures.push_str(&format!(
            "<figure><figcaption>{} <b>{now}</b></figcaption>{picture}</figure>\n",
            escape(&one.name)
        ));
    }
    let own = if series.len() > 1 { "Each chart has its own scale. " } else { "" };
    Ok(format!(
        "<section>\n<h2>{}</h2>\n<p class=\"hint\">{}{own}The numbers are for {}.</p>\n<div \
         class=\"many\">\n{figures}</div>\n</section>\n",
        escape(title),
        escape(hint),
        escape(&board.spans[board.latest].name)
    ))
}

/// One period has no course: the numbers as bars on one scale.
fn bars(board: &Board<'_>, title: &str, hint: &str, series: &[Series<'_>]) -> String {
    let rows = || series.iter().filter_map(|one| Some((one, board.now(one)?)));
    let widest = rows().map(|(_, row)| row.users).max().unwrap_or(0).max(1) as f64;
    let mut body = String::new();
    for (one, row) in rows() {
        body.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"length\" \
             aria-hidden=\"true\"><i style=\"width:{:.1}%\"></i></td></tr>\n",
            escape(&one.name),
            figure(row.users),
            row.users as f64 / widest * 100.0
        ));
    }
    format!(
        "<section>\n<h2>{}</h2>\n<p class=\"hint\">{}Users in {}.</p>\n<table class=\"bars\">\n\
         <tbody>\n{body}</tbody>\n</table>\n</section>\n",
        escape(title),
        escape(hint),
        escape(&board.spans[board.latest].name)
    )
}

/// What the marks of a line mean, where it has any that need words.
fn legend_of_line(series: &Series<'_>) -> String {
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

/// The picture in words, for those who cannot see it.
fn described(board: &Board<'_>, series: &Series<'_>, title: &str) -> String {
    let rows = || series.rows.iter().flatten().filter(|row| row.complete).map(|row| row.users);
    let range = match (rows().min(), rows().max()) {
        (Some(low), Some(high)) => {
            format!(" Between {} and {} users in complete periods.", figure(low), figure(high))
        }
        _ => String::new(),
    };
    format!("{title}. {}{range}", extent(board))
}

fn extent(board: &Board<'_>) -> String {
    match board.spans.as_slice() {
        [first, .., last] => format!("{} to {}.", first.name, last.name),
        [only] => format!("{}.", only.name),
        [] => String::new(),
    }
}

/// The users of some series together, period by period.
fn users(board: &Board<'_>, series: &[&Series<'_>]) -> Vec<u64> {
    let of = |at: usize| {
        let rows = series.iter().filter_map(|series| series.rows.get(at).copied().flatten());
        rows.map(|row| row.users).sum()
    };
    (0..board.spans.len()).map(of).collect()
}
