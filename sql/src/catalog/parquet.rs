//! Parquet files as a DataFusion `ListingTable` with a fixed list of files and columns.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::datasource::file_format::options::ReadOptions;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::execution::SessionState;
use datafusion::execution::cache::cache_manager::FileStatisticsCache;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::object_store::ObjectStore;
use datafusion::prelude::ParquetReadOptions;
use engine::scan::EventFile;
use engine::{Error, Result};

use super::merged_columns::MergedColumns;
use crate::failure::statement_error;

/// Parquet files with the union of their columns.
pub(super) struct ParquetFiles {
    options: ListingOptions,
    schema: SchemaRef,
    files: Vec<(PathBuf, ListingTableUrl)>,
    statistics: Option<Arc<FileStatisticsCache>>,
}

impl ParquetFiles {
    /// Determines the columns of the files.
    ///
    /// # Errors
    /// When a file cannot be read, or their columns have different types.
    pub(super) async fn open(
        state: &SessionState,
        files: Vec<(PathBuf, ListingTableUrl)>,
    ) -> Result<Self> {
        // The files were already selected by name, so DataFusion must not filter by extension.
        let options = ParquetReadOptions::default()
            .file_extension("")
            .to_listing_options(state.config(), state.default_table_options());
        let mut columns = MergedColumns::default();
        for (path, file_url) in &files {
            let schema = options.infer_schema(state, file_url).await.map_err(|cause| {
                let cause = statement_error(cause, None);
                Error::input(format!("invalid file: {cause}"))
                    .with("file", path.display())
                    .with("help", "replace or remove the file")
            })?;
            columns.add(path, &schema)?;
        }
        let statistics = state.runtime_env().cache_manager.get_file_statistic_cache();
        Ok(Self { options, schema: columns.schema(), files, statistics })
    }

    /// The paths of the files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().map(|(path, _)| path)
    }

    /// The table of the selected files, with the columns of all files.
    ///
    /// # Errors
    /// When DataFusion refuses them.
    pub(super) fn table(&self, wanted: impl Fn(&Path) -> bool) -> Result<ListingTable> {
        let urls = self.files.iter().filter(|(path, _)| wanted(path));
        let urls = urls.map(|(_, file_url)| file_url.clone()).collect();
        let config = ListingTableConfig::new_with_multi_paths(urls)
            .with_listing_options(self.options.clone())
            .with_schema(Arc::clone(&self.schema));
        let table = ListingTable::try_new(config).map_err(|cause| statement_error(cause, None))?;
        Ok(table.with_cache(self.statistics.clone()))
    }
}

/// The URL of a file. Registers its object store in the session.
///
/// # Errors
/// When the file does not exist, or the object store has no client.
pub(super) fn file_url(state: &SessionState, file: &EventFile) -> Result<ListingTableUrl> {
    let Some(object) = &file.object else { return local_url(&file.path) };
    register_store(state, object.client()?)?;
    ListingTableUrl::parse(object.url()?).map_err(|cause| statement_error(cause, None))
}

/// Registers an object store in a session.
///
/// # Errors
/// When its URL is invalid.
pub(super) fn register_store(
    state: &SessionState,
    (url, client): (String, Arc<dyn ObjectStore>),
) -> Result<()> {
    let url = ObjectStoreUrl::parse(url).map_err(|cause| statement_error(cause, None))?;
    state.runtime_env().register_object_store(url.as_ref(), client);
    Ok(())
}

/// The URL of a local file. Special characters are encoded, so that `[` in a name is not a pattern.
///
/// # Errors
/// When the file does not exist.
pub(super) fn local_url(path: &Path) -> Result<ListingTableUrl> {
    let path = path.canonicalize().map_err(|cause| Error::io(path, cause))?;
    let mut url = String::from("file://");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(*byte)),
            _ if byte.is_ascii_alphanumeric() => url.push(char::from(*byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    ListingTableUrl::parse(&url).map_err(|cause| statement_error(cause, None))
}
