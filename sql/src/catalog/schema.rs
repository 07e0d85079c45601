//! The schemas: resolution of table names.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::Schema;
use async_trait::async_trait;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::TableType;
use datafusion::prelude::SessionContext;
use engine::Error;
use engine::project::Project;
use engine::scan::{EventFile, Format, Source, is_complete};

use super::active::{ReportContext, view, views};
use super::derived::DerivedColumns;
use super::files::Files;
use super::pings::{self, PingContext};
use super::source::SourceTable;
use super::{activity, dictionary};
use crate::failure::external;

/// The default schema.
pub(super) struct PublicSchema {
    /// Tables and views that statements created; they take precedence.
    registered: MemorySchemaProvider,
    report_context: Option<ReportContext>,
    pings: Option<PingContext>,
    paths: Option<PathBuf>,
    /// The state of the schema's session, while it exists.
    session: Box<dyn Fn() -> Option<SessionState> + Send + Sync>,
}

impl PublicSchema {
    pub(super) fn new(
        session: &SessionContext,
        report_context: Option<ReportContext>,
        paths: Option<PathBuf>,
    ) -> Self {
        // A weak reference, because the session owns this schema.
        let session = session.state_weak_ref();
        let pings = report_context.as_ref().and_then(PingContext::new);
        Self {
            registered: MemorySchemaProvider::new(),
            report_context,
            pings,
            paths,
            session: Box::new(move || session.upgrade().map(|state| state.read().clone())),
        }
    }

    fn sources(&self) -> &[Source] {
        self.report_context.as_ref().map_or(&[], |report_context| &report_context.project.sources)
    }

    async fn find(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(registered) = self.registered.table(name).await? {
            return Ok(Some(registered));
        }
        let state = || {
            let closed = || external(Error::internal("the session of this table is closed"));
            (self.session)().ok_or_else(closed)
        };
        if let Some(report_context) = &self.report_context {
            let root = &report_context.project.root;
            if let Some(source) = self.sources().iter().find(|source| source.name == name) {
                let suffices =
                    |file: &EventFile, schema: &Schema| is_complete(source, file, schema);
                let files =
                    source.find_files(root, true).map_err(|error| with_source(error, name))?;
                let files = Files::open(&state()?, files, &suffices).await;
                let table =
                    files.and_then(|files| source_table(&report_context.project, source, files));
                return Ok(Some(table.map_err(|error| with_source(error, name))?));
            }
            if let Some(table) =
                dictionary::table(&report_context.project, name).map_err(external)?
            {
                return Ok(Some(table));
            }
            if let Some(view) = view(name, report_context) {
                return Ok(Some(view));
            }
            if name == activity::NAME {
                let table = activity::table(&state()?, &report_context.project).await;
                return Ok(Some(table.map_err(external)?));
            }
            if let Some(table) = self.pings.as_ref().and_then(|context| pings::table(context, name))
            {
                return Ok(Some(table));
            }
        }
        match &self.paths {
            Some(folder) if is_path(name) || folder.join(name).exists() => {
                let patterns = [name.to_owned()];
                let files = EventFile::find(folder, &patterns).map_err(external)?;
                let files = Files::open(&state()?, files, &|_, _| true).await;
                Ok(Some(files.and_then(Files::table).map_err(external)?))
            }
            _ => Ok(None),
        }
    }
}

/// The table of a source. A source of text files is a plain table of its files, because times are
/// texts there, which SQL parses differently from reports.
fn source_table(
    project: &Arc<Project>,
    source: &Source,
    files: Files,
) -> engine::Result<Arc<dyn TableProvider>> {
    match files {
        Files::Parquet(files) => Ok(Arc::new(SourceTable::new(project, source, files)?)),
        Files::Text(files) => {
            let files: Arc<dyn TableProvider> = Arc::new(files);
            Ok(DerivedColumns::new(source, &files.schema())?.table(files))
        }
    }
}

fn with_source(error: Error, source: &str) -> DataFusionError {
    external(error.with("source", source))
}

/// Whether a name can only be a path or glob.
fn is_path(name: &str) -> bool {
    name.contains(['/', '*', '?']) || Format::of_path(name.as_ref()).is_some()
}

#[async_trait]
impl SchemaProvider for PublicSchema {
    fn table_names(&self) -> Vec<String> {
        let mut names = self.registered.table_names();
        names.extend(self.sources().iter().map(|source| source.name.clone()));
        if let Some(report_context) = &self.report_context {
            names.extend(dictionary::TABLES.into_iter().chain(views()).map(str::to_owned));
            if activity::exists(&report_context.project) {
                names.push(activity::NAME.to_owned());
            }
            if self.pings.is_some() {
                names.extend(pings::tables().map(str::to_owned));
            }
        }
        names.sort();
        names.dedup();
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.find(name).await
    }

    /// The type of a table, without opening its files.
    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        let registered = self.registered.table(name).await?.map(|table| table.table_type());
        let source = || self.sources().iter().any(|source| source.name == name);
        Ok(registered.or_else(|| {
            let is_view = views().any(|view| view == name) && !source();
            let kind = if is_view { TableType::View } else { TableType::Base };
            self.table_exist(name).then_some(kind)
        }))
    }

    fn register_table(
        &self,
        name: String,
        table: Arc<dyn TableProvider>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        self.registered.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.registered.deregister_table(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|known| known == name)
    }
}

impl fmt::Debug for PublicSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicSchema").field("tables", &self.table_names()).finish_non_exhaustive()
    }
}

/// The schema of the dictionary's tables, whose names no source can hide.
#[derive(Debug)]
pub(super) struct DictionarySchema(Arc<Project>);

impl DictionarySchema {
    pub(super) fn new(project: &Arc<Project>) -> Self {
        Self(Arc::clone(project))
    }
}

#[async_trait]
impl SchemaProvider for DictionarySchema {
    fn table_names(&self) -> Vec<String> {
        dictionary::TABLES.map(str::to_owned).to_vec()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        dictionary::table(&self.0, name).map_err(external)
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.table_exist(name).then_some(TableType::Base))
    }

    fn table_exist(&self, name: &str) -> bool {
        dictionary::TABLES.contains(&name)
    }
}
