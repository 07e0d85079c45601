//! Publishing again: readers, killed processes, full disks, and folders that are in use for something else.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{files, publish, read};
use crate::bucket::Bucket;
use crate::project::{Project, Ran, program};
use crate::python;

const TABLES: [(&str, &str); 2] = [("parquet", "active_users.parquet"), ("delta", "active_users")];
/// Two publications that differ in rows and columns.
const ONE: [&str; 4] = ["--window", "day,trailing_28d", "--level", "total,stage"];
const OTHER: [&str; 4] = ["--window", "day,trailing_28d", "--by", "plan"];

#[test]
fn what_has_not_changed_is_not_written() {
    for (format, table) in TABLES {
        let project = Project::good();
        let ran = publish(&project, &["--format", format]);
        assert!(ran.err.starts_with("published "), "{}", ran.err);
        let before = files(&project.path("out"));
        let ran = publish(&project, &["--format", format]);
        assert!(ran.err.starts_with("unchanged: "), "{}", ran.err);
        assert_eq!(files(&project.path("out")), before);
        // Other rows in the same columns.
        let texts = |files: Vec<(String, Vec<u8>)>| {
            files.into_iter().filter(|(name, _)| !name.starts_with(table)).collect::<Vec<_>>()
        };
        publish(&project, &["--format", format, "--from", "2026-02"]);
        assert_eq!(texts(files(&project.path("out"))), texts(before.clone()));
        // And the first ones again.
        let rows = |files: Vec<(String, Vec<u8>)>| {
            files.into_iter().filter(|(name, _)| name.ends_with(".parquet")).collect::<Vec<_>>()
        };
        publish(&project, &["--format", format]);
        let after = rows(files(&project.path("out")));
        assert!(rows(before).iter().all(|file| after.contains(file)));
    }
}

#[test]
fn data_files_of_a_delta_table_are_deleted_an_hour_after_they_are_replaced() {
    let project = Project::good();
    let data = || {
        let found = files(&project.path("out"));
        found.iter().filter(|(name, _)| name.ends_with(".parquet")).count()
    };
    let publish_from = |from: &str, more: &[&str]| {
        publish(
            &project,
            &[&["--format", "delta", "--window", "day", "--from", from], more].concat(),
        );
    };
    let from = ["2026-01-01", "2026-01-06", "2026-02-01", "2026-03-01"];
    for (at, from) in from.iter().enumerate() {
        publish_from(from, &[]);
        assert_eq!(data(), at + 1);
    }
    let found = read(&project, "active_users");
    assert!(found.contains(" 17 columns,"), "{found}");
    let an_hour_ago = std::time::SystemTime::now() - Duration::from_secs(3601);
    for (name, _) in files(&project.path("out/active_users")) {
        let path = project.path("out/active_users").join(name);
        std::fs::File::options()
            .append(true)
            .open(path)
            .unwrap()
            .set_modified(an_hour_ago)
            .unwrap();
    }
    // The newest of them is replaced now.
    publish_from("2026-02-01", &["--by", "plan"]);
    assert_eq!(data(), 2);
    let found = read(&project, "active_users");
    assert!(found.contains(" 18 columns,"), "{found}");
}

#[test]
fn other_folders_are_not_touched() {
    let project = Project::good();
    let refused = |arguments: &[&str], expected: &str| {
        let ran = project.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{arguments:?}");
        assert!(ran.err.contains(expected), "{}", ran.err);
    };
    project.write("mine/dbt_project.yml", "name: mine\n");
    let before = files(project.root());
    refused(&["publish", "-o", "mine"], "has other files");
    refused(&["publish", "-o", "."], "has other files");
    refused(&["publish", "-o", "events.csv"], "events.csv");
    refused(&["publish", "-o", "ftp://example.com/out"], "not supported");
    refused(&["publish", "-o", "new", "--by", "colour"], "`colour`");
    refused(&["publish", "-o", "new", "--from", "2026-03", "--to", "2026-01"], "before it starts");
    assert_eq!(files(project.root()), before);
    assert!(!project.path("new").exists());
    publish(&project, &[]);
    let before = files(project.root());
    refused(&["publish", "-o", "out", "--format", "delta"], "another format");
    assert_eq!(files(project.root()), before);
    for arguments in [&["publish"][..], &["publish", "-o", "x", "--format", "csv"]] {
        assert_eq!(project.run(arguments).code, 2);
    }
}

#[test]
fn a_failed_publication_leaves_the_earlier_one() {
    for (format, table) in TABLES {
        let project = Project::good();
        publish(&project, &["--format", format]);
        let before = files(&project.path("out"));
        let events = std::fs::read(project.path("events.csv")).unwrap();
        project.write("events.csv", "at,user_id,event,plan\n\"");
        assert_eq!(project.run(&["publish", "-o", "out", "--format", format]).code, 1);
        assert_eq!(files(&project.path("out")), before);
        project.write("events.csv", events);
        // A limit on the size of files makes writes fail as a full disk does.
        let by = format!("publish -o out --format {format} --by plan --window day");
        for blocks in [0, 1, 4] {
            let program = env!("CARGO_BIN_EXE_headcount");
            let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec {program} {by}");
            let mut command = Command::new("sh");
            let output = command.args(["-c", &limited]).current_dir(project.root()).output();
            let ran = Ran::of(output.unwrap());
            assert_eq!(ran.code, 1, "{blocks} blocks: {}", ran.err);
            assert!(ran.err.contains("error: "), "{}", ran.err);
            assert_eq!(files(&project.path("out")), before, "{format}, {blocks} blocks");
        }
        let found = read(&project, table);
        assert_eq!(project.run(&by.split(' ').collect::<Vec<_>>()).code, 0);
        assert_ne!(read(&project, table), found);
    }
}

fn start(project: &Project, format: &str, more: &[&str]) -> Child {
    let fixed = ["publish", "-o", "out", "--format", format];
    let mut command = program(project.root());
    command.args(fixed).args(more).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// What readers find after each of the two publications.
fn both(project: &Project, format: &str, table: &str) -> [String; 2] {
    [&ONE[..], &OTHER].map(|more| {
        publish(project, &[&["--format", format], more].concat());
        read(project, table)
    })
}

#[test]
fn readers_find_one_publication_or_the_other() {
    for (format, table) in TABLES {
        let project = Project::good();
        let mut expected = both(&project, format, table).to_vec();
        expected.sort();
        let (path, end) = (project.path("out").join(table), project.path("end"));
        let reader = std::thread::spawn({
            let arguments = [path, end.clone()].map(|path| path.to_str().unwrap().to_owned());
            move || python::run("published.py", &arguments.each_ref().map(String::as_str))
        });
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(3) {
            for more in [&ONE[..], &OTHER] {
                publish(&project, &[&["--format", format], more].concat());
            }
        }
        std::fs::write(end, "").unwrap();
        let printed = reader.join().unwrap();
        let mut lines = printed.lines();
        let reads: u32 = lines.next().unwrap().parse().unwrap();
        assert!(reads > 2, "{printed}");
        assert_eq!(lines.collect::<Vec<_>>(), expected, "{format}");
    }
}

#[test]
fn a_killed_process_leaves_one_publication_or_the_other() {
    for (format, table) in TABLES {
        let project = Project::good();
        let expected = both(&project, format, table);
        let begin = Instant::now();
        assert!(start(&project, format, &OTHER).wait().unwrap().success());
        let whole = begin.elapsed();
        for kill in 1..=8u32 {
            let mut child = start(&project, format, if kill % 2 == 0 { &OTHER } else { &ONE });
            std::thread::sleep(whole * kill / 8);
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(expected.contains(&read(&project, table)), "{format}, kill {kill}");
        }
        // Killed before the first one is done.
        std::fs::remove_dir_all(project.path("out")).unwrap();
        for kill in 4..=8u32 {
            let mut child = start(&project, format, &OTHER);
            std::thread::sleep(whole * kill / 8);
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(both(&project, format, table), expected);
    }
}

#[test]
fn processes_that_meet_wait_for_each_other() {
    for (format, table) in TABLES {
        let project = Project::good();
        let expected = both(&project, format, table);
        let children: Vec<Child> = (0..3)
            .flat_map(|_| [start(&project, format, &ONE), start(&project, format, &OTHER)])
            .collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        assert!(expected.contains(&read(&project, table)));
    }
}

#[test]
fn an_object_store_has_what_a_folder_has() {
    let (project, bucket) = (Project::good(), Bucket::new());
    let run = |arguments: &[&str]| {
        let mut command = program(project.root());
        bucket.point(&mut command);
        Ran::of(command.args(arguments).output().unwrap())
    };
    for (format, _) in TABLES {
        let folder = Project::empty();
        let out = folder.path("out");
        let to_folder = ["publish", "-o", out.to_str().unwrap(), "--format", format];
        let address = format!("s3://bucket/some where/{format}");
        let to_bucket = ["publish", "-o", &address, "--format", format];
        for more in [&[][..], &["--by", "plan"], &["--by", "plan", "--from", "2026-02"]] {
            for to in [to_folder, to_bucket] {
                let ran = run(&[&to[..], more].concat());
                assert_eq!(ran.code, 0, "{}", ran.err);
                assert!(ran.err.starts_with("published "), "{}", ran.err);
            }
            for (name, content) in files(&out) {
                // The log has times; the source says where the table is.
                if !name.contains("_delta_log") && name != "models/sources.yml" {
                    let key = format!("some where/{format}/{name}");
                    assert_eq!(bucket.read(&key), Some(content), "{key}");
                }
            }
        }
        let ran = run(&[&to_bucket[..], &["--by", "plan", "--from", "2026-02"]].concat());
        assert!(ran.code == 0 && ran.err.starts_with("unchanged: "), "{}", ran.err);
    }
    bucket.write("taken/file", "mine");
    let ran = run(&["publish", "-o", "s3://bucket/taken"]);
    assert!(ran.code == 1 && ran.err.contains("has other files"), "{}", ran.err);
    let keys = bucket.keys();
    assert!(!keys.iter().any(|key| key.starts_with("taken/") && key != "taken/file"));
}
