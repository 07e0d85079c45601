//! The page that says what is collected of people, and why.

use std::collections::BTreeMap;

use engine::scan::{Dimension, Value};

use super::content::Site;
use super::entry::{Entry, Kind};
use super::file_names::INDEX;
use super::page::{Page, link};
use crate::output::html::{escape, section};
use crate::output::text::{format_number, plain};

const PINGS: &str = "\
<p>A ping is a document that an installation sends about once a week. It has values of the installation, such \
as counts, and not of single people: nobody can be told apart in it.</p>
<ul>
<li>Of its texts only these are kept: <code>uuid</code>, <code>hostname</code>, <code>version</code>, \
<code>edition</code> and <code>license_subscription_id</code>. Of all other texts only it is known that there is \
one.</li>
<li>The object <code>licensee</code> (name, e-mail address, company) and keys that are themselves an e-mail or IP \
address are dropped with everything in them.</li>
<li>The data category of a metric says under which choice of the administrator its value is sent: \
<code>standard</code>, <code>subscription</code>, <code>operational</code> or <code>optional</code>.</li>
</ul>
";

pub(super) fn page(site: &Site<'_>) -> String {
    let mut body = String::from(
        "<header>\n<h1>What is collected</h1>\n<p class=\"lead\">The personal data in events and pings, and \
         what it is for.</p>\n</header>\n<main>\n",
    );
    let project = site.facts.project;
    if !project.sources.is_empty() {
        body.push_str(&sources(site));
        body.push_str(&identifiers(site));
        body.push_str(&events(site));
    }
    body.push_str(&unknown(site));
    if !project.ping_sources.is_empty() {
        body.push_str(&section("Pings", "", PINGS));
    }
    body.push_str("</main>\n");
    Page { title: "What is collected", up: "", has_script: false, body }.render(site)
}

/// What the events of an entry carry, as a table.
pub(super) fn values(entry: &Entry) -> String {
    let note = match entry.personal_note {
        Some(note) => format!("<p>{}.</p>\n", escape(note)),
        None if entry.personal.is_empty() => "<p>None is documented.</p>\n".to_owned(),
        None => String::new(),
    };
    if entry.personal.is_empty() {
        return note;
    }
    let rows = entry.personal.iter().map(|value| {
        let kind = if value.is_identifier { "identifier" } else { "property" };
        let description = match (value.is_identifier, value.description.as_str()) {
            (true, _) => match value.name.as_str() {
                "user" => "tells users apart, so that each is counted once".to_owned(),
                name => format!("tells each {} apart", escape(name)),
            },
            (false, "") => "not described".to_owned(),
            (false, description) => escape(description),
        };
        format!(
            "<tr><th scope=\"row\"><code>{}</code></th><td>{kind}</td><td>{description}</td></tr>\n",
            escape(&value.name)
        )
    });
    format!(
        "<div class=\"wide\"><table class=\"plain\"><thead><tr><th scope=\"col\">Value</th>\
         <th scope=\"col\">Kind</th><th scope=\"col\">What for</th></tr></thead>\n<tbody>\n{}</tbody></table></div>\n{note}",
        rows.collect::<String>()
    )
}

/// The columns that are read.
fn sources(site: &Site<'_>) -> String {
    let rows = site.facts.project.sources.iter().map(|source| {
        let code = |column: &str| format!("<code>{}</code>", escape(&plain(column)));
        let value = |value: &Value| match value {
            Value::Column(text) | Value::Sql(text) => code(text),
            Value::AnyTime => "the only column that holds times".to_owned(),
            Value::Const(constant) => format!("always {}", code(constant)),
        };
        let user = match &source.scope {
            Some(scope) => format!("{} within {}", value(&source.user), value(scope)),
            None => value(&source.user),
        };
        let dimension = |own: &Dimension| match own.name == own.value.text() {
            true => code(&own.name),
            false => format!("{}: {}", escape(&plain(&own.name)), value(&own.value)),
        };
        let mut dimensions: Vec<String> = source.dimensions.iter().map(dimension).collect();
        dimensions.extend(source.deployment.as_ref().map(|of| format!("deployment: {}", value(of))));
        format!(
            "<tr><th scope=\"row\"><code>{}</code></th><td>{user}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            escape(&source.name),
            value(&source.event),
            value(&source.time),
            dimensions.join(", ")
        )
    });
    let table = format!(
        "<div class=\"wide\"><table class=\"plain\"><thead><tr><th scope=\"col\">Source</th>\
         <th scope=\"col\">User</th><th scope=\"col\">Event</th><th scope=\"col\">Time</th>\
         <th scope=\"col\">Dimensions</th></tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
        rows.collect::<String>()
    );
    section("Columns that reports read", "Other columns of the events are in no report.", &table)
}

/// Which identifiers events carry, and how many.
fn identifiers(site: &Site<'_>) -> String {
    let mut events: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in site.entries.iter().filter(|entry| entry.kind == Kind::Event) {
        for value in entry.personal.iter().filter(|value| value.is_identifier) {
            *events.entry(&value.name).or_default() += 1;
        }
    }
    if events.is_empty() {
        return String::new();
    }
    let file = INDEX;
    let rows = events.into_iter().map(|(name, count)| {
        format!(
            "<tr><th scope=\"row\"><code>{}</code></th><td class=\"n\">{}</td>\
             <td><a href=\"{file}#kind=event&amp;identifier={}\">events that carry it</a></td></tr>\n",
            escape(name),
            format_number(count as u64),
            in_address(name),
        )
    });
    let table = format!(
        "<div class=\"wide\"><table class=\"plain\"><thead><tr><th scope=\"col\">Identifier</th>\
         <th scope=\"col\" class=\"n\">Events</th><th scope=\"col\"></th></tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
        rows.collect::<String>()
    );
    section("Identifiers", "", &table)
}

/// Every event with what it carries and what it is for.
fn events(site: &Site<'_>) -> String {
    let rows = site.entries.iter().filter(|entry| entry.kind == Kind::Event).map(|entry| {
        let of_kind = |is_identifier: bool| {
            let values = entry.personal.iter().filter(|of| of.is_identifier == is_identifier);
            let value = |of: &super::entry::PersonalValue| {
                let name = format!("<code>{}</code>", escape(&of.name));
                match of.description.as_str() {
                    "" => name,
                    description => format!("{name}: {}", escape(description)),
                }
            };
            values.map(value).collect::<Vec<_>>()
        };
        let metrics = match entry.related.len() {
            1 => "1 metric".to_owned(),
            count => format!("{} metrics", format_number(count as u64)),
        };
        format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{metrics}</td></tr>\n",
            link("", entry),
            escape(&entry.description),
            of_kind(true).join(", "),
            of_kind(false).join("<br>"),
        )
    });
    let rows: String = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    let table = format!(
        "<div class=\"wide\"><table class=\"plain\"><thead><tr><th scope=\"col\">Event</th>\
         <th scope=\"col\">Sent when</th><th scope=\"col\">Identifiers</th>\
         <th scope=\"col\">Other values</th><th scope=\"col\">Used by</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    );
    section("Events", "As documented in their definitions.", &table)
}

/// What is in the data without a definition.
fn unknown(site: &Site<'_>) -> String {
    let Some(survey) = &site.facts.survey else { return String::new() };
    if survey.unknown.is_empty() {
        return String::new();
    }
    let rows = survey.unknown.iter().map(|(name, count)| {
        let (name, count) = (escape(&plain(name)), format_number(*count));
        format!("<tr><th scope=\"row\"><code>{name}</code></th><td class=\"n\">{count}</td></tr>\n")
    });
    let table = format!(
        "<div class=\"wide\"><table class=\"plain\"><thead><tr><th scope=\"col\">Name</th>\
         <th scope=\"col\" class=\"n\">Events</th></tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
        rows.collect::<String>()
    );
    section("Events without a definition", "They are in the data, and are not counted.", &table)
}

/// A value in the fragment of an address.
fn in_address(text: &str) -> String {
    let mut address = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => {
                address.push(byte as char)
            }
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}
