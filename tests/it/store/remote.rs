//! A store in an object store has the contents of one in a folder, despite lost connections, killed
//! processes and concurrent writers.
//!
//! `HEADCOUNT_CUTS` is the number of lost connections (default 12).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use datasets::{Ids, Settings, generate};
use engine::storage::Digest;

use crate::bucket::{Bucket, Failure};
use crate::project::{Project, Ran, run_in};

const STORE: &str = "store: {path: store, dimensions: [plan]}";
const REMOTE: &str = "store: {path: \"s3://bucket/some where/store\", dimensions: [plan]}";
const INGEST: [&str; 3] = ["ingest", "--memory-limit", "16MiB"];
const REPORT: [&str; 7] =
    ["report", "--format", "csv", "--by", "plan", "--level", "total,stage,action"];

/// A project with its store in a bucket of its own.
struct Made {
    project: Project,
    bucket: Bucket,
}

impl Made {
    /// Events of 8 files, with keys that get ids, and late events.
    fn new(store: &str) -> Self {
        let project = Project::empty();
        let mut settings = Settings::new(project.root());
        (settings.events, settings.users, settings.months) = (20_000, 3_000, 4);
        (settings.files_per_month, settings.ids, settings.late) = (2, Ids::Uuid, 0.1);
        generate(&settings, &|_| ()).unwrap();
        let yaml = std::fs::read_to_string(project.path("headcount.yaml")).unwrap();
        let line = |line| if str::starts_with(line, "store:") { store } else { line };
        let yaml: Vec<&str> = yaml.lines().map(line).collect();
        project.write("headcount.yaml", yaml.join("\n"));
        Self { project, bucket: Bucket::new() }
    }

    fn program(&self) -> Command {
        let mut command = crate::project::program(self.project.root());
        self.bucket.point(&mut command);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.program().args(arguments).output().unwrap())
    }

    /// The output of the program, which must succeed.
    #[track_caller]
    fn succeeds(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        ran.out
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.program();
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The report on the events alone.
    fn expected(&self) -> String {
        self.succeeds(&[REPORT.as_slice(), &["--no-store"]].concat())
    }

    /// The store has no faults, and the report is right.
    #[track_caller]
    fn assert_right(&self, expected: &str, when: &str) {
        let ran = self.run(&["store", "verify"]);
        let is_there = !ran.err.contains("there is no store yet");
        assert!(ran.code == 0 || !is_there, "{when}: {} {}", ran.out, ran.err);
        assert_eq!(self.succeeds(&REPORT), expected, "{when}");
    }

    /// Everything is in the store, once.
    #[track_caller]
    fn assert_complete(&self, expected: &str, when: &str) {
        let info = self.succeeds(&["store", "info"]);
        assert!(info.contains("ingested:   8 files\n"), "{when}: {info}");
        assert!(info.contains("events:     20,000, and 0 rejected\n"), "{when}: {info}");
        self.assert_right(expected, when);
    }
}

#[test]
fn google_keeps_what_others_keep() {
    let made = Made::new(&REMOTE.replace("s3:", "gs:"));
    let run = |arguments: &[&str]| {
        let mut command = crate::project::program(made.project.root());
        made.bucket.point_google(&mut command);
        Ran::of(command.args(arguments).output().unwrap())
    };
    let expected = made.expected();
    for arguments in [INGEST.as_slice(), &["store", "compact", "--sweep"], &["store", "verify"]] {
        let ran = run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        let ran = run(&REPORT);
        assert_eq!((ran.code, ran.out), (0, expected.clone()), "{}", ran.err);
    }
    assert!(run(&["ingest"]).err.contains("0 events of 0 files"));
    let info = run(&["store", "info"]).out;
    assert!(info.contains("store:      gs://bucket/some where/store\n"), "{info}");
    made.bucket.clear();
    made.bucket.ignore_if_none_match();
    let ran = run(&["ingest"]);
    assert!(ran.err.contains("overwrote an object"), "{}", ran.err);
}

/// Sequential requests would take long.
#[test]
fn what_a_question_needs_is_fetched_at_the_same_time() {
    let made = Made::new(REMOTE);
    let expected = made.expected();
    // Many files, for parts of files as small as these are read together.
    for name in names(&made.project.path("events")) {
        made.succeeds(&["ingest", &format!("events/{name}")]);
    }
    made.bucket.delay(Duration::from_millis(50));
    let at_once = |arguments: &[&str]| {
        made.bucket.most_concurrent();
        let ran =
            Ran::of(made.program().env("RAYON_NUM_THREADS", "1").args(arguments).output().unwrap());
        assert_eq!(ran.code, 0, "{}", ran.err);
        (ran.out, made.bucket.most_concurrent())
    };
    let (report, most) = at_once(&REPORT);
    assert!(report == expected, "another report");
    assert!(most > 6, "{most} requests at the same time");
    let (_, most) = at_once(&["report", "--level", "total"]);
    assert!(most > 6, "{most} requests at the same time");
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_bucket_holds_what_a_folder_holds() {
    let (local, remote) = (Made::new(STORE), Made::new(REMOTE));
    let expected = remote.expected();
    assert_eq!(local.expected(), expected);
    assert!(remote.run(&["store", "info"]).err.contains("there is no store yet"));
    let mut files: Vec<String> = names(&remote.project.path("events")).into_iter().collect();
    let late = format!("events/{}", files.remove(2));
    for made in [&local, &remote] {
        let first: Vec<String> = files.iter().map(|name| format!("events/{name}")).collect();
        let first: Vec<&str> = first.iter().map(String::as_str).collect();
        made.succeeds(&[["ingest"].as_slice(), &first].concat());
        // One file is not in the store, and is read along.
        made.assert_right(&expected, "before the late file");
        made.succeeds(&["ingest", &late]);
        made.assert_complete(&expected, "after the late file");
        assert!(made.run(&["ingest"]).err.contains("0 events of 0 files"));
    }
    // Who gets which number depends on which thread is first, and with it the bytes of a set.
    let table = |info: String| {
        let lines = info.lines().filter(|line| !line.starts_with("store:"));
        lines.filter(|line| !line.ends_with('B')).map(str::to_owned).collect::<Vec<_>>()
    };
    let info = remote.succeeds(&["store", "info"]);
    assert!(info.contains("store:      s3://bucket/some where/store\n"), "{info}");
    assert_eq!(table(info), table(local.succeeds(&["store", "info"])));
    for made in [&local, &remote] {
        made.succeeds(&["store", "compact"]);
        made.assert_complete(&expected, "after compacting");
        let trailing = ["report", "--format", "csv", "--window", "trailing_7d", "--by", "plan"];
        let raw = made.succeeds(&[trailing.as_slice(), &["--no-store"]].concat());
        assert_eq!(made.succeeds(&trailing), raw);
        made.succeeds(&["store", "export", "-o", "copy"]);
    }
    for part in ["activity", "users", "months", "files"] {
        let part = format!("copy/{part}");
        let (local, remote) = (local.project.path(&part), remote.project.path(&part));
        assert_eq!(names(&local).len(), names(&remote).len(), "{part}");
        // Names end with the digests of what is in the files.
        for name in names(&remote) {
            let (digest, _) = Digest::of_file(&remote.join(&name)).unwrap();
            assert!(name.ends_with(&format!("-{digest}.parquet")), "{part}/{name}");
        }
    }
    // Older versions are still there.
    assert!(
        remote.succeeds(&["store", "info", "--version", "1"]).contains("ingested:   7 files\n")
    );
    let sum = ["sql", "--format", "csv", "-c", "SELECT sum(event_count) AS events FROM activity"];
    assert_eq!(remote.succeeds(&sum), "events\n20000\n");
    // Nothing but the store is needed.
    std::fs::remove_dir_all(remote.project.path("events")).unwrap();
    assert_eq!(remote.succeeds(&REPORT), expected);
    assert!(!remote.project.path("s3:").exists() && !remote.project.path("store").exists());
}

#[test]
fn a_sweep_leaves_what_an_ingest_may_be_about_to_commit() {
    let made = Made::new(REMOTE);
    let expected = made.expected();
    let first = names(&made.project.path("events")).pop_first().unwrap();
    made.succeeds(&["ingest", &format!("events/{first}")]);
    made.succeeds(&INGEST);
    made.bucket.backdate(Duration::from_secs(20 * 3600));
    let ran = made.run(&["store", "compact", "--sweep"]);
    assert!(ran.err.contains("deleted 0 files"), "{}", ran.err);
    assert!(ran.err.contains("unneeded files: a running ingest may be using"), "{}", ran.err);
    made.bucket.backdate(Duration::from_secs(5 * 3600));
    let before = made.bucket.keys();
    let ran = made.run(&["store", "compact", "--sweep"]);
    assert!(!ran.err.contains("deleted 0 files"), "{}", ran.err);
    assert!(!ran.err.contains("unneeded"), "{}", ran.err);
    let after = made.bucket.keys();
    assert!(after.is_subset(&before) && after.len() < before.len(), "{after:?}");
    assert!(before.difference(&after).all(|key| key.ends_with(".parquet")));
    made.assert_complete(&expected, "after the sweep");
    assert_eq!(made.run(&["store", "info", "--version", "1"]).code, 1);
}

#[test]
fn a_changed_byte_is_found() {
    let made = Made::new(REMOTE);
    made.succeeds(&INGEST);
    for part in ["activity/", "users/", "months/", "files/", "activity/_delta_log/"] {
        let prefix = format!("some where/store/{part}");
        let keys = made.bucket.keys();
        let key = keys.iter().find(|key| key.starts_with(&prefix) && !key.ends_with(".xxh3"));
        let key = key.unwrap();
        made.bucket.flip(key);
        let ran = made.run(&["store", "verify"]);
        assert_eq!(ran.code, 1, "{key}: {}", ran.out);
        made.bucket.flip(key);
        assert_eq!(made.run(&["store", "verify"]).code, 0, "{key}");
    }
}

/// Two processes with different files reach the same commit at the same moment.
#[test]
fn of_two_writers_one_wins_and_the_other_completes_when_run_again() {
    let made = Made::new(REMOTE);
    let expected = made.expected();
    let files: Vec<String> = names(&made.project.path("events")).into_iter().collect();
    let named = |at: usize| format!("events/{}", files[at]);
    made.succeeds(&["ingest", &named(0)]);
    made.bucket.synchronize_writers("users/_delta_log/00000000000000000002.json");
    let children = [1, 2].map(|at| made.start(&["ingest", &named(at)]));
    let ended = children.map(|child| child.wait_with_output().unwrap());
    let won = ended.iter().filter(|output| output.status.success()).count();
    assert_eq!(won, 1, "{ended:?}");
    let lost = ended.iter().find(|output| !output.status.success()).unwrap();
    let printed = String::from_utf8_lossy(&lost.stderr).into_owned();
    assert!(printed.contains("another process changed the store at the same time"), "{printed}");
    assert!(printed.contains("s3://bucket/some where/store"), "{printed}");
    assert!(printed.contains("run the command again"), "{printed}");
    made.assert_right(&expected, "after both");
    made.succeeds(&INGEST);
    made.assert_complete(&expected, "after one more");
}

/// Two processes that do the same: everything is stored once, whichever commits first.
#[test]
fn the_same_done_twice_at_once_is_done_once() {
    // They make the store together, or commit together.
    for version in [0, 1] {
        let made = Made::new(REMOTE);
        let expected = made.expected();
        made.bucket.synchronize_writers(&format!("activity/_delta_log/{version:020}.json"));
        // On one thread people get their numbers in the same order, so both write the same.
        let mut command = made.program();
        command.env("RAYON_NUM_THREADS", "1").args(["ingest"]).stderr(Stdio::piped());
        for child in [0, 1].map(|_| command.spawn().unwrap()) {
            let output = child.wait_with_output().unwrap();
            let printed = String::from_utf8_lossy(&output.stderr).into_owned();
            let is_right = output.status.success() || printed.contains("run the command again");
            assert!(is_right, "{printed}");
        }
        made.assert_complete(&expected, "after both");
        assert!(made.run(&["ingest"]).err.contains("0 events of 0 files"));
    }
}

#[test]
fn the_connection_may_be_lost_at_any_moment() {
    let cuts: u64 =
        std::env::var("HEADCOUNT_CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let made = Made::new(REMOTE);
    let expected = made.expected();
    made.succeeds(&INGEST);
    let ingest = made.bucket.requests();
    made.succeeds(&["store", "compact"]);
    let compact = made.bucket.requests() - ingest;
    assert!(ingest > 40 && compact > 20, "{ingest} requests, {compact} requests");
    let mut idle = 0;
    for cut in 0..cuts {
        made.bucket.clear();
        // Waiting for the connection to come back takes seconds, so most are refused.
        let failure = match cut % 6 {
            0 => Failure::Cut,
            1 | 3 => Failure::Unanswered,
            _ => Failure::Refused,
        };
        for (arguments, requests) in
            [(INGEST.as_slice(), ingest), (["store", "compact"].as_slice(), compact)]
        {
            // Half a step, so that no two runs are cut at the same request.
            let after = (2 * cut + 1) * requests / (2 * cuts);
            let when = format!("{} {failure:?} after {after} of {requests}", arguments[0]);
            made.bucket.fail_after(after, failure);
            let ran = made.run(arguments);
            made.bucket.stop_failing();
            // Which thread runs out of memory first decides how many files an ingest writes.
            let is_idle = ran.err.contains("nothing to compact");
            idle += u64::from(is_idle);
            if failure != Failure::Unanswered && !is_idle {
                assert_eq!(ran.code, 1, "{when}: {}", ran.err);
                assert!(ran.err.contains("s3://bucket/some where/store"), "{when}: {}", ran.err);
                assert!(ran.err.contains("AWS_ACCESS_KEY_ID"), "{when}: {}", ran.err);
                assert!(ran.err.contains("run the command again"), "{when}: {}", ran.err);
            }
            made.assert_right(&expected, &when);
            made.succeeds(arguments);
            made.assert_complete(&expected, &when);
        }
    }
    assert!(idle <= cuts / 2, "{idle} of {cuts} times there was nothing to compact");
}

#[test]
fn a_killed_process_leaves_a_bucket_that_counts_right() {
    let made = Made::new(REMOTE);
    let expected = made.expected();
    made.bucket.delay(Duration::from_millis(2));
    let begin = Instant::now();
    made.succeeds(&INGEST);
    let whole = begin.elapsed();
    made.bucket.clear();
    for kill in 0..8u32 {
        let arguments = if kill % 4 == 3 { ["store", "compact"].as_slice() } else { &INGEST };
        let mut child = made.start(arguments);
        std::thread::sleep(whole.mul_f64(f64::from(kill * 3 % 8) / 8.0 + 0.05));
        child.kill().unwrap();
        child.wait().unwrap();
        made.assert_right(&expected, &format!("kill {kill}"));
        if kill == 4 {
            made.bucket.clear();
        }
    }
    made.succeeds(&INGEST);
    made.assert_complete(&expected, "at last");
}

#[test]
fn unreachable_storage_is_an_error_with_help() {
    let project = Project::good();
    let yaml = |store: &str| {
        project.write("headcount.yaml", format!("{}store: {store}\n", crate::project::GOOD[0].1));
    };
    let bucket = Bucket::new();
    let run = |arguments: &[&str], change: &dyn Fn(&mut Command)| {
        let mut command = crate::project::program(project.root());
        bucket.point(&mut command);
        change(&mut command);
        Ran::of(command.args(arguments).output().unwrap())
    };
    let well = |_: &mut Command| ();
    yaml("s3://nobody/store");
    for command in [["ingest"].as_slice(), &["report"], &["store", "info"]] {
        let ran = run(command, &well);
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains("NoSuchBucket"), "{}", ran.err);
        assert!(ran.err.contains("(file: s3://nobody/store"), "{}", ran.err);
    }
    yaml("s3://bucket/store");
    let ran = run(&["ingest"], &|command| _ = command.env("AWS_ACCESS_KEY_ID", "other"));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("the object store denied access"), "{}", ran.err);
    assert!(ran.err.contains("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"), "{}", ran.err);
    let ran = run(&["ingest"], &|command| _ = command.env_remove("AWS_ALLOW_HTTP"));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("a request to the object store failed"), "{}", ran.err);
    let forgetful = Bucket::new();
    forgetful.ignore_if_none_match();
    let ran = run(&["ingest"], &|command| forgetful.point(command));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("overwrote an object"), "{}", ran.err);
    assert!(ran.err.contains("`If-None-Match`"), "{}", ran.err);
    assert_eq!(forgetful.keys().len(), 1);
    // No server listens there.
    let ran =
        run(&["ingest"], &|command| _ = command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9"));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("127.0.0.1:9"), "{}", ran.err);
    assert!(ran.err.contains("AWS_ENDPOINT_URL"), "{}", ran.err);
    assert_eq!(bucket.keys(), BTreeSet::new());
    yaml("ftp://host/store");
    let ran = run_in(project.root(), &["ingest"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("headcount.yaml"), "{}", ran.err);
    assert!(ran.err.contains("`ftp` URLs are not supported"), "{}", ran.err);
}
