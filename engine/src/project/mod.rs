//! A project on disk: `headcount.yaml` with its time zone, sources, dictionary and store.

mod csv;
mod source;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::source::{ping_source, source};
use self::values::zone;
use crate::calendar::{Day, Zone};
use crate::metric::yaml::{View, load};
use crate::metric::{Paths, Problem, Problems, Severity};
use crate::pings::{OwnInstallation, PingSettings, PingSource};
use crate::scan::{Source, dimensions_of};
use crate::storage::Storage;
use crate::{Error, Result};

/// Name of the file that makes a folder a project.
pub const PROJECT_FILE: &str = "headcount.yaml";

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
