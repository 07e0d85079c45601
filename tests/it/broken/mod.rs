//! Broken projects, dictionaries, data files and questions: each ends with an exit code and a
//! message that says what is wrong and where. Nothing is printed as if it were a result.

mod data;
mod dictionary;
mod question;
mod settings;
mod sources;

use crate::project::{GOOD, Project};

/// A change to the good project and a command line.
struct Case {
    name: &'static str,
    project: Project,
    command: &'static str,
}

/// A case that runs the default report.
fn case(name: &'static str) -> Case {
    Case { name, project: Project::good(), command: "report --format csv" }
}

impl Case {
    /// Writes a file in place of the good one.
    fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.project.write(path, content);
        self
    }

    /// Replaces a part of a good file.
    fn swap(self, path: &str, from: &str, to: &str) -> Self {
        let (_, good) = GOOD.iter().find(|(name, _)| *name == path).unwrap();
        assert!(good.contains(from), "{}: no {from:?} in {path}", self.name);
        self.file(path, good.replace(from, to))
    }

    /// Adds to the end of a good file.
    fn add(self, path: &str, more: &str) -> Self {
        let (_, good) = GOOD.iter().find(|(name, _)| *name == path).unwrap();
        self.file(path, format!("{good}{more}"))
    }

    /// Lets the source read another file, with this content.
    fn events(self, file: &str, content: impl AsRef<[u8]>) -> Self {
        self.file(file, content).swap("headcount.yaml", "events.csv", file)
    }

    /// Removes a file or folder.
    fn without(self, path: &str) -> Self {
        let path = self.project.path(path);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
        self
    }

    /// Runs another command.
    fn run(mut self, command: &'static str) -> Self {
        self.command = command;
        self
    }

    /// The command must fail: exit code 1, nothing on stdout, and these parts in the message.
    #[track_caller]
    fn fails(self, parts: &[&str]) {
        self.ends(1, parts);
    }

    /// The command must be refused as wrong usage: exit code 2, and these parts in the message.
    #[track_caller]
    fn refused(self, parts: &[&str]) {
        self.ends(2, parts);
    }

    #[track_caller]
    fn ends(self, code: i32, parts: &[&str]) {
        let arguments: Vec<&str> = self.command.split(' ').collect();
        let ran = self.project.run(&arguments);
        let (name, err) = (self.name, &ran.err);
        let start: String = ran.out.lines().take(5).collect();
        assert_eq!(ran.code, code, "{name}: {err}\n{start}");
        assert_eq!(start, "", "{name}: a failure is no result");
        for part in parts {
            assert!(err.contains(part), "{name}: no {part:?} in\n{err}");
        }
        for never in ["panicked", "internal error", "RUST_BACKTRACE"] {
            assert!(!err.contains(never), "{name}: {never:?} in\n{err}");
        }
        // The reader is to find the file without knowing where the program ran.
        if code == 1 {
            assert!(err.contains("error"), "{name}: {err}");
        }
    }
}

/// All cases start from this project, so it must be free of faults.
#[test]
fn the_good_project_is_good() {
    let project = Project::good();
    let table = project.report(&[]);
    let lines = table.lines(&["period_start", "level", "stage", "users", "complete"]);
    let expected = [
        "2026-01-01 total  2 true",
        "2026-01-01 stage reading 2 true",
        "2026-01-01 stage writing 1 true",
        "2026-02-01 total  3 true",
        "2026-02-01 stage reading 2 true",
        "2026-02-01 stage writing 1 true",
        "2026-03-01 total  1 false",
        "2026-03-01 stage reading 0 false",
        "2026-03-01 stage writing 1 false",
    ];
    assert_eq!(lines, expected);
    let check = project.run(&["check"]);
    assert_eq!((check.code, check.err.as_str()), (0, ""), "{}", check.out);
    assert!(check.out.contains("no errors"), "{}", check.out);
    assert!(!check.out.contains("warning"), "{}", check.out);
}

/// `check` lists every problem at once, on stdout: that list is its result.
#[test]
fn check_lists_all_problems() {
    let project = Project::good();
    let swap = |path: &str, from: &str, to: &str| {
        let (_, good) = GOOD.iter().find(|(name, _)| *name == path).unwrap();
        project.write(path, good.replace(from, to));
    };
    swap("headcount.yaml", "time_zone: UTC", "time_zome: UTC");
    swap("dictionary/stages.yml", "groups:\n      posts: {name: Posts}", "groups: [posts]");
    swap("dictionary/metrics/all.yml", "key_path: monthly.search", "key_path: monthly.view_pages");
    project.write("dictionary/events/more.yml", "- {description: An event without a name}\n");
    let ran = project.run(&["check"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    for part in [
        "headcount.yaml:1: error: time_zome: unknown key; did you mean `time_zone`?",
        "stages.yml:11: error: stages.writing.groups: expected a mapping, found a list",
        "all.yml:6: error: [1].key_path: `monthly.view_pages` is defined twice",
        "more.yml:1: error: [0]: `action` is missing",
        "4 errors",
    ] {
        assert!(ran.out.contains(part), "no {part:?} in\n{}", ran.out);
    }
}
