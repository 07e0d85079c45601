//! Sets and sketches are exchanged with other programs: pyroaring, the Python package of Apache
//! DataSketches, deltalake, and DuckDB.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use datafusion::prelude::SessionContext;
use headcount::session::{Options, session};
use tokio::runtime::Runtime;

use crate::project::{GOOD, Project};
use crate::python;

/// Values 7, 10, 13 ..., so many of them; `exchange.py` has the same.
const SIZES: [i64; 6] = [0, 1, 5, 100, 1_000, 50_000];

/// A session with a runtime.
struct Asker {
    runtime: Runtime,
    session: SessionContext,
}

impl Asker {
    fn new() -> Self {
        let session = session(&Options { threads: Some(2), ..Options::default() }).unwrap();
        Self { runtime: Runtime::new().unwrap(), session }
    }

    /// The files of a folder: a table `(name, b)` for each kind, which is the first word of the
    /// file names.
    fn on(folder: &Path) -> Self {
        let asker = Self::new();
        let mut kinds: BTreeMap<String, (Vec<String>, Vec<Vec<u8>>)> = BTreeMap::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let files = kinds.entry(name.split('_').next().unwrap().to_owned()).or_default();
            files.0.push(name);
            files.1.push(std::fs::read(path).unwrap());
        }
        for (kind, (names, bytes)) in kinds {
            let columns: [(&str, ArrayRef); 2] = [
                ("name", Arc::new(StringArray::from(names))),
                ("b", Arc::new(BinaryArray::from_iter_values(bytes))),
            ];
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            asker.session.register_batch(&kind, batch).unwrap();
        }
        asker
    }

    fn ask(&self, sql: &str) -> RecordBatch {
        self.runtime.block_on(async {
            let frame = self.session.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            let schema = Arc::clone(frame.schema().inner());
            let batches = frame.collect().await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            arrow::compute::concat_batches(&schema, &batches).unwrap()
        })
    }

    /// Rows of a name and integers.
    fn numbers(&self, sql: &str) -> BTreeMap<String, Vec<i64>> {
        let batch = self.ask(sql);
        let names = arrow::compute::cast(batch.column(0), &DataType::Utf8).unwrap();
        let number = |column: &ArrayRef, row| {
            let column = arrow::compute::cast(column, &DataType::Int64).unwrap();
            column.as_primitive::<Int64Type>().value(row)
        };
        (0..batch.num_rows())
            .map(|row| {
                let columns = batch.columns()[1..].iter();
                let name = names.as_string::<i32>().value(row).to_owned();
                (name, columns.map(|column| number(column, row)).collect())
            })
            .collect()
    }

    /// One set or sketch.
    fn bytes(&self, sql: &str) -> Vec<u8> {
        let batch = self.ask(sql);
        assert_eq!(batch.num_rows(), 1, "{sql}");
        let bytes = arrow::compute::cast(batch.column(0), &DataType::LargeBinary).unwrap();
        bytes.as_binary::<i64>().value(0).to_vec()
    }
}

/// Parses the numbers that Python printed for each file.
fn parse_counts(text: &str) -> BTreeMap<String, Vec<f64>> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next().unwrap().to_owned();
        (name, words.map(|word| word.parse().unwrap()).collect())
    };
    text.lines().map(line).collect()
}

/// Compares sets and sketches of a folder with the numbers from Python.
fn compare(asker: &Asker, expected: &BTreeMap<String, Vec<f64>>) {
    let of =
        |kind: &str, values: &str| asker.numbers(&format!("SELECT name, {values} FROM {kind}"));
    let mut seen = 0;
    for kind in ["roaring", "roaring64"] {
        let counts = of(kind, "bitmap_count(b)");
        for (name, ours) in counts {
            assert_eq!(ours[0] as f64, expected[&name][0], "{name}");
            seen += 1;
        }
        let sums = asker.numbers(&format!(
            "SELECT name, sum(x) FROM (SELECT name, unnest(bitmap_to_array(b)) AS x FROM {kind}) \
             GROUP BY name"
        ));
        for (name, ours) in sums {
            let theirs = expected[&name][1];
            assert!((ours[0] as f64 - theirs).abs() <= theirs * 1e-12, "{name}");
        }
    }
    for kind in ["hll", "theta"] {
        let bounds = format!("{kind}_sketch_bounds(b)");
        let parts = ["low", "estimate", "high"].map(|part| format!("{bounds}['{part}']"));
        for (name, ours) in of(kind, &parts.join(", ")) {
            let theirs = &expected[&name];
            let near = [theirs[0].floor(), theirs[1].round(), theirs[2].ceil()];
            for (ours, (exact, theirs)) in ours.iter().zip(near.into_iter().zip(theirs)) {
                // The two libraries may differ in the last bit of a whole number.
                let same = *ours as f64 == exact
                    || (*ours as f64 - theirs).abs() < 1.0 + 1e-6
                        && (theirs - theirs.round()).abs() < 1e-6;
                assert!(same, "{name}: {ours} is not {exact} ({theirs})");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, expected.len());
}

#[test]
fn what_other_programs_write_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = python::run("exchange.py", &["write", &folder.path().display().to_string()]);
    let expected = parse_counts(&text);
    assert!(expected.len() > 150, "{}", expected.len());
    let asker = Asker::on(folder.path());
    compare(&asker, &expected);
    // Put together with ours of the same values, theirs stay as they are: the hashes are the same.
    for size in SIZES {
        let values = format!("(SELECT value * 3 + 7 AS n FROM range({size}))");
        let theirs =
            |kind: &str, name: &str| format!("(SELECT b FROM {kind} WHERE name = '{name}')");
        for (ours, name) in [
            ("n".to_owned(), format!("hll_HLL_8_12_{size}")),
            ("n".to_owned(), format!("hll_HLL_4_12_{size}")),
            ("'user-' || n".to_owned(), format!("hll_texts_{size}")),
        ] {
            let merged =
                |what: &str| asker.bytes(&format!("SELECT hll_sketch_union_agg(s) FROM ({what})"));
            let ours = format!("SELECT hll_sketch_agg({ours}) AS s FROM {values}");
            let theirs = format!("SELECT {} AS s", theirs("hll", &name));
            let both = merged(&format!("{ours} UNION ALL {theirs}"));
            assert_eq!(both, merged(&ours), "{name}");
            assert_eq!(both[8..], merged(&theirs)[8..], "{name}");
        }
        for (ours, name) in [
            ("n".to_owned(), format!("theta_12_{size}")),
            ("n".to_owned(), format!("theta_12_{size}_unordered")),
            ("'user-' || n".to_owned(), format!("theta_texts_{size}")),
        ] {
            let ours = asker.bytes(&format!("SELECT theta_sketch_agg({ours}) FROM {values}"));
            let merged = asker.bytes(&format!(
                "SELECT theta_sketch_union_agg(s) FROM (SELECT {} AS s)",
                theirs("theta", &name)
            ));
            assert_eq!(ours, merged, "{name}");
        }
        let ours = asker.bytes(&format!("SELECT bitmap_agg(n) FROM {values}"));
        for name in [format!("roaring_{size}"), format!("roaring_runs_{size}")] {
            let union = format!("SELECT bitmap_union(b) FROM roaring WHERE name = '{name}'");
            assert_eq!(asker.bytes(&union), ours, "{name}");
        }
    }
}

#[test]
fn what_we_write_other_programs_read() {
    let (asker, folder) = (Asker::new(), tempfile::tempdir().unwrap());
    for size in SIZES {
        let values = format!("(SELECT value * 3 + 7 AS n FROM range({size}))");
        let put = |name: String, what: &str| {
            let bytes = asker.bytes(&format!("SELECT {what} FROM {values}"));
            std::fs::write(folder.path().join(name), bytes).unwrap();
        };
        put(format!("roaring_{size}"), "bitmap_agg(n)");
        put(format!("roaring_runs_{size}"), "bitmap_agg(n / 3)");
        if size > 0 {
            put(format!("roaring64_{size}"), "bitmap_agg(n * 700000007)");
        }
        for lg_k in [4, 8, 12, 21] {
            put(format!("hll_{lg_k}_{size}"), &format!("hll_sketch_agg(n, {lg_k})"));
        }
        put(format!("hll_texts_{size}"), "hll_sketch_agg('user-' || n)");
        for lg_k in [5, 12, 20] {
            put(format!("theta_{lg_k}_{size}"), &format!("theta_sketch_agg(n, {lg_k})"));
        }
        put(
            format!("theta_both_{size}"),
            "theta_intersection(theta_sketch_agg(n), theta_sketch_agg(n + 300))",
        );
        put(
            format!("theta_only_{size}"),
            "theta_difference(theta_sketch_agg(n), theta_sketch_agg(n + 300))",
        );
        put(
            format!("theta_all_{size}"),
            "theta_union(theta_sketch_agg(n), theta_sketch_agg('user-' || n))",
        );
    }
    let text = python::run("exchange.py", &["read", &folder.path().display().to_string()]);
    compare(&Asker::on(folder.path()), &parse_counts(&text));
}

/// deltalake and pyroaring read the tables of a store.
#[test]
fn the_store_is_read_by_others() {
    let project = Project::good();
    assert_eq!(project.run(&["ingest"]).code, 0);
    let sql = "SELECT count(*) AS a, sum(user_count) AS b, sum(event_count) AS c, \
               bitmap_union_count(users) AS d FROM activity";
    let ran = project.run(&["sql", "-c", sql, "--format", "csv"]);
    let ours = ran.out.lines().nth(1).unwrap_or_else(|| panic!("{}", ran.err)).to_owned();
    let theirs = |folder| python::run("store.py", &[&project.path(folder).display().to_string()]);
    assert_eq!(theirs("store").trim(), ours);
    assert_eq!(project.run(&["store", "export", "-o", "copy"]).code, 0);
    assert_eq!(theirs("copy").trim(), ours);
}

/// The tables of a store as deltalake lists their files and DuckDB reads them.
#[test]
fn deltalake_and_duckdb_read_the_store() {
    const COUNTS: &str = "\
activity page_viewed free 1 1
activity page_viewed paid 2 2
activity post_written free 2 2
activity post_written paid 1 1
activity searched free 1 1
months 2026-01-01 2
months 2026-02-01 3
months 2026-03-01 1
";
    let project = Project::good();
    project.write("events.csv", format!("{}2026-03-02,,searched,free\n", GOOD[4].1));
    let expected =
        format!("{COUNTS}files events.csv 7 1 user_missing, 2026-03-02: 1 row=7&line=9\n");
    assert_eq!(project.run(&["ingest"]).code, 3);
    let store = project.path("store").display().to_string();
    assert_eq!(python::run("delta.py", &[&store]), expected);
    assert_eq!(project.run(&["store", "compact"]).code, 0);
    assert_eq!(python::run("delta.py", &[&store]), expected);
    // Files whose content has changed are found by their checksums, which others ignore.
    assert_eq!(project.run(&["store", "verify"]).code, 0);
}
