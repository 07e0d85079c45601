//! The first page: the table of everything, with search and filters.

use std::collections::BTreeMap;

use super::charts;
use super::content::Site;
use super::entry::{Entry, Kind, Origin, Owner, month};
use super::page::{Page, breakable, rejected};
use crate::output::html::escape;
use crate::output::text::format_number;

/// A property to filter by: its name in addresses and attributes, its label, whether it is among the
/// first ones, and its values, each with a label.
type Facet = (&'static str, &'static str, bool, fn(&Entry) -> Vec<(String, String)>);

const FACETS: [Facet; 12] = [
    ("kind", "Kind", true, |of| words(&[of.kind.to_string()])),
    ("stage", "Stage", true, |of| owner(of, 1)),
    ("group", "Group", true, |of| owner(of, 2)),
    ("data", "Data in", true, |of| words(of.place.map(|place| place.to_string()).as_slice())),
    ("status", "Status", true, |of| words(std::slice::from_ref(&of.status))),
    ("indicator", "Indicator", true, |of| words(&of.indicators)),
    ("section", "Section", false, |of| owner(of, 0)),
    ("frame", "Time frame", false, |of| words(&of.time_frames)),
    ("tier", "Tier", false, |of| words(&of.tiers)),
    ("category", "Data category", false, |of| words(of.data_category.as_slice())),
    ("type", "Value type", false, |of| words(of.value_type.as_slice())),
    ("identifier", "Identifier", false, |of| {
        let identifiers = of.personal.iter().filter(|value| value.is_identifier);
        identifiers.map(|value| (value.name.clone(), value.name.clone())).collect()
    }),
];

/// A column: its name as a class, its heading, whether it is shown at first, and its content.
type Column = (&'static str, &'static str, bool, fn(&Entry, &Site<'_>) -> String);

/// The columns after the name.
const COLUMNS: [Column; 16] = [
    ("owner", "Owner", true, |of, _| {
        let name = |rank: usize| of.owners[rank].as_ref().map(|owner| escape(&owner.name));
        match (of.kind, name(1), name(2)) {
            (Kind::Section | Kind::Stage, ..) => name(0).unwrap_or_default(),
            (Kind::Group, stage, _) => stage.unwrap_or_default(),
            (_, Some(stage), Some(group)) => format!("{stage} <small>{group}</small>"),
            (_, stage, _) => stage.or(name(0)).unwrap_or_default(),
        }
    }),
    ("frame", "Time frame", true, |of, _| escape(&of.time_frames.join(", "))),
    ("indicators", "Indicator", true, |of, _| escape(&of.indicators.join(", "))),
    ("status", "Status", true, |of, _| escape(&of.status)),
    ("data", "Data in", true, |of, _| match of.place {
        Some(place) => format!("<span class=\"{place}\">{place}</span>"),
        None => String::new(),
    }),
    ("since", "Since", true, |of, _| {
        let milestone = of.milestone.iter().map(|of| format!("<small>{}</small>", escape(of)));
        let day = of.first_day.iter().map(ToString::to_string);
        day.chain(milestone).collect::<Vec<_>>().join(" ")
    }),
    ("latest", "Latest", true, |of, site| match of.latest() {
        Some((latest, origin)) => {
            let value = format_number(latest.value);
            let pings = if origin == Origin::Pings { " pings" } else { "" };
            let mark = if latest.complete { "" } else { " …" };
            match site.total.latest() {
                // It stands in the heading.
                Some(common) if common.start == latest.start && pings.is_empty() => value,
                _ => format!("{value} <small>{}{mark}{pings}</small>", month(latest.start)),
            }
        }
        None => String::new(),
    }),
    ("trend", "Trend", true, |of, _| charts::trend(of)),
    ("definition", "Definition", false, |of, _| escape(&of.definition)),
    ("section", "Section", false, |of, _| {
        of.owners[0].as_ref().map(|owner| escape(&owner.name)).unwrap_or_default()
    }),
    ("tiers", "Tiers", false, |of, _| escape(&of.tiers.join(", "))),
    ("category", "Data category", false, |of, _| {
        escape(of.data_category.as_deref().unwrap_or_default())
    }),
    ("type", "Value type", false, |of, _| escape(of.value_type.as_deref().unwrap_or_default())),
    ("source", "Data source", false, |of, _| escape(of.data_source.as_deref().unwrap_or_default())),
    ("personal", "Personal data", false, |of, _| escape(&of.personal_text())),
    ("sql", "SQL", false, |of, _| match of.main().and_then(|figures| figures.sql.as_deref()) {
        // Line ends of a statement are kept.
        Some(sql) => {
            let lines: Vec<String> = sql.lines().map(escape).collect();
            format!("<code>{}</code>", lines.join("\n"))
        }
        None => String::new(),
    }),
];

pub(super) fn page(site: &Site<'_>) -> String {
    let mut body = String::from("<header>\n");
    body.push_str(&format!("<h1>{}</h1>\n{}</header>\n", escape(&site.title), lead(site)));
    body.push_str("<main>\n");
    body.push_str(&form(&site.entries));
    body.push_str(&table(site));
    body.push_str("</main>\n");
    body.push_str(FOOTER);
    Page { title: &site.title, up: "", has_script: true, body }.render(site)
}

/// What there is, and what the numbers are of.
fn lead(site: &Site<'_>) -> String {
    let count = |kind: Kind| site.entries.iter().filter(|of| of.kind == kind).count();
    let kinds = Kind::ALL.into_iter().filter(|kind| count(*kind) > 0).map(|kind| {
        let word = if count(kind) == 1 { kind.to_string() } else { kind.folder().to_owned() };
        format!("<a href=\"#kind={kind}\">{} {word}</a>", format_number(count(kind) as u64))
    });
    let mut lead = format!("<p class=\"lead\">{}.", kinds.collect::<Vec<_>>().join(", "));
    let mut notes = Vec::new();
    if let Some(answer) = &site.facts.answer {
        let report = &answer.report;
        if let (Some(first), Some(last)) = (report.first_day, report.last_day) {
            lead.push_str(&format!(
                " {} events from {first} to {last}.",
                format_number(report.events)
            ));
        }
        if let Some(total) = site.total.latest() {
            lead.push_str(&format!(
                " Monthly active users in {}: <b>{}</b>.",
                month(total.start),
                format_number(total.value)
            ));
        }
        notes.extend(rejected(&answer.summary.rejects));
    }
    if let Some(tables) = &site.facts.pings {
        let (pings, installations) =
            (tables.collection.pings.len() as u64, tables.collection.installations.len() as u64);
        lead.push_str(&format!(
            " {} pings of {} installations.",
            format_number(pings),
            format_number(installations)
        ));
    }
    lead.push_str("</p>\n");
    if let Some(survey) = site.facts.survey.as_ref().filter(|survey| !survey.unknown.is_empty()) {
        let events: u64 = survey.unknown.values().sum();
        notes.push(format!(
            "{} events with {} names are not in the dictionary and not counted.",
            format_number(events),
            format_number(survey.unknown.len() as u64)
        ));
    }
    for note in notes {
        lead.push_str(&format!("<p class=\"note\">{}</p>\n", escape(&note)));
    }
    lead
}

/// Search and filters. The script shows them; without it they would do nothing.
fn form(entries: &[Entry]) -> String {
    let mut first = String::new();
    let mut more = String::new();
    for (name, label, is_first, values) in FACETS {
        let mut options: BTreeMap<String, (String, usize)> = BTreeMap::new();
        for (value, label) in entries.iter().flat_map(values) {
            options.entry(value).or_insert((label, 0)).1 += 1;
        }
        if options.is_empty() {
            continue;
        }
        let mut options: Vec<_> = options.into_iter().collect();
        if name == "kind" {
            let place = |of: &str| Kind::ALL.iter().position(|kind| kind.to_string() == of);
            options.sort_by_key(|(value, _)| place(value));
        } else {
            options.sort_by(|a, b| (a.1.0.to_lowercase(), &a.0).cmp(&(b.1.0.to_lowercase(), &b.0)));
        }
        let options = options.into_iter().map(|(value, (label, count))| {
            format!("<option value=\"{}\">{} ({count})</option>", escape(&value), escape(&label))
        });
        let select = format!(
            "<label>{label} <select name=\"{name}\"><option value=\"\">any</option>{}</select></label>\n",
            options.collect::<String>()
        );
        if is_first { &mut first } else { &mut more }.push_str(&select);
    }
    format!(
        "<form id=\"search\" role=\"search\" hidden>\n<div class=\"query\">\
         <label for=\"q\" class=\"out\">Search</label>\
         <input id=\"q\" name=\"q\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\" \
         placeholder=\"Search\" aria-keyshortcuts=\"/\" aria-controls=\"dictionary\">\
         <kbd aria-hidden=\"true\">/</kbd>\
         <output id=\"count\" for=\"q\" aria-live=\"polite\"></output>\
         <button type=\"reset\" id=\"clear\" hidden>Clear</button></div>\n\
         <div class=\"filters\">\n{first}</div>\n\
         <details id=\"more\"><summary>More filters</summary><div class=\"filters\">\n{more}</div></details>\n\
         </form>\n"
    )
}

fn table(site: &Site<'_>) -> String {
    let latest = site.total.latest().map(|latest| {
        let mark = if latest.complete { "" } else { " …" };
        format!(" <small>{}{mark}</small>", month(latest.start))
    });
    let latest = latest.unwrap_or_default();
    let columns = COLUMNS.len() + 1;
    let mut table = String::from(
        "<label class=\"columns\"><input type=\"checkbox\" id=\"columns\"> All columns</label>\n\
         <div class=\"rows\" role=\"region\" aria-label=\"Dictionary\">\n\
         <table id=\"dictionary\">\n<caption class=\"out\">Metrics, events, and the groups, stages \
         and sections that own them</caption>\n<thead><tr><th scope=\"col\" class=\"name\">Name</th>",
    );
    for (class, heading, is_shown, _) in COLUMNS {
        let more = if is_shown { "" } else { " more" };
        let month = if class == "latest" { latest.as_str() } else { "" };
        table.push_str(&format!("<th scope=\"col\" class=\"{class}{more}\">{heading}{month}</th>"));
    }
    table.push_str("</tr></thead>\n");
    for kind in Kind::ALL {
        let of_kind = site.entries.iter().filter(|of| of.kind == kind);
        let of_kind: Vec<&Entry> = of_kind.collect();
        if of_kind.is_empty() {
            continue;
        }
        table.push_str(&format!(
            "<tbody id=\"kind={kind}\">\n<tr class=\"kind\"><th scope=\"rowgroup\" \
             colspan=\"{columns}\">{} <span>{}</span></th></tr>\n",
            kind.folder(),
            format_number(of_kind.len() as u64)
        ));
        of_kind.into_iter().for_each(|entry| row(site, entry, &mut table));
        table.push_str("</tbody>\n");
    }
    table.push_str(
        "</table>\n</div>\n<p id=\"nothing\" class=\"hint\" hidden>Nothing matches. Escape clears the \
         search.</p>\n",
    );
    table
}

fn row(site: &Site<'_>, entry: &Entry, table: &mut String) {
    table.push_str("<tr");
    for (name, _, _, values) in FACETS {
        let values: Vec<String> = values(entry).into_iter().map(|(value, _)| value).collect();
        if !values.is_empty() {
            table.push_str(&format!(" data-{name}=\"{}\"", escape(&values.join(", "))));
        }
    }
    let title = entry.title.as_ref().or(entry.category.as_ref());
    let title = title.map(|title| format!(" <b>{}</b>", escape(title))).unwrap_or_default();
    let description = match entry.description.as_str() {
        "" => String::new(),
        description => format!("<p>{}</p>", escape(description)),
    };
    table.push_str(&format!(
        "><th scope=\"row\" class=\"name\"><a href=\"{}\"><code>{}</code></a>{title}{description}</th>",
        escape(&entry.page),
        breakable(&entry.key)
    ));
    for (class, heading, is_shown, cell) in COLUMNS {
        let more = if is_shown { "" } else { " more" };
        let cell = cell(entry, site);
        let heading = match cell.as_str() {
            "" => String::new(),
            _ => format!(" data-name=\"{heading}\""),
        };
        table.push_str(&format!("<td class=\"{class}{more}\"{heading}>{cell}</td>"));
    }
    table.push_str("</tr>\n");
}

fn words(words: &[String]) -> Vec<(String, String)> {
    words.iter().map(|word| (word.clone(), word.clone())).collect()
}

fn owner(entry: &Entry, rank: usize) -> Vec<(String, String)> {
    let owner = entry.owners[rank].as_ref();
    owner.map(|Owner { key, name }| (key.clone(), name.clone())).into_iter().collect()
}

const FOOTER: &str = "\
<footer>
<h2>How to read this</h2>
<dl>
<div><dt>Latest</dt><dd>users of the latest complete month, from events; with “pings”: the sum of what \
installations recorded. An incomplete month is marked with …</dd></div>
<div><dt>Trend</dt><dd>the last 36 complete months, from 0</dd></div>
<div><dt>Data in</dt><dd>where there is any data of a metric, at any time: events, pings, both, or neither</dd></div>
<div><dt>Since</dt><dd>the first day with data, and the milestone of the definition</dd></div>
<div><dt>Status</dt><dd>active; broken: its numbers are known to be wrong; removed: history. Broken and removed \
metrics are not counted</dd></div>
<div><dt>Indicator</dt><dd>smau, gmau, umau: the metric stands for its stage, group or the product</dd></div>
</dl>
<p class=\"keys\">Keys: <kbd>/</kbd> search, <kbd>↓</kbd> <kbd>↑</kbd> rows, <kbd>Enter</kbd> opens a row, \
<kbd>Esc</kbd> back to the search, again to clear it. The address keeps search and filters.</p>
</footer>
";
