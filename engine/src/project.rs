//! A project on disk: `headcount.yaml` with its time zone, sources, dictionary and store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::calendar::{Day, TimeFormat, Zone};
use crate::metric::yaml::{View, load};
use crate::metric::{Paths, Problem, Problems, Severity};
use crate::pings::{self, OwnInstallation, PingSettings, PingSource};
use crate::scan::{CsvOptions, DEPLOYMENT, Dimension, Header, Quote, Source, Value, dimensions_of};
use crate::storage::Storage;
use crate::{Error, Result};

/// Name of the file that makes a folder a project.
pub const PROJECT_FILE: &str = "headcount.yaml";

/// Deployments that `deployment:` names directly; every other word is a column.
const DEPLOYMENTS: [&str; 3] = ["saas", "self_managed", "dedicated"];

/// What `headcount.yaml` says, with every path made absolute or relative to the caller.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder of the project; relative event files start here.
    pub root: PathBuf,
    /// Reporting time zone; UTC unless declared.
    pub zone: Zone,
    /// Events after this day are rejected: the usual trace of a clock set wrong.
    pub no_events_after: Option<Day>,
    /// The sources of events.
    pub sources: Vec<Source>,
    /// The sources of pings.
    pub ping_sources: Vec<PingSource>,
    /// What pings are interpreted by.
    pub pings: PingSettings,
    /// What its own pings say of it.
    pub installation: Option<OwnInstallation>,
    /// The files of the dictionary; `None` if there is none, so that each event is counted by its name.
    pub dictionary: Option<Paths>,
    /// The storage of the store.
    pub store: Storage,
    /// Dimensions that the roll-up keeps apart; all of them if `None`.
    pub store_dimensions: Option<Vec<String>>,
    /// Lines of the project file by path of keys, `sources[0].time`.
    pub(crate) lines: BTreeMap<String, usize>,
}

impl Project {
    /// The nearest folder from `start` upwards that holds a project.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(start: &Path) -> Result<PathBuf> {
        let here = std::path::absolute(start).map_err(|cause| Error::io(start, cause))?;
        let found = here.ancestors().find(|folder| folder.join(PROJECT_FILE).is_file());
        found.map(Path::to_owned).ok_or_else(|| {
            Error::input(format!("no {PROJECT_FILE} in this folder or its parents"))
                .with("file", start.display())
                .with(
                    "help",
                    "create a project with `headcount init DIR`, or name one with --project",
                )
        })
    }

    /// Reads a project and everything that is wrong with it.
    ///
    /// # Errors
    /// When the file cannot be used: the first of its error-severity problems.
    pub fn load(root: &Path) -> Result<Self> {
        let (project, problems) = Self::read(root);
        match (project, problems.into_iter().find(is_error)) {
            (_, Some(problem)) => Err(problem.into()),
            (Some(project), None) => Ok(project),
            (None, None) => Err(Error::internal("a project file without contents or problems")),
        }
    }

    /// Reads as much of a project as can be read, and all problems.
    pub fn read(root: &Path) -> (Option<Self>, Vec<Problem>) {
        let file = root.join(PROJECT_FILE);
        let problems = Problems::default();
        let documents = load(&file, &problems);
        let project = documents.first().map(|node| read(root, &View::root(node, &file, &problems)));
        if project.is_none() && !problems.has_errors() {
            let message = "the project file is empty";
            problems.push(Problem::new(Severity::Error, &file, 0, "", message));
        }
        (project, problems.into_vec())
    }

    /// The line of the project file in which a path of keys stands, or that of the nearest key
    /// above it; 0 if none of them is there.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        let mut key = key;
        loop {
            match (self.lines.get(key), key.rfind(['.', '['])) {
                (Some(line), _) => return *line,
                (None, Some(end)) => key = &key[..end],
                (None, None) => return 0,
            }
        }
    }
}

fn is_error(problem: &Problem) -> bool {
    problem.severity == Severity::Error
}

fn read(root: &Path, view: &View<'_>) -> Project {
    let blocks = ["dictionary", "store", "pings", "installation"];
    view.only(&[&["time_zone", "no_events_after", "sources"], &blocks[..]].concat());
    let (mut sources, mut ping_sources, mut names) = (Vec::new(), Vec::new(), Vec::new());
    match view.get("sources") {
        None => view.error("`sources` is missing", Some("add at least one source of events")),
        Some(list) => {
            if list.node().as_list().is_some_and(<[_]>::is_empty) {
                list.error("`sources` is empty", Some("add at least one source of events"));
            }
            for item in list.items() {
                let name = match item.get("format") {
                    None => source(&item).map(|source| {
                        sources.push(source);
                        &sources[sources.len() - 1].name
                    }),
                    Some(_) => ping_source(&item).map(|source| {
                        ping_sources.push(source);
                        &ping_sources[ping_sources.len() - 1].name
                    }),
                };
                let Some(name) = name else { continue };
                if names.contains(name) {
                    item.error(format!("two sources have the name `{name}`"), None);
                }
                names.push(name.clone());
            }
        }
    }
    let (store, store_dimensions) = store(root, view, &sources);
    Project {
        root: root.to_owned(),
        zone: zone(view, "time_zone"),
        no_events_after: view.day_of("no_events_after"),
        sources,
        ping_sources,
        pings: PingSettings::read(view),
        installation: OwnInstallation::read(view),
        dictionary: dictionary(root, view),
        store,
        store_dimensions,
        lines: view.lines(),
    }
}

/// What to say to those who ask for a dimension that is not there.
pub(crate) fn known_dimensions(sources: &[Source]) -> String {
    match dimensions_of(sources) {
        none if none.is_empty() => {
            "no source has dimensions; name columns under `dimensions:` of a source in \
             headcount.yaml"
                .to_owned()
        }
        known => format!("the dimensions are: {}", known.join(", ")),
    }
}

/// `store: DIR`, `store: s3://bucket/path`, or `store: {path: DIR, dimensions: [plan]}`.
fn store(root: &Path, view: &View<'_>, sources: &[Source]) -> (Storage, Option<Vec<String>>) {
    let default = Storage::folder(root.join("store"));
    let Some(part) = view.get("store") else { return (default, None) };
    let storage = |part: &View<'_>| {
        part.text().and_then(|text| match Storage::parse(root, text) {
            Ok(storage) => Some(storage),
            Err(error) => {
                part.error(error.to_string(), None);
                None
            }
        })
    };
    if part.node().as_map().is_none() {
        return (storage(&part).unwrap_or(default), None);
    }
    part.only(&["path", "dimensions"]);
    let path = part.get("path").and_then(|part| storage(&part)).unwrap_or(default);
    let dimensions = part.get("dimensions").map(|list| {
        let mut names: Vec<String> =
            part.texts_of("dimensions").into_iter().map(str::to_owned).collect();
        let has = |name: &String| sources.iter().any(|source| source.dimension(name).is_some());
        if let Some(name) = names.iter().find(|name| !has(name)) {
            let help = known_dimensions(sources);
            list.error(format!("no source has a dimension `{name}`"), Some(&help));
        }
        names.sort();
        names.dedup();
        names
    });
    (path, dimensions)
}

fn zone(view: &View<'_>, key: &str) -> Zone {
    let Some(name) = view.text_of(key) else { return Zone::utc() };
    Zone::get(name).unwrap_or_else(|error| {
        if let Some(view) = view.get(key) {
            view.error(error.to_string(), None);
        }
        Zone::utc()
    })
}

/// `dictionary: DIR`, or its parts apart, each a file, a glob or a folder. If it is left out, the folder
/// `dictionary`, if there is one.
fn dictionary(root: &Path, view: &View<'_>) -> Option<Paths> {
    let default = root.join("dictionary");
    let Some(part) = view.get("dictionary") else {
        return default.is_dir().then(|| Paths::folder(&default));
    };
    if part.node().as_map().is_none() {
        return Some(Paths::folder(&root.join(part.text().unwrap_or("dictionary"))));
    }
    part.only(&["stages", "events", "metrics", "aggregates"]);
    let paths = |name| part.texts_of(name).into_iter().map(|path| root.join(path)).collect();
    Some(Paths {
        stages: paths("stages"),
        events: paths("events"),
        metrics: paths("metrics"),
        aggregates: paths("aggregates"),
    })
}

fn source(view: &View<'_>) -> Option<Source> {
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
fn ping_source(view: &View<'_>) -> Option<PingSource> {
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

/// `csv: {delimiter: ";", quote: "'", header: [id, time]}`, all of them optional.
fn csv(view: &View<'_>) -> CsvOptions {
    let mut options = CsvOptions::default();
    let Some(csv) = view.get("csv") else { return options };
    if csv.node().as_map().is_none() {
        csv.wrong_type("a mapping with `delimiter`, `quote` or `header`");
        return options;
    }
    csv.only(&["delimiter", "quote", "header"]);
    let byte = |key: &str, text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(*byte),
        _ => {
            let part = csv.get(key).unwrap_or_else(|| csv.clone());
            part.error(
                format!("`{text}` is not a single character"),
                Some("use one ASCII character"),
            );
            None
        }
    };
    options.delimiter = csv.text_of("delimiter").and_then(|text| match text {
        "tab" | "\\t" => Some(b'\t'),
        text => byte("delimiter", text),
    });
    options.quote = csv.text_of("quote").and_then(|text| match text {
        "none" => Some(Quote::None),
        "backslash" => Some(Quote::Backslash),
        text => byte("quote", text).map(Quote::Byte),
    });
    if options.delimiter.is_some() && options.quote == options.delimiter.map(Quote::Byte) {
        csv.error("`delimiter` and `quote` are the same character", None);
    }
    options.header = csv.get("header").and_then(|header| match header.node().as_str() {
        Some("true") => Some(Header::Line),
        Some("false") => Some(Header::Absent),
        Some(_) => {
            header.error("expected `true`, `false` or a list of names", None);
            None
        }
        None => {
            let names = csv.texts_of("header").into_iter().map(str::to_owned).collect();
            Some(Header::Names(names))
        }
    });
    options
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

/// How values are given that may differ from row to row.
const COLUMN_KINDS: &[&str] = &["column", "sql"];
/// How all values are given.
const ALL_KINDS: &[&str] = &["column", "sql", "const"];

/// A column or path, or a mapping with one of some `kinds` of values, and `other` keys.
fn value(view: &View<'_>, kinds: &[&str], other: &[&str]) -> Option<Value> {
    if view.node().as_map().is_none() {
        return Some(Value::Column(view.text()?.to_owned()));
    }
    view.only(&[kinds, other].concat());
    let given: Vec<&&str> = kinds.iter().filter(|kind| view.get(kind).is_some()).collect();
    let [kind] = *given else {
        let kinds: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
        let (last, others) = kinds.split_last()?;
        let kinds = others.join(", ");
        view.error(
            format!("expected one of {kinds} or {last}"),
            Some("a column can be named without a key"),
        );
        return None;
    };
    let text = view.text_of(kind)?.to_owned();
    Some(match *kind {
        "sql" => Value::Sql(text),
        "const" => Value::Const(text),
        _ => Value::Column(text),
    })
}
