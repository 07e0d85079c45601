//! Parquet files as a table: DataFusion's own, with our say on which files and which columns.

use std::path::Path;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::options::ReadOptions;
use datafusion::datasource::listing::{ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::SessionState;
use datafusion::prelude::ParquetReadOptions;
use engine::events::EventFile;
use engine::{Error, Result};

use super::files::Columns;
use crate::failure::of_statement;

/// The table of all the files.
///
/// # Errors
/// When a file cannot be read, or their columns have different types.
pub(super) async fn table(
    state: &SessionState,
    files: &[EventFile],
) -> Result<Arc<dyn TableProvider>> {
    // The names were looked at already; DataFusion shall take every file that it is given.
    let options = ParquetReadOptions::default()
        .file_extension("")
        .to_listing_options(state.config(), state.default_table_options());
    let mut columns = Columns::default();
    let mut addresses = Vec::with_capacity(files.len());
    for file in files {
        let address = address(&file.path)?;
        let schema = options.infer_schema(state, &address).await.map_err(|cause| {
            let cause = of_statement(cause, None);
            Error::input(format!("broken file: {cause}"))
                .with("file", file.path.display())
                .with("help", "replace or remove the file")
        })?;
        columns.add(file, &schema)?;
        addresses.push(address);
    }
    let config = ListingTableConfig::new_with_multi_paths(addresses)
        .with_listing_options(options)
        .with_schema(columns.schema());
    let table = ListingTable::try_new(config).map_err(|cause| of_statement(cause, None))?;
    let cache = state.runtime_env().cache_manager.get_file_statistic_cache();
    Ok(Arc::new(table.with_cache(cache)))
}

/// The address of a file. Every special character is encoded: `[` in a name is no pattern here.
fn address(path: &Path) -> Result<ListingTableUrl> {
    if let Some(address) = path.to_str().filter(|path| path.contains("://")) {
        return ListingTableUrl::parse(address).map_err(|cause| of_statement(cause, None));
    }
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
