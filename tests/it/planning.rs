//! Random queries with COUNT(DISTINCT) over random rows: our operator gives the rows of DataFusion's
//! own aggregation.
//!
//! Fixed queries are in `tests/slt/planning.slt`.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::array::{FixedSizeBinaryArray, StringViewArray, TimestampMicrosecondArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::MemTable;
use datafusion::physical_plan::collect;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use headcount::session::{Options, session};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use proptest::sample::{select, subsequence};
use proptest::test_runner::Config;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::answer::{sorted, sum_of_metric};

/// Columns to group by: types that our operator encodes, periods, and types it does not encode.
const GROUPS: [&str; 14] = [
    "date_trunc('month', ts)",
    "date_trunc('week', ts)",
    "date_trunc('hour', ts)",
    "ts::DATE",
    "to_char(date_trunc('quarter', ts), '%Y-%m')",
    "date_trunc('year', maybe)",
    "stage",
    "coded",
    "viewed",
    "namespace",
    "namespace % 3 = 0",
    "share",
    "upper(coded)",
    "uuid",
];
/// Distinct counts and other aggregates.
const AGGREGATES: [&str; 21] = [
    "count(DISTINCT dense)",
    "count(DISTINCT dense) FILTER (WHERE stage = 's1')",
    "count(DISTINCT dense) FILTER (WHERE coded <> 'longer than a view holds 2')",
    "count(DISTINCT dense) FILTER (WHERE stage IS NULL OR length(stage) > 1)",
    "count(DISTINCT name) FILTER (WHERE stage = 's1')",
    "count(*) FILTER (WHERE coalesce(coded, 's1') = 's1')",
    "count(DISTINCT sparse)",
    "count(DISTINCT sparse) FILTER (WHERE namespace > 5)",
    "count(DISTINCT unsigned)",
    "count(DISTINCT name)",
    "count(DISTINCT uuid)",
    "count(DISTINCT coded)",
    "count(DISTINCT ts)",
    "approx_count_distinct(dense)",
    "approx_count_distinct(name, 5) FILTER (WHERE stage = 's1')",
    "approx_count_distinct(unsigned, 4)",
    "count(*)",
    "count(stage) FILTER (WHERE dense % 2 = 0)",
    "sum(namespace)",
    "max(name)",
    "avg(dense)",
];

/// Ways to group by columns. In the last one every expression occurs twice, and is planned as a
/// separate column.
const GROUPINGS: [&str; 5] =
    ["{}", "ROLLUP ({})", "CUBE ({})", "GROUPING SETS (({}), ())", "GROUPING SETS (({}), ({}))"];

/// A row: instant, stage, namespace, person; 0 stands for NULL in the last three.
type Row = (i64, u32, u32, u32);

fn batch(rows: &[Row]) -> RecordBatch {
    let of =
        |name: &str, array: ArrayRef| (Field::new(name, array.data_type().clone(), true), array);

    let stage = |at: u32| (at > 0).then(|| format!("s{at}"));
    let long = |at: u32| (at > 0).then(|| format!("longer than a view holds {at}"));
    let some = |at: u32| (at > 0).then_some(i64::from(at));
    let scatter = |at: i64| at.wrapping_mul(0x5851_f42d_4c95_7f2d);
    let coded: ArrayRef = Arc::new(rows.iter().map(|r| long(r.1)).collect::<StringArray>());
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let uuids = rows.iter().map(|r| some(r.3).map(|at| (scatter(at) as u128).to_be_bytes()));
    let columns = vec![
        of(
            "ts",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.0 * 1_000_000))
                    .with_timezone("UTC"),
            ),
        ),
        of(
            "maybe",
            Arc::new(
                rows.iter()
                    .map(|r| some(r.2).map(|_| r.0 * 1_000_000))
                    .collect::<TimestampMicrosecondArray>(),
            ),
        ),
        of("stage", Arc::new(rows.iter().map(|r| stage(r.1)).collect::<StringArray>())),
        of("coded", cast(&coded, &dictionary).unwrap()),
        of("viewed", Arc::new(rows.iter().map(|r| long(r.2)).collect::<StringViewArray>())),
        of(
            "namespace",
            Arc::new(
                rows.iter().map(|r| some(r.2).map(|at| at as i32 - 3)).collect::<Int32Array>(),
            ),
        ),
        of(
            "share",
            Arc::new(
                rows.iter()
                    .map(|r| some(r.2).map(|at| if at == 1 { -0.0 } else { (at - 2) as f64 / 4.0 }))
                    .collect::<Float64Array>(),
            ),
        ),
        of("dense", Arc::new(rows.iter().map(|r| some(r.3)).collect::<Int64Array>())),
        of("sparse", Arc::new(rows.iter().map(|r| some(r.3).map(scatter)).collect::<Int64Array>())),
        of(
            "unsigned",
            Arc::new(
                rows.iter()
                    .map(|r| some(r.3).map(|at| scatter(at) as u64))
                    .collect::<UInt64Array>(),
            ),
        ),
        of(
            "name",
            Arc::new(
                rows.iter()
                    .map(|r| {
                        some(r.3).map(|at| match at % 3 {
                            0 => at.to_string(),
                            1 => format!("0{at}"),
                            _ => format!("00000000-0000-0000-0000-{at:012}"),
                        })
                    })
                    .collect::<StringArray>(),
            ),
        ),
        of(
            "uuid",
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids, 16).unwrap()),
        ),
    ];
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn table(rows: &[Row], parts: usize) -> MemTable {
    let schema = batch(&[]).schema();
    let size = rows.len().div_ceil(parts).max(1);
    let mut partitions: Vec<Vec<RecordBatch>> =
        rows.chunks(size).map(|part| part.chunks(100).map(batch).collect()).collect();
    partitions.resize(parts, Vec::new());
    MemTable::try_new(schema, partitions).unwrap()
}

/// The same rows as Parquet files of small row groups, which our operator reads itself.
async fn files(rows: &[Row], parts: usize) -> (TempDir, SessionContext) {
    let folder = tempfile::tempdir().unwrap();
    let chunks = rows.chunks(rows.len().div_ceil(parts).max(1));
    let chunks = if rows.is_empty() { vec![rows] } else { chunks.collect() };
    for (at, chunk) in chunks.into_iter().enumerate() {
        let batch = batch(chunk);
        let options = WriterProperties::builder().set_max_row_group_row_count(Some(60)).build();
        let file = File::create(folder.path().join(format!("{at}.parquet"))).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(options)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
    let context = session(&Options { threads: Some(parts), ..Options::default() }).unwrap();
    let path = folder.path().to_string_lossy().into_owned();
    context.register_parquet("t", path, ParquetReadOptions::default()).await.unwrap();
    (folder, context)
}

fn context(rows: &[Row], parts: usize, planned: bool) -> SessionContext {
    let options = Options { threads: Some(parts), ..Options::default() };
    let context = session(&options).unwrap();
    context.register_table("t", Arc::new(table(rows, parts))).unwrap();
    let state = context.state_ref();
    state
        .write()
        .config_mut()
        .options_mut()
        .set("headcount.exact_distinct", &planned.to_string())
        .unwrap();
    context
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    // Around the start of a year, and a few around the epoch, outside the cached calendar.
    let instant = proptest::prop_oneof![
        9 => 1_766_000_000i64..1_769_000_000,
        1 => -40_000_000i64..40_000_000,
    ];
    let near = proptest::collection::vec(
        (1_767_220_000i64..1_767_230_000, 0u32..4, 0u32..9, 0u32..60),
        0..600,
    );
    let far = proptest::collection::vec((instant, 0u32..4, 0u32..9, 0u32..5_000), 0..600);
    proptest::prop_oneof![near, far]
}

proptest! {
    #![proptest_config(Config::with_cases(96))]
    #[test]
    fn planning_changes_no_result(
        rows in rows(),
        parts in 1usize..4,
        groups in subsequence(GROUPS.to_vec(), 0..=3),
        aggregates in subsequence(AGGREGATES.to_vec(), 1..=6),
        grouping in select(GROUPINGS.to_vec()),
        named in any::<bool>(),
        filtered in any::<bool>(),
        having in any::<bool>(),
    ) {
        let names: Vec<String> = (0..groups.len()).map(|at| format!("g{at}")).collect();
        let from = if named {
            let columns = groups.iter().zip(&names).map(|(expr, name)| format!(", {expr} AS {name}"));
            format!("(SELECT *{} FROM t)", columns.collect::<String>())
        } else {
            "t".to_owned()
        };
        let keys = if named { names.join(", ") } else { groups.join(", ") };
        let columns = [vec![keys.as_str()], aggregates.clone()].concat();
        let columns: Vec<&str> = columns.into_iter().filter(|column| !column.is_empty()).collect();
        let mut sql = format!("SELECT {} FROM {from}", columns.join(", "));
        if filtered {
            sql += " WHERE namespace <> 2";
        }
        if !groups.is_empty() {
            sql += &format!(" GROUP BY {}", grouping.replace("{}", &keys));
        }
        if having {
            sql += " HAVING count(DISTINCT dense) <> 1";
        }
        let (ours, plain) = (context(&rows, parts, true), context(&rows, parts, false));
        let (ours, read, plain) = Runtime::new().unwrap().block_on(async {
            let (_folder, files) = files(&rows, parts).await;
            (sorted(&ours, &sql).await, sorted(&files, &sql).await, sorted(&plain, &sql).await)
        });
        prop_assert_eq!(&ours, &plain, "{}", sql);
        prop_assert_eq!(read, plain, "from files: {}", sql);
    }
}

#[tokio::test]
async fn queries_with_more_filters_than_are_combined() {
    let rows: Vec<Row> = (0..900).map(|at| (1_767_220_000, at % 4, at % 9, at % 211)).collect();
    let counts: Vec<String> = (0..150)
        .map(|at| match at % 3 {
            0 => format!("count(DISTINCT dense) FILTER (WHERE stage <> 's{}') AS c{at}", at % 4),
            1 => format!("count(DISTINCT name) FILTER (WHERE dense > {at}) AS c{at}"),
            _ => format!("sum(namespace) FILTER (WHERE dense < {at}) AS c{at}"),
        })
        .collect();
    let sql = format!("SELECT stage, {} FROM t GROUP BY stage", counts.join(", "));
    let plain = sorted(&context(&rows, 2, false), &sql).await;
    assert_eq!(sorted(&context(&rows, 2, true), &sql).await, plain);
    let (_folder, files) = files(&rows, 2).await;
    assert_eq!(sorted(&files, &sql).await, plain);
}

#[tokio::test]
async fn timestamps_known_from_statistics_are_not_read() {
    let rows: Vec<Row> =
        (0..600).map(|at| (1_767_300_000 + i64::from(at), at % 3, 1, at)).collect();
    let (_folder, context) = files(&rows, 2).await;
    for (sql, without) in [
        ("SELECT date_trunc('month', ts), stage, count(DISTINCT dense) FROM t GROUP BY 1, 2", 10),
        (
            "SELECT date_trunc('month', ts), stage, approx_count_distinct(dense) FROM t \
             GROUP BY GROUPING SETS ((date_trunc('month', ts)), (date_trunc('month', ts), stage))",
            10,
        ),
        (
            "SELECT month, stage, count(DISTINCT dense) FROM \
             (SELECT date_trunc('month', ts) AS month, * FROM t) GROUP BY ROLLUP (month, stage)",
            10,
        ),
        ("SELECT date_trunc('month', ts), ts, count(DISTINCT dense) FROM t GROUP BY 1, 2", 0),
        ("SELECT date_trunc('month', ts), max(ts), count(DISTINCT dense) FROM t GROUP BY 1", 0),
    ] {
        let frame = context.sql(sql).await.unwrap();
        let task = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await.unwrap();
        collect(Arc::clone(&plan), task).await.unwrap();
        assert_eq!(sum_of_metric(&plan, "row_groups"), 10, "{sql}");
        assert_eq!(sum_of_metric(&plan, "row_groups_without_time"), without, "{sql}");
    }
}
