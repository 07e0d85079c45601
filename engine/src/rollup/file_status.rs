//! Which event files of a project are in the store, and whether they would be read now as they were.

use std::collections::BTreeMap;

use crate::calendar::{TimeFormat, TimeUnit};
use crate::pings::find_ping_files;
use crate::project::Project;
use crate::scan::{CsvOptions, Header, Quote, Source, Value};
use crate::store::{Entry, FileStatus, SourceFile, SourceNames, Store, file_status};
use crate::{Error, Result};

/// All files of a project that are there, in the order of sources and paths. With `trust_mtime`, a file
/// that has the name, size and time of an ingested one is taken for it without reading it.
///
/// # Errors
/// When files cannot be read, or a source has no files, now or before.
pub fn find_files(
    project: &Project,
    ledger: &[Entry],
    trust_mtime: bool,
) -> Result<Vec<SourceFile>> {
    let mut source_files = Vec::new();
    for (at, source) in project.sources.iter().enumerate() {
        let had = ledger.iter().any(|entry| entry.source == source.name);
        let files = source.find_files(&project.root, !had);
        source_files.extend(
            files.map_err(|e| e.with("source", &source.name))?.into_iter().map(|f| (at, f)),
        );
    }
    file_status(&project.root, &source_names(project), source_files, ledger, trust_mtime)
}

/// The names of the sources of events.
pub(super) fn source_names(project: &Project) -> SourceNames<'_> {
    let names = project.sources.iter().map(|source| source.name.as_str()).collect();
    SourceNames { names, are_apart: true }
}

/// Names of files of events and pings whose content is not what was ingested under their name, found
/// by reading all of them.
///
/// # Errors
/// When files cannot be read.
pub fn changed_files(project: &Project, store: &Store) -> Result<Vec<String>> {
    let events = find_files(project, store.ledger(), false)?;
    let pings = find_ping_files(&project.root, &project.ping_sources, store, false)?;
    let changed = events.into_iter().chain(pings).filter(|f| f.status == FileStatus::Changed);
    Ok(changed.map(|file| file.name).collect())
}

/// What a source and its project say of columns and times, as far as the store keeps it.
pub(super) struct SourceSettings {
    /// As the ledger has it since it has codes. What is in it may be called otherwise some day, but
    /// never here.
    pub(super) code: String,
    /// As earlier versions wrote it into the ledger.
    old: String,
}

impl SourceSettings {
    pub(super) fn of(project: &Project, source: &Source, dimensions: &[String]) -> Self {
        let kept_columns =
            dimensions.iter().filter_map(|name| Some((name, source.dimension(name)?)));
        let kept_columns: Vec<(&String, &Value)> = kept_columns.collect();
        let unit = match &source.time_format {
            TimeFormat::Standard => "none".to_owned(),
            TimeFormat::Epoch(TimeUnit::Second) => "s".to_owned(),
            TimeFormat::Epoch(TimeUnit::Millisecond) => "ms".to_owned(),
            TimeFormat::Epoch(TimeUnit::Microsecond) => "us".to_owned(),
            TimeFormat::Epoch(TimeUnit::Nanosecond) => "ns".to_owned(),
            TimeFormat::Pattern(pattern) => format!("format:{}", escaped(pattern)),
            TimeFormat::Auto => "auto".to_owned(),
        };
        let bound = project.no_events_after.map(|day| day.to_string());
        let bound = bound.as_deref().unwrap_or("none");
        let (zone, time_zone) = (project.zone.name(), source.time_zone.name());
        let encoded = |value: &Value| match value {
            Value::Column(name) => format!("column:{}", escaped(name)),
            Value::Sql(text) => format!("sql:{}", escaped(text)),
            Value::Const(text) => format!("const:{}", escaped(text)),
            Value::AnyTime => "time:".to_owned(),
        };
        // Before there were others, columns had no mark.
        let marked = |value: &Value| match value {
            Value::Column(name) => escaped(name),
            other => encoded(other),
        };
        let scope = source.scope.as_ref().map_or_else(|| "none".to_owned(), encoded);
        let mut code = format!(
            "1;zone={};until={bound};time={};unit={unit};time_zone={};user={};scope={scope};event={}",
            escaped(zone),
            marked(&source.time),
            escaped(time_zone),
            marked(&source.user),
            encoded(&source.event),
        );
        for (name, value) in &kept_columns {
            code.push_str(&format!(";dimension:{}={}", escaped(name), encoded(value)));
        }
        if let Some(filter) = &source.filter {
            code.push_str(&format!(";where={}", escaped(filter)));
        }
        if source.ignores_without_user {
            code.push_str(";without_user=ignore");
        }
        if source.csv != CsvOptions::default() {
            code.push_str(&format!(";csv={}", csv_code(&source.csv)));
        }
        let kept_columns: Vec<String> =
            kept_columns.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        // The form of stores that exist: never to be changed.
        let old = format!(
            "time zone: {zone}, no_events_after: {bound}, time: {}, unit: {unit}, \
             zone: {time_zone}, user: {}, scope: {}, event: {}, dimensions: [{}]{}",
            source.time.text(),
            source.user.text(),
            source.scope.as_ref().map_or("none", Value::text),
            source.event,
            kept_columns.join(", "),
            if code.contains(";where=") { ", where" } else { "" },
        );
        Self { code, old }
    }

    /// Whether an entry of the ledger was read so.
    pub(super) fn match_entry(&self, entry: &Entry) -> bool {
        entry.settings == self.code || entry.settings == self.old
    }
}

/// What is declared of CSV files.
fn csv_code(csv: &CsvOptions) -> String {
    let delimiter = csv.delimiter.map_or_else(String::new, |byte| byte.to_string());
    let quote = match csv.quote {
        None => String::new(),
        Some(Quote::Byte(byte)) => byte.to_string(),
        Some(Quote::Backslash) => "backslash".to_owned(),
        Some(Quote::None) => "none".to_owned(),
    };
    let header = match &csv.header {
        None => String::new(),
        Some(Header::Line) => "line".to_owned(),
        Some(Header::Absent) => "absent".to_owned(),
        Some(Header::Names(names)) => {
            let names = names.iter().map(|name| escaped(name).replace(',', "%2C"));
            format!("names:{}", names.collect::<Vec<_>>().join(","))
        }
    };
    format!("{delimiter}:{quote}:{header}")
}

/// A text in which nothing separates the parts of a code.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace(';', "%3B").replace('=', "%3D").replace(':', "%3A")
}

/// Checks that what was ingested was read as the project reads it now.
///
/// # Errors
/// When the settings of a source have changed, with both in the message.
pub fn check_settings(project: &Project, store: &Store) -> Result<()> {
    let now: BTreeMap<&str, SourceSettings> = project
        .sources
        .iter()
        .map(|source| {
            (source.name.as_str(), SourceSettings::of(project, source, store.dimensions()))
        })
        .collect();
    for entry in store.ledger() {
        let now = now.get(entry.source.as_str()).ok_or_else(|| {
            Error::input(format!(
                "the store has events of the source `{}`, which the project does not have",
                entry.source
            ))
            .with("file", store.storage())
            .with("help", "restore the source's name, or ingest into a new store")
        })?;
        if !now.match_entry(entry) {
            let is_old = entry.settings.starts_with("time zone: ");
            return Err(Error::input(format!(
                "the source `{}` was ingested with other settings: {} (now: {})",
                entry.source,
                entry.settings,
                if is_old { &now.old } else { &now.code }
            ))
            .with("file", store.storage())
            .with("help", "restore the settings, or delete the store and ingest again"));
        }
    }
    Ok(())
}
