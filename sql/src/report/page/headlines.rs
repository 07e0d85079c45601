//! The key numbers at the top of the page, and the changes in the latest complete period.

use engine::active::{Basis, Count, Level, ReportRow};

use crate::output::html::{escape, section};
use crate::output::text::format_number;
use crate::report::figures::{change, difference, marked};
use crate::report::series::TimeSeries;
use crate::report::view::{ReportView, branch};

/// The key numbers of the latest complete period.
pub(super) fn cards(view: &ReportView<'_>, data: &TimeSeries<'_>) -> String {
    let mut cards = String::new();
    for (level, label) in [(Level::Total, view.subject()), (Level::Combined, "Sum of stages")] {
        let estimated = data.of_basis(level, Basis::Estimated);
        for series in data.level(level).iter().chain(&estimated) {
            let Some(row) = data.now(series) else { continue };
            let interval = match row.count {
                Count::Exact => String::new(),
                Count::Approx => format!(
                    "<p class=\"small\">95 % interval {} to {}</p>",
                    format_number(row.users_low),
                    format_number(row.users_high)
                ),
            };
            let more = format!("{}{interval}", compared(row));
            let label = match estimated.is_empty() {
                true => label.to_owned(),
                false => format!("{label}, {}", row.basis),
            };
            cards.push_str(&card(&label, &format_number(row.users), &more));
        }
    }
    // Stages, or in a report without them the finest level that has a picture of its own.
    let (parts, what) = parts(data);
    if let Some((name, row)) = parts.iter().max_by_key(|(_, row)| row.users) {
        let more = format!("<p>{} users</p>{}", format_number(row.users), compared(row));
        cards.push_str(&card(&format!("Largest {what}"), name, &more));
    }
    let moved = |up: bool| {
        let changes = parts.iter().filter_map(|(name, row)| {
            let before = row.previous_users?;
            ((row.users > before) == up && row.users != before).then_some((name, *row, before))
        });
        changes.max_by_key(|(_, row, before)| row.users.abs_diff(*before))
    };
    for (up, how) in [(true, "gaining"), (false, "losing")] {
        if let Some((name, row, before)) = moved(up) {
            let users = difference(row.users, before);
            let more = format!("<p>{users} users</p>{}", compared(row));
            cards.push_str(&card(&format!("{what} {how} the most users"), name, &more));
        }
    }
    if cards.is_empty() {
        return cards;
    }
    format!("<div class=\"cards\">\n{cards}</div>\n")
}

/// The latest complete period against the one before, for every node down to the groups.
pub(super) fn changes(view: &ReportView<'_>, data: &TimeSeries<'_>) -> String {
    let levels = [Level::Total, Level::Combined, Level::Section, Level::Stage, Level::Group];
    let mut rows: Vec<&ReportRow> = Vec::new();
    for level in levels {
        rows.extend(data.level(level).iter().filter_map(|series| data.now(series)));
    }
    rows.retain(|row| row.previous_users.is_some());
    if rows.is_empty() {
        return String::new();
    }
    rows.sort_by(|a, b| branch(a, b));
    let widest = rows.iter().filter_map(|row| row.change_pct).map(f64::abs).fold(0.0, f64::max);
    let mut body = String::new();
    for row in rows {
        let before = row.previous_users.unwrap_or(0);
        let class = direction(row.users, before);
        let bar = row.change_pct.filter(|pct| *pct != 0.0).map(|pct| {
            let half = (pct.abs() / widest * 50.0).clamp(0.5, 50.0);
            let side = if pct < 0.0 { "right" } else { "left" };
            format!("<i style=\"{side}:50%;width:{half:.1}%\"></i>")
        });
        let bar = bar.unwrap_or_default();
        let pct = row.change_pct.map(|pct| marked(change(pct), row.complete)).unwrap_or_default();
        body.push_str(&format!(
            "<tr class=\"{level}\"><th scope=\"row\"><span class=\"in{depth}\">{name}</span></th>\
             <td>{level}</td><td class=\"n\">{users}</td><td class=\"n\">{before}</td>\
             <td class=\"n {class}\">{difference}</td><td class=\"n {class}\">{pct}</td>\
             <td class=\"bar {class}\" aria-hidden=\"true\"><span>{bar}</span></td></tr>\n",
            level = row.level,
            depth = view.depth(row),
            name = escape(&view.name(row)),
            users = format_number(row.users),
            difference = difference(row.users, before),
            before = format_number(before),
        ));
    }
    let (now, before) = (&data.spans[data.latest].name, data.before());
    let title = format!("What changed: {now} against {before}");
    let (now, before) = (escape(now), escape(&before));
    let table = format!(
        "<div class=\"wide\"><table class=\"changes\">\n<thead><tr>\
         <th scope=\"col\">Name</th><th scope=\"col\">Level</th>\
         <th scope=\"col\" class=\"n\">{now}</th><th scope=\"col\" class=\"n\">{before}</th>\
         <th scope=\"col\" class=\"n\">Difference</th><th scope=\"col\" class=\"n\">Change</th>\
         <th class=\"bar\" aria-hidden=\"true\"></th></tr></thead>\n<tbody>\n{body}</tbody>\n\
         </table></div>\n"
    );
    section(&title, "", &table)
}

/// The nodes that are compared with each other: stages, else sections, groups or metrics.
fn parts<'a>(data: &TimeSeries<'a>) -> (Vec<(String, &'a ReportRow)>, &'static str) {
    let levels = [
        (Level::Stage, "stage"),
        (Level::Section, "section"),
        (Level::Group, "group"),
        (Level::Action, "metric"),
    ];
    for (level, what) in levels {
        let series = data.largest(level);
        if !series.is_empty() {
            let rows = series.into_iter();
            let rows = rows.filter_map(|series| Some((data.now(&series)?, series.name)));
            return (rows.map(|(row, name)| (name, row)).collect(), what);
        }
    }
    (Vec::new(), "")
}

/// `up`, `down` or nothing, for the style sheet.
fn direction(now: u64, before: u64) -> &'static str {
    match now.cmp(&before) {
        std::cmp::Ordering::Greater => "up",
        std::cmp::Ordering::Equal => "",
        std::cmp::Ordering::Less => "down",
    }
}

fn card(label: &str, value: &str, more: &str) -> String {
    let long = match value.chars().count() {
        0..=9 => "",
        10..=11 => " long",
        _ => " longer",
    };
    format!(
        "<div class=\"card\"><h3>{}</h3><p class=\"value{long}\">{}</p>{more}</div>\n",
        escape(label),
        escape(value)
    )
}

fn compared(row: &ReportRow) -> String {
    let (Some(pct), Some(before)) = (row.change_pct, row.previous_users) else {
        return String::new();
    };
    let arrow = match direction(row.users, before) {
        "up" => "▲ ",
        "down" => "▼ ",
        _ => "",
    };
    format!(
        "<p class=\"{}\">{arrow}{}</p><p class=\"small\">from {}</p>",
        direction(row.users, before),
        marked(change(pct), row.complete),
        format_number(before)
    )
}
