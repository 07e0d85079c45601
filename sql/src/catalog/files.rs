//! Files of one format as one table.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use engine::scan::{EventFile, Format};
use engine::{Error, Result};

use super::parquet::{ParquetFiles, file_url};
use super::text::TextFiles;

/// Opened files of one kind.
pub(super) enum Files {
    Parquet(ParquetFiles),
    Text(TextFiles),
}

impl Files {
    /// Opens files. All lines of NDJSON files are
    /// searched for columns if those of the first lines do not `suffice`.
    ///
    /// # Errors
    /// When there are no files, they cannot be read, or their columns conflict.
    pub(super) async fn open(
        state: &SessionState,
        files: Vec<EventFile>,
        suffice: &(dyn Fn(&EventFile, &Schema) -> bool + Sync),
    ) -> Result<Self> {
        let is_parquet = |file: &EventFile| file.format == Format::Parquet;
        let all = files.iter().filter(|file| is_parquet(file)).count();
        if all == files.len() {
            let opened = files.into_iter().map(|file| {
                let file_url = file_url(state, &file)?;
                Ok((file.path, file_url))
            });
            let opened = opened.collect::<Result<_>>()?;
            return Ok(Self::Parquet(ParquetFiles::open(state, opened).await?));
        }
        match files.iter().find(|file| is_parquet(file)) {
            None => Ok(Self::Text(TextFiles::open(files, suffice)?)),
            Some(file) => Err(Error::input("a table cannot mix Parquet files and text files")
                .with("file", file.path.display())
                .with("help", "query them by their paths: FROM 'folder/*.parquet'")),
        }
    }

    /// The table of all files.
    ///
    /// # Errors
    /// When DataFusion refuses them.
    pub(super) fn table(self) -> Result<Arc<dyn TableProvider>> {
        match self {
            Self::Parquet(files) => Ok(Arc::new(files.table(|_| true)?)),
            Self::Text(files) => Ok(Arc::new(files)),
        }
    }
}
