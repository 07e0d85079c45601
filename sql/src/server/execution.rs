//! The execution of one statement under the server's limits.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use engine::{Error, Result};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::context::{ServerContext, join_error};
use super::cooperative::make_cooperative;
use super::metrics::{Outcome, Protocol};
use super::read_only::read_only;
use super::syntax;
use crate::failure::statement_error;
use crate::file_consistency;
use crate::memory::StatementMemory;
use crate::session;

/// Batches that are buffered for a client before the query is paused.
const BUFFERED_BATCHES: usize = 2;

/// What is logged of a statement.
#[derive(Clone, Debug)]
pub struct StatementInfo {
    /// The protocol of its connection.
    pub protocol: Protocol,
    /// The user; empty if the server requires no login.
    pub user: String,
    /// The text, as it is logged.
    pub text: String,
}

/// A statement from its arrival to its end. Dropping this logs and counts it.
#[derive(Debug)]
pub struct StatementExecution {
    server: Arc<ServerContext>,
    info: StatementInfo,
    started: Instant,
    time_limit: Duration,
    cancel: CancellationToken,
    memory: StatementMemory,
    /// Rows that were sent.
    rows: Arc<AtomicU64>,
    /// `None` until it ends; a statement dropped without an outcome counts as cancelled.
    outcome: Option<Outcome>,
    error: Option<String>,
}

impl StatementExecution {
    /// Begins a statement; `cancel` cancels it.
    pub fn new(
        server: &Arc<ServerContext>,
        info: StatementInfo,
        cancel: CancellationToken,
    ) -> Self {
        server.metrics.statement_started();
        Self {
            server: Arc::clone(server),
            info,
            started: Instant::now(),
            time_limit: server.limits.time,
            cancel,
            memory: server.add_memory(),
            rows: Arc::default(),
            outcome: None,
            error: None,
        }
    }

    /// Lowers the time limit.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = self.time_limit.min(limit);
        self
    }

    /// The pool of its memory.
    pub fn memory_pool(&self) -> Arc<dyn MemoryPool> {
        self.memory.pool()
    }

    /// Plans a text as one read-only statement.
    ///
    /// # Errors
    /// When it cannot be planned, writes, or exceeds a limit.
    pub async fn plan(&mut self, session: &SessionContext, sql: &str) -> Result<LogicalPlan> {
        let (session, sql) = (session.clone(), sql.to_owned());
        let memory = self.server.limits.memory;
        self.run(async move {
            syntax::check_text(&sql, memory)?;
            let state = session.state();
            let statement = session::parse(&state, &sql);
            let statement = statement.map_err(|cause| statement_error(cause, None))?;
            syntax::check_parsed(&statement)?;
            let plan = session::plan(&state, statement).await;
            let plan = plan.map_err(|cause| statement_error(cause, None))?;
            read_only(&plan)?;
            Ok(plan)
        })
        .await
    }

    /// Runs a part of the statement on the query threads.
    ///
    /// # Errors
    /// Those of the future, and when the statement is cancelled or exceeds its time limit.
    pub async fn run<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (server, memory) = (Arc::clone(&self.server), self.memory.clone());
        let work = memory.count(work);
        // The monitor knows the statement as long as the work goes on.
        let work = async move {
            let done = work.await;
            drop(memory);
            done
        };
        let done = tokio::select! {
            done = server.run_blocking(work) => done,
            outcome = self.wait_for_limit() => Err(self.stopped(outcome)),
        };
        done.map_err(|error| self.record_error(error))
    }

    /// Executes a plan, which [`read_only`] must have accepted.
    ///
    /// # Errors
    /// When it cannot be executed.
    pub async fn execute(
        mut self,
        session: &SessionContext,
        plan: LogicalPlan,
    ) -> Result<RowStream> {
        let (session, memory) = (session.clone(), self.server.memory_limit());
        let statement_memory = self.memory.clone();
        let stream = self
            .run(async move {
                let to_error = |cause| statement_error(cause, memory);
                // SET takes effect here; queries are only planned.
                let frame = session.execute_logical_plan(plan).await.map_err(to_error)?;
                let (plan, context) = statement_memory.plan(frame).await.map_err(to_error)?;
                let plan = make_cooperative(plan).map_err(to_error)?;
                file_consistency::execute(plan, context).map_err(to_error)
            })
            .await?;
        Ok(self.stream(stream))
    }

    /// Sends a stream's rows under the statement's limits.
    pub fn stream(self, stream: SendableRecordBatchStream) -> RowStream {
        let schema = stream.schema();
        let (sender, receiver) = channel(BUFFERED_BATCHES);
        let max_rows = self.server.limits.rows;
        let memory = self.server.memory_limit();
        let pump = pump(stream, sender.clone(), Arc::clone(&self.rows), memory, max_rows);
        let pump = AbortOnDropHandle::new(self.server.query_runtime.spawn(self.memory.count(pump)));
        let mut statement = self;
        // A task of its own, so that the limits also apply while the client does not read.
        let watchdog = AbortOnDropHandle::new(tokio::spawn(async move {
            let error = tokio::select! {
                done = pump => match done.unwrap_or_else(|cause| Err(join_error(&cause))) {
                    Ok(true) => {
                        statement.outcome = Some(Outcome::Done);
                        None
                    }
                    Ok(false) => None, // the receiver was dropped
                    Err(error) => Some(statement.record_error(error)),
                },
                outcome = statement.wait_for_limit() => {
                    let error = statement.stopped(outcome);
                    Some(statement.record_error(error))
                }
            };
            drop(statement);
            if let Some(error) = error {
                // The client may have disconnected.
                let _ = sender.send(Err(error)).await;
            }
        }));
        RowStream { schema, receiver, _watchdog: watchdog }
    }

    /// Waits until the statement is cancelled or exceeds its time limit.
    async fn wait_for_limit(&self) -> Outcome {
        let left = self.time_limit.saturating_sub(self.started.elapsed());
        // Timers fire up to a millisecond late; a short statement could finish meanwhile.
        if left.is_zero() {
            return Outcome::TimedOut;
        }
        tokio::select! {
            () = tokio::time::sleep(left) => Outcome::TimedOut,
            () = self.cancel.cancelled() => Outcome::Cancelled,
            () = self.memory.cancelled() => Outcome::OutOfMemory,
            () = self.server.killed() => Outcome::Cancelled,
        }
    }

    fn stopped(&mut self, outcome: Outcome) -> Error {
        self.outcome = Some(outcome);
        match outcome {
            Outcome::TimedOut => {
                let limit = self.time_limit.as_secs_f64();
                Error::limit(format!("the statement took longer than the limit of {limit} s"))
                    .with("help", "query less data, or raise `--time-limit`")
            }
            Outcome::OutOfMemory => self.memory.error(),
            _ if self.server.is_killed() => Error::limit("the server is stopping"),
            _ => Error::limit("cancelled"),
        }
    }

    fn record_error(&mut self, error: Error) -> Error {
        self.outcome.get_or_insert(Outcome::Failed);
        self.error = Some(error.to_string());
        error
    }

    /// Ends a statement that is only planned.
    pub fn finish_planned(mut self) {
        self.outcome = Some(Outcome::Planned);
    }

    /// Ends a statement without rows.
    pub fn finish(mut self) {
        self.outcome = Some(Outcome::Done);
    }
}

impl Drop for StatementExecution {
    fn drop(&mut self) {
        let (time, rows) = (self.started.elapsed(), self.rows.load(Ordering::Relaxed));
        let StatementInfo { protocol, user, text } = &self.info;
        let outcome = self.outcome.unwrap_or(Outcome::Cancelled);
        self.server.metrics.statement_ended(*protocol, outcome, time, rows);
        let (protocol, outcome, seconds) = (protocol.name(), outcome.name(), time.as_secs_f64());
        let error = self.error.as_deref();
        if time >= self.server.limits.slow {
            tracing::warn!(
                protocol,
                user,
                outcome,
                seconds,
                rows,
                error,
                sql = text,
                "slow statement"
            );
        } else {
            tracing::info!(protocol, user, outcome, seconds, rows, error, sql = text, "statement");
        }
    }
}

/// Sends the batches of a stream and counts their rows. Returns false if the receiver was dropped.
async fn pump(
    mut stream: SendableRecordBatchStream,
    sender: Sender<Result<RecordBatch>>,
    sent: Arc<AtomicU64>,
    memory: Option<usize>,
    max_rows: u64,
) -> Result<bool> {
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|cause| statement_error(cause, memory))?;
        let rows = batch.num_rows() as u64;
        if sent.load(Ordering::Relaxed) + rows > max_rows {
            return Err(Error::limit(format!(
                "the result has more than the limit of {max_rows} rows"
            ))
            .with("help", "aggregate, add a LIMIT, or raise `--row-limit`"));
        }
        if sender.send(Ok(batch)).await.is_err() {
            return Ok(false);
        }
        sent.fetch_add(rows, Ordering::Relaxed);
    }
    Ok(true)
}

/// The rows of a running statement. Dropping this cancels the statement.
pub struct RowStream {
    schema: SchemaRef,
    receiver: Receiver<Result<RecordBatch>>,
    /// Dropping this before the last row cancels the statement.
    _watchdog: AbortOnDropHandle<()>,
}

impl RowStream {
    /// The schema of the rows.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Stream for RowStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(context)
    }
}

impl fmt::Debug for RowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// Parses a duration such as `30s`, `5m` or a number of seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time as 30s, 5m or a number of seconds".to_owned();
    let (number, unit) = match text.trim_end_matches(char::is_alphabetic) {
        number if number.len() < text.len() => (number, &text[number.len()..]),
        number => (number, "s"),
    };
    let factor = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let seconds = number.trim().parse::<f64>().map_err(|_| wrong())? * factor;
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or_else(wrong)
}
