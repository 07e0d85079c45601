//! Cancels statements when the process uses more memory than its limit.
//!
//! Every few milliseconds a thread reads the resident memory of the process. What it has grown by
//! beyond what the statements' operators reported in the meantime is divided among the statements by
//! the number of threads on which they are [computing](super::activity). A statement *holds* what it
//! reports plus its shares. One that runs alone is so measured exactly; beside others a statement that
//! allocates for long collects the largest sum, while short ones, and those that wait, collect little.
//!
//! The allocator keeps freed memory for a second before it returns it to the system, and meanwhile
//! other statements use it. So after a cancelled statement has ended, the next one is cancelled only if the
//! process grows further.
//!
//! A cancelled statement stays in the list until its memory pool is dropped, which every task of it
//! refers to. Until then the process may grow because of it, so the next one is cancelled only if the process
//! exceeds its limit.
//!
//! If a cancelled statement is in a call that cannot be interrupted and allocates without end, the process
//! ends itself at [more than twice](END_BEYOND) the limit, before it takes the memory of other programs.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::DataFrame;
use engine::{Error, Kind, Result};
use memory_stats::memory_stats;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, count_tasks};
use super::batches::limit_batches;
use super::pool::CappedMemoryPool;
use crate::failure::format_bytes;

/// Memory grows by 4 GB/s at most, so by 40 MB between two samples.
const INTERVAL: Duration = Duration::from_millis(10);
/// A statement that holds less is not cancelled: it would free little.
const LEAST: usize = 32 << 20;
/// What a statement may cause besides what it needs: code that is read for the first time, caches.
const SLACK: usize = 64 << 20;
/// Bytes beyond twice the limit at which the process ends.
const END_BEYOND: usize = 256 << 20;

/// Compares the resident memory of the process with its limit.
#[derive(Debug)]
pub(crate) struct MemoryMonitor {
    /// Most bytes that the process may grow by.
    limit: usize,
    /// Most bytes of one statement that its operators report. It can hold twice as much.
    statement_limit: usize,
    /// Resident bytes at the start, which statements have not caused.
    at_start: usize,
    statements: Mutex<Vec<Entry>>,
    added: Condvar,
}

/// A statement in the list.
#[derive(Debug)]
struct Entry {
    pool: Weak<CappedMemoryPool>,
    cancellation: Arc<Cancellation>,
    /// Bytes reported by its operators at the last sample.
    reported: f64,
    /// Its shares of the other growth.
    shares: f64,
    activity: Activity,
}

#[derive(Debug, Default)]
struct Cancellation {
    token: CancellationToken,
    error: OnceLock<(String, &'static str)>,
}

/// What is known of earlier samples.
#[derive(Debug, Default)]
struct History {
    /// The last resident size, unless no statement was running.
    resident: Option<f64>,
    /// What the process had grown by at the last cancellation, when a cancelled statement ended, or when
    /// no statement was running; or less, if it has shrunk since. `None` if there is room.
    mark: Option<usize>,
}

impl History {
    /// The growth above which a statement is cancelled: `full`, or a little more than is left from
    /// before.
    fn threshold(&mut self, grown: usize, limit: usize, full: usize) -> usize {
        self.mark = self.mark.map(|mark| mark.min(grown)).filter(|_| grown > full);
        let Some(mark) = self.mark else { return full };
        let more = if mark > limit { limit / 64 } else { limit / 16 };
        full.max(mark.saturating_add(more))
    }
}

impl MemoryMonitor {
    /// Starts the monitor's thread, which ends when the monitor is dropped. With a limit of
    /// `usize::MAX` it cancels nothing.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(limit: usize, statement_limit: usize) -> Result<Arc<Self>> {
        count_tasks();
        let (statements, added) = (Mutex::default(), Condvar::new());
        let monitor = Self { limit, statement_limit, at_start: resident(), statements, added };
        let monitor = Arc::new(monitor);
        let watched = Arc::downgrade(&monitor);
        let thread = std::thread::Builder::new().name("memory".to_owned());
        let thread = thread.spawn(move || {
            let mut history = History::default();
            while let Some(monitor) = watched.upgrade() {
                monitor.sample(&mut history);
                drop(monitor);
                std::thread::sleep(INTERVAL);
            }
        });
        thread.map_err(|cause| Error::new(Kind::Io, format!("cannot start a thread: {cause}")))?;
        Ok(monitor)
    }

    /// Adds a statement, whose operators report to a pool within `all`.
    pub(crate) fn add(&self, all: &Arc<dyn MemoryPool>) -> StatementMemory {
        // `all` has the same limit, and its error names the option for it.
        let is_own = self.statement_limit < self.limit;
        let most = if is_own { self.statement_limit } else { usize::MAX };
        let pool = Arc::new(CappedMemoryPool::new(Arc::clone(all), most));
        let (cancellation, activity) = (Arc::<Cancellation>::default(), Activity::default());
        self.list().push(Entry {
            pool: Arc::downgrade(&pool),
            cancellation: Arc::clone(&cancellation),
            reported: 0.0,
            shares: 0.0,
            activity: activity.clone(),
        });
        self.added.notify_one();
        StatementMemory { pool, limit: self.statement_limit, cancellation, activity }
    }

    /// The limit of one statement in bytes.
    pub(crate) fn statement_limit(&self) -> usize {
        self.statement_limit
    }

    /// Whether so many bytes can be allocated at once.
    pub(super) fn has_room_for(&self, bytes: f64) -> bool {
        let room = self.limit.saturating_add(SLACK).saturating_sub(self.grown(resident()));
        bytes <= room as f64
    }

    /// What a resident size is more than at the start.
    fn grown(&self, resident: usize) -> usize {
        resident.saturating_sub(self.at_start)
    }

    fn list(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sample(&self, history: &mut History) {
        let mut list = self.list();
        let cancelled_has_ended = remove_ended(&mut list);
        if list.is_empty() {
            *history = History { resident: None, mark: Some(usize::MAX) };
            let second = Duration::from_secs(1);
            drop(self.added.wait_timeout_while(list, second, |list| list.is_empty()));
            return;
        }
        let now = resident();
        let before = history.resident.replace(now as f64).unwrap_or(now as f64);
        divide(&mut list, now as f64 - before);
        let grown = self.grown(now);
        if cancelled_has_ended {
            history.mark = Some(grown);
        }
        let end = self.limit.saturating_mul(2).saturating_add(END_BEYOND);
        if grown > end && list.iter().any(Entry::is_cancelled) {
            self.end_process(grown);
        }
        // A statement that may use all of the limit spills there. Beside others it may not, so there
        // can be a margin for what is allocated before a cancellation takes effect.
        let full = (self.limit / 3 * 2).max(self.statement_limit.min(self.limit));
        let threshold = history.threshold(grown, self.limit, full.saturating_add(SLACK));
        if let Some(error) = self.choose(&list, grown, threshold) {
            tracing::warn!(resident = now, limit = self.limit, "{error}");
            history.mark = Some(grown);
        }
    }

    fn end_process(&self, grown: usize) -> ! {
        let (grown, limit) = (format_bytes(grown), format_bytes(self.limit));
        // If stderr is closed, there is nobody to tell.
        let _ = writeln!(
            std::io::stderr(),
            "error: the process used {grown}, more than twice the limit of {limit}, because a statement \
             could not be cancelled; it ends here\n  help: please report the statements that were running"
        );
        std::process::exit(1);
    }

    /// Cancels the statement that holds most of those that run, if it or the process holds too much.
    fn choose(&self, list: &[Entry], grown: usize, threshold: usize) -> Option<String> {
        if self.limit == usize::MAX {
            return None;
        }
        let running = list.iter().filter(|entry| !entry.is_cancelled());
        let most = running.max_by(|a, b| a.held().total_cmp(&b.held()))?;
        let held = most.held() as usize;
        let is_freed_soon = list.iter().any(Entry::is_cancelled) && grown <= self.limit;
        let is_full = grown > threshold && !is_freed_soon;
        let is_large = held > self.statement_limit.saturating_mul(2).saturating_add(SLACK);
        let (grown, used) = (format_bytes(grown), format_bytes(held));
        let (error, options) = if is_large {
            let limit = format_bytes(self.statement_limit);
            (
                format!(
                    "the statement needs more memory than one statement may use: it held {used}, \
                     more than twice the limit of {limit}"
                ),
                "`--statement-memory` of a server, `--memory-limit` of `headcount sql`",
            )
        } else if is_full && held > LEAST.max(self.limit / 16) {
            let limit = format_bytes(self.limit);
            (
                format!(
                    "the statement needs more memory than is left: all statements together used \
                     {grown}, near the limit of {limit}, and this one held most of it ({used})"
                ),
                "`--memory-limit`",
            )
        } else {
            return None;
        };
        let _ = most.cancellation.error.set((error.clone(), options));
        most.cancellation.token.cancel();
        Some(error)
    }
}

/// Removes the statements that have ended; returns whether a cancelled one is among them.
fn remove_ended(list: &mut Vec<Entry>) -> bool {
    let mut is_one_cancelled = false;
    list.retain(|entry| {
        let is_running = entry.pool.strong_count() > 0;
        is_one_cancelled |= !is_running && entry.is_cancelled();
        is_running
    });
    is_one_cancelled
}

/// Divides what the process has grown by; equally if no statement is computing at the moment.
fn divide(list: &mut [Entry], growth: f64) {
    let mut others = growth;
    for entry in &mut *list {
        let reported = entry.pool.upgrade().map_or(0, |pool| pool.reserved()) as f64;
        others -= reported - std::mem::replace(&mut entry.reported, reported);
    }
    let mut threads: Vec<f64> = list.iter().map(|entry| entry.activity.threads() as f64).collect();
    if threads.iter().all(|own| *own == 0.0) {
        threads.fill(1.0);
    }
    let all: f64 = threads.iter().sum();
    for (entry, own) in list.iter_mut().zip(threads) {
        entry.shares = (entry.shares + others * own / all).max(0.0);
    }
}

impl Entry {
    fn is_cancelled(&self) -> bool {
        self.cancellation.token.is_cancelled()
    }

    fn held(&self) -> f64 {
        self.reported + self.shares
    }
}

/// Resident bytes of the process; 0 where the system does not tell.
fn resident() -> usize {
    memory_stats().map_or(0, |memory| memory.physical_mem)
}

/// The memory of a statement.
#[derive(Clone, Debug)]
pub(crate) struct StatementMemory {
    pool: Arc<CappedMemoryPool>,
    limit: usize,
    cancellation: Arc<Cancellation>,
    activity: Activity,
}

impl StatementMemory {
    /// A future that computes for the statement.
    pub(crate) fn count<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        self.activity.clone().count(future)
    }

    /// The pool for its operators.
    pub(crate) fn pool(&self) -> Arc<dyn MemoryPool> {
        Arc::clone(&self.pool) as _
    }

    /// A plan within the limits of the statement, and what it runs in.
    ///
    /// # Errors
    /// When there is no plan.
    pub(crate) async fn plan(
        &self,
        frame: DataFrame,
    ) -> datafusion::error::Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>)> {
        let context = frame.task_ctx();
        let runtime = RuntimeEnvBuilder::from_runtime_env(&context.runtime_env());
        let runtime = runtime.with_memory_pool(self.pool()).build_arc()?;
        let rows = context.session_config().batch_size();
        let plan = frame.create_physical_plan().await?;
        let plan = limit_batches(plan, &self.pool(), self.limit, rows)?;
        Ok((plan, Arc::new(context.with_runtime(runtime))))
    }

    /// Waits until the monitor cancels the statement.
    pub(crate) async fn cancelled(&self) {
        self.cancellation.token.cancelled().await;
    }

    /// Why the monitor cancelled it.
    pub(crate) fn error(&self) -> Error {
        match self.cancellation.error.get() {
            Some((error, options)) => Error::limit(error).with(
                "help",
                format!(
                    "query fewer rows, columns or groups at once (array_agg, string_agg and median \
                     keep all values in memory), or raise the limit ({options})"
                ),
            ),
            None => Error::limit("cancelled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};

    use super::{END_BEYOND, History, MemoryMonitor, SLACK, divide, remove_ended};

    const MB: usize = 1 << 20;

    /// Run by the next test, in a process of its own.
    #[test]
    #[ignore = "ends the process"]
    fn grow_without_end() {
        let all: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let monitor = MemoryMonitor::start(0, 1).unwrap();
        let _statement = monitor.add(&all);
        let mut memory = Vec::new();
        while memory.len() < 8 * END_BEYOND / MB {
            memory.push(vec![1_u8; MB]);
        }
        panic!("{} MB were allocated", memory.len());
    }

    #[test]
    fn a_process_that_grows_without_end_ends_itself() {
        let program = std::env::current_exe().unwrap();
        let test = "memory::monitor::tests::grow_without_end";
        let mut command = std::process::Command::new(program);
        let output = command.args(["--ignored", "--exact", "--nocapture", test]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("more than twice the limit of 0 B"), "{stderr}");
    }

    #[test]
    fn growth_is_divided_and_the_largest_is_cancelled_once() {
        let all: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let monitor = MemoryMonitor::start(1000 * MB, 2000 * MB).unwrap();
        let old = monitor.add(&all);
        let mut list = std::mem::take(&mut *monitor.list());
        divide(&mut list, (300 * MB) as f64);
        let reporting = monitor.add(&all);
        list.append(&mut monitor.list());
        let reservation = MemoryConsumer::new("sort").register(&reporting.pool());
        reservation.try_grow(400 * MB).unwrap();
        divide(&mut list, (500 * MB) as f64);
        let held: Vec<f64> = list.iter().map(|entry| entry.held() / MB as f64).collect();
        assert_eq!(held, [350.0, 450.0]);

        assert_eq!(monitor.choose(&list, 900 * MB, 900 * MB), None);
        let error = monitor.choose(&list, 970 * MB, 900 * MB).unwrap();
        assert!(error.contains("this one held most of it (471.9 MB)"), "{error}");
        assert!(reporting.error().to_string().contains("--memory-limit"), "{}", reporting.error());
        let error = monitor.choose(&list, 1001 * MB, 900 * MB).unwrap();
        assert!(error.contains("(367 MB)"), "{error}");
        assert!(old.cancellation.token.is_cancelled());
        assert_eq!(monitor.choose(&list, 2000 * MB, 900 * MB), None);
    }

    #[test]
    fn statements_that_wait_are_not_taken_for_those_that_compute() {
        let all: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let monitor = MemoryMonitor::start(1000 * MB, 2000 * MB).unwrap();
        let [two, one, _none] = std::array::from_fn(|_| monitor.add(&all));
        let _threads = [two.activity.begin(), two.activity.begin(), one.activity.begin()];
        let mut list = std::mem::take(&mut *monitor.list());
        divide(&mut list, (300 * MB) as f64);
        let held: Vec<f64> = list.iter().map(|entry| entry.held() / MB as f64).collect();
        assert_eq!(held, [200.0, 100.0, 0.0]);
    }

    #[test]
    fn until_a_cancelled_statement_has_ended_only_the_limit_counts() {
        let all: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let monitor = MemoryMonitor::start(1000 * MB, 2000 * MB).unwrap();
        let (large, other) = (monitor.add(&all), monitor.add(&all));
        let mut list = std::mem::take(&mut *monitor.list());
        divide(&mut list, (800 * MB) as f64);
        large.cancellation.token.cancel();
        assert_eq!(monitor.choose(&list, 1000 * MB, 700 * MB), None);
        assert!(monitor.choose(&list, 1001 * MB, 700 * MB).is_some());
        assert!(other.cancellation.token.is_cancelled());
    }

    #[test]
    fn the_end_of_a_cancelled_statement_is_noticed_once() {
        let all: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let monitor = MemoryMonitor::start(1000 * MB, 2000 * MB).unwrap();
        let [cancelled, ended, _running] = std::array::from_fn(|_| monitor.add(&all));
        let mut list = std::mem::take(&mut *monitor.list());
        cancelled.cancellation.token.cancel();
        drop(ended);
        assert_eq!((remove_ended(&mut list), list.len()), (false, 2));
        drop(cancelled);
        assert_eq!((remove_ended(&mut list), list.len()), (true, 1));
        assert!(!remove_ended(&mut list));
    }

    #[test]
    fn after_a_cancellation_the_process_must_grow_before_the_next() {
        let (mut history, limit, full) = (History::default(), 1600 * MB, 1360 * MB + SLACK);
        assert_eq!(history.threshold(1500 * MB, limit, full), full);
        history.mark = Some(1500 * MB);
        assert_eq!(history.threshold(1510 * MB, limit, full), 1600 * MB);
        assert_eq!(history.threshold(1450 * MB, limit, full), 1550 * MB);
        assert_eq!(history.threshold(1500 * MB, limit, full), 1550 * MB);
        assert_eq!(history.threshold(1300 * MB, limit, full), full);
        history.mark = Some(usize::MAX);
        assert_eq!(history.threshold(1700 * MB, limit, full), 1725 * MB);
    }

    #[test]
    fn a_statement_that_holds_little_is_not_cancelled_and_a_large_one_is_before_the_process_is_full()
     {
        let all: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let monitor = MemoryMonitor::start(6400 * MB, 100 * MB).unwrap();
        let statement = monitor.add(&all);
        let mut list = std::mem::take(&mut *monitor.list());
        divide(&mut list, (30 * MB) as f64);
        assert_eq!(monitor.choose(&list, 6400 * MB, 5000 * MB), None);
        divide(&mut list, (170 * MB + SLACK) as f64);
        assert_eq!(monitor.choose(&list, 300 * MB, 5000 * MB), None);
        divide(&mut list, MB as f64);
        assert!(monitor.choose(&list, 300 * MB, 5000 * MB).is_some());
        assert!(statement.error().to_string().contains("--statement-memory"));
    }
}
