//! A source as a table. It also gives access to the source's definition and its state in the store,
//! for the roll-up rule.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use engine::project::Project;
use engine::rollup::{StoreCoverage, store_coverage};
use engine::scan::Source;

use super::derived::DerivedColumns;
use super::parquet::ParquetFiles;

/// The Parquet files of a source.
pub(super) struct SourceTable {
    project: Arc<Project>,
    source: Source,
    files: ParquetFiles,
    derived: DerivedColumns,
    table: Arc<dyn TableProvider>,
}

impl SourceTable {
    pub(super) fn new(
        project: &Arc<Project>,
        source: &Source,
        files: ParquetFiles,
    ) -> engine::Result<Self> {
        let table: Arc<dyn TableProvider> = Arc::new(files.table(|_| true)?);
        let derived = DerivedColumns::new(source, &table.schema())?;
        let table = derived.clone().table(table);
        Ok(Self { project: Arc::clone(project), source: source.clone(), files, derived, table })
    }

    /// The definition of the source.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// What the source makes of the columns of its files.
    pub(super) fn derived(&self) -> &DerivedColumns {
        &self.derived
    }

    /// The store's coverage of the source, if it refers to exactly these files.
    ///
    /// # Errors
    /// When the store is broken.
    pub(super) fn kept(&self) -> engine::Result<Option<StoreCoverage>> {
        let kept = store_coverage(&self.project, &self.source).map_err(|error| {
            error.with(
                "help",
                "to read the events instead of the store: SET headcount.rollup = \
                 false",
            )
        })?;
        // Files may have been added or removed since the table was opened.
        let ours: HashSet<&PathBuf> = self.files.paths().collect();
        let same = |kept: &StoreCoverage| {
            kept.known.iter().chain(&kept.new).collect::<HashSet<_>>() == ours
        };
        Ok(kept.filter(same))
    }

    /// The table of some of the files.
    ///
    /// # Errors
    /// When DataFusion refuses them.
    pub(super) fn of_files(&self, paths: &[PathBuf]) -> engine::Result<Arc<dyn TableProvider>> {
        let wanted: HashSet<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let files = Arc::new(self.files.table(|path| wanted.contains(path))?);
        Ok(self.derived.clone().table(files))
    }
}

impl std::fmt::Debug for SourceTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceTable").field("source", &self.source.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for SourceTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.scan(state, projection, filters, limit).await
    }
}
