//! One connection: its session, and the statement that it runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::arrow_pg::datatypes::{arrow_schema_to_pg_fields, encode_recordbatch};
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::setup_pg_catalog;
use datafusion_postgres::datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use engine::{Error, Result};
use futures::{StreamExt, stream};
use pgwire::api::ClientInfo;
use pgwire::api::portal::Format;
use pgwire::api::results::{QueryResponse, Response, Tag};
use pgwire::error::PgWireResult;
use pgwire::messages::data::DataRow;
use pgwire::types::format::FormatOptions;

use super::cancels::{Cancels, Known};
use super::errors::wire;
use super::settings::timeout;
use crate::failure::of_statement;
use crate::server::read_only::read_only;
use crate::server::{About, Protocol, Rows, Running, Shared};

/// The catalog that sessions have.
const CATALOG: &str = "datafusion";

/// A client's connection.
pub(super) struct Connection {
    shared: Arc<Shared>,
    cancels: Arc<Cancels>,
    pub(super) session: SessionContext,
    pub(super) rewriting: PostgresCompatibilityParser,
    known: Mutex<Option<Known>>,
    /// Statements whose answers are not sent yet.
    busy: Arc<AtomicUsize>,
}

impl Connection {
    /// A connection that has said nothing yet.
    ///
    /// # Errors
    /// When no session can be made.
    pub(super) fn new(shared: &Arc<Shared>, cancels: &Arc<Cancels>) -> Result<Self> {
        let session = shared.session()?;
        setup_pg_catalog(&session, CATALOG, EmptyContextProvider)
            .map_err(|cause| of_statement(*cause, None))?;
        Ok(Self {
            shared: Arc::clone(shared),
            cancels: Arc::clone(cancels),
            session,
            rewriting: PostgresCompatibilityParser::new(),
            known: Mutex::default(),
            busy: Arc::default(),
        })
    }

    /// The statements of a text.
    ///
    /// # Errors
    /// When it is not SQL.
    pub(super) fn parse(&self, sql: &str) -> Result<Vec<Statement>> {
        self.rewriting.parse(sql).map_err(|cause| Error::input(cause.to_string()).caused_by(cause))
    }

    /// Begins a statement of a client.
    pub(super) fn begin<C: ClientInfo + ?Sized>(&self, client: &C, text: &str) -> Running {
        let known = client.pid_and_secret_key();
        let cancel = self.cancels.begin(known.clone());
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        let user = client.metadata().get("user").cloned().unwrap_or_default();
        let about = About { protocol: Protocol::Postgres, user, text: text.to_owned() };
        let running = self.shared.begin(about, cancel);
        match timeout(client) {
            Some(time) => running.within(time),
            None => running,
        }
    }

    /// Plans a statement, which must only read.
    ///
    /// # Errors
    /// When it cannot be planned, or does more.
    pub(super) fn planned(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<LogicalPlan>> + Send + 'static {
        let state = self.session.state();
        async move {
            let plan = state.statement_to_plan(Parsed::Statement(Box::new(statement))).await;
            let plan = plan.map_err(|cause| of_statement(cause, None))?;
            read_only(&plan)?;
            Ok(plan)
        }
    }

    /// Plans a statement that is not run yet, within the time of a statement.
    ///
    /// # Errors
    /// As [`planned`](Self::planned), and the end of time.
    pub(super) async fn prepared(&self, statement: Statement) -> Result<LogicalPlan> {
        self.shared.within_time(self.planned(statement)).await
    }

    /// Runs a plan and turns its rows into those of the protocol.
    ///
    /// # Errors
    /// When it cannot be run.
    pub(super) async fn answer(
        &self,
        running: Running,
        plan: LogicalPlan,
        format: &Format,
        options: FormatOptions,
    ) -> PgWireResult<Response> {
        let rows = running.rows(&self.session, plan).await.map_err(|error| wire(&error))?;
        if rows.schema().fields().is_empty() {
            return finished(rows).await;
        }
        let fields = arrow_schema_to_pg_fields(&rows.schema(), format, Some(Arc::new(options)))?;
        let fields = Arc::new(fields);
        let (columns, busy) = (Arc::clone(&fields), Busy::new(&self.busy));
        let encoded = rows.flat_map(move |batch| {
            let _answer = &busy;
            let rows: Box<dyn Iterator<Item = PgWireResult<DataRow>> + Send + Sync> = match batch {
                Ok(batch) => encode_recordbatch(Arc::clone(&columns), batch),
                Err(error) => Box::new(std::iter::once(Err(wire(&error)))),
            };
            stream::iter(rows)
        });
        Ok(Response::Query(QueryResponse::new(fields, encoded)))
    }

    /// Waits until the server stops and no answer is on its way.
    pub(super) async fn idle_and_stopping(&self) {
        self.shared.stopping().await;
        while self.busy.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        // What was sent last is still on its way through the socket's own buffers.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    /// Counts what is done for a client until it is answered.
    pub(super) fn busy(&self) -> Busy {
        Busy::new(&self.busy)
    }

    /// Forgets what is known of the connection elsewhere.
    pub(super) fn forget(&self) {
        if let Some(known) = &*self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            self.cancels.forget(known);
        }
    }
}

/// A statement whose answer is not sent yet.
pub(super) struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A statement without columns: it is done when its stream is.
async fn finished(mut rows: Rows) -> PgWireResult<Response> {
    while let Some(batch) = rows.next().await {
        batch.map_err(|error| wire(&error))?;
    }
    Ok(Response::Execution(Tag::new("SET")))
}
