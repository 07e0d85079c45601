//! Pings in the store: their tables are those of the files, through late and repeated uploads, kills,
//! concurrent processes, compaction, and when files are gone.
//!
//! `HEADCOUNT_KILLS` is the number of kills (default 40).

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use engine::storage::Storage;
use engine::store::Store;

use super::{Fleet, fleet, ping};
use crate::bucket::{Bucket, Failure};
use crate::project::{GOOD, Project, Ran, gzip, program};
use crate::python;

const TABLES: [&str; 7] = [
    "pings",
    "ping_uploads",
    "ping_values",
    "ping_recorded",
    "ping_windows",
    "ping_population",
    "ping_estimates",
];

/// The rows of all tables, sorted, and what is said of refused uploads, by a way to run the program.
#[track_caller]
fn tables(run: impl Fn(&[&str]) -> Ran) -> Vec<String> {
    let print = |name: &&str| {
        let ran = run(&["sql", "--format", "csv", "-c", &format!("SELECT * FROM {name}")]);
        assert!([0, 3].contains(&ran.code), "{name}: {}", ran.err);
        // Parts of a table come in any order.
        let mut rows: Vec<&str> = ran.out.lines().collect();
        rows.sort_unstable();
        format!("{name}\n{}\n{}", rows.join("\n"), ran.err)
    };
    TABLES.iter().map(print).collect()
}

impl Fleet {
    /// The rows of all tables, sorted, and what is said of refused uploads.
    #[track_caller]
    fn tables(&self) -> Vec<String> {
        tables(|arguments| self.0.run(arguments))
    }

    /// The tables are these.
    #[track_caller]
    fn assert_tables(&self, expected: &[String], when: &str) {
        for (found, expected) in self.tables().iter().zip(expected) {
            assert_eq!(found, expected, "{when}");
        }
    }

    #[track_caller]
    fn ingest(&self) -> Ran {
        let ran = self.0.run(&["ingest", "--memory-limit", "16MiB"]);
        assert!([0, 3].contains(&ran.code), "{}", ran.err);
        ran
    }

    #[track_caller]
    fn assert_sound(&self) {
        let ran = self.0.run(&["store", "verify"]);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    }

    fn store(&self) -> Option<Store> {
        Store::open(&Storage::folder(self.0.path("store")), None).unwrap()
    }
}

#[test]
fn a_fleet_counted_by_hand_is_the_same_from_the_store() {
    let fleet = fleet::fleet();
    let expected = fleet.tables();
    let ran = fleet.ingest();
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("  pings/all.ndjson: 22 pings, 1 refused\n"), "{}", ran.err);
    assert!(ran.err.contains("22 pings of 1 files; the store is at version 1\n"), "{}", ran.err);
    let refused = "refused 1 upload of pings:\n  future_clock: 1 upload, the first in \
                   pings/all.ndjson:18\n";
    assert!(ran.err.contains(refused), "{}", ran.err);
    fleet.assert_tables(&expected, "from the store");
    fleet.assert_sound();
    // Nothing but the store is needed.
    std::fs::remove_dir_all(fleet.0.path("pings")).unwrap();
    fleet.assert_tables(&expected, "without files");
    let ran = fleet.0.run(&["store", "compact"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    fleet.assert_sound();
    fleet.assert_tables(&expected, "compacted");
    assert_eq!(fleet.ingest().code, 0);
    let info = fleet.0.run(&["store", "info"]).out;
    for line in ["pings:      22, and 1 refused\n", "\n 2026-01             13  fleet\n"] {
        assert!(info.contains(line), "{info}");
    }
    // Definitions and settings are applied when the store is read.
    fleet.0.write("dictionary/metrics/all.yml", "- {key_path: counts.issues, value_type: string}");
    fleet.check(
        "SELECT key_path, kind, count(*) FROM ping_values WHERE key_path IN \
         ('counts.issues', 'monthly.users') GROUP BY 1, 2 ORDER BY 1, 2",
        &[
            "counts.issues not_a_number 6",
            "monthly.users fraction 1",
            "monthly.users timeout 1",
            "monthly.users unknown 16",
        ],
    );
}

/// A fleet of 30 files: uploads that come late and repeatedly, several in a file and alone.
fn late_fleet() -> Fleet {
    let fleet = Fleet::new("");
    let mut lines = Vec::new();
    for at in 0..150_u32 {
        let (who, day, upload) = (at * 7 % 11, at * 5 % 59, at * 13 % 17);
        let values: Vec<String> = (0..50)
            .map(|key| format!("\"k{key}\": {}", (at * key) % 23 * (at % 3)))
            .chain([format!("\"own{at}\": {{\"deep\": {at}}}")])
            .collect();
        let time = format!("2026-{:02}-{:02}T00:00:00Z", 1 + day / 30, 1 + day % 28);
        let uploaded = format!("2026-03-{:02}T00:00:00Z", 1 + upload);
        let fields = format!(
            "\"uploaded_at\": \"{uploaded}\", \"edition\": \"EEP\", \"version\": \"16.{}.0\", \
             \"monthly\": {{\"users\": {at}}}, \"counts\": {{\"issues\": {}}}, \"other\": {{{}}}",
            at % 12,
            at * 3,
            values.join(", ")
        );
        lines.push(ping(&format!("u{who}"), &time, &fields));
    }
    for (at, chunk) in lines.chunks(5).enumerate() {
        match at % 3 {
            0 => fleet.write(&format!("{at:02}.json"), &chunk[0]),
            1 => fleet.write(&format!("{at:02}.ndjson"), chunk.join("\n") + "\n{broken\n"),
            _ => fleet.write(&format!("{at:02}.json.gz"), gzip(chunk.join("\n").as_bytes())),
        }
    }
    fleet
}

#[test]
fn the_order_of_ingests_does_not_matter() {
    let fleet = late_fleet();
    let expected = fleet.tables();
    let names: Vec<String> = (0..30)
        .map(|at: u32| {
            let ending = ["json", "ndjson", "json.gz"][at as usize % 3];
            format!("pings/{at:02}.{ending}")
        })
        .collect();
    for step in [7, 11, 29] {
        for part in 0..4 {
            let order = (0..30).map(|at| at * step % 30).skip(part * 8).take(8);
            let some: Vec<&str> = order.map(|at| names[at].as_str()).collect();
            let ran = fleet.0.run(&[&["ingest"], &*some].concat());
            assert!([0, 3].contains(&ran.code), "{}", ran.err);
            fleet.assert_tables(&expected, &format!("step {step}, part {part}"));
            if part == 2 {
                assert_eq!(fleet.0.run(&["store", "compact", "--sweep"]).code, 0);
            }
        }
        fleet.assert_sound();
        assert_eq!(fleet.store().unwrap().ping_ledger().len(), 30);
        std::fs::remove_dir_all(fleet.0.path("store")).unwrap();
    }
}

#[test]
fn pings_and_their_store_can_lie_in_a_bucket() {
    let fleet = late_fleet();
    let expected = fleet.tables();
    let bucket = Bucket::new();
    for file in std::fs::read_dir(fleet.0.path("pings")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        bucket.write(&format!("pings/{name}"), std::fs::read(&path).unwrap());
    }
    std::fs::remove_dir_all(fleet.0.path("pings")).unwrap();
    let yaml = std::fs::read_to_string(fleet.0.path("headcount.yaml")).unwrap();
    let yaml = yaml.replace("files: pings", "files: s3://bucket/pings");
    fleet.0.write("headcount.yaml", format!("{yaml}store: s3://bucket/store\n"));
    let run = |arguments: &[&str]| {
        let mut command = program(fleet.0.root());
        bucket.point(&mut command);
        Ran::of(command.args(arguments).output().unwrap())
    };
    // They differ only in the names of files.
    let of_bucket = || -> Vec<String> {
        let tables = tables(run).into_iter();
        tables.map(|table| table.replace("s3://bucket/pings/", "pings/")).collect()
    };
    assert_eq!(of_bucket(), expected, "from the files");
    for requests in [0, 20, 60] {
        bucket.fail_after(requests, Failure::Cut);
        assert_eq!(run(&["ingest"]).code, 1, "{requests}");
        bucket.stop_failing();
        assert_eq!(of_bucket(), expected, "after {requests} requests");
    }
    let ingest = ["ingest", "--memory-limit", "16MiB"];
    for arguments in [ingest.as_slice(), &ingest, &["store", "compact", "--sweep"]] {
        assert!([0, 3].contains(&run(arguments).code), "{arguments:?}");
        assert_eq!(of_bucket(), expected, "{arguments:?}");
        assert_eq!(run(&["store", "verify"]).code, 0, "{arguments:?}");
    }
    let of_pings = bucket.keys().into_iter().filter(|key| key.starts_with("pings/"));
    of_pings.for_each(|key| bucket.remove(&key));
    let values = "SELECT count(*) FROM ping_values WHERE key_path = 'monthly.users'";
    let ran = run(&["sql", "--format", "csv", "-c", values]);
    let value_rows = expected.iter().find(|table| table.starts_with("ping_values\n"));
    let of_files = value_rows.unwrap().matches(",monthly.users,").count();
    assert_eq!(ran.out, format!("count(*)\n{of_files}\n"), "{}", ran.err);
}

#[test]
fn a_file_is_known_by_its_content() {
    let fleet = Fleet::new("");
    let at = |day: u32| format!("2026-03-{day:02}T00:00:00Z");
    fleet.write("a.json", ping("a", &at(1), r#""monthly": {"users": 1}"#));
    fleet.write("b.json", ping("b", &at(2), r#""monthly": {"users": 2}"#));
    assert_eq!(fleet.ingest().code, 0);
    let copy = |from: &str, to: &str| {
        std::fs::copy(fleet.0.path(from), fleet.0.path(to)).unwrap();
    };
    // A copy is another upload of the ping, wherever it is read; the upload time in a name counts.
    copy("pings/a.json", "pings/c.json");
    copy("pings/b.json", "pings/20260303T000000Z.json");
    copy("pings/b.json", "pings/20260101T000000Z.json");
    let ran = fleet.ingest();
    assert!(ran.err.contains("  pings/c.json (as pings/a.json)\n"), "{}", ran.err);
    assert!(ran.err.contains("0 pings of 0 files; the store is at version 1\n"), "{}", ran.err);
    let uploads = "SELECT file, outcome, reason FROM ping_uploads";
    let with_copies = [
        "pings/20260101T000000Z.json refused future_clock",
        "pings/20260303T000000Z.json accepted",
        "pings/a.json superseded",
        "pings/b.json superseded",
        "pings/c.json accepted",
    ];
    fleet.check(uploads, &with_copies);
    // Only the store remains of a file that is gone.
    for name in ["c.json", "20260303T000000Z.json", "20260101T000000Z.json", "b.json"] {
        std::fs::remove_file(fleet.0.path(&format!("pings/{name}"))).unwrap();
    }
    fleet.check(uploads, &["pings/a.json accepted", "pings/b.json accepted"]);
    // Another name.
    std::fs::rename(fleet.0.path("pings/a.json"), fleet.0.path("pings/z.json")).unwrap();
    fleet.check(uploads, &["pings/b.json accepted", "pings/z.json accepted"]);
    // Two sources are one collection.
    let yaml = std::fs::read_to_string(fleet.0.path("headcount.yaml")).unwrap();
    let second = "  - {name: more, format: service_ping, files: [more, pings]}\n";
    fleet.0.write("headcount.yaml", format!("{yaml}{second}"));
    fleet.0.write("more/y.json", std::fs::read(fleet.0.path("pings/z.json")).unwrap());
    assert!(fleet.ingest().err.contains("0 pings of 0 files"));
    fleet.check("SELECT sum(value) FROM ping_values WHERE key_path = 'monthly.users'", &["3"]);
    // A source that is gone is an error while its pings are only in the store.
    fleet.0.write("headcount.yaml", yaml.replace("name: fleet", "name: other"));
    let ran = fleet.run(uploads);
    let message = "the store has pings of the source `fleet`, which the project does not have";
    assert!(ran.code == 1 && ran.err.contains(message), "{}", ran.err);
}

#[test]
fn an_edited_file_is_detected() {
    let fleet = Fleet::new("");
    let users = |users: u32| {
        ping("a", "2026-03-01T00:00:00Z", &format!(r#""monthly": {{"users": {users}}}"#))
    };
    fleet.write("a.json", users(1));
    fleet.write("b.json", users(1).replace("\"a\"", "\"b\""));
    fleet.ingest();
    fleet.write("a.json", users(20));
    std::fs::remove_file(fleet.0.path("pings/b.json")).unwrap();
    // The tables are those of the file as it is now, and of the other as it was.
    let values =
        "SELECT uuid, value FROM ping_values WHERE key_path = 'monthly.users' ORDER BY uuid";
    fleet.check(values, &["a 20", "b 1"]);
    let ran = fleet.0.run(&["ingest"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("changed since they were ingested"), "{}", ran.err);
    assert_eq!(fleet.0.run(&["store", "verify"]).code, 0);
    let ran = fleet.0.run(&["store", "verify", "--events"]);
    let fault = "error: pings/a.json: this file has changed since it was ingested";
    assert!(ran.code == 1 && ran.out.contains(fault), "{}", ran.out);
    // While the old content is still there, the new one is another file.
    // Of two uploads at unknown times the last by name counts.
    fleet.write("0.json", users(1));
    assert_eq!(fleet.ingest().code, 0);
    fleet.check(values, &["a 20", "b 1"]);
}

#[test]
fn events_and_pings_share_a_store() {
    let project = Project::good();
    let yaml = GOOD[0]
        .1
        .replace("sources:\n", "sources:\n  - {name: fleet, format: service_ping, files: pings}\n");
    assert_ne!(yaml, GOOD[0].1);
    project.write("headcount.yaml", yaml);
    let fleet = Fleet(project);
    let expected = fleet.0.run(&["report", "--window", "month"]);
    // Without files of pings there is nothing to ingest.
    let ran = fleet.0.run(&["ingest"]);
    assert!(ran.code == 1 && ran.err.contains("no files of pings found"), "{}", ran.err);
    fleet.write("a.json", ping("a", "2026-03-01T00:00:00Z", ""));
    let ran = fleet.ingest();
    let message = "7 events of 1 files, 1 pings of 1 files; the store is at version 2\n";
    assert!(ran.err.contains(message), "{}", ran.err);
    fleet.write("b.json", ping("b", "2026-03-01T00:00:00Z", ""));
    let ran = fleet.0.run(&["ingest", "pings/b.json"]);
    assert!(ran.err.contains("0 events of 0 files, 1 pings of 1 files"), "{}", ran.err);
    assert_eq!(fleet.0.run(&["store", "compact"]).code, 0);
    fleet.assert_sound();
    let ran = fleet.0.run(&["report", "--window", "month"]);
    assert_eq!((ran.code, ran.out, ran.err), (0, expected.out, expected.err));
    fleet.check("SELECT uuid FROM pings", &["a", "b"]);
    // Versions before there were pings are still there.
    let old = fleet.0.run(&["store", "info", "--version", "1"]).out;
    assert!(!old.contains("ping"), "{old}");
    assert_eq!(fleet.0.run(&["store", "verify", "--version", "2"]).code, 0);
    let ran = fleet.0.run(&["store", "export", "-o", "copy"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    fleet.check("SELECT uuid FROM 'copy/ping_uploads' ORDER BY uuid", &["a", "b"]);
}

/// A metric over all months is read without the others.
#[test]
fn few_row_groups_have_a_key_path() {
    let fleet = Fleet::new("");
    let keys: Vec<String> = (0..1_000).map(|at| format!("\"k{at:03}\": {at}")).collect();
    let line = |at: u32| ping(&format!("u{at}"), "2026-03-01T00:00:00Z", &keys.join(", "));
    fleet.write("a.ndjson", (0..300).map(line).collect::<Vec<_>>().join("\n"));
    fleet.0.run(&["ingest"]);
    let values = fleet.store().unwrap().ping_values().unwrap();
    // 1,003 key paths of 300 rows, in row groups of at least 32,768 rows.
    assert_eq!(values.groups(None).len(), 10);
    let groups = |paths: &[&str]| {
        values.groups(Some(&paths.iter().map(|path| (*path).to_owned()).collect())).len()
    };
    for path in ["k000", "k500", "k999", "uuid", "hostname"] {
        assert_eq!(groups(&[path]), 1, "{path}");
    }
    assert_eq!((groups(&["k000", "k001"]), groups(&["k000", "k900"])), (1, 2));
    assert_eq!((groups(&[]), groups(&["a"]), groups(&["z"])), (0, 0, 0));
}

fn start(fleet: &Fleet, arguments: &[&str]) -> Child {
    let mut command = program(fleet.0.root());
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_killed_process_leaves_the_same_tables() {
    let kills: u32 =
        std::env::var("HEADCOUNT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let fleet = late_fleet();
    let expected = fleet.tables();
    let ingest = ["ingest", "--memory-limit", "16MiB"];
    let begin = Instant::now();
    assert_eq!(start(&fleet, &ingest).wait().unwrap().code(), Some(3));
    let whole = begin.elapsed();
    std::fs::remove_dir_all(fleet.0.path("store")).unwrap();
    let mut state = 7u64;
    let mut random = |most: Duration| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        most.mul_f64((state >> 40) as f64 / (1u64 << 24) as f64)
    };
    let mut struck = 0;
    for kill in 0..kills {
        // Ingests of some files and of all are killed, then a compaction of two ingests.
        let arguments = match kill % 5 {
            0 | 1 => vec!["ingest", "pings/00.json", "pings/01.ndjson"],
            2 | 3 => ingest.to_vec(),
            _ => {
                assert!(start(&fleet, &["ingest", "pings/00.json"]).wait().unwrap().success());
                assert!(
                    [Some(0), Some(3)].contains(&start(&fleet, &ingest).wait().unwrap().code())
                );
                vec!["store", "compact"]
            }
        };
        let mut child = start(&fleet, &arguments);
        std::thread::sleep(random(whole));
        struck += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        if fleet.0.path("store/activity/_delta_log/00000000000000000000.json").exists() {
            fleet.assert_sound();
        }
        fleet.assert_tables(&expected, &format!("kill {kill}"));
        if kill % 5 == 4 {
            std::fs::remove_dir_all(fleet.0.path("store")).unwrap();
        }
    }
    assert!(struck > 0 || kills == 0, "every process had ended before it was killed");
    fleet.ingest();
    assert!(start(&fleet, &["store", "compact", "--sweep"]).wait().unwrap().success());
    assert_eq!(fleet.store().unwrap().unused().unwrap(), []);
    std::fs::remove_dir_all(fleet.0.path("pings")).unwrap();
    fleet.assert_sound();
    fleet.assert_tables(&expected, "at the end");
}

#[test]
fn processes_that_meet_wait_for_each_other() {
    let fleet = late_fleet();
    let expected = fleet.tables();
    let one = ["ingest", "pings/00.json"];
    let children: Vec<Child> =
        (0..3).flat_map(|_| [start(&fleet, &["ingest"]), start(&fleet, &one)]).collect();
    for mut child in children {
        assert!([Some(0), Some(3)].contains(&child.wait().unwrap().code()));
    }
    fleet.assert_sound();
    assert_eq!(fleet.store().unwrap().ping_ledger().len(), 30);
    fleet.assert_tables(&expected, "at the end");
}

/// One flipped bit in a table of pings: the answer is an error or unchanged, and `verify` finds it.
#[test]
fn a_flipped_bit_is_no_other_answer() {
    let fleet = late_fleet();
    let expected = fleet.tables();
    fleet.0.run(&["ingest", "pings/00.json"]);
    fleet.ingest();
    std::fs::remove_dir_all(fleet.0.path("pings")).unwrap();
    let mut files = Vec::new();
    for table in ["ping_uploads", "ping_values"] {
        crate::store::files(&fleet.0.path(&format!("store/{table}")), &mut files);
    }
    files.retain(|path| path.metadata().unwrap().len() > 0);
    files.sort();
    assert!(files.len() > 6, "{files:?}");
    let sql = "SELECT uuid, key_path, kind, value FROM ping_values WHERE key_path LIKE '%k1%' \
               ORDER BY uuid, key_path, kind, value";
    let plain = fleet.run(sql);
    let (mut state, mut errors) = (5u64, 0);
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut flipped = bytes.clone();
            flipped[(state >> 33) as usize % bytes.len()] ^= 1 << (state >> 20 & 7);
            std::fs::write(&path, &flipped).unwrap();
            let ran = fleet.run(sql);
            match ran.code {
                1 => errors += 1,
                _ => assert_eq!((&ran.out, ran.code), (&plain.out, plain.code)),
            }
            assert_eq!(fleet.0.run(&["store", "verify"]).code, 1, "{}", path.display());
            if path.extension().is_some_and(|ending| ending == "parquet") {
                let ran = fleet.0.run(&["store", "compact"]);
                assert!(ran.code == 1 && ran.err.contains("changed since"), "{}", ran.err);
            }
        }
        std::fs::write(&path, &bytes).unwrap();
    }
    assert!(errors > 5, "{errors}");
    fleet.assert_tables(&expected, "at the end");
}

/// Documents that nobody should send, through `ingest`.
#[test]
fn hostile_documents_are_ingested_or_refused() {
    let fleet = Fleet::new("");
    let at = "2026-03-15T10:20:30Z";
    let deep = format!("\"a\": {}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    fleet.write("deep.json", ping("deep", at, &deep));
    let keys: Vec<String> = (0..1_000_000).map(|at| format!("\"k{at}\":{at}")).collect();
    fleet.write("keys.json", ping("keys", at, &keys.join(",")));
    let text = "x".repeat(100_000_000);
    fleet.write("long.json", ping("long", at, &format!("\"monthly\": {{\"a\": \"{text}\"}}")));
    let odd = "\"a\\u0000\\\"\\n\\u00e9 {%22}\": 1, \"b\": \"\u{1f600}\"";
    fleet.write("odd.json", ping("o\\u0000\\u00e9", at, odd));
    fleet.write(
        "binary.json",
        (0..1_000_000_u32).map(|at| (at.wrapping_mul(at) >> 9) as u8).collect::<Vec<_>>(),
    );
    fleet.write("empty.json", "");
    let expected = fleet.tables();
    let ran = fleet.ingest();
    assert_eq!(ran.code, 3, "{}", ran.err);
    fleet.assert_sound();
    std::fs::remove_dir_all(fleet.0.path("pings")).unwrap();
    std::fs::create_dir(fleet.0.path("pings")).unwrap();
    fleet.assert_tables(&expected, "from the store");
    assert_eq!(fleet.0.run(&["store", "compact"]).code, 0);
    fleet.assert_tables(&expected, "compacted");
}

/// Nothing personal gets into the store.
#[test]
fn personal_data_is_not_stored() {
    let fleet = Fleet::new("");
    let fields = r#""licensee": {"Name": "Secret", "Email": "secret@x.org", "seats": 5}, "license_md5": "Secret",
        "source_ip": "10.9.8.7", "email": "secret@x.org", "license_expires_at": "2026-01-01 Secret",
        "counts": {"secret@x.org": 1, "10.9.8.7": 2, "list": ["secret@x.org"]}"#
        .replace('\n', "");
    fleet.write("a.json", ping("a", "2026-03-15T10:20:30Z", &fields));
    // Nor of those that are refused.
    fleet.write("b.json", ping("secret@x.org", "Secret", &fields));
    fleet.ingest();
    assert_eq!(fleet.0.run(&["store", "export", "-o", "copy"]).code, 0);
    let mut printed = String::new();
    for table in ["ping_uploads", "ping_values", "files"] {
        let ran = fleet.run(&format!("SELECT * FROM 'copy/{table}'"));
        assert_eq!(ran.code, 0, "{}", ran.err);
        printed += &ran.out;
    }
    for text in ["ecret", "10.9.8.7", "licensee"] {
        assert!(!printed.contains(text), "{text}: {printed}");
    }
    assert!(printed.contains("bad_recorded_at") && printed.contains("2026-01-01"), "{printed}");
    let paths: BTreeSet<&str> = printed.lines().filter_map(|line| line.split(',').next()).collect();
    assert!(paths.contains("license_md5") && paths.contains("counts.list"), "{printed}");
}

#[test]
fn deltalake_and_duckdb_read_the_pings() {
    let fleet = Fleet::new("");
    let fields = r#""monthly": {"users": 10, "other": -1}, "licensee": {"Name": "Jane Roe", "Email": "jane@example.com"}, "mail": "joe@example.com""#;
    fleet.write("a.json", ping("a", "2026-01-15T00:00:00Z", fields));
    fleet.write(
        "more.ndjson",
        format!("{}\n[]\n", ping("b", "2026-01-15T00:00:00Z", r#""monthly": {"users": 5}"#)),
    );
    assert_eq!(fleet.ingest().code, 3);
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
    fleet.write("a.json", ping("a", "2026-01-15T00:00:00Z", r#""monthly": {"users": 10}"#));
    assert_eq!(fleet.ingest().code, 0);
    // The same content again does nothing; a file may be renamed or go away.
    fleet.write("copy.json", ping("a", "2026-01-15T00:00:00Z", r#""monthly": {"users": 10}"#));
    assert_eq!(fleet.ingest().code, 0);
    std::fs::remove_file(fleet.0.path("pings/a.json")).unwrap();
    std::fs::remove_file(fleet.0.path("pings/copy.json")).unwrap();
    // Also in the same order, which is not that of the documents.
    let z = ping(
        "z",
        "2026-01-15T00:00:00Z",
        r#""monthly": {"users": 1}, "b": 2, "a": {"y": 3, "x": 4}"#,
    );
    fleet.write("z.json", z);
    let order = "SELECT key_path FROM ping_values WHERE uuid = 'z' AND value IS NOT NULL";
    let sorted = ["a.x", "a.y", "b", "monthly.users"];
    fleet.check(order, &sorted);
    assert_eq!(fleet.ingest().code, 0);
    fleet.check(order, &sorted);
    std::fs::remove_file(fleet.0.path("pings/z.json")).unwrap();
    let values = "SELECT uuid, value FROM ping_values WHERE uuid <> 'z' AND key_path = 'monthly.users' ORDER BY uuid";
    fleet.check(values, &["a 10"]);
    // New files are read directly, and a later upload of a ping wins.
    fleet.write(
        "20260116T000000Z.json",
        ping("a", "2026-01-15T00:00:00Z", r#""monthly": {"users": 11}"#),
    );
    fleet.write("b.json", ping("b", "2026-01-15T00:00:00Z", r#""monthly": {"users": 5}"#));
    fleet.check(values, &["a 11", "b 5"]);
    let ran = fleet.0.run(&["report", "--no-store", "--level", "action", "--format", "csv"]);
    assert!(ran.code == 0 && ran.out.contains(",16,16,16,"), "{}{}", ran.out, ran.err);
    assert_eq!(fleet.ingest().code, 0);
    fleet.check(values, &["a 11", "b 5"]);
    assert_eq!(fleet.0.run(&["store", "verify"]).code, 0);
    // Definitions apply to what is stored.
    fleet.0.write("dictionary/metrics/all.yml", "[{key_path: monthly.users, time_frame: 7d}]");
    fleet.check("SELECT count(*) FROM ping_recorded", &["0"]);
}
