//! Filling a set of users: pages against Roaring and a hash set, numberings and a sketch beside
//! them.
//!
//! Each bench checks its answer before it is timed. It shows one set filled by one thread, with
//! numbers in random order; it does not show scans, many groups or merging.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may panic")]

use std::collections::HashSet;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engine::users::{Key, Numbering, SetBuilder, Sketch, UserSet, hash_int};
use headcount_benches::numbers;

/// (values, users): thin and full, few and many.
const SIZES: [(usize, u32); 4] =
    [(1_000, 1_000_000), (100_000, 50_000), (1_000_000, 5_000_000), (4_000_000, 1_000_000)];

fn fill(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fill");
    group.sample_size(10);
    for (count, users) in SIZES {
        let numbers = numbers(count, users, 1);
        let distinct = numbers.iter().collect::<HashSet<_>>().len() as u64;
        let size = format!("{count} values of {users} users");
        group.throughput(Throughput::Elements(count as u64));

        let pages = || numbers.iter().copied().collect::<UserSet>().len();
        assert_eq!(pages(), distinct);
        group.bench_function(BenchmarkId::new("pages", &size), |b| b.iter(|| black_box(pages())));

        let builder = || {
            let mut builder = SetBuilder::default();
            numbers.iter().for_each(|number| builder.push(*number, &mut 0));
            builder.finish().len()
        };
        assert_eq!(builder(), distinct);
        group.bench_function(BenchmarkId::new("builder", &size), |b| {
            b.iter(|| black_box(builder()));
        });

        let hash_set = || numbers.iter().collect::<HashSet<_>>().len() as u64;
        assert_eq!(hash_set(), distinct);
        group.bench_function(BenchmarkId::new("hash set", &size), |b| {
            b.iter(|| black_box(hash_set()));
        });

        let numbered = || {
            let mut numbering = Numbering::default();
            for number in &numbers {
                let key = Key::Int(i64::from(*number));
                numbering.number(0, key, key.hash()).expect("few users");
            }
            u64::from(numbering.len())
        };
        assert_eq!(numbered(), distinct);
        group.bench_function(BenchmarkId::new("numbering", &size), |b| {
            b.iter(|| black_box(numbered()));
        });

        let ints: Vec<i64> = numbers.iter().map(|number| i64::from(*number)).collect();
        let together = || {
            let (mut numbering, mut found) = (Numbering::default(), Vec::new());
            for ints in ints.chunks(1_000) {
                numbering.ints(ints, &mut found).expect("few users");
            }
            u64::from(numbering.len())
        };
        assert_eq!(together(), distinct);
        group.bench_function(BenchmarkId::new("numbering together", &size), |b| {
            b.iter(|| black_box(together()));
        });

        let sketch = || {
            let mut sketch = Sketch::new(14).expect("a precision in range");
            for number in &numbers {
                sketch.insert(hash_int(i64::from(*number)));
            }
            sketch.estimate().expect("estimates")
        };
        assert!((sketch().low..=sketch().high).contains(&distinct));
        group.bench_function(BenchmarkId::new("sketch", &size), |b| b.iter(|| black_box(sketch())));
    }
}

criterion_group!(benches, fill);
criterion_main!(benches);
