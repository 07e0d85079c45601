//! Events in an object store: they are found, read, ingested and queried like files.

use std::io::Write as _;

use datasets::{Ids, Settings, generate};

use super::{FIELDS, columns, csv, events, ndjson, project};
use crate::bucket::{Bucket, Failure};
use crate::project::{Project, Ran, parquet, program};

const REPORT: [&str; 7] = ["report", "--format", "csv", "--by", "plan", "--level", "total,stage"];

fn run(bucket: &Bucket, project: &Project, arguments: &[&str]) -> Ran {
    let mut command = program(project.root());
    bucket.point(&mut command);
    Ran::of(command.args(arguments).output().unwrap())
}

/// The output of the program, which must succeed.
#[track_caller]
fn succeeds(bucket: &Bucket, project: &Project, arguments: &[&str]) -> String {
    let ran = run(bucket, project, arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
    ran.out
}

/// The report on some events in a file of this machine.
fn expected(text: &str) -> String {
    let local = project("events.csv", FIELDS);
    local.write("events.csv", text);
    let ran = local.run(&REPORT);
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.out
}

#[test]
fn objects_folders_and_globs() {
    let bucket = Bucket::new();
    let third = |at: usize| events().into_iter().skip(at).step_by(3).collect::<Vec<_>>();
    let c = parquet(&columns(&third(2)));
    bucket.write("logs/data/2026/a.csv", csv(&third(0), ','));
    bucket.write("logs/data/2026/deep/er/b.ndjson", ndjson(&third(1)));
    bucket.write("logs/data/c.parquet", &c);
    bucket.write("logs/data/", "");
    bucket.write("logs/data/2026/", "");
    bucket.write("logs/data/README.md", "not events");
    bucket.write("logs/data/_SUCCESS", "");
    bucket.write("logs/data/.hidden.csv", "not,events\n");
    bucket.write("logs/data/_temporary/half.csv", "not,events\n");
    bucket.write("logs/database.csv", "not,events\n");
    // More than one page of a list.
    (0..50).for_each(|at| bucket.write(&format!("logs/other/{at}.csv"), "not,events\n"));
    let expected = expected(&csv(&events(), ','));
    for files in [
        "s3://bucket/logs/data",
        "s3://bucket/logs/data/",
        "'s3://bucket/*/data'",
        "'s3://bucket/logs/[d]ata'",
        "[s3://bucket/logs/data/2026/a.csv, s3://bucket/logs/data/2026/deep, \
         's3://bucket/logs/data/*.parquet']",
        "'s3://bucket/logs/**/[abc].*'",
        "['s3://bucket/logs/data/2026/*', 's3://bucket/logs/data/*.parquet']",
        "[s3://bucket/logs/data, s3://bucket/logs/data/c.parquet, 's3://bucket/logs/data/**/*.parquet']",
        "[s3://bucket/logs/data/2026, here]",
    ] {
        let project = project(files, FIELDS);
        project.write("here/c.parquet", &c);
        assert_eq!(succeeds(&bucket, &project, &REPORT), expected, "{files}");
    }
    for (files, parts) in [
        ("s3://bucket/logs/gone.csv", ["no event files found", "s3://bucket/logs/gone.csv"]),
        ("'s3://bucket/logs/*.parquet'", ["no event files found", "s3://bucket/logs/*.parquet"]),
        ("s3://bucket/logs/data/README.md", ["unknown file format", "README.md"]),
        ("'s3://bucket/logs/data/*'", ["unknown file format", "README.md"]),
        ("'s3://bucket/***'", ["invalid glob", "***"]),
        ("s3://nobody/logs", ["NoSuchBucket", "s3://nobody"]),
        ("s3:///logs", ["not a URL of an object store", "s3://bucket/path"]),
    ] {
        let ran = run(&bucket, &project(files, FIELDS), &REPORT);
        assert_eq!(ran.code, 1, "{files}: {}", ran.out);
        for part in parts.into_iter().chain(["visits"]) {
            assert!(ran.err.contains(part), "{files}: no {part:?} in {}", ran.err);
        }
    }
}

#[test]
fn google_lists_and_reads_too() {
    let (bucket, project) = (Bucket::new(), project("'gs://bucket/logs/*'", FIELDS));
    let (first, second) = (events()[..50].to_vec(), events()[50..].to_vec());
    bucket.write("logs/a b.csv", csv(&first, ','));
    bucket.write("logs/b.parquet", parquet(&columns(&second)));
    let mut command = program(project.root());
    bucket.point_google(&mut command);
    let ran = Ran::of(command.args(REPORT).output().unwrap());
    assert_eq!((ran.code, ran.out), (0, expected(&csv(&events(), ','))), "{}", ran.err);
}

#[test]
fn every_format_and_any_name() {
    let text = csv(&events(), ',');
    let expected = expected(&text);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let zstd = zstd::encode_all(ndjson(&events()).as_bytes(), 1).unwrap();
    for (name, content) in [
        ("a.csv", text.clone().into_bytes()),
        ("a.csv.gz", gzip.finish().unwrap()),
        ("a.ndjson.zst", zstd),
        ("a.parquet", parquet(&columns(&events()))),
        ("x [1] 100%/year=2026/\u{e9}?#+~ b.parquet", parquet(&columns(&events()))),
        ("x [1] 100%/year=2026/\u{e9}?#+~ b.csv", text.clone().into_bytes()),
    ] {
        let (bucket, project) = (Bucket::new(), project("s3://bucket", FIELDS));
        bucket.write(name, content);
        assert_eq!(succeeds(&bucket, &project, &REPORT), expected, "{name}");
        let count = "SELECT count(*) AS n, count(DISTINCT CAST(user_id AS INT)) AS u FROM visits";
        let counted = succeeds(&bucket, &project, &["sql", "--format", "csv", "-c", count]);
        assert_eq!(counted, "n,u\n120,12\n", "{name}");
        if !name.contains('[') {
            let count = format!("SELECT count(*) AS n FROM 's3://bucket/{name}'");
            let counted = succeeds(&bucket, &project, &["sql", "--format", "csv", "-c", &count]);
            assert_eq!(counted, "n\n120\n", "{name}");
        }
        succeeds(&bucket, &project, &["ingest"]);
        assert_eq!(succeeds(&bucket, &project, &REPORT), expected, "{name}");
    }
    // Other content of the same size, within the same second.
    let (bucket, project) = (Bucket::new(), project("s3://bucket/a.csv", FIELDS));
    for month in ["2026-01", "2026-02", "2026-03"] {
        let moved = text.replace("2026-02", month);
        bucket.write("a.csv", &moved);
        assert_eq!(succeeds(&bucket, &project, &REPORT), self::expected(&moved), "{month}");
        run(&bucket, &project, &["ingest"]);
    }
}

#[test]
fn the_store_takes_objects_exactly_once() {
    let made = Project::empty();
    let mut settings = Settings::new(made.root());
    (settings.events, settings.users, settings.months) = (20_000, 3_000, 4);
    (settings.files_per_month, settings.ids, settings.late) = (2, Ids::Uuid, 0.1);
    generate(&settings, &|_| ()).unwrap();
    let expected = succeeds(&Bucket::new(), &made, &REPORT);
    let yaml = std::fs::read_to_string(made.path("headcount.yaml")).unwrap();
    let files = yaml.lines().find(|line| line.trim_start().starts_with("files:")).unwrap();
    let remote = yaml.replace(files, "    files: 's3://bucket/raw events/*.parquet'");
    made.write("headcount.yaml", remote);
    std::fs::rename(made.path("events"), made.path("elsewhere")).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(made.path("elsewhere"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let bucket = Bucket::new();
    let read = |name: &str| std::fs::read(made.path("elsewhere").join(name)).unwrap();
    let upload = |name: &str| bucket.write(&format!("raw events/{name}"), read(name));
    let late = names.remove(3);
    names.iter().for_each(|name| upload(name));

    let first = format!("s3://bucket/raw events/{}", names[0]);
    let ran = run(&bucket, &made, &["ingest", &first]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("of 1 files"), "{}", ran.err);
    assert!(run(&bucket, &made, &["ingest"]).err.contains(&format!("{first}\n")));
    upload(&late);
    // The late one is read beside the store.
    assert_eq!(succeeds(&bucket, &made, &REPORT), expected);
    let ran = run(&bucket, &made, &["ingest", "s3://bucket/raw events"]);
    assert!(ran.err.contains("of 1 files"), "{}", ran.err);
    let before = bucket.requests();
    assert_eq!(succeeds(&bucket, &made, &REPORT), expected);
    // A report on what the store has only lists the objects.
    assert!(bucket.requests() - before <= 2, "{} requests", bucket.requests() - before);
    assert!(run(&bucket, &made, &["ingest"]).err.contains("0 events of 0 files"));
    let info = succeeds(&bucket, &made, &["store", "info"]);
    assert!(info.contains("events:     20,000, and 0 rejected\n"), "{info}");
    for setting in ["", "SET headcount.rollup = false; "] {
        let sql = format!(
            "{setting}SELECT count(*) AS n, count(DISTINCT user_id) > 2000 AS many FROM events"
        );
        let printed = succeeds(&bucket, &made, &["sql", "--format", "csv", "-c", &sql]);
        assert!(printed.ends_with("n,many\n20000,true\n"), "{setting}: {printed}");
    }
    // The same content under another name, and other content under the same name.
    bucket.write("raw events/copy.parquet", read(&late));
    let ran = run(&bucket, &made, &["ingest"]);
    assert!(ran.err.contains(&format!("copy.parquet (as s3://bucket/raw events/{late})")));
    assert!(ran.err.contains("0 events of 0 files"), "{}", ran.err);
    bucket.write(&format!("raw events/{}", names[0]), "other events");
    let ran = run(&bucket, &made, &["ingest"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("changed since they were ingested"), "{}", ran.err);
    let ran = run(&bucket, &made, &["ingest", "s3://bucket/other/x.parquet"]);
    assert!(ran.err.contains("this file belongs to no source of the project"), "{}", ran.err);
}

/// If an object is replaced meanwhile, the answer is that of the old or the new content.
#[test]
fn an_object_is_read_as_it_was_found_or_not_at_all() {
    let (a, b) = (events(), events().split_off(30));
    let [of_a, of_b] = [&a, &b].map(|events| expected(&csv(events, ',')));
    assert_ne!(of_a, of_b);
    let forms =
        |events: &[super::Event]| [csv(events, ',').into_bytes(), parquet(&columns(events))];
    for (name, (from, to)) in
        ["x.csv", "x.parquet"].into_iter().zip(forms(&a).into_iter().zip(forms(&b)))
    {
        let to: &'static [u8] = to.leak();
        for arguments in [["report"].as_slice(), &["ingest"]] {
            let mut refused = 0;
            for after in 0.. {
                let (bucket, project) = (Bucket::new(), project("s3://bucket/", FIELDS));
                bucket.write(name, &from);
                bucket.fail_after(after, Failure::Replaced(to));
                let ran = run(&bucket, &project, arguments);
                if bucket.requests() <= after {
                    break;
                }
                bucket.stop_failing();
                let when = format!("{name} {arguments:?} {after}: {}", ran.err);
                if ran.code != 0 {
                    refused += 1;
                    assert!(ran.err.contains("changed while it was being read"), "{when}");
                    assert!(ran.err.contains(&format!("s3://bucket/{name}")), "{when}");
                    succeeds(&bucket, &project, &["ingest"]);
                    assert_eq!(succeeds(&bucket, &project, &REPORT), of_b, "{when}");
                } else if arguments[0] == "ingest" {
                    // The store has one of them; the other one is a file that has changed.
                    let ran = run(&bucket, &project, &REPORT);
                    assert!([&of_a, &of_b].contains(&&ran.out), "{when}");
                }
            }
            assert!(refused > 0, "{name} {arguments:?}");
        }
    }
}

#[test]
fn unreachable_storage_is_an_error_with_help() {
    let (bucket, project) = (Bucket::new(), project("s3://bucket/x.csv", FIELDS));
    bucket.write("x.csv", csv(&events(), ','));
    let expected = succeeds(&bucket, &project, &REPORT);
    let all = bucket.requests();
    for after in 0..all {
        bucket.fail_after(after, Failure::Refused);
        let ran = run(&bucket, &project, &REPORT);
        bucket.stop_failing();
        assert_eq!(ran.code, 1, "{after}: {}", ran.out);
        for part in ["the object store denied access", "s3://bucket/x.csv", "AWS_ACCESS_KEY_ID"] {
            assert!(ran.err.contains(part), "{after}: no {part:?} in {}", ran.err);
        }
    }
    bucket.fail_after(1, Failure::Unanswered);
    assert_eq!(succeeds(&bucket, &project, &REPORT), expected);
}
