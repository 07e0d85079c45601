//! README.md and docs/: their examples run, their links resolve.
//!
//! Every document gets a scratch folder of its own with the starter project of `headcount init` and
//! a copy of `datasets/contributions`. Its fenced blocks run there in order, by their language:
//!
//! | info string | what happens |
//! |---|---|
//! | `sh` | run by `sh -eu`, with the built program as `headcount`; `cargo run ... --` calls it too |
//! | `sql` | run by `headcount sql` |
//! | `python` | run in the Python environment of the tests |
//! | `yaml file=PATH` | written to PATH in the project, which `headcount check` must find without errors |
//! | `text output` | compared with what the block before it wrote to stdout; a line `...` stands for any lines |
//! | `text` | nothing: diagrams, syntax |
//!
//! `no-run=REASON` in the info string keeps a block from being run. A block with any other info
//! string, or none, fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::project::{Project, Ran, copy_contributions};
use crate::python::python;

/// Why a block is not run.
const REASONS: [&str; 8] =
    ["server", "bucket", "long", "install", "duckdb", "dbt", "large-data", "fragment"];
/// Longest README, in lines.
const README_LINES: usize = 120;
/// `cargo run [options] -- ARGS` runs the built program.
const CARGO: &str = "#!/bin/sh -eu\ntest \"$1\" = run\nwhile test \"$1\" != --; do shift; done\n\
                     shift\nexec headcount \"$@\"\n";

/// A fenced block of a document.
#[derive(Debug)]
struct Block {
    /// Line of its opening fence.
    line: usize,
    language: String,
    /// The words of the info string after the language.
    words: Vec<String>,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
}

/// README.md and every file of docs/, relative to the repository.
fn documents() -> Vec<String> {
    let mut names = vec!["README.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            names.push(format!("docs/{name}"));
        }
    }
    names.sort();
    names
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (open, fence) {
            (false, Some(info)) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let language = words.next().unwrap_or_default();
                let words = words.collect();
                blocks.push(Block { line: at + 1, language, words, text: String::new() });
                open = true;
            }
            (true, Some(_)) => open = false,
            (true, None) => {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            (false, None) => {}
        }
    }
    assert!(!open, "a block has no end");
    blocks
}

/// The scratch folder of a document.
struct Scratch {
    folder: Project,
}

impl Scratch {
    fn new() -> Self {
        let folder = Project::empty();
        folder.write("bin/cargo", CARGO);
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path("bin/cargo"), executable).unwrap();
        symlink(env!("CARGO_BIN_EXE_headcount"), folder.path("bin/headcount")).unwrap();
        let made = folder.run(&["init", "project"]);
        assert_eq!(made.code, 0, "{}", made.err);
        copy_contributions(&folder.path("project/datasets/contributions"));
        Self { folder }
    }

    /// Runs a command in the project.
    fn run(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Ran {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.folder.path("bin").display());
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path("project"));
        command.env("PATH", path).stdin(Stdio::null());
        Ran::of(command.output().unwrap())
    }

    /// Runs a block and returns what it wrote to stdout.
    fn run_block(&self, block: &Block) -> String {
        let words: Vec<&str> = block.words.iter().map(String::as_str).collect();
        let ran = match (block.language.as_str(), words.as_slice()) {
            ("sh", []) => self.run("sh", &["-euc", &block.text]),
            ("sql", []) => {
                let program = self.folder.path("bin/headcount");
                self.run(program, &["sql", &format!("--command={}", block.text)])
            }
            ("python", []) => self.run(python(), &["-c", &block.text]),
            ("yaml", [word]) => {
                let name = word.strip_prefix("file=").expect("yaml needs file=PATH");
                self.folder.write(&format!("project/{name}"), &block.text);
                self.run(self.folder.path("bin/headcount"), &["check"])
            }
            _ => panic!("unknown info string: {} {}", block.language, words.join(" ")),
        };
        assert_eq!(ran.code, 0, "{}\n{}\n{}", block.text, ran.out, ran.err);
        ran.out
    }
}

/// Whether a text is the expected one, in which a line `...` stands for any lines.
fn is_like(text: &str, expected: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        text.trim().lines().map(|line| line.trim_end().to_owned()).collect()
    };
    let (text, expected) = (lines(text), lines(expected));
    let mut parts = expected.split(|line| line == "...").peekable();
    let mut at = 0;
    let mut first = true;
    while let Some(part) = parts.next() {
        let rest = &text[at..];
        let found = match (first, parts.peek()) {
            (true, None) => (rest == part).then_some(0),
            (true, Some(_)) => rest.starts_with(part).then_some(0),
            (false, None) => rest.ends_with(part).then(|| rest.len() - part.len()),
            (false, Some(_)) => (0..=rest.len()).find(|start| rest[*start..].starts_with(part)),
        };
        let Some(found) = found else { return false };
        at += found + part.len();
        first = false;
    }
    true
}

/// Runs the blocks of a document.
fn check(name: &str) {
    let scratch = Scratch::new();
    let mut output = None;
    for block in blocks(&read(name)) {
        let words: Vec<&str> = block.words.iter().map(String::as_str).collect();
        let place = format!("{name}:{}", block.line);
        // Shown only if the test fails.
        println!("{place}");
        match (block.language.as_str(), words.as_slice()) {
            ("text", []) => {}
            ("text", ["output"]) => {
                let output: String = output.take().expect("output follows a block that runs");
                let expected = &block.text;
                assert!(is_like(&output, expected), "{place}: it is now\n{output}");
            }
            ("sh" | "sql" | "python" | "yaml" | "json", [word]) if word.starts_with("no-run=") => {
                assert!(REASONS.contains(&&word["no-run=".len()..]), "{place}: {word}");
            }
            _ => output = Some(scratch.run_block(&block)),
        }
    }
}

macro_rules! documents {
    ($($test:ident: $name:literal),+ $(,)?) => {
        /// Documents whose blocks run; those of `functions.md` do so beside its generator.
        const CHECKED: &[&str] = &[$($name),+];

        $(#[test]
        fn $test() {
            check($name);
        })+
    };
}

documents! {
    readme: "README.md",
    accuracy: "docs/accuracy.md",
    architecture: "docs/architecture.md",
    concepts: "docs/concepts.md",
    contributing: "docs/contributing.md",
    install: "docs/install.md",
    metric_docs: "docs/metric-docs.md",
    performance: "docs/performance.md",
    ping_out: "docs/ping-out.md",
    pings: "docs/pings.md",
    postgresql: "docs/postgresql.md",
    project_file: "docs/project-file.md",
    publish: "docs/publish.md",
    recipes: "docs/recipes.md",
    servers: "docs/servers.md",
    sql: "docs/sql.md",
    store: "docs/store.md",
}

#[test]
fn every_document_is_checked_and_linked() {
    let all = documents();
    let checked: BTreeSet<&str> = CHECKED.iter().copied().chain(["docs/functions.md"]).collect();
    assert_eq!(all.iter().map(String::as_str).collect::<BTreeSet<_>>(), checked);
    let readme = read("README.md");
    for name in all.iter().filter(|name| name.starts_with("docs/")) {
        assert!(readme.contains(&format!("({name})")), "README.md has no link to {name}");
    }
}

#[test]
fn the_readme_is_short_and_names_its_two_commands() {
    let readme = read("README.md");
    let lines = readme.lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines");
    let commands: Vec<String> =
        blocks(&readme).iter().map(|block| block.text.trim().to_owned()).collect();
    let demo = "cargo run --release -- demo";
    assert_eq!(commands.first().map(String::as_str), Some(demo));
    assert!(commands.iter().any(|command| command == "cargo test --release --workspace"));
}

/// The name of a heading in a link, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// The lines of a document outside of its blocks.
fn prose(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            !inside && !fence
        })
        .collect()
}

/// The targets of `[text](target)` in a line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn links_resolve() {
    let mut texts: BTreeMap<PathBuf, String> = BTreeMap::new();
    let more = ["CHANGELOG.md", "benches/README.md", "datasets/contributions/README.md"];
    let names = documents().into_iter().chain(more.map(str::to_owned));
    for name in names {
        texts.insert(root().join(&name), read(&name));
    }
    let mut links = 0;
    for (file, text) in &texts {
        for target in prose(text).into_iter().flat_map(targets) {
            if target.contains("://") {
                continue;
            }
            links += 1;
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let place = file.parent().unwrap().join(path);
            let place = if path.is_empty() { file.clone() } else { place };
            let place = place.canonicalize();
            let place = place.unwrap_or_else(|_| panic!("{}: {target}", file.display()));
            if heading.is_empty() {
                continue;
            }
            let headings = prose(&texts[&place]);
            let mut headings = headings.iter().filter(|line| line.starts_with('#'));
            let is_it = |line: &&str| anchor(line.trim_start_matches('#').trim()) == heading;
            assert!(headings.any(is_it), "{}: {target}", file.display());
        }
    }
    assert!(links > 20, "{links} links");
}

#[test]
fn expected_output_may_leave_lines_out() {
    let text = "a\nb\nc\nd\n";
    for (expected, is) in [
        ("a\nb\nc\nd", true),
        ("a\n...\nd", true),
        ("...\nc\nd", true),
        ("a\nb\n...", true),
        ("a\n...\nc\n...", true),
        ("a\n...\nd\n...\nc", false),
        ("a\nb\nc", false),
        ("b\n...", false),
        ("...\nc", false),
    ] {
        assert_eq!(is_like(text, expected), is, "{expected:?}");
    }
}
