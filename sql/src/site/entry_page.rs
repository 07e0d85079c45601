//! The page of one section, stage, group, metric or event.

use engine::Result;

use super::content::Site;
use super::entry::{Entry, Figures, Kind, Origin, month};
use super::page::{Page, breakable, link, owner_link, terms};
use super::{charts, definition, privacy};
use crate::output::html::{escape, section};
use crate::output::text::format_number;
use crate::report::change;

/// Pages are in folders of the site.
const UP: &str = "../";

/// # Errors
/// [`engine::Kind::Internal`] when its chart cannot be drawn.
pub(super) fn page(site: &Site<'_>, entry: &Entry) -> Result<String> {
    let mut body = heading(site, entry);
    body.push_str("<main>\n");
    for figures in &entry.figures {
        body.push_str(&numbers(figures)?);
    }
    body.push_str(&definition(site, entry));
    body.push_str(&data(site, entry));
    body.push_str(&related(site, entry));
    for figures in &entry.figures {
        body.push_str(&statement(entry, figures));
    }
    body.push_str(&personal(entry));
    body.push_str(&other(entry));
    body.push_str("</main>\n");
    let title = entry.title.as_ref().unwrap_or(&entry.key);
    Ok(Page { title, up: UP, has_script: false, body }.render(site))
}

fn heading(site: &Site<'_>, entry: &Entry) -> String {
    let kind = entry.kind;
    let name = match &entry.title {
        Some(title) => escape(title),
        None => format!("<code>{}</code>", breakable(&entry.key)),
    };
    let index = super::file_names::INDEX;
    let mut owners: Vec<String> =
        vec![format!("<a href=\"{UP}{index}#kind={kind}\">{}</a>", kind.folder())];
    owners.extend((0..3).map(|rank| owner_link(site, UP, entry, rank)));
    owners.retain(|owner| !owner.is_empty());
    let facts = [
        (
            "key",
            if entry.title.is_some() {
                format!("<code>{}</code>", escape(&entry.key))
            } else {
                String::new()
            },
        ),
        ("category", escape(entry.category.as_deref().unwrap_or_default())),
        ("status", escape(&entry.status)),
        ("time frame", escape(&entry.time_frames.join(", "))),
        ("indicators", escape(&entry.indicators.join(", "))),
        ("tiers", escape(&entry.tiers.join(", "))),
        ("data category", escape(entry.data_category.as_deref().unwrap_or_default())),
        ("value type", escape(entry.value_type.as_deref().unwrap_or_default())),
        ("data source", escape(entry.data_source.as_deref().unwrap_or_default())),
        ("milestone", escape(entry.milestone.as_deref().unwrap_or_default())),
        ("data in", entry.place.map(|place| place.to_string()).unwrap_or_default()),
        ("first data", entry.first_day.map(|day| day.to_string()).unwrap_or_default()),
        ("last data", entry.last_day.map(|day| day.to_string()).unwrap_or_default()),
    ];
    let description = match entry.description.as_str() {
        "" => String::new(),
        description => format!("<p class=\"lead\">{}</p>\n", escape(description)),
    };
    format!(
        "<header>\n<p class=\"path\">{}</p>\n<h1>{name}</h1>\n{description}{}</header>\n",
        owners.join(" › "),
        terms(&facts)
    )
}

/// The latest number against the month before, and a chart.
fn numbers(figures: &Figures) -> Result<String> {
    let months = &figures.series.months;
    let Some(latest) = figures.series.latest() else { return Ok(String::new()) };
    let before = months.iter().rev().find(|month| month.start < latest.start);
    let compared = before.map(|before| match before.value {
        value if value == latest.value => format!(", as in {}", month(before.start)),
        0 => format!(", from 0 in {}", month(before.start)),
        value => {
            let pct = (latest.value as f64 - value as f64) / value as f64 * 100.0;
            let value = format_number(value);
            format!(", {} from {value} in {}", change(pct), month(before.start))
        }
    });
    let incomplete = if latest.complete { "" } else { " (incomplete)" };
    let (title, hint) = match figures.origin {
        Origin::Events => ("Users by month", String::new()),
        Origin::Pings => (
            "Recorded by month",
            format!(
                "From pings at <code>{}</code>, summed over installations: their users cannot be told \
                 apart.",
                breakable(figures.key_path.as_deref().unwrap_or_default())
            ),
        ),
    };
    let hint = match hint.as_str() {
        "" => String::new(),
        hint => format!("<p class=\"hint\">{hint}</p>\n"),
    };
    Ok(section(
        title,
        "",
        &format!(
            "<p><b class=\"big\">{}</b> {} in {}{incomplete}{}.</p>\n{hint}<figure class=\"wide\">{}</figure>\n",
            format_number(latest.value),
            charts::unit(figures.origin, latest.value),
            month(latest.start),
            compared.unwrap_or_default(),
            charts::chart(figures)?
        ),
    ))
}

fn definition(site: &Site<'_>, entry: &Entry) -> String {
    let metric = entry.index.filter(|_| entry.kind == Kind::Metric);
    let Some(metric) = metric.map(|at| &site.facts.dictionary.metrics[at]) else {
        let text = format!("<p class=\"definition\">{}.</p>\n", escape(&entry.definition));
        return section("Definition", "", &text);
    };
    let why = metric.counted().err().map(|why| {
        format!("<p class=\"note\">Its users are not counted: {}.</p>\n", escape(&why.to_string()))
    });
    let why = why.unwrap_or_default();
    if metric.rules.is_empty() {
        let text = escape(&entry.definition);
        return section("Definition", "", &format!("<p class=\"definition\">{text}.</p>\n{why}"));
    }
    let rows = definition::rule_groups(metric).into_iter().map(|group| {
        let events = group.events.iter().map(|event| {
            let page = entry.related.iter().map(|at| &site.entries[*at]);
            let defined = page.into_iter().find(|of| {
                of.index.is_some_and(|at| site.facts.dictionary.events[at].action == *event)
            });
            match defined {
                Some(of) => link(UP, of),
                None => format!("<code>{}</code> (no definition)", escape(event)),
            }
        });
        let events: Vec<String> = events.collect();
        let filter = escape(&definition::filter(group.rule));
        format!("<tr><td>{}</td><td>{filter}</td></tr>\n", events.join("<br>"))
    });
    let subject = escape(&definition::subject(metric));
    let table = format!(
        "<p>Counts {subject}:</p>\n{why}<div class=\"wide\"><table class=\"plain\"><thead><tr>\
         <th scope=\"col\">Events</th><th scope=\"col\">where</th></tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
        rows.collect::<String>()
    );
    section("Definition", "", &table)
}

/// Where a metric has data, for each of its key paths.
fn data(site: &Site<'_>, entry: &Entry) -> String {
    let metric = entry.index.filter(|_| entry.kind == Kind::Metric);
    let Some(data) = metric.map(|at| &site.facts.data[at]) else { return String::new() };
    let span = |what: &str, span: Option<engine::metric::DataSpan>| match span {
        None => format!("<tr><td>{what}</td><td class=\"n\">0</td><td></td><td></td></tr>\n"),
        Some(span) => format!(
            "<tr><td>{what}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>\n",
            format_number(span.count),
            span.days.start,
            span.days.end
        ),
    };
    let mut rows = span("events", data.events);
    // Without sources of pings there can be none.
    let paths = data.paths.iter().filter(|_| site.facts.pings.is_some());
    for path in paths {
        let key_path = breakable(&crate::output::text::plain(&path.key_path));
        let what = format!("values in pings at <code>{key_path}</code> ({})", path.time_frame);
        rows.push_str(&span(&what, path.pings));
    }
    section(
        "Where it has data",
        "",
        &format!(
            "<div class=\"wide\"><table class=\"plain\"><thead><tr><th scope=\"col\">Data</th>\
             <th scope=\"col\" class=\"n\">Count</th><th scope=\"col\">First day</th>\
             <th scope=\"col\">Last day</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
        ),
    )
}

/// The metrics of an event, and what is in a node.
fn related(site: &Site<'_>, entry: &Entry) -> String {
    let title = match entry.kind {
        Kind::Metric => return String::new(),
        Kind::Event => "Metrics that use it",
        Kind::Group | Kind::Stage | Kind::Section => "What it consists of",
    };
    if entry.related.is_empty() {
        return String::new();
    }
    let rows = entry.related.iter().map(|at| {
        let of = &site.entries[*at];
        let description = match (of.description.as_str(), of.title.is_some()) {
            ("", true) => escape(&of.definition),
            (description, _) => escape(description),
        };
        let latest = of.latest().map(|(latest, _)| format_number(latest.value));
        format!(
            "<tr><td>{}</td><td>{description}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
            link(UP, of),
            latest.unwrap_or_default(),
            charts::trend(of)
        )
    });
    section(
        title,
        "",
        &format!(
            "<div class=\"wide\"><table class=\"plain\"><thead><tr><th scope=\"col\">Name</th>\
             <th scope=\"col\">Description</th><th scope=\"col\" class=\"n\">Latest</th>\
             <th scope=\"col\">Trend</th></tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
            rows.collect::<String>()
        ),
    )
}

fn statement(entry: &Entry, figures: &Figures) -> String {
    let Some(sql) = &figures.sql else { return String::new() };
    let title = match (figures.origin, entry.figures.len()) {
        (_, 1) => "SQL",
        (Origin::Events, _) => "SQL: users in events",
        (Origin::Pings, _) => "SQL: recorded in pings",
    };
    let lines: Vec<String> = sql.lines().map(escape).collect();
    let hint = "Run it in the project with headcount sql; it gives the numbers above.";
    let code = format!("<pre tabindex=\"0\"><code>{}</code></pre>\n", lines.join("\n"));
    section(title, hint, &code)
}

fn personal(entry: &Entry) -> String {
    if !matches!(entry.kind, Kind::Metric | Kind::Event) {
        return String::new();
    }
    section("Personal data", "", &privacy::values(entry))
}

/// Fields that have no meaning here, as they are.
fn other(entry: &Entry) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    for (name, value) in &entry.other {
        let is_address = value.starts_with("https://") || value.starts_with("http://");
        let has_space = value.contains(|c: char| c.is_whitespace() || c == '"');
        let value = match is_address && !has_space {
            true => format!("<a href=\"{0}\" rel=\"noopener noreferrer\">{0}</a>", escape(value)),
            false => escape(value),
        };
        rows.push((name, value));
    }
    if let Some(place) = &entry.place_in_file {
        rows.push(("defined in", format!("<code>{}</code>", escape(place))));
    }
    if rows.is_empty() {
        return String::new();
    }
    let rows = rows.into_iter().map(|(name, value)| {
        format!("<tr><th scope=\"row\">{}</th><td>{value}</td></tr>\n", escape(name))
    });
    let rows: String = rows.collect();
    section(
        "Other fields of the definition",
        "",
        &format!(
            "<div class=\"wide\"><table class=\"plain fields\">\n<tbody>\n{rows}</tbody></table></div>\n"
        ),
    )
}
