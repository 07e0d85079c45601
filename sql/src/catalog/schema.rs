//! The schemas: whose table a name is.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::TableType;
use datafusion::prelude::SessionContext;
use engine::Error;
use engine::events::{Format, Source, Value};
use engine::project::Project;

use super::active::{Ground, view, views};
use super::files::Files;
use super::source::SourceTable;
use super::{activity, dictionary};
use crate::failure::external;

/// What a catalog gives once it has looked.
type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The tables that can be named without saying where they are.
pub(super) struct Public {
    /// What statements made; these names go first.
    made: MemorySchemaProvider,
    ground: Option<Ground>,
    paths: Option<PathBuf>,
    /// The session that this schema belongs to, as long as it lives.
    session: Box<dyn Fn() -> Option<SessionState> + Send + Sync>,
}

impl Public {
    pub(super) fn new(
        session: &SessionContext,
        ground: Option<Ground>,
        paths: Option<PathBuf>,
    ) -> Self {
        // Weak: the session owns this schema.
        let session = session.state_weak_ref();
        Self {
            made: MemorySchemaProvider::new(),
            ground,
            paths,
            session: Box::new(move || session.upgrade().map(|state| state.read().clone())),
        }
    }

    fn sources(&self) -> &[Source] {
        self.ground.as_ref().map_or(&[], |ground| &ground.project.sources)
    }

    async fn find(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(made) = self.made.table(name).await? {
            return Ok(Some(made));
        }
        let state = || {
            let gone = || external(Error::internal("the session of this table is closed"));
            (self.session)().ok_or_else(gone)
        };
        if let Some(ground) = &self.ground {
            let root = &ground.project.root;
            if let Some(source) = self.sources().iter().find(|source| source.name == name) {
                let (state, wanted) = (state()?, columns(source));
                let files = Files::open(&state, root, &source.files, &wanted).await;
                let table = files.and_then(|files| of_source(&ground.project, source, files));
                return Ok(Some(table.map_err(|error| named(error, name))?));
            }
            if let Some(table) = dictionary::table(&ground.project, name).map_err(external)? {
                return Ok(Some(table));
            }
            if let Some(view) = view(name, ground) {
                return Ok(Some(view));
            }
            if name == activity::NAME {
                let table = activity::table(&state()?, &ground.project).await;
                return Ok(Some(table.map_err(external)?));
            }
        }
        match &self.paths {
            Some(folder) if is_path(name) || folder.join(name).exists() => {
                let patterns = [name.to_owned()];
                let files = Files::open(&state()?, folder, &patterns, &[]).await;
                Ok(Some(files.and_then(Files::table).map_err(external)?))
            }
            _ => Ok(None),
        }
    }
}

/// The table of a source. Times in text files are texts, which SQL reads in its own way, so these
/// are files like any other.
fn of_source(
    project: &Arc<Project>,
    source: &Source,
    files: Files,
) -> engine::Result<Arc<dyn TableProvider>> {
    match files {
        Files::Parquet(files) => Ok(Arc::new(SourceTable::new(project, source, files)?)),
        Files::Text(_) => files.table(),
    }
}

fn named(error: Error, source: &str) -> DataFusionError {
    external(error.with("source", source))
}

/// Whether a name can only be meant as one of files.
fn is_path(name: &str) -> bool {
    name.contains(['/', '*', '?']) || Format::of_path(name.as_ref()).is_some()
}

/// The columns that a source must have.
fn columns(source: &Source) -> Vec<String> {
    let mut columns = vec![source.time.clone(), source.user.clone()];
    columns.extend(source.scope.clone());
    for value in [Some(&source.event), source.deployment.as_ref()].into_iter().flatten() {
        if let Value::Column(name) = value {
            columns.push(name.clone());
        }
    }
    columns.extend(source.dimensions.iter().cloned());
    columns
}

impl SchemaProvider for Public {
    fn table_names(&self) -> Vec<String> {
        let mut names = self.made.table_names();
        names.extend(self.sources().iter().map(|source| source.name.clone()));
        if let Some(ground) = &self.ground {
            names.extend(dictionary::TABLES.into_iter().chain(views()).map(str::to_owned));
            if activity::is_there(&ground.project) {
                names.push(activity::NAME.to_owned());
            }
        }
        names.sort();
        names.dedup();
        names
    }

    fn table<'a, 'n, 'f>(&'a self, name: &'n str) -> Later<'f, Option<Arc<dyn TableProvider>>>
    where
        'a: 'f,
        'n: 'f,
    {
        Box::pin(self.find(name))
    }

    /// A list of tables opens no files.
    fn table_type<'a, 'n, 'f>(&'a self, name: &'n str) -> Later<'f, Option<TableType>>
    where
        'a: 'f,
        'n: 'f,
    {
        Box::pin(async move {
            let made = self.made.table(name).await?.map(|table| table.table_type());
            let source = || self.sources().iter().any(|source| source.name == name);
            Ok(made.or_else(|| {
                let is_view = views().any(|view| view == name) && !source();
                let kind = if is_view { TableType::View } else { TableType::Base };
                self.table_exist(name).then_some(kind)
            }))
        })
    }

    fn register_table(
        &self,
        name: String,
        table: Arc<dyn TableProvider>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        self.made.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.made.deregister_table(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|known| known == name)
    }
}

impl fmt::Debug for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Public").field("tables", &self.table_names()).finish_non_exhaustive()
    }
}

/// The dictionary, where no source can stand before it.
#[derive(Debug)]
pub(super) struct Definitions(Arc<Project>);

impl Definitions {
    pub(super) fn new(project: &Arc<Project>) -> Self {
        Self(Arc::clone(project))
    }
}

impl SchemaProvider for Definitions {
    fn table_names(&self) -> Vec<String> {
        dictionary::TABLES.map(str::to_owned).to_vec()
    }

    fn table<'a, 'n, 'f>(&'a self, name: &'n str) -> Later<'f, Option<Arc<dyn TableProvider>>>
    where
        'a: 'f,
        'n: 'f,
    {
        Box::pin(std::future::ready(dictionary::table(&self.0, name).map_err(external)))
    }

    fn table_type<'a, 'n, 'f>(&'a self, name: &'n str) -> Later<'f, Option<TableType>>
    where
        'a: 'f,
        'n: 'f,
    {
        let kind = self.table_exist(name).then_some(TableType::Base);
        Box::pin(std::future::ready(Ok(kind)))
    }

    fn table_exist(&self, name: &str) -> bool {
        dictionary::TABLES.contains(&name)
    }
}
