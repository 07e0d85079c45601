//! A whole dictionary: files in, definitions and problems out.

use std::collections::BTreeSet;
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
pub enum Part {
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
    part: Part,
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
        for (part, paths) in [
            (Part::Stages, &paths.stages),
            (Part::Events, &paths.events),
            // Before the metrics: a folder of metrics often holds that of the aggregates.
            (Part::Aggregates, &paths.aggregates),
            (Part::Metrics, &paths.metrics),
        ] {
            for file in files(paths)? {
                if seen.insert(identity(&file)) {
                    let documents = load(&file, &problems);
                    sources.push(Source { part, file, documents });
                }
            }
        }
        Ok(Self::build(sources, problems))
    }

    /// Reads texts instead of files; each has a name for the problems.
    pub fn from_texts(texts: &[(Part, &str, &str)]) -> Self {
        let problems = Problems::default();
        let source = |(part, name, text): &(Part, &str, &str)| Source {
            part: *part,
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

    fn build(sources: Vec<Source>, problems: Problems) -> Self {
        let documents = |part: Part| {
            let sources = sources.iter().filter(move |source| source.part == part);
            sources.flat_map(|source| {
                let view = |node| View::root(node, &source.file, &problems);
                source.documents.iter().filter(|node| !node.is_null()).map(view)
            })
        };
        // A file holds one definition or a list of them.
        let definitions = |part: Part| documents(part).flat_map(|document| document.items());

        let tree = stages::read(&documents(Part::Stages).collect::<Vec<_>>());
        let events = events::read(&definitions(Part::Events).collect::<Vec<_>>());
        let has_key_path = |view: &View<'_>| view.node().get("key_path").is_some();
        let (mut newer, older): (Vec<_>, Vec<_>) =
            definitions(Part::Aggregates).partition(has_key_path);
        let (among, listed): (Vec<_>, Vec<_>) =
            definitions(Part::Metrics).partition(aggregates::is_one);
        newer.extend(listed);
        let older: Vec<_> = older.into_iter().chain(among).collect();
        let mut metrics = metrics::read(&newer);
        let aggregates = aggregates::read(&older);

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
