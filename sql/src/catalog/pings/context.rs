//! The pings of a project, with all that is computed from them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::MemoryReservation;
use engine::metric::Dictionary;
use engine::pings::{Inputs, MetricPaths, PingTables};
use engine::project::Project;
use engine::{Error, JobContext, Kind};
use rayon::ThreadPoolBuilder;

use super::rows::{SKETCHES, VALUES};
use crate::catalog::active::{ReportContext, ReportListener};
use crate::catalog::dictionary;

/// The pings of a project, read once per session.
#[derive(Clone, Debug)]
pub(in crate::catalog) struct PingContext {
    pub(super) project: Arc<Project>,
    listener: Option<Arc<dyn ReportListener>>,
    cache: Arc<Mutex<Option<Arc<Cached>>>>,
}

/// Computed tables, and what they were computed from.
#[derive(Debug)]
pub(super) struct Cached {
    pub(super) inputs: Inputs,
    dictionary: Dictionary,
    /// The key paths whose values were read, if not all.
    key_paths: Option<BTreeSet<String>>,
    pub(super) tables: PingTables,
    /// The memory of the tables, as long as they exist.
    _memory: MemoryReservation,
}

impl PingContext {
    /// `None` if the project has no sources of pings.
    pub(in crate::catalog) fn new(report_context: &ReportContext) -> Option<Self> {
        let ReportContext { project, listener, .. } = report_context.clone();
        let has_pings = !project.ping_sources.is_empty();
        has_pings.then(|| Self { project, listener, cache: Arc::default() })
    }

    /// The computed tables, at least with what the table of this name has of these key paths, or of
    /// all. Concurrent callers wait for the first.
    pub(super) fn load(
        &self,
        (name, key_paths): (&str, Option<&BTreeSet<String>>),
        threads: usize,
        memory: MemoryReservation,
        is_wanted: &(dyn Fn() -> bool + Sync),
    ) -> engine::Result<Arc<Cached>> {
        let Project { root, ping_sources, pings, store, .. } = &*self.project;
        let inputs = Inputs::find(root, ping_sources, pings, Some(store))?;
        let dictionary = dictionary::load(&self.project)?;
        // Files are read as a whole: what they have is kept for the next statement.
        let mut key_paths = match inputs.use_store() {
            true => needed(name, key_paths, &dictionary),
            false => None,
        };
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cache
            .take()
            .filter(|cached| (&cached.inputs, &cached.dictionary) == (&inputs, &dictionary));
        let cached = match known {
            Some(cached) if is_part(key_paths.as_ref(), cached.key_paths.as_ref()) => cached,
            known => {
                // Statements that take turns would otherwise read the same again and again.
                if let (Some(key_paths), Some(known)) = (&mut key_paths, known) {
                    key_paths.extend(known.key_paths.iter().flatten().cloned());
                }
                // A pool of its own, as for reports.
                let pool = ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .thread_name(|_| "pings".to_owned())
                    .build()
                    .map_err(|cause| {
                        Error::new(Kind::Io, format!("cannot start threads: {cause}"))
                    })?;
                let tables = {
                    let reserve = |more| memory.try_grow(more).map_err(|cause| too_large(&cause));
                    let job = JobContext::default()
                        .with_cancellation(|| !is_wanted())
                        .with_memory(reserve);
                    let load =
                        || PingTables::load(pings, &dictionary, &inputs, key_paths.as_ref(), &job);
                    pool.install(load)?
                };
                Arc::new(Cached { inputs, dictionary, key_paths, tables, _memory: memory })
            }
        };
        *cache = Some(Arc::clone(&cached));
        let refused = cached.tables.collection.refused();
        if let Some(listener) = self.listener.as_ref().filter(|_| !refused.is_empty()) {
            listener.refused(refused);
        }
        Ok(cached)
    }

    /// Reports the numbers of a table that are too large.
    pub(super) fn report_overflow(&self, table: &str, tables: &PingTables) {
        let Some(listener) = &self.listener else { return };
        let overflows = tables.overflows().into_iter();
        overflows.filter(|overflow| overflow.table == table).for_each(|o| listener.overflowed(o));
    }
}

/// The key paths whose values the table of this name is made of, if not all.
fn needed(
    name: &str,
    selected: Option<&BTreeSet<String>>,
    dictionary: &Dictionary,
) -> Option<BTreeSet<String>> {
    let metrics = || MetricPaths::key_paths(dictionary);
    match (name, selected) {
        ("pings" | "ping_uploads" | "ping_population" | SKETCHES, _) => Some(BTreeSet::new()),
        (VALUES, selected) => selected.cloned(),
        (_, None) => Some(metrics()),
        (_, Some(selected)) => Some(metrics().intersection(selected).cloned().collect()),
    }
}

/// Whether a selection of key paths is part of another; `None` stands for all.
fn is_part(part: Option<&BTreeSet<String>>, whole: Option<&BTreeSet<String>>) -> bool {
    match (part, whole) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(part), Some(whole)) => part.is_subset(whole),
    }
}

/// An error for pings that exceed the memory of their statement.
fn too_large(cause: &DataFusionError) -> Error {
    let cause = cause.strip_backtrace();
    let first = cause.lines().next().unwrap_or_default();
    Error::limit(format!("the pings need more memory than is available: {first}")).with(
        "help",
        "name fewer files in the sources of pings, or raise the memory limit of the server or session",
    )
}
