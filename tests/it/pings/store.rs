//! Pings in the store: read by other programs, without personal data, and answers without the files.
//! `random` recounts random fleets that get into a store in random order, with killed processes.

use super::{Fleet, ping};
use crate::python;

const AT: &str = "2026-01-15T00:00:00Z";

fn ingest(fleet: &Fleet, code: i32) -> String {
    let ran = fleet.0.run(&["ingest"]);
    assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
    ran.err
}

#[test]
fn deltalake_and_duckdb_read_the_pings() {
    let fleet = Fleet::new("");
    let fields = r#""monthly": {"users": 10, "other": -1}, "licensee": {"Name": "Jane Roe", "Email": "jane@example.com"}, "mail": "joe@example.com""#;
    fleet.write("a.json", ping("a", AT, fields));
    fleet.write("more.ndjson", format!("{}\n[]\n", ping("b", AT, r#""monthly": {"users": 5}"#)));
    ingest(&fleet, 3);
    // A number has no kind.
    let expected = "\
a 2026-01-15 monthly.other timeout None
a 2026-01-15 monthly.users None 10
b 2026-01-15 monthly.users None 5
not_an_object 1
";
    let store = fleet.0.path("store").display().to_string();
    assert_eq!(python::run("ping_store.py", &[&store]), expected);
    assert_eq!(fleet.0.run(&["store", "compact"]).code, 0);
    assert_eq!(python::run("ping_store.py", &[&store]), expected);
    // Nothing of the personal fields is anywhere in the store, compressed or not.
    let ran = fleet.0.run(&["store", "export", "-o", "copy"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for table in ["ping_values", "ping_uploads"] {
        let sql = format!("SELECT * FROM 'copy/{table}/*.parquet'");
        let ran = fleet.0.run(&["sql", "--format", "csv", "-c", &sql]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        for personal in ["Jane", "jane", "joe", "licensee"] {
            assert!(!ran.out.contains(personal), "{table}: {personal}: {}", ran.out);
        }
    }
}

#[test]
fn the_store_answers_without_the_files() {
    let fleet = Fleet::new("");
    fleet.write("a.json", ping("a", AT, r#""monthly": {"users": 10}"#));
    ingest(&fleet, 0);
    // The same content again does nothing; a file may be renamed or go away.
    fleet.write("copy.json", ping("a", AT, r#""monthly": {"users": 10}"#));
    ingest(&fleet, 0);
    std::fs::remove_file(fleet.0.path("pings/a.json")).unwrap();
    std::fs::remove_file(fleet.0.path("pings/copy.json")).unwrap();
    // Also in the same order, which is not that of the documents.
    let z = ping("z", AT, r#""monthly": {"users": 1}, "b": 2, "a": {"y": 3, "x": 4}"#);
    fleet.write("z.json", z);
    let order = "SELECT key_path FROM ping_values WHERE uuid = 'z' AND value IS NOT NULL";
    let sorted = ["a.x", "a.y", "b", "monthly.users"];
    fleet.check(order, &sorted);
    ingest(&fleet, 0);
    fleet.check(order, &sorted);
    std::fs::remove_file(fleet.0.path("pings/z.json")).unwrap();
    let values = "SELECT uuid, value FROM ping_values WHERE uuid <> 'z' AND key_path = 'monthly.users' ORDER BY uuid";
    fleet.check(values, &["a 10"]);
    // New files are read directly, and a later upload of a ping wins.
    fleet.write("20260116T000000Z.json", ping("a", AT, r#""monthly": {"users": 11}"#));
    fleet.write("b.json", ping("b", AT, r#""monthly": {"users": 5}"#));
    fleet.check(values, &["a 11", "b 5"]);
    let ran = fleet.0.run(&["report", "--no-store", "--level", "action", "--format", "csv"]);
    assert!(ran.code == 0 && ran.out.contains(",16,16,16,"), "{}{}", ran.out, ran.err);
    ingest(&fleet, 0);
    fleet.check(values, &["a 11", "b 5"]);
    assert_eq!(fleet.0.run(&["store", "verify"]).code, 0);
    // Definitions apply to what is stored.
    fleet.0.write("dictionary/metrics/all.yml", "[{key_path: monthly.users, time_frame: 7d}]");
    fleet.check("SELECT count(*) FROM ping_recorded", &["0"]);
}

#[test]
fn hostile_documents_are_ingested_or_refused() {
    let fleet = Fleet::new("");
    let deep =
        |levels: usize| format!("\"a\": {}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    fleet.write("deep.json", ping("deep", AT, &deep(10_000)));
    let keys: Vec<String> = (0..1_000_000).map(|at| format!("\"k{at}\":{at}")).collect();
    fleet.write("keys.json", ping("keys", AT, &keys.join(",")));
    let text = "x".repeat(100_000_000);
    fleet.write(
        "long.json",
        ping("long", AT, &format!("\"a\": \"{text}\", \"monthly\": {{\"users\": 7}}")),
    );
    fleet.write("binary.json", (0..=255).cycle().take(1_000_000).collect::<Vec<u8>>());
    let err = ingest(&fleet, 3);
    assert!(err.contains("invalid_json: 1 upload, the first in pings/binary.json"), "{err}");
    fleet.check(
        "SELECT uuid, count(value), sum(value) FROM ping_values WHERE value IS NOT NULL GROUP BY uuid ORDER BY uuid",
        &["keys 1000000 499999500000", "long 1 7"],
    );
}
