//! Rows of files that are what they were. A Parquet file is read in pieces: if another one takes its
//! place meanwhile, what comes is no answer, and whoever waits for the last row hears so.

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

/// Files that are looked at together.
const AT_ONCE: usize = 32;

/// The Parquet files of a plan, as they were found.
type Files = HashMap<(ObjectStoreUrl, Path), ObjectMeta>;

/// The rows of a plan; behind them an error if a Parquet file was changed since the plan was made.
///
/// # Errors
/// When the plan cannot be run.
pub(crate) fn rows(
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
                let found = file.object_meta.clone();
                files.insert((config.object_store_url.clone(), found.location.clone()), found);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(files)
}

/// Makes sure that all files are still what was found, or gone.
async fn check(runtime: Arc<RuntimeEnv>, files: Files) -> Result<()> {
    let checked = files.into_iter().map(|((place, path), found)| {
        let runtime = Arc::clone(&runtime);
        async move {
            match runtime.object_store(&place)?.head(&path).await {
                Ok(now) if is_same(&found, &now) => Ok(()),
                Ok(_) => Err(changed(&place, &path)),
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(cause) => Err(DataFusionError::ObjectStore(Box::new(cause))),
            }
        }
    });
    stream::iter(checked).buffer_unordered(AT_ONCE).try_collect().await
}

fn is_same(found: &ObjectMeta, now: &ObjectMeta) -> bool {
    found.size == now.size
        && match (&found.e_tag, &now.e_tag) {
            (Some(found), Some(now)) => found.trim_matches('"') == now.trim_matches('"'),
            _ => found.last_modified == now.last_modified,
        }
}

fn changed(place: &ObjectStoreUrl, path: &Path) -> DataFusionError {
    let place = place.as_str();
    let place = place.strip_prefix(SCHEME).unwrap_or(place).trim_start_matches("file://");
    external(
        Error::input("the file changed while it was being read")
            .with("file", format!("{place}{path}"))
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

    use super::rows;
    use crate::catalog::{Contents, register};
    use crate::failure::of_statement;
    use crate::session::{Options, session};

    fn write(path: &Path, values: std::ops::Range<i64>) {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        // In its place, as whoever replaces a file does it.
        let part = path.with_extension("part");
        let file = std::fs::File::create(&part).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        std::fs::rename(part, path).unwrap();
    }

    /// The rows of a query, during which something happens to a file of 100,000 rows.
    async fn ask(sql: &str, during: impl Fn(&Path)) -> Result<usize, String> {
        let told = |cause| of_statement(cause, None).to_string();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write(&path, 0..100_000);
        let session = session(&Options::default()).unwrap();
        let contents = Contents { paths: Some(folder.path().to_owned()), ..Contents::default() };
        register(&session, &contents).unwrap();
        let frame = session.sql(sql).await.map_err(told)?;
        let plan = frame.create_physical_plan().await.map_err(told)?;
        let mut rows = rows(plan, session.task_ctx()).map_err(told)?;
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            count += batch.map_err(told)?.num_rows();
            during(&path);
        }
        Ok(count)
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_gives_no_answer() {
        let all = "SELECT n FROM 'a.parquet'";
        let count = "SELECT count(DISTINCT n) FROM 'a.parquet'";
        let joined = "SELECT a.n FROM 'a.parquet' a JOIN 'a.parquet' b ON a.n = b.n + 1";
        for (sql, expected) in [(all, 100_000), (count, 1), (joined, 99_999)] {
            assert_eq!(ask(sql, |_| ()).await, Ok(expected), "{sql}");
            let told = ask(sql, |path| write(path, 1..100_001)).await.unwrap_err();
            assert!(told.contains("changed while it was being read (file: /"), "{sql}: {told}");
            assert!(told.contains("/a.parquet"), "{sql}: {told}");
        }
        // What is gone was read before.
        let gone = |path: &Path| _ = std::fs::remove_file(path);
        assert_eq!(ask(count, gone).await, Ok(1));
        // No file is read.
        assert_eq!(ask("SELECT 1", |path| write(path, 1..2)).await, Ok(1));
    }
}
