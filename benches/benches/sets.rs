//! Filling a set of users: pages against Roaring and a hash set, numberings and a sketch beside
//! them. And uniting the sets of a store, in either format, against Roaring.
//!
//! Each bench checks its answer before it is timed. It shows one set filled or united by one thread,
//! with numbers in random order; it does not show scans, many groups or files.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may panic")]

use std::collections::HashSet;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engine::users::portable::encode;
use engine::users::{IdDictionary, Key, SetBuilder, ShardBitset, Sketch, UserSet, hash_int};
use headcount_benches::numbers;
use roaring::RoaringBitmap;

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
            let mut dictionary = IdDictionary::default();
            for number in &numbers {
                let key = Key::Int(i64::from(*number));
                dictionary.id(0, key, key.hash()).expect("few users");
            }
            u64::from(dictionary.len())
        };
        assert_eq!(numbered(), distinct);
        group.bench_function(BenchmarkId::new("numbering", &size), |b| {
            b.iter(|| black_box(numbered()));
        });

        let ints: Vec<i64> = numbers.iter().map(|number| i64::from(*number)).collect();
        let together = || {
            let (mut dictionary, mut found) = (IdDictionary::default(), Vec::new());
            for ints in ints.chunks(1_000) {
                dictionary.int_ids(ints, &mut found).expect("few users");
            }
            u64::from(dictionary.len())
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

/// Sets of a shard, and users of each.
const STORED: [(usize, usize); 3] = [(2_000, 40), (1_000, 400), (200, 4_000)];

fn unite(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unite");
    group.sample_size(10);
    for (count, users) in STORED {
        let sets: Vec<Vec<u8>> = (0..count as u64)
            .map(|seed| {
                let mut set = numbers(users, 1 << 20, seed + 1);
                set.sort_unstable();
                set.dedup();
                encode(&set).expect("ascending numbers")
            })
            .collect();
        let size = format!("{count} sets of {users} users");
        group.throughput(Throughput::Elements((count * users) as u64));

        let bitmap = || {
            let mut all = RoaringBitmap::new();
            for set in &sets {
                all |= RoaringBitmap::deserialize_from(set.as_slice()).expect("a bitmap");
            }
            all.len()
        };
        let expected = bitmap();
        group.bench_function(BenchmarkId::new("bitmap", &size), |b| b.iter(|| black_box(bitmap())));

        let marks = || {
            let mut marks = ShardBitset::default();
            sets.iter().for_each(|set| marks.add(set).expect("a set"));
            marks.len()
        };
        assert_eq!(marks(), expected);
        group.bench_function(BenchmarkId::new("marks", &size), |b| b.iter(|| black_box(marks())));
    }
}

criterion_group!(benches, fill, unite);
criterion_main!(benches);
