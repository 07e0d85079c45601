//! Detects Parquet files that change while a plan reads them. A file is read in pieces, so rows of
//! a file that is replaced meanwhile are wrong; the stream then ends with an error.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::ParquetSource;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::object_store::path::Path;
use datafusion::object_store::{self, ObjectMeta, ObjectStoreExt};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use engine::Error;
use futures::{StreamExt, TryStreamExt, stream};

use crate::catalog::SCHEME;
use crate::failure::external;

/// Files that are checked concurrently.
const CONCURRENT_CHECKS: usize = 32;

/// The Parquet files of a plan, with their metadata at planning time.
type Files = HashMap<(ObjectStoreUrl, Path), ObjectMeta>;

/// Executes a plan; the stream ends with an error if a Parquet file changed after planning.
///
/// # Errors
/// When the plan cannot be run.
pub(crate) fn execute(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let files = files(&plan)?;
    let runtime = context.runtime_env();
    let rows = execute_stream(plan, context)?;
    let schema = rows.schema();
    let checked = stream::once(check(runtime, files)).filter_map(async |checked| match checked {
        Ok(()) => None,
        Err(changed) => Some(Err(changed)),
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows.chain(checked))))
}

fn files(plan: &Arc<dyn ExecutionPlan>) -> Result<Files> {
    let mut files = Files::new();
    plan.apply(|node| {
        let scan = node.downcast_ref::<DataSourceExec>();
        if let Some((config, _)) =
            scan.and_then(DataSourceExec::downcast_to_file_source::<ParquetSource>)
        {
            for file in config.file_groups.iter().flat_map(|group| group.iter()) {
                let planned = file.object_meta.clone();
                files.insert((config.object_store_url.clone(), planned.location.clone()), planned);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(files)
}

/// Fails if a file differs from its metadata at planning time. A deleted file is no error.
async fn check(runtime: Arc<RuntimeEnv>, files: Files) -> Result<()> {
    let checked = files.into_iter().map(|((url, path), planned)| {
        let runtime = Arc::clone(&runtime);
        async move {
            match runtime.object_store(&url)?.head(&path).await {
                Ok(now) if is_same(&planned, &now) => Ok(()),
                Ok(_) => Err(changed(&url, &path)),
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(cause) => Err(DataFusionError::ObjectStore(Box::new(cause))),
            }
        }
    });
    stream::iter(checked).buffer_unordered(CONCURRENT_CHECKS).try_collect().await
}

fn is_same(planned: &ObjectMeta, now: &ObjectMeta) -> bool {
    planned.size == now.size
        && match (&planned.e_tag, &now.e_tag) {
            (Some(planned), Some(now)) => planned.trim_matches('"') == now.trim_matches('"'),
            _ => planned.last_modified == now.last_modified,
        }
}

fn changed(url: &ObjectStoreUrl, path: &Path) -> DataFusionError {
    let url = url.as_str();
    let url = url.strip_prefix(SCHEME).unwrap_or(url).trim_start_matches("file://");
    external(
        Error::input("the file changed while it was being read")
            .with("file", format!("{url}{path}"))
            .with("help", "retry when the file is not being written"),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use arrow::record_batch::RecordBatch;
    use futures::StreamExt;
    use parquet::arrow::ArrowWriter;

    use super::execute;
    use crate::catalog::{CatalogOptions, register};
    use crate::failure::statement_error;
    use crate::session::{Options, session};

    fn write(path: &Path, values: std::ops::Range<i64>) {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        // Replaced by a rename, so that readers of the old file go on.
        let part = path.with_extension("part");
        let file = std::fs::File::create(&part).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        std::fs::rename(part, path).unwrap();
    }

    /// The number of rows of a query on a file of 100,000 rows; `during` runs after each batch.
    async fn count_rows(sql: &str, during: impl Fn(&Path)) -> Result<usize, String> {
        let to_error = |cause| statement_error(cause, None).to_string();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write(&path, 0..100_000);
        let session = session(&Options::default()).unwrap();
        let catalog_options =
            CatalogOptions { paths: Some(folder.path().to_owned()), ..CatalogOptions::default() };
        register(&session, &catalog_options).unwrap();
        let frame = session.sql(sql).await.map_err(to_error)?;
        let plan = frame.create_physical_plan().await.map_err(to_error)?;
        let mut rows = execute(plan, session.task_ctx()).map_err(to_error)?;
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            count += batch.map_err(to_error)?.num_rows();
            during(&path);
        }
        Ok(count)
    }

    #[tokio::test]
    async fn replacing_a_file_during_a_query_is_an_error() {
        let all = "SELECT n FROM 'a.parquet'";
        let count = "SELECT count(DISTINCT n) FROM 'a.parquet'";
        let joined = "SELECT a.n FROM 'a.parquet' a JOIN 'a.parquet' b ON a.n = b.n + 1";
        for (sql, expected) in [(all, 100_000), (count, 1), (joined, 99_999)] {
            assert_eq!(count_rows(sql, |_| ()).await, Ok(expected), "{sql}");
            let error = count_rows(sql, |path| write(path, 1..100_001)).await.unwrap_err();
            assert!(error.contains("changed while it was being read (file: /"), "{sql}: {error}");
            assert!(error.contains("/a.parquet"), "{sql}: {error}");
        }
        // A deleted file was read before.
        let delete = |path: &Path| _ = std::fs::remove_file(path);
        assert_eq!(count_rows(count, delete).await, Ok(1));
        // No file is read.
        assert_eq!(count_rows("SELECT 1", |path| write(path, 1..2)).await, Ok(1));
    }
}
