//! A project on disk: `headcount.yaml` with its time zone, sources, dictionary and store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::calendar::{Day, TimeUnit, Zone};
use crate::metric::yaml::{Value as Yaml, View, load};
use crate::metric::{Paths, Problem, Problems, Severity};
use crate::pings::{self, OwnInstallation, PingSettings, PingSource};
use crate::scan::{DEPLOYMENT, Source, Value};
use crate::storage::Storage;
use crate::store::dimensions_of;
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
    /// The files of the dictionary.
    pub dictionary: Paths,
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

/// `dictionary: DIR`, or its parts apart, each a file, a glob or a folder.
fn dictionary(root: &Path, view: &View<'_>) -> Paths {
    let Some(part) = view.get("dictionary") else { return Paths::folder(&root.join("dictionary")) };
    if part.node().as_map().is_none() {
        return Paths::folder(&root.join(part.text().unwrap_or("dictionary")));
    }
    part.only(&["stages", "events", "metrics", "aggregates"]);
    let paths = |name| part.texts_of(name).into_iter().map(|path| root.join(path)).collect();
    Paths {
        stages: paths("stages"),
        events: paths("events"),
        metrics: paths("metrics"),
        aggregates: paths("aggregates"),
    }
}

fn source(view: &View<'_>) -> Option<Source> {
    if view.node().as_map().is_none() {
        view.wrong_type("a mapping");
        return None;
    }
    view.only(&["name", "files", "time", "user", "event", "dimensions", "deployment", "format"]);
    let (name, files) = name_and_files(view)?;
    let (time, time_unit, time_zone) = time(view)?;
    let (user, scope) = user(view)?;
    let event = match view.get("event") {
        None => {
            let help = "name the column with the event's name, or `{const: page_view}`";
            view.error("`event` is missing", Some(help));
            return None;
        }
        Some(event) => value(&event, Value::Column)?,
    };
    let dimensions: Vec<String> =
        view.texts_of("dimensions").into_iter().map(str::to_owned).collect();
    let deployment = view.get("deployment").and_then(|deployment| {
        value(&deployment, |word| {
            if DEPLOYMENTS.contains(&word.as_str()) {
                Value::Const(word)
            } else {
                Value::Column(word)
            }
        })
    });
    if deployment.is_some() && dimensions.iter().any(|name| name == DEPLOYMENT) {
        let help = "name the column under `deployment:` only";
        view.error(
            "`deployment` is given twice, under `dimensions:` and under `deployment:`",
            Some(help),
        );
    }
    let name = name.to_owned();
    Some(Source {
        key: view.key().to_owned(),
        name,
        files,
        time,
        time_unit,
        time_zone,
        user,
        scope,
        event,
        dimensions,
        deployment,
    })
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

/// `time: column` or `time: {column: ts, unit: ms, zone: Europe/Berlin}`.
fn time(view: &View<'_>) -> Option<(String, Option<TimeUnit>, Zone)> {
    let Some(time) = view.get("time") else {
        view.error("`time` is missing", Some("name the column with the time of the event"));
        return None;
    };
    if time.node().as_map().is_none() {
        return Some((time.text()?.to_owned(), None, Zone::utc()));
    }
    time.only(&["column", "unit", "zone"]);
    let unit = time.text_of("unit").and_then(|word| match word.parse() {
        Ok(unit) => Some(unit),
        Err(error) => {
            let error: Error = error;
            time.error(error.to_string(), None);
            None
        }
    });
    Some((time.required_text_of("column")?.to_owned(), unit, zone(&time, "zone")))
}

/// `user: column` or `user: {column: user_id, scope: installation}`.
fn user(view: &View<'_>) -> Option<(String, Option<String>)> {
    let Some(user) = view.get("user") else {
        view.error("`user` is missing", Some("name the column with the user's key"));
        return None;
    };
    if user.node().as_map().is_none() {
        return Some((user.text()?.to_owned(), None));
    }
    user.only(&["column", "scope"]);
    let scope = user.text_of("scope").map(str::to_owned);
    Some((user.required_text_of("column")?.to_owned(), scope))
}

/// A word, `{const: word}` or `{column: word}`.
fn value(view: &View<'_>, bare: impl Fn(String) -> Value) -> Option<Value> {
    match &view.node().value {
        Yaml::Map(_) => {
            view.only(&["const", "column"]);
            match (view.text_of("const"), view.text_of("column")) {
                (Some(word), None) => Some(Value::Const(word.to_owned())),
                (None, Some(word)) => Some(Value::Column(word.to_owned())),
                _ => {
                    view.error("expected either `const` or `column`", None);
                    None
                }
            }
        }
        _ => Some(bare(view.text()?.to_owned())),
    }
}
