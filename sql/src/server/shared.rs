//! What all servers of a process share.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use engine::active::{Answer, Question};
use engine::project::Project;
use engine::store::Store;
use engine::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::block_in_place;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::AbortOnDropHandle;

use super::memory::Capped;
use super::metrics::Metrics;
use super::running::{About, Protocol, Running, broken};
use super::stoppable::stoppable;
use super::{Access, Limits};
use crate::bounded::bound;
use crate::catalog::{Contents, Listener, register};
use crate::failure::of_statement;
use crate::given_up::until;
use crate::session::{Options, runtime, session_on};

/// The ground that all connections stand on.
pub struct Shared {
    project: Option<Arc<Project>>,
    options: Options,
    runtime: Arc<RuntimeEnv>,
    /// The threads that queries run on.
    pub(super) work: tokio::runtime::Handle,
    /// What statements and connections may take.
    pub limits: Limits,
    /// Who may come in.
    pub access: Access,
    /// What is counted.
    pub metrics: Metrics,
    connections: Arc<Semaphore>,
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Shared {
    /// A ground without connections; `work` runs the queries.
    ///
    /// # Errors
    /// When the options are impossible.
    pub fn new(
        project: Option<Arc<Project>>,
        options: Options,
        limits: Limits,
        access: Access,
        work: tokio::runtime::Handle,
    ) -> Result<Arc<Self>> {
        let runtime = runtime(&options)?;
        let shared = Self {
            project,
            options,
            runtime,
            work,
            connections: Arc::new(Semaphore::new(limits.connections)),
            limits,
            access,
            metrics: Metrics::default(),
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
        };
        // What no session can be made with is told now, not to the first client.
        shared.session()?;
        Ok(Arc::new(shared))
    }

    /// The project, if there is one.
    pub fn project(&self) -> Option<&Arc<Project>> {
        self.project.as_ref()
    }

    /// Bytes that all statements may hold together.
    pub(super) fn memory(&self) -> Option<usize> {
        self.options.memory_limit
    }

    /// A session for one connection: settings and a limit of memory of its own, and no files but
    /// those of the project.
    ///
    /// # Errors
    /// When the options are impossible.
    pub fn session(&self) -> Result<SessionContext> {
        let pool = Capped::new(Arc::clone(&self.runtime.memory_pool), self.limits.memory);
        let own = RuntimeEnvBuilder::from_runtime_env(&self.runtime)
            .with_memory_pool(Arc::new(pool))
            .build_arc()
            .map_err(|cause| Error::internal(cause.to_string()))?;
        let session = session_on(&self.options, own)?;
        register(&session, &self.contents())?;
        bound(&session, self.limits.memory).map_err(|cause| of_statement(cause, None))?;
        stoppable(&session);
        Ok(session)
    }

    /// What every session sees.
    fn contents(&self) -> Contents {
        let listener: Arc<dyn Listener> = Arc::new(Logged);
        Contents { project: self.project.clone(), paths: None, listener: Some(listener) }
    }

    /// The plan that answers a question, in the columns of a report.
    ///
    /// # Errors
    /// When there is no project to ask about.
    pub fn answering(&self, session: &SessionContext, question: Question) -> Result<LogicalPlan> {
        let table = self.contents().answering(question).ok_or_else(|| {
            Error::input("this server has no project")
                .with("help", "start it in the folder of a project, or with --project DIR")
        })?;
        let frame = session.read_table(table).map_err(|cause| of_statement(cause, None))?;
        Ok(frame.into_unoptimized_plan())
    }

    /// Begins a statement; `cancel` ends it.
    pub fn begin(self: &Arc<Self>, about: About, cancel: CancellationToken) -> Running {
        Running::new(self, about, cancel)
    }

    /// Does something before a statement begins, such as planning it for later, on the threads for
    /// queries.
    ///
    /// # Errors
    /// Its own, and the end of the time that a statement has.
    pub async fn within_time<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        match tokio::time::timeout(self.limits.time, self.alone(work)).await {
            Ok(done) => done,
            Err(_) => Err(Error::limit(format!(
                "the statement took longer than the limit of {} s to be planned",
                self.limits.time.as_secs_f64()
            ))),
        }
    }

    /// Does something on the threads for queries; dropping this gives it up. Planning may compute for
    /// long without a pause, and then ends at its [next step](super::stoppable): meanwhile it has a
    /// thread to itself, and others go on.
    pub(super) async fn alone<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let given_up = CancellationToken::new();
        let _gives_up = given_up.clone().drop_guard();
        let task = AbortOnDropHandle::new(self.work.spawn(async move {
            block_in_place(|| Handle::current().block_on(until(given_up, work)))
        }));
        task.await.unwrap_or_else(|cause| Err(broken(&cause)))
    }

    /// Lets a connection in, as long as what is returned lives.
    ///
    /// # Errors
    /// When there are as many as there may be, or the server is stopping.
    pub fn connect(self: &Arc<Self>, protocol: Protocol, from: SocketAddr) -> Result<Connection> {
        if self.is_stopping() {
            return Err(Error::limit("the server is stopping"));
        }
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            self.metrics.refused();
            let most = self.limits.connections;
            tracing::warn!(protocol = protocol.name(), %from, most, "connection refused");
            return Err(Error::limit(format!("all {most} connections are in use"))
                .with("help", "close some, or raise `--connections`"));
        };
        self.metrics.connected(protocol);
        tracing::debug!(protocol = protocol.name(), %from, "connected");
        Ok(Connection { shared: Arc::clone(self), protocol, _permit: permit })
    }

    /// Tells everybody that no new connections and statements are taken.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Ends all statements.
    pub fn kill(&self) {
        self.stop.cancel();
        self.kill.cancel();
    }

    /// Waits until the server is told to stop.
    pub fn stopping(&self) -> WaitForCancellationFuture<'_> {
        self.stop.cancelled()
    }

    /// Whether the server was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(super) fn killed(&self) -> WaitForCancellationFuture<'_> {
        self.kill.cancelled()
    }

    pub(super) fn is_killed(&self) -> bool {
        self.kill.is_cancelled()
    }

    /// The metrics as they are now.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn metrics_text(&self) -> Result<String> {
        let store = match &self.project {
            Some(project) => Store::open(&project.store, None)?.map(|store| store.version()),
            None => None,
        };
        self.metrics.text(self.runtime.memory_pool.reserved(), store)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// An open connection; dropping it makes room for another.
#[derive(Debug)]
pub struct Connection {
    shared: Arc<Shared>,
    protocol: Protocol,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.metrics.disconnected(self.protocol);
    }
}

/// Writes what answers say besides their rows into the log.
#[derive(Debug)]
struct Logged;

impl Listener for Logged {
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
}
