//! The state that all servers of a process share.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use engine::active::{Answer, Question};
use engine::pings::Overflow;
use engine::project::Project;
use engine::store::Store;
use engine::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::block_in_place;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::AbortOnDropHandle;

use super::cooperative::make_planning_cancellable;
use super::metrics::{Metrics, Protocol};
use super::{Access, Limits};
use crate::cancellation::scope;
use crate::catalog::{CatalogOptions, ReportListener, register};
use crate::failure::statement_error;
use crate::memory::{MemoryMonitor, StatementMemory, limit_functions};
use crate::session::{Options, runtime, session_with_runtime};

/// Rows of a batch: a quarter of DataFusion's, so that batches take less memory and are cancelled
/// sooner.
const BATCH_ROWS: [&str; 2] = ["datafusion.execution.batch_size", "2048"];
/// Plans that are made at a time, for each thread. The others wait.
const PLANS_PER_THREAD: usize = 8;

/// Project, options, limits and metrics of a process's servers.
pub struct ServerContext {
    project: Option<Arc<Project>>,
    options: Options,
    runtime: Arc<RuntimeEnv>,
    monitor: Arc<MemoryMonitor>,
    /// One for each plan that is made at a time: making a plan keeps its thread.
    planning: Arc<Semaphore>,
    /// The threads that queries run on.
    pub(super) query_runtime: Handle,
    /// Limits of statements and connections.
    pub limits: Limits,
    /// The users who may connect.
    pub access: Access,
    /// Counters for Prometheus.
    pub metrics: Metrics,
    connections: Arc<Semaphore>,
    stop: CancellationToken,
    kill: CancellationToken,
}

impl ServerContext {
    /// A context without connections; `query_runtime` runs the queries.
    ///
    /// # Errors
    /// When the options are impossible.
    pub fn new(
        project: Option<Arc<Project>>,
        mut options: Options,
        limits: Limits,
        access: Access,
        query_runtime: Handle,
    ) -> Result<Arc<Self>> {
        options.settings.insert(0, BATCH_ROWS.map(str::to_owned).into());
        let runtime = runtime(&options)?;
        let limit = options.memory_limit.unwrap_or(usize::MAX);
        let threads = query_runtime.metrics().num_workers();
        let server = Self {
            project,
            options,
            runtime,
            monitor: MemoryMonitor::start(limit, limits.memory)?,
            planning: Arc::new(Semaphore::new(PLANS_PER_THREAD * threads)),
            query_runtime,
            connections: Arc::new(Semaphore::new(limits.connections)),
            limits,
            access,
            metrics: Metrics::default(),
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
        };
        // Invalid options fail here, not at the first connection.
        server.session()?;
        Ok(Arc::new(server))
    }

    /// The project, if there is one.
    pub fn project(&self) -> Option<&Arc<Project>> {
        self.project.as_ref()
    }

    /// Most bytes that all statements together may use.
    pub(super) fn memory_limit(&self) -> Option<usize> {
        self.options.memory_limit
    }

    /// A session for one connection, with its own settings. It reads no files
    /// except those of the project.
    ///
    /// # Errors
    /// When the options are impossible.
    pub fn session(&self) -> Result<SessionContext> {
        self.session_with([])
    }

    /// As [`session`](Self::session), with more DataFusion settings.
    ///
    /// # Errors
    /// When the options are impossible.
    pub(super) fn session_with<const N: usize>(
        &self,
        settings: [(String, String); N],
    ) -> Result<SessionContext> {
        let mut options = self.options.clone();
        options.settings.extend(settings);
        let session = session_with_runtime(&options, Arc::clone(&self.runtime))?;
        register(&session, &self.catalog_options())?;
        limit_functions(&session, &self.monitor).map_err(|cause| statement_error(cause, None))?;
        make_planning_cancellable(&session);
        Ok(session)
    }

    /// The memory of a statement that begins.
    pub(super) fn add_memory(&self) -> StatementMemory {
        self.monitor.add(&self.runtime.memory_pool)
    }

    /// The tables that every session has.
    fn catalog_options(&self) -> CatalogOptions {
        let listener: Arc<dyn ReportListener> = Arc::new(LoggingListener);
        CatalogOptions { project: self.project.clone(), paths: None, listener: Some(listener) }
    }

    /// The plan that answers a question, with the columns of a report.
    ///
    /// # Errors
    /// When the server has no project.
    pub fn report_plan(&self, session: &SessionContext, question: Question) -> Result<LogicalPlan> {
        let table = self.catalog_options().report_table(question).ok_or_else(|| {
            Error::input("this server has no project")
                .with("help", "start it in the folder of a project, or with --project DIR")
        })?;
        let frame = session.read_table(table).map_err(|cause| statement_error(cause, None))?;
        Ok(frame.into_unoptimized_plan())
    }

    /// Runs something outside of a statement's execution, such as preparing it, on the query
    /// threads and within the limits of time and memory of a statement.
    ///
    /// # Errors
    /// Those of the future, and when it exceeds a limit.
    pub async fn with_limits<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (monitor, pool) = (Arc::clone(&self.monitor), Arc::clone(&self.runtime.memory_pool));
        let (start, started) = oneshot::channel();
        let work = async move {
            // Not before it runs: while it waits for a thread, others would be taken for it.
            let memory = monitor.add(&pool);
            let _ = start.send(memory.clone());
            let done = memory.count(work).await;
            drop(memory);
            done
        };
        let out_of_memory = async {
            let Ok(memory) = started.await else { return std::future::pending().await };
            memory.cancelled().await;
            memory.error()
        };
        tokio::select! {
            done = self.run_blocking(work) => done,
            () = tokio::time::sleep(self.limits.time) => Err(Error::limit(format!(
                "the statement took longer than the limit of {} s to be planned",
                self.limits.time.as_secs_f64()
            ))),
            error = out_of_memory => Err(error),
        }
    }

    /// Runs a future on a query thread of its own; dropping this cancels it. Planning computes
    /// without awaiting and stops at its [next rule](super::cooperative).
    pub(super) async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let token = CancellationToken::new();
        let _cancel_on_drop = token.clone().drop_guard();
        let permit = Arc::clone(&self.planning).acquire_owned().await;
        let permit = permit.map_err(|cause| Error::internal(cause.to_string()))?;
        let task = AbortOnDropHandle::new(self.query_runtime.spawn(async move {
            // A plan that cannot be cancelled keeps its permit.
            let _permit = permit;
            block_in_place(|| Handle::current().block_on(scope(token, work)))
        }));
        task.await.unwrap_or_else(|cause| Err(join_error(&cause)))
    }

    /// Reserves a slot for a connection until the returned value is dropped.
    ///
    /// # Errors
    /// When all slots are in use, or the server is stopping.
    pub fn connect(
        self: &Arc<Self>,
        protocol: Protocol,
        from: SocketAddr,
    ) -> Result<ConnectionSlot> {
        if self.is_stopping() {
            return Err(Error::limit("the server is stopping"));
        }
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            self.metrics.refused();
            let limit = self.limits.connections;
            tracing::warn!(protocol = protocol.name(), %from, most = limit, "connection refused");
            return Err(Error::limit(format!("all {limit} connections are in use"))
                .with("help", "close some, or raise `--connections`"));
        };
        self.metrics.connected(protocol);
        tracing::debug!(protocol = protocol.name(), %from, "connected");
        Ok(ConnectionSlot { server: Arc::clone(self), protocol, _permit: permit })
    }

    /// Stops accepting connections and statements.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Cancels all running statements.
    pub fn kill(&self) {
        self.stop.cancel();
        self.kill.cancel();
    }

    /// Waits until [`stop`](Self::stop) is called.
    pub fn stopping(&self) -> WaitForCancellationFuture<'_> {
        self.stop.cancelled()
    }

    /// Whether [`stop`](Self::stop) was called.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(super) fn killed(&self) -> WaitForCancellationFuture<'_> {
        self.kill.cancelled()
    }

    pub(super) fn is_killed(&self) -> bool {
        self.kill.is_cancelled()
    }

    /// The current metrics.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn metrics_text(&self) -> Result<String> {
        let store = match &self.project {
            Some(project) => Store::open(&project.store, None)?.map(|store| store.version()),
            None => None,
        };
        self.metrics.text(self.runtime.memory_pool.reserved(), store)
    }
}

impl fmt::Debug for ServerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerContext").field("limits", &self.limits).finish_non_exhaustive()
    }
}

pub(super) fn join_error(cause: &tokio::task::JoinError) -> Error {
    Error::internal(format!("a statement ended unexpectedly: {cause}"))
}

/// The slot of an open connection, released on drop.
#[derive(Debug)]
pub struct ConnectionSlot {
    server: Arc<ServerContext>,
    protocol: Protocol,
    _permit: OwnedSemaphorePermit,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.server.metrics.disconnected(self.protocol);
    }
}

/// Logs the notes and rejected rows of answers.
#[derive(Debug)]
struct LoggingListener;

impl ReportListener for LoggingListener {
    fn progress(&self, _: u64, _: u64) {}

    fn answered(&self, answer: Answer) {
        for note in &answer.notes {
            tracing::info!(note, "note on a report");
        }
        for (source, reason, all) in answer.summary.rejects.iter() {
            let (rows, first) = (all.rows, &all.first);
            tracing::warn!(source, %reason, rows, %first, "rows were rejected and not counted");
        }
        for lost in answer.summary.rejects.fully_rejected() {
            tracing::error!(help = lost.reason.help(), "{lost}");
        }
    }

    fn overflowed(&self, overflow: Overflow) {
        tracing::warn!("{overflow}");
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use super::ServerContext;
    use crate::cancellation::is_cancelled;
    use crate::server::{Access, Limits};
    use crate::session::Options;

    #[tokio::test(flavor = "multi_thread")]
    async fn planning_is_within_the_limit_of_memory() {
        let options = Options { memory_limit: Some(1 << 30), ..Options::default() };
        let limits = Limits { memory: 16 << 20, ..Limits::default() };
        let access = Access::default();
        let server = ServerContext::new(None, options, limits, access, Handle::current()).unwrap();
        let allocating = server.with_limits(async {
            let mut memory = Vec::new();
            while !is_cancelled() {
                assert!(memory.len() < 1024, "it was not cancelled");
                memory.push(vec![1_u8; 1 << 20]);
            }
            Ok(())
        });
        let error = allocating.await.unwrap_err().to_string();
        assert!(error.contains("--statement-memory"), "{error}");
    }
}
