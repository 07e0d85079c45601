//! Counting different users by group in whole queries: ours exact, ours approximate, DataFusion's.
//!
//! Each bench checks its answer before it is timed. Rows lie in memory, in two partitions for two
//! threads, so that reading costs nothing; what a scan costs is measured by `peers/`.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may panic")]

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Field, Int64Type, Schema};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use headcount::session::{Options, session};
use headcount_benches::numbers;
use tokio::runtime::Runtime;

const ROWS: usize = 1_000_000;
const USERS: u32 = 200_000;

/// How user numbers become ids.
type Ids = fn(&[u32]) -> ArrayRef;
const IDS: [(&str, Ids); 3] = [
    ("dense", |users| Arc::new(users.iter().map(|u| i64::from(*u)).collect::<Int64Array>())),
    ("sparse", |users| Arc::new(users.iter().map(|u| scatter(*u)).collect::<Int64Array>())),
    ("text", |users| {
        let texts = users.iter().map(|u| Some(format!("{:016x}-{u}", scatter(*u))));
        Arc::new(texts.collect::<StringArray>())
    }),
];
const GROUPS: [u32; 2] = [12, 100_000];

fn scatter(user: u32) -> i64 {
    i64::from(user).wrapping_mul(0x5851_f42d_4c95_7f2d)
}

/// Few people do most: the square of a uniform share.
fn skewed(users: &[u32]) -> Vec<u32> {
    let square = |user: &u32| (u64::from(*user) * u64::from(*user) / u64::from(USERS)) as u32;
    users.iter().map(square).collect()
}

fn context(groups: &[u32], ids: &ArrayRef, planned: bool) -> SessionContext {
    let groups: ArrayRef = Arc::new(groups.iter().map(|g| i64::from(*g)).collect::<Int64Array>());
    let field = |name, array: &ArrayRef| Field::new(name, array.data_type().clone(), false);
    let schema = Arc::new(Schema::new(vec![field("g", &groups), field("user_id", ids)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![groups, Arc::clone(ids)]).unwrap();
    let parts = |from: usize| {
        let batch = batch.clone();
        (from..from + ROWS / 2)
            .step_by(8192)
            .map(move |at| batch.slice(at, 8192.min(from + ROWS / 2 - at)))
    };
    let partitions = vec![parts(0).collect(), parts(ROWS / 2).collect()];
    let context = session(&Options { threads: Some(2), ..Options::default() }).unwrap();
    context.register_table("t", Arc::new(MemTable::try_new(schema, partitions).unwrap())).unwrap();
    let state = context.state_ref();
    let value = planned.to_string();
    state.write().config_mut().options_mut().set("headcount.exact_distinct", &value).unwrap();
    context
}

fn count(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    for (kind, ids) in IDS {
        for groups in GROUPS {
            for skew in [false, true] {
                let name = format!("{kind}, {groups} groups{}", if skew { ", skewed" } else { "" });
                let mut users = numbers(ROWS, USERS, 1);
                if skew {
                    users = skewed(&users);
                }
                let of_group = numbers(ROWS, groups, 2);
                let pairs: HashSet<(u32, u32)> =
                    of_group.iter().copied().zip(users.iter().copied()).collect();
                let expected = pairs.len() as i64;
                let ids = ids(&users);
                let (ours, plain) =
                    (context(&of_group, &ids, true), context(&of_group, &ids, false));
                let sum = |context: &SessionContext, function: &str| {
                    let sql = format!("SELECT sum(n) FROM (SELECT {function} n FROM t GROUP BY g)");
                    runtime.block_on(async {
                        let batches = context.sql(&sql).await.unwrap().collect().await.unwrap();
                        batches[0].column(0).as_primitive::<Int64Type>().value(0)
                    })
                };
                let mut group = criterion.benchmark_group(name);
                group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
                let exact = "count(DISTINCT user_id)";
                for (id, context) in [("exact", &ours), ("datafusion", &plain)] {
                    assert_eq!(sum(context, exact), expected, "{id}");
                    group.bench_function(BenchmarkId::from_parameter(id), |b| {
                        b.iter(|| black_box(sum(context, exact)));
                    });
                }
                let approx = "approx_count_distinct(user_id)";
                let error = (sum(&ours, approx) - expected).abs() as f64 / expected as f64;
                assert!(error < 0.02, "{error}");
                group.bench_function(BenchmarkId::from_parameter("approximate"), |b| {
                    b.iter(|| black_box(sum(&ours, approx)));
                });
                group.finish();
            }
        }
    }
}

criterion_group!(benches, count);
criterion_main!(benches);
