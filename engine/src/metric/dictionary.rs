//! Loads a dictionary: reads files, returns definitions and problems.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::model::{Event, Metric};
use super::paths::{Paths, files, identity};
use super::problem::{Problem, Problems, Severity};
use super::taxonomy::Tree;
use super::yaml::{Node, View, load, parse};
use super::{aggregates, check, events, metrics, stages};
use crate::Result;

/// The definitions that a project counts by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dictionary {
    /// Event definitions by file, then line.
    pub events: Vec<Event>,
    /// Metric definitions by file, then line; then the aggregates that no definition names.
    pub metrics: Vec<Metric>,
    /// Sections, stages and groups.
    pub tree: Tree,
    /// Everything that is wrong, by file and line.
    pub problems: Vec<Problem>,
    /// The files that were read, each once: stages, events, aggregates, metrics.
    pub files: Vec<PathBuf>,
}

/// What a definition file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DefinitionKind {
    /// The tree of stages.
    Stages,
    /// Event definitions.
    Events,
    /// Metric definitions, aggregates among them.
    Metrics,
    /// Aggregates only.
    Aggregates,
}

/// A file with its documents.
struct Source {
    kind: DefinitionKind,
    file: PathBuf,
    documents: Vec<Node>,
}

impl Dictionary {
    /// Reads all files. What is wrong inside of them ends up in `problems`; ask
    /// [`has_errors`](Self::has_errors) before counting.
    ///
    /// # Errors
    /// A path that is not there or cannot be read, or a glob that matches nothing.
    pub fn load(paths: &Paths) -> Result<Self> {
        let problems = Problems::default();
        let mut sources = Vec::new();
        let mut seen = BTreeSet::new();
        for (kind, paths) in [
            (DefinitionKind::Stages, &paths.stages),
            (DefinitionKind::Events, &paths.events),
            // Before the metrics: a folder of metrics often holds that of the aggregates.
            (DefinitionKind::Aggregates, &paths.aggregates),
            (DefinitionKind::Metrics, &paths.metrics),
        ] {
            for file in files(paths)? {
                if seen.insert(identity(&file)) {
                    let documents = load(&file, &problems);
                    sources.push(Source { kind, file, documents });
                }
            }
        }
        Ok(Self::build(sources, problems))
    }

    /// That of a project without definitions: every event is a metric of its own, under its name.
    pub fn of_events(names: impl IntoIterator<Item = String>) -> Self {
        let metric = |name: String| Metric::of_event(name.clone(), &name);
        Self { metrics: names.into_iter().map(metric).collect(), ..Self::default() }
    }

    /// Reads texts instead of files; each has a name for the problems.
    pub fn from_texts(texts: &[(DefinitionKind, &str, &str)]) -> Self {
        let problems = Problems::default();
        let source = |(kind, name, text): &(DefinitionKind, &str, &str)| Source {
            kind: *kind,
            file: PathBuf::from(name),
            documents: parse(text, Path::new(name), &problems),
        };
        let sources = texts.iter().map(source).collect();
        Self::build(sources, problems)
    }

    /// Whether a problem is an error: then what the definitions mean is not certain.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The metric of a key path.
    pub fn metric(&self, key_path: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.key_path == key_path)
    }

    /// Names of events in the data, each with what stands for it: those of `events`, and their aliases.
    pub(crate) fn with_aliases(
        &self,
        mut events: BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        for (alias, action) in self.events.iter().flat_map(names_of) {
            if let Some(known) = events.get(action).cloned() {
                events.insert(alias.to_owned(), known);
            }
        }
        events
    }

    fn build(sources: Vec<Source>, problems: Problems) -> Self {
        let documents = |kind: DefinitionKind| {
            let sources = sources.iter().filter(move |source| source.kind == kind);
            sources.flat_map(|source| {
                let view = |node| View::root(node, &source.file, &problems);
                source.documents.iter().filter(|node| !node.is_null()).map(view)
            })
        };
        // A file holds one definition or a list of them.
        let definitions =
            |kind: DefinitionKind| documents(kind).flat_map(|document| document.items());

        let tree = stages::read(&documents(DefinitionKind::Stages).collect::<Vec<_>>());
        let events = events::read(&definitions(DefinitionKind::Events).collect::<Vec<_>>());
        let has_key_path = |view: &View<'_>| view.node().get("key_path").is_some();
        let (mut newer, older): (Vec<_>, Vec<_>) =
            definitions(DefinitionKind::Aggregates).partition(has_key_path);
        let (among, listed): (Vec<_>, Vec<_>) =
            definitions(DefinitionKind::Metrics).partition(aggregates::is_one);
        newer.extend(listed);
        let older: Vec<_> = older.into_iter().chain(among).collect();
        let mut metrics = metrics::read(&newer);
        let mut aggregates = aggregates::read(&older);

        let by_alias: HashMap<&str, &str> = events.iter().flat_map(names_of).collect();
        let all = metrics.iter_mut().chain(&mut aggregates);
        for rule in all.flat_map(|metric| &mut metric.rules) {
            if let Some(action) = by_alias.get(rule.event.as_str()) {
                rule.event = (*action).to_owned();
            }
        }
        check::event_names(metrics.iter().chain(&aggregates), &events, &problems);
        aggregates::apply(aggregates, &mut metrics);
        check::metrics(&metrics, &tree, &problems);

        for source in &sources {
            if source.documents.iter().all(Node::is_null) && problems.are_none_in(&source.file) {
                let message = "the file has no definition";
                problems.push(Problem::new(Severity::Warning, &source.file, 0, "", message));
            }
        }
        let files = sources.into_iter().map(|source| source.file).collect();
        Self { events, metrics, tree, problems: problems.into_vec(), files }
    }
}

/// The other names of an event, each with its own.
fn names_of(event: &Event) -> impl Iterator<Item = (&str, &str)> {
    event.aliases.iter().map(|alias| (alias.as_str(), event.action.as_str()))
}
