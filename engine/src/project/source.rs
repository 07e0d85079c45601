//! The sources of a project: of events, and of pings.

use super::csv::csv;
use super::values::{ALL_KINDS, COLUMN_KINDS, value, zone};
use crate::Result;
use crate::calendar::{TimeFormat, Zone};
use crate::metric::yaml::View;
use crate::pings::{self, PingSource};
use crate::scan::{DEPLOYMENT, Dimension, Source, Value};

/// Deployments that `deployment:` names directly; every other word is a column.
const DEPLOYMENTS: [&str; 3] = ["saas", "self_managed", "dedicated"];

/// A source of events; `None` if it cannot be used.
pub(super) fn source(view: &View<'_>) -> Option<Source> {
    if view.node().as_map().is_none() {
        view.wrong_type("a mapping");
        return None;
    }
    let keys = ["name", "files", "csv", "where", "time", "user", "without_user", "event"];
    view.only(&[&keys[..], &["dimensions", "deployment", "format"]].concat());
    let (name, files) = name_and_files(view)?;
    let (time, time_format, time_zone) = time(view)?;
    let (user, scope) = user(view)?;
    let event = match view.get("event") {
        None => {
            let help = "name the column with the event's name, or `{const: page_view}`";
            view.error("`event` is missing", Some(help));
            return None;
        }
        Some(event) => value(&event, ALL_KINDS, &[])?,
    };
    let dimensions = dimensions(view);
    let deployment =
        view.get("deployment").and_then(|deployment| match deployment.node().as_str() {
            Some(word) if DEPLOYMENTS.contains(&word) => Some(Value::Const(word.to_owned())),
            _ => value(&deployment, ALL_KINDS, &[]),
        });
    if deployment.is_some() && dimensions.iter().any(|own| own.name == DEPLOYMENT) {
        let help = "name the column under `deployment:` only";
        view.error(
            "`deployment` is given twice, under `dimensions:` and under `deployment:`",
            Some(help),
        );
    }
    let ignores_without_user = match view.text_of("without_user") {
        None | Some("reject") => false,
        Some("ignore") => true,
        Some(other) => {
            let part = view.get("without_user").unwrap_or_else(|| view.clone());
            part.error(format!("expected `reject` or `ignore`, found `{other}`"), None);
            false
        }
    };
    let name = name.to_owned();
    Some(Source {
        key: view.key().to_owned(),
        name,
        files,
        csv: csv(view),
        filter: view.text_of("where").map(str::to_owned),
        time,
        time_format,
        time_zone,
        user,
        scope,
        ignores_without_user,
        event,
        dimensions,
        deployment,
    })
}

/// `dimensions: [component, {plan: context.traits.plan}, {country: {sql: "upper(geo)"}}]`
fn dimensions(view: &View<'_>) -> Vec<Dimension> {
    let mut dimensions: Vec<Dimension> = Vec::new();
    let Some(list) = view.get("dimensions") else { return dimensions };
    for item in list.items() {
        let named = match item.node().as_map() {
            None => item.text().map(|word| (word, item.clone())).into_iter().collect(),
            Some(_) => item.entries(),
        };
        for (name, part) in named {
            let Some(value) = value(&part, ALL_KINDS, &[]) else { continue };
            if dimensions.iter().any(|known| known.name == name) {
                part.error(format!("two dimensions have the name `{name}`"), None);
            }
            let key = part.key().strip_prefix(view.key()).unwrap_or(part.key());
            let key = key.trim_start_matches('.').to_owned();
            dimensions.push(Dimension { key, name: name.to_owned(), value });
        }
    }
    dimensions
}

/// `{name: pings, format: service_ping, files: pings/*.json}`
pub(super) fn ping_source(view: &View<'_>) -> Option<PingSource> {
    view.only(&["name", "files", "format"]);
    let format = view.text_of("format")?;
    if format != pings::FORMAT {
        let help =
            format!("write `{}`; the format of events is known by their files", pings::FORMAT);
        view.get("format")?.error(format!("unknown format `{format}`"), Some(&help));
        return None;
    }
    let (name, files) = name_and_files(view)?;
    Some(PingSource { name: name.to_owned(), files })
}

/// What all sources have.
fn name_and_files<'a>(view: &View<'a>) -> Option<(&'a str, Vec<String>)> {
    let name = view.required_text_of("name")?;
    let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !word || name.starts_with(|c: char| c.is_ascii_digit()) {
        let help = "use letters, digits and `_`, not starting with a digit; the name is also that \
                    of the SQL table";
        view.error(format!("invalid source name `{name}`"), Some(help));
    }
    let files: Vec<String> = view.texts_of("files").into_iter().map(str::to_owned).collect();
    if files.is_empty() {
        view.error("`files` is missing", Some("name a file, a folder, a glob, or a list of these"));
    }
    Some((name, files))
}

/// `time: column` or `time: {column: ts, unit: ms, zone: Europe/Berlin}`, also `{sql: ...}`, and `auto`.
fn time(view: &View<'_>) -> Option<(Value, TimeFormat, Zone)> {
    let Some(time) = view.get("time") else {
        view.error(
            "`time` is missing",
            Some("name the column with the time of the event, or `auto`"),
        );
        return None;
    };
    if time.node().as_str() == Some("auto") {
        return Some((Value::AnyTime, TimeFormat::Auto, Zone::utc()));
    }
    let value = value(&time, COLUMN_KINDS, &["unit", "format", "zone"])?;
    let or_error = |found: Result<TimeFormat>| {
        found.unwrap_or_else(|error| {
            time.error(error.to_string(), None);
            TimeFormat::Standard
        })
    };
    let format = match (time.text_of("unit"), time.text_of("format")) {
        (None, None) => TimeFormat::Standard,
        (Some("auto"), None) => TimeFormat::Auto,
        (Some(word), None) => or_error(word.parse().map(TimeFormat::Epoch)),
        (None, Some(pattern)) => or_error(TimeFormat::pattern(pattern)),
        (Some(_), Some(_)) => {
            time.error("expected either `unit` or `format`", None);
            TimeFormat::Standard
        }
    };
    Some((value, format, zone(&time, "zone")))
}

/// `user: column` or `user: {column: user_id, scope: installation}`, also `{sql: ...}`.
fn user(view: &View<'_>) -> Option<(Value, Option<Value>)> {
    let Some(user) = view.get("user") else {
        view.error("`user` is missing", Some("name the column with the user's key"));
        return None;
    };
    let scope = match user.get("scope") {
        None => None,
        Some(scope) => Some(value(&scope, COLUMN_KINDS, &[])?),
    };
    Some((value(&user, COLUMN_KINDS, &["scope"])?, scope))
}
