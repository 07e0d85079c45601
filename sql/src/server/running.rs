//! One statement at work, with its limits.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use engine::{Error, Result};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::read_only::read_only;
use super::yielding::yielding;
use super::{Shared, depth};
use crate::bounded::plan_of;
use crate::failure::of_statement;
use crate::session::plan_text;
use crate::unchanged;

/// Batches that wait for a client; a query that is further ahead waits itself.
const AHEAD: usize = 2;

/// How a statement came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// PostgreSQL's.
    Postgres,
    /// Arrow Flight SQL.
    Flight,
    /// HTTP.
    Http,
}

impl Protocol {
    /// As it stands in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Flight => "flight",
            Self::Http => "http",
        }
    }
}

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its last row.
    Done,
    /// With a plan; its rows are asked for by themselves.
    Planned,
    /// With an error of its own.
    Failed,
    /// Its time was over.
    OutOfTime,
    /// Somebody cancelled it, or nobody wanted its rows any more.
    Cancelled,
}

impl Ending {
    /// As it stands in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Planned => "planned",
            Self::Failed => "failed",
            Self::OutOfTime => "out_of_time",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Whose statement it is.
#[derive(Clone, Debug)]
pub struct About {
    /// How it came in.
    pub protocol: Protocol,
    /// Who asks, if names are asked for.
    pub user: String,
    /// What is asked, as it is logged.
    pub text: String,
}

/// A statement from its arrival to its end, which is logged and counted when this is dropped.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    about: About,
    begun: Instant,
    /// How long it may take.
    time: Duration,
    cancel: CancellationToken,
    /// Rows that were sent.
    rows: Arc<AtomicU64>,
    /// How it ended; what is dropped without an ending was not wanted any more.
    ending: Option<Ending>,
    why: Option<String>,
}

impl Running {
    pub(super) fn new(shared: &Arc<Shared>, about: About, cancel: CancellationToken) -> Self {
        shared.metrics.began();
        Self {
            shared: Arc::clone(shared),
            about,
            begun: Instant::now(),
            time: shared.limits.time,
            cancel,
            rows: Arc::default(),
            ending: None,
            why: None,
        }
    }

    /// Gives it less time than the server would.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        self.time = self.time.min(time);
        self
    }

    /// Plans a text as one statement that only reads.
    ///
    /// # Errors
    /// When it is none, or time is over.
    pub async fn plan(&mut self, session: &SessionContext, sql: &str) -> Result<LogicalPlan> {
        let (session, sql) = (session.clone(), sql.to_owned());
        self.work(async move {
            depth::check(&sql)?;
            let plan = plan_text(&session.state(), &sql).await;
            let plan = plan.map_err(|cause| of_statement(cause, None))?;
            read_only(&plan)?;
            Ok(plan)
        })
        .await
    }

    /// Does a part of the statement on the threads for queries.
    ///
    /// # Errors
    /// Its own, and the end of time or patience.
    pub async fn work<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        let done = tokio::select! {
            done = shared.alone(work) => done,
            ended = self.limits() => Err(self.stopped(ended)),
        };
        done.map_err(|error| self.failed(error))
    }

    /// Runs a plan; it must have been looked at by [`read_only`].
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn rows(mut self, session: &SessionContext, plan: LogicalPlan) -> Result<Rows> {
        let (own, memory) = (session.clone(), self.shared.memory());
        let most = self.shared.limits.memory;
        let stream = self
            .work(async move {
                let told = |cause| of_statement(cause, memory);
                // Settings are changed here; queries only become a plan.
                let frame = own.execute_logical_plan(plan).await.map_err(told)?;
                let (plan, context) = plan_of(frame, most).await.map_err(told)?;
                let plan = yielding(plan).map_err(told)?;
                unchanged::rows(plan, context).map_err(told)
            })
            .await?;
        Ok(self.send(stream))
    }

    /// Rows that were made some other way, under the same limits.
    pub fn send(self, stream: SendableRecordBatchStream) -> Rows {
        let schema = stream.schema();
        let (sender, receiver) = channel(AHEAD);
        let most = self.shared.limits.rows;
        let memory = self.shared.memory();
        let pump = pump(stream, sender.clone(), Arc::clone(&self.rows), memory, most);
        let pump = AbortOnDropHandle::new(self.shared.work.spawn(pump));
        let mut running = self;
        // The keeper of the limits also waits when nobody reads, so that they hold then.
        let keeper = AbortOnDropHandle::new(tokio::spawn(async move {
            let error = tokio::select! {
                done = pump => match done.unwrap_or_else(|cause| Err(broken(&cause))) {
                    Ok(true) => {
                        running.ending = Some(Ending::Done);
                        None
                    }
                    Ok(false) => None, // nobody reads on
                    Err(error) => Some(running.failed(error)),
                },
                ended = running.limits() => {
                    let error = running.stopped(ended);
                    Some(running.failed(error))
                }
            };
            drop(running);
            if let Some(error) = error {
                // Whoever is gone needs no error.
                let _ = sender.send(Err(error)).await;
            }
        }));
        Rows { schema, receiver, _keeper: keeper }
    }

    /// Waits until the statement has to end.
    async fn limits(&self) -> Ending {
        let left = self.time.saturating_sub(self.begun.elapsed());
        // Timers go off a millisecond late, when a short statement may have ended.
        if left.is_zero() {
            return Ending::OutOfTime;
        }
        tokio::select! {
            () = tokio::time::sleep(left) => Ending::OutOfTime,
            () = self.cancel.cancelled() => Ending::Cancelled,
            () = self.shared.killed() => Ending::Cancelled,
        }
    }

    fn stopped(&mut self, ending: Ending) -> Error {
        self.ending = Some(ending);
        match ending {
            Ending::OutOfTime => {
                let limit = self.time.as_secs_f64();
                Error::limit(format!("the statement took longer than the limit of {limit} s"))
                    .with("help", "query less data, or raise `--time-limit`")
            }
            _ if self.shared.is_killed() => Error::limit("the server is stopping"),
            _ => Error::limit("cancelled"),
        }
    }

    fn failed(&mut self, error: Error) -> Error {
        self.ending.get_or_insert(Ending::Failed);
        self.why = Some(error.to_string());
        error
    }

    /// Notes that only a plan was wanted.
    pub fn planned(mut self) {
        self.ending = Some(Ending::Planned);
    }

    /// Notes that the statement is done; for statements without rows.
    pub fn done(mut self) {
        self.ending = Some(Ending::Done);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (time, rows) = (self.begun.elapsed(), self.rows.load(Ordering::Relaxed));
        let About { protocol, user, text } = &self.about;
        let ending = self.ending.unwrap_or(Ending::Cancelled);
        self.shared.metrics.ended(*protocol, ending, time, rows);
        let (protocol, outcome, seconds) = (protocol.name(), ending.name(), time.as_secs_f64());
        let error = self.why.as_deref();
        if time >= self.shared.limits.slow {
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

/// Sends the batches of a stream and counts their rows; true if all of them were sent, false if
/// nobody reads on.
async fn pump(
    mut stream: SendableRecordBatchStream,
    sender: Sender<Result<RecordBatch>>,
    sent: Arc<AtomicU64>,
    memory: Option<usize>,
    most: u64,
) -> Result<bool> {
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|cause| of_statement(cause, memory))?;
        let rows = batch.num_rows() as u64;
        if sent.load(Ordering::Relaxed) + rows > most {
            return Err(Error::limit(format!("the result has more than the limit of {most} rows"))
                .with("help", "aggregate, add a LIMIT, or raise `--row-limit`"));
        }
        if sender.send(Ok(batch)).await.is_err() {
            return Ok(false);
        }
        sent.fetch_add(rows, Ordering::Relaxed);
    }
    Ok(true)
}

pub(super) fn broken(cause: &tokio::task::JoinError) -> Error {
    Error::internal(format!("a statement ended unexpectedly: {cause}"))
}

/// The rows of a statement as they come. Dropping this ends the statement.
pub struct Rows {
    schema: SchemaRef,
    receiver: Receiver<Result<RecordBatch>>,
    /// Ends with this: dropped before its time it ends the statement.
    _keeper: AbortOnDropHandle<()>,
}

impl Rows {
    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(context)
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// A time limit in words, as the commands take it.
pub fn seconds(text: &str) -> Result<Duration, String> {
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
