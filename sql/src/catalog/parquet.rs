//! Parquet files as a table: DataFusion's own, with our say on which files and which columns.

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
use engine::events::EventFile;
use engine::{Error, Result};

use super::files::Columns;
use crate::failure::of_statement;

/// Parquet files with the columns of all of them.
pub(super) struct ParquetFiles {
    options: ListingOptions,
    schema: SchemaRef,
    files: Vec<(PathBuf, ListingTableUrl)>,
    statistics: Option<Arc<FileStatisticsCache>>,
}

impl ParquetFiles {
    /// Looks which columns the files have.
    ///
    /// # Errors
    /// When a file cannot be read, or their columns have different types.
    pub(super) async fn open(
        state: &SessionState,
        files: Vec<(PathBuf, ListingTableUrl)>,
    ) -> Result<Self> {
        // The names were looked at already; DataFusion shall take every file that it is given.
        let options = ParquetReadOptions::default()
            .file_extension("")
            .to_listing_options(state.config(), state.default_table_options());
        let mut columns = Columns::default();
        for (path, address) in &files {
            let schema = options.infer_schema(state, address).await.map_err(|cause| {
                let cause = of_statement(cause, None);
                Error::input(format!("invalid file: {cause}"))
                    .with("file", path.display())
                    .with("help", "replace or remove the file")
            })?;
            columns.add(path, &schema)?;
        }
        let statistics = state.runtime_env().cache_manager.get_file_statistic_cache();
        Ok(Self { options, schema: columns.schema(), files, statistics })
    }

    /// Where they lie.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().map(|(path, _)| path)
    }

    /// The table of some of them, which has the columns of all.
    ///
    /// # Errors
    /// When DataFusion refuses them.
    pub(super) fn table(&self, wanted: impl Fn(&Path) -> bool) -> Result<ListingTable> {
        let addresses = self.files.iter().filter(|(path, _)| wanted(path));
        let addresses = addresses.map(|(_, address)| address.clone()).collect();
        let config = ListingTableConfig::new_with_multi_paths(addresses)
            .with_listing_options(self.options.clone())
            .with_schema(Arc::clone(&self.schema));
        let table = ListingTable::try_new(config).map_err(|cause| of_statement(cause, None))?;
        Ok(table.with_cache(self.statistics.clone()))
    }
}

/// The address of a file, which the session can read from then on.
///
/// # Errors
/// When it is gone, or there can be no client for its object store.
pub(super) fn address(state: &SessionState, file: &EventFile) -> Result<ListingTableUrl> {
    let Some(object) = &file.object else { return local(&file.path) };
    reach(state, object.client()?)?;
    ListingTableUrl::parse(object.url()?).map_err(|cause| of_statement(cause, None))
}

/// Lets a session read from an object store.
///
/// # Errors
/// When its address is none.
pub(super) fn reach(
    state: &SessionState,
    (address, client): (String, Arc<dyn ObjectStore>),
) -> Result<()> {
    let address = ObjectStoreUrl::parse(address).map_err(|cause| of_statement(cause, None))?;
    state.runtime_env().register_object_store(address.as_ref(), client);
    Ok(())
}

/// The address of a file of this machine. Every special character is encoded: `[` in a name is no
/// pattern here.
///
/// # Errors
/// When there is no such file.
pub(super) fn local(path: &Path) -> Result<ListingTableUrl> {
    let path = path.canonicalize().map_err(|cause| Error::io(path, cause))?;
    let mut address = String::from("file://");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => address.push(char::from(*byte)),
            _ if byte.is_ascii_alphanumeric() => address.push(char::from(*byte)),
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
    ListingTableUrl::parse(&address).map_err(|cause| of_statement(cause, None))
}
