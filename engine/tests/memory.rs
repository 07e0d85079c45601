//! The memory that sets, sketches and operators report is within 10 % of what the allocator gave.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail loudly")]

use std::alloc::System;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::{SessionConfig, SessionContext};
use engine::distinct::{CountDistinctRule, physical_rules};
use engine::functions::{Planning, aggregates};
use engine::users::{IdDictionary, Key, SetBuilder, Sketch, UserSet, hash_int};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that are allocated and not freed.
fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated)
}

fn assert_close(what: &str, reported: usize, allocated: usize) {
    let error = reported.abs_diff(allocated) as f64 / allocated.max(1) as f64;
    assert!(error <= 0.1, "{what}: {reported} of {allocated} bytes, off by {:.1} %", error * 100.0);
}

/// Spreads numbers over 63 bits, no two the same.
fn scatter(at: i64) -> i64 {
    at.wrapping_mul(0x5851_f42d_4c95_7f2d) & i64::MAX
}

fn sets(groups: usize, pushes: u32, number: impl Fn(u32) -> u32) {
    let before = allocated();
    let mut heap = 0;
    let mut sets: Vec<SetBuilder> = Vec::new();
    sets.resize_with(groups, SetBuilder::default);
    for at in 0..pushes {
        sets[at as usize % groups].push(number(at), &mut heap);
    }
    let size = |sets: &Vec<SetBuilder>| sets.capacity() * size_of::<SetBuilder>();
    assert_close("filling", size(&sets) + heap, allocated() - before);
    let said = sets.iter().map(SetBuilder::size).sum::<usize>();
    assert_eq!(said, heap);
    let sets: Vec<_> = sets.into_iter().map(SetBuilder::finish).collect();
    let said = sets.capacity() * size_of::<UserSet>();
    let said = said + sets.iter().map(UserSet::size).sum::<usize>();
    assert_close("filled", said, allocated() - before);
}

fn dictionary(key: impl Fn(&mut String, i64) -> Key<'_>) {
    let before = allocated();
    let (mut dictionary, mut text) = (IdDictionary::default(), String::with_capacity(64));
    for at in 0..300_000 {
        let key = key(&mut text, at);
        dictionary.id(0, key, key.hash()).unwrap();
    }
    assert_close("numbering", dictionary.size(), allocated() - before);
}

/// One partition of generated rows, which are not stored.
#[derive(Debug)]
struct Rows {
    schema: Arc<Schema>,
    batches: i64,
}

impl PartitionStream for Rows {
    fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let batches = (0..self.batches).map(move |batch| {
            let rows = batch * 8192..(batch + 1) * 8192;
            let users: ArrayRef =
                Arc::new(rows.clone().map(|at| at * 7 % 600_000).collect::<Int64Array>());
            let ids: ArrayRef =
                Arc::new(rows.clone().map(|at| scatter(at * 7 % 600_000)).collect::<Int64Array>());
            let groups: ArrayRef =
                Arc::new(rows.map(|at| Some(format!("g{}", at % 40))).collect::<StringArray>());
            Ok(RecordBatch::try_new(Arc::clone(&schema), vec![users, ids, groups])?)
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            futures::stream::iter(batches),
        ))
    }
}

/// A pool without a limit that records its peak and the allocated bytes at that moment.
#[derive(Debug, Default)]
struct Watch {
    base: AtomicUsize,
    granted: AtomicUsize,
    most: AtomicUsize,
    allocated: AtomicUsize,
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("watch")
    }
}

impl MemoryPool for Watch {
    fn name(&self) -> &str {
        "watch"
    }

    fn grow(&self, _: &MemoryReservation, additional: usize) {
        let granted = self.granted.fetch_add(additional, Ordering::Relaxed) + additional;
        if granted > self.most.fetch_max(granted, Ordering::Relaxed) {
            let held = allocated() - self.base.load(Ordering::Relaxed);
            self.allocated.store(held, Ordering::Relaxed);
        }
    }

    fn shrink(&self, _: &MemoryReservation, shrink: usize) {
        self.granted.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.grow(reservation, additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.granted.load(Ordering::Relaxed)
    }
}

fn query(sql: &str) {
    let watch = Arc::new(Watch::default());
    let pool: Arc<dyn MemoryPool> = Arc::clone(&watch) as _;
    let config =
        SessionConfig::new().with_target_partitions(1).with_option_extension(Planning::default());
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().unwrap();
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_physical_optimizer_rules(physical_rules())
        .build();
    let context = SessionContext::new_with_state(state);
    context.add_analyzer_rule(Arc::new(CountDistinctRule::default()));
    aggregates().into_iter().for_each(|aggregate| context.register_udaf(aggregate));
    let field = |name, data_type| Field::new(name, data_type, true);
    let schema = Arc::new(Schema::new(vec![
        field("dense", DataType::Int64),
        field("sparse", DataType::Int64),
        field("stage", DataType::Utf8),
    ]));
    let rows = Rows { schema: Arc::clone(&schema), batches: 200 };
    let table = StreamingTable::try_new(schema, vec![Arc::new(rows)]).unwrap();
    context.register_table("t", Arc::new(table)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let frame = context.sql(sql).await.unwrap();
        watch.base.store(allocated(), Ordering::Relaxed);
        frame.collect().await.unwrap();
    });
    let (granted, held) = (&watch.most, &watch.allocated);
    assert_close(sql, granted.load(Ordering::Relaxed), held.load(Ordering::Relaxed));
}

/// One test, because the allocator counts for the whole process.
#[test]
fn sizes_are_what_is_allocated() {
    sets(1, 3_000_000, |at| at);
    sets(40, 3_000_000, |at| scatter(i64::from(at)) as u32 >> 8);
    sets(100_000, 300_000, |at| at.wrapping_mul(2_654_435_761) >> 4);
    sets(100_000, 8_000_000, |at| at.wrapping_mul(2_654_435_761) >> 12);
    dictionary(|_, at| Key::Int(scatter(at)));
    dictionary(|_, at| Key::Wide(scatter(at) as u128));
    dictionary(|text, at| {
        use std::fmt::Write;
        text.clear();
        write!(text, "someone called {at}").unwrap();
        Key::Text(text.as_bytes())
    });
    for users in [10, 1_000, 100_000] {
        let before = allocated();
        let mut sketches: Vec<Sketch> = Vec::with_capacity(100);
        sketches.resize(100, Sketch::new(14).unwrap());
        for sketch in &mut sketches {
            (0..users).for_each(|user| sketch.insert(hash_int(user)));
        }
        let said: usize = sketches.iter().map(|sketch| sketch.size() + size_of_val(sketch)).sum();
        assert_close("sketch", said, allocated() - before);
    }
    for sql in [
        "SELECT stage, count(DISTINCT dense) FROM t GROUP BY stage",
        "SELECT stage, count(DISTINCT sparse) FROM t GROUP BY stage",
        "SELECT count(DISTINCT 'user ' || sparse) FROM t",
        "SELECT dense, count(DISTINCT sparse) FROM t GROUP BY dense",
        "SELECT dense % 400, approx_count_distinct(sparse) FROM t GROUP BY dense % 400",
    ] {
        query(sql);
    }
}
