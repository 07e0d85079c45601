//! The databases that the files run on, behind the interface of sqllogictest.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use headcount::catalog::{CatalogOptions, register};
use headcount::failure::statement_error;
use headcount::session::{self, Options, session};
use sqllogictest::{DB, DBOutput, DefaultColumnType};
use tokio::runtime::Runtime;

type Output = DBOutput<DefaultColumnType>;

/// A session. Errors are those that users see.
pub(super) struct Database {
    runtime: Arc<Runtime>,
    pub(super) session: SessionContext,
    /// Plain DataFusion plans statements by itself.
    is_plain: bool,
    /// Texts that the plan of every query must or must not contain.
    expected: Vec<(bool, String)>,
}

impl Database {
    /// A session with these settings, on the project in a folder if there is one.
    pub(super) fn open(
        runtime: &Arc<Runtime>,
        project: Option<&Path>,
        settings: &[&str],
    ) -> engine::Result<Self> {
        let session = session(&Options::default())?;
        if let Some(root) = project {
            let project = Some(Arc::new(engine::project::Project::load(root)?));
            register(&session, &CatalogOptions { project, ..CatalogOptions::default() })?;
        }
        let mut database = Self::new(runtime, session, false);
        for setting in settings {
            database.run(&format!("SET {setting}"))?;
        }
        Ok(database)
    }

    /// DataFusion without Headcount.
    pub(super) fn plain(runtime: &Arc<Runtime>) -> Self {
        Self::new(runtime, SessionContext::new(), true)
    }

    fn new(runtime: &Arc<Runtime>, session: SessionContext, is_plain: bool) -> Self {
        Self { runtime: Arc::clone(runtime), session, is_plain, expected: Vec::new() }
    }

    /// `EXPECT PLAN text` and `EXPECT NO PLAN text` apply to all following queries, until
    /// `EXPECT ANY PLAN`.
    fn expect(&mut self, what: &str) -> engine::Result<Output> {
        if let Some(text) = what.strip_prefix("PLAN ") {
            self.expected.push((true, text.to_owned()));
        } else if let Some(text) = what.strip_prefix("NO PLAN ") {
            self.expected.push((false, text.to_owned()));
        } else if what == "ANY PLAN" {
            self.expected.clear();
        } else {
            return Err(engine::Error::input(format!("unknown expectation `{what}`")));
        }
        Ok(DBOutput::StatementComplete(0))
    }

    async fn check_plan(&self, sql: &str) -> Result<(), DataFusionError> {
        let is_query = sql.starts_with("SELECT") || sql.starts_with("WITH");
        if self.expected.is_empty() || !is_query {
            return Ok(());
        }
        let frame = session::sql(&self.session, &format!("EXPLAIN FORMAT INDENT {sql}")).await?;
        let plan = pretty_format_batches(&frame.collect().await?)?.to_string();
        for (is_there, text) in &self.expected {
            if plan.contains(text) != *is_there {
                let what = if *is_there { "no" } else { "unexpected" };
                return Err(DataFusionError::Plan(format!("{what} `{text}` in the plan:\n{plan}")));
            }
        }
        Ok(())
    }

    async fn rows(&self, sql: &str) -> Result<Output, DataFusionError> {
        self.check_plan(sql).await?;
        let frame = match self.is_plain {
            true => self.session.sql(sql).await?,
            false => session::sql(&self.session, sql).await?,
        };
        let fields = frame.schema().fields().clone();
        let batches = frame.collect().await?;
        if fields.is_empty() {
            return Ok(DBOutput::StatementComplete(0));
        }
        let options = FormatOptions::default().with_null("NULL").with_display_error(true);
        let mut rows = Vec::new();
        for batch in &batches {
            let columns = batch.columns().iter();
            let columns = columns
                .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
                .collect::<Result<Vec<_>, _>>()?;
            for row in 0..batch.num_rows() {
                let cells = columns.iter().map(|column| match column.value(row).to_string() {
                    empty if empty.is_empty() => "(empty)".to_owned(),
                    text => text,
                });
                rows.push(cells.collect());
            }
        }
        let types = fields.iter().map(|field| column_type(field.data_type())).collect();
        Ok(DBOutput::Rows { types, rows })
    }
}

impl DB for Database {
    type Error = engine::Error;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> engine::Result<Output> {
        match sql.strip_prefix("EXPECT ") {
            Some(what) => self.expect(what),
            None => {
                let rows = self.runtime.block_on(self.rows(sql));
                rows.map_err(|error| statement_error(error, None))
            }
        }
    }

    fn engine_name(&self) -> &str {
        if self.is_plain { "datafusion" } else { "headcount" }
    }
}

fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DefaultColumnType::Text,
        integer if integer.is_integer() => DefaultColumnType::Integer,
        float if float.is_floating() => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Any,
    }
}
