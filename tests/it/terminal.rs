//! The program on a terminal, a real pseudo-terminal of a given size: tables fit, no column that
//! varies and no number is missing, and what is longer than a screen goes through the pager.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::project::{Project, Ran, contributions, copy_contributions, run_in};
use crate::python::{python, scripts};
use crate::table::Table;

/// A terminal in a folder.
struct Terminal<'a> {
    folder: &'a Path,
    columns: usize,
    rows: usize,
    pager: &'a str,
}

impl<'a> Terminal<'a> {
    /// Without a pager.
    fn new(folder: &'a Path, columns: usize) -> Self {
        Self { folder, columns, rows: 24, pager: "" }
    }

    /// Runs the program; stdout and stderr are the same terminal.
    fn run(&self, arguments: &[&str]) -> Ran {
        self.type_lines(arguments, "")
    }

    /// Types lines at the prompt, which shows escape sequences of its own.
    fn type_lines(&self, arguments: &[&str], lines: &str) -> Ran {
        let mut command = Command::new(python());
        command.arg(scripts().join("terminal.py"));
        command.args([self.columns.to_string(), self.rows.to_string()]);
        command.arg(env!("CARGO_BIN_EXE_headcount")).args(arguments);
        command.current_dir(self.folder).env("PAGER", self.pager).env("NO_COLOR", "1");
        command.env("TERM", "xterm").env("XDG_STATE_HOME", self.folder.join("state"));
        command.env_remove("LESS");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }

    /// As [`run`](Self::run), and checks that it succeeds and that every line fits.
    fn fitting(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.out, ran.err);
        // Notes and progress may be longer, and are on the same terminal.
        let is_message = |line: &&str| {
            ["note: ", "\r", "The full report", "The project"]
                .iter()
                .any(|part| line.contains(part))
        };
        let lines = ran.out.lines().filter(|line| !is_message(line));
        for line in lines {
            let width = line.chars().count();
            assert!(width <= self.columns, "{width} of {}: {line}", self.columns);
        }
        ran.out
    }
}

fn csv(folder: &Path, sql: &str) -> Table {
    let ran = run_in(folder, &["sql", "--format", "csv", "-c", sql]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    Table::of_csv(&ran.out)
}

const SMAU: &str = "SELECT * FROM smau WHERE period_start >= DATE '2026-01-01'";

/// The values of every varying column are in the table, those of the others above it.
#[test]
fn a_query_shows_every_varying_column() {
    let root = contributions();
    let expected = csv(&root, SMAU);
    let varying =
        ["period_start", "period_end", "complete", "section", "stage", "users", "previous_users"];
    let lines = expected.lines(&varying);
    assert!(lines.len() > 40);
    for columns in [80, 100, 200] {
        let text = Terminal::new(&root, columns).fitting(&["sql", "-c", SMAU]);
        let rows: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with("2026-") || line.starts_with("month"))
            .map(|line| {
                let cells: Vec<&str> = line.split_whitespace().collect();
                // At the full width the constant columns are in the table.
                let cells = if cells[0] == "month" { full_row(&cells) } else { cells };
                cells[..varying.len()].join(" ")
            })
            .collect();
        assert_eq!(rows, lines, "{columns} columns:\n{text}");
        if columns < 200 {
            for fact in [
                "window = month · level = stage · group = NULL · metric = NULL",
                "method = union",
                "users_low = users",
                "users_high = users",
            ] {
                let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(flat.contains(fact), "no {fact:?} in\n{text}");
            }
        }
        assert!(!text.contains("too wide"), "{text}");
    }
}

/// The varying columns of a row with all columns.
fn full_row<'c>(cells: &[&'c str]) -> Vec<&'c str> {
    [1, 2, 3, 5, 6, 12, 15].map(|at| cells[at]).to_vec()
}

#[test]
fn rows_become_records_where_columns_do_not_fit() {
    let root = contributions();
    let sql = "SELECT * FROM smau WHERE period_start = DATE '2026-07-01' AND stage = 'data'";
    let expected = csv(&root, sql);
    for (columns, arguments) in [(30, vec![]), (80, vec!["--expanded"]), (80, vec!["-x"])] {
        let all = [&["sql", "-c", sql], arguments.as_slice()].concat();
        let text = Terminal::new(&root, columns).fitting(&all);
        assert!(text.starts_with("─[ 1 ]──"), "{text}");
        for (name, value) in expected.header.iter().zip(&expected.rows[0]) {
            let value = if value.is_empty() { "NULL" } else { value };
            let value = value.split_at(value.len().min(5)).0;
            let line = text.lines().find(|line| line.split(' ').next() == Some(name));
            let line = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
            assert!(line.contains(value), "{line}: no {value}");
        }
    }
    // Files get records too, and other formats have none.
    let ran = run_in(&root, &["sql", "-x", "-c", sql]);
    assert!(ran.out.starts_with("─[ 1 ]──") && ran.out.contains("\nusers "), "{}", ran.out);
    let ran = run_in(&root, &["sql", "-x", "--format", "csv", "-c", sql]);
    assert!(ran.code == 2 && ran.err.contains("--expanded is for tables"), "{}", ran.err);
}

#[test]
fn a_table_stops_after_a_thousand_rows_on_a_terminal_only() {
    let folder = Project::empty();
    let sql = "SELECT value AS n FROM generate_series(1, 1001)";
    let terminal = Terminal::new(folder.root(), 80);
    let text = terminal.fitting(&["sql", "-c", sql]);
    assert!(text.contains("only the first 1,000 rows, and there are more"), "{text}");
    assert!(text.contains("\n1000\n") && !text.contains("\n1001\n"), "{text}");
    let text = terminal.fitting(&["sql", "-c", &sql.replace("1001", "1000")]);
    assert!(!text.contains("there are more") && text.contains("\n1000\n"), "{text}");
    // Formats for programs, and everything that is no terminal.
    let text = terminal.fitting(&["sql", "--format", "csv", "-c", sql]);
    assert!(text.ends_with("\n1001\n"), "{text}");
    assert!(run_in(folder.root(), &["sql", "-c", sql]).out.ends_with("\n1001\n"));
}

#[test]
fn long_results_go_through_the_pager() {
    let folder = Project::empty();
    let sql = |rows: usize| format!("SELECT value AS n FROM generate_series(1, {rows})");
    let run = |pager: &str, rows: usize| {
        let _ = std::fs::remove_file(folder.path("paged"));
        let terminal = Terminal { folder: folder.root(), columns: 80, rows: 24, pager };
        let ran = terminal.run(&["sql", "-c", &sql(rows)]);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        let paged = std::fs::read_to_string(folder.path("paged")).ok();
        (ran.out, paged)
    };
    // 22 lines and the prompt of the shell fit on the screen.
    let (out, paged) = run("cat > paged", 21);
    assert!(out.contains("\n21\n") && paged.is_none(), "{out}");
    let (out, paged) = run("cat > paged", 22);
    assert_eq!((out.as_str(), paged.unwrap().lines().count()), ("", 24));
    // The pager may be left early, and it may be missing.
    let (out, _) = run("head -n 3", 1_000);
    assert_eq!(out.lines().count(), 3, "{out}");
    let (out, _) = run("no-such-pager", 100);
    assert!(out.contains("the pager `no-such-pager` cannot be run"), "{out}");
    assert!(out.contains("\n100\n"), "{out}");
    let (out, paged) = run(" ", 100);
    assert!(out.contains("\n100\n") && paged.is_none(), "{out}");
    // A pipe has no pager.
    let ran = run_in(folder.root(), &["sql", "-c", &sql(100)]);
    assert_eq!(ran.out.lines().count(), 102);
    // Reports have one too.
    let paged = folder.path("paged").display().to_string();
    let pager = format!("cat > '{paged}'");
    let terminal = Terminal { folder: &contributions(), columns: 80, rows: 24, pager: &pager };
    assert_eq!(terminal.run(&["report", "--pivot=no"]).code, 0);
    let text = std::fs::read_to_string(&paged).unwrap();
    assert!(text.starts_with("Monthly active users\n") && text.lines().count() > 1_000, "{text}");
}

#[test]
fn the_prompt_has_records_and_cancels_after_the_pager() {
    let folder = Project::empty();
    let terminal = Terminal { folder: folder.root(), columns: 80, rows: 24, pager: "cat > paged" };
    let lines = "SELECT 1 AS one, 'b' AS two;\n\\x\nSELECT 3 AS three;\n\\x off\nSELECT 4 AS four;\n\
                 SELECT value FROM generate_series(1, 50);\nSELECT 5 AS five;\n";
    let ran = terminal.type_lines(&["sql"], lines);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    for part in [
        "one  two\n───  ───\n  1  b",
        "expanded display is on",
        "\nthree  3\n",
        "expanded display is off",
        "four\n────\n   4",
        "(50 rows)",
        "five\n────\n   5",
    ] {
        assert!(ran.out.contains(part), "no {part:?} in\n{}", ran.out);
    }
    assert_eq!(std::fs::read_to_string(folder.path("paged")).unwrap().lines().count(), 52);
}

/// The numbers of a pivot by name and period.
fn pivot_numbers(text: &str) -> BTreeMap<(String, String), u64> {
    let mut lines = text.lines().skip_while(|line| !line.trim_start().starts_with("Name "));
    let head = lines.next().unwrap_or_else(|| panic!("no pivot in\n{text}"));
    let ends: Vec<(usize, String)> =
        columns_of(head).into_iter().map(|(_, end, name)| (end, name)).collect();
    let mut numbers = BTreeMap::new();
    for line in lines.skip(1).take_while(|line| !line.is_empty()) {
        let name = columns_of(line).remove(0).2;
        for (_, end, cell) in columns_of(line).into_iter().skip(1) {
            let Some((_, period)) = ends.iter().find(|(at, _)| *at == end) else { continue };
            if let (true, Ok(number)) = (period.starts_with("20"), cell.replace(',', "").parse()) {
                numbers.insert((name.clone(), period.trim_end_matches(" …").to_owned()), number);
            }
        }
    }
    numbers
}

/// Cells that are separated by two spaces: where they begin and end, and their text.
fn columns_of(line: &str) -> Vec<(usize, usize, String)> {
    let letters: Vec<char> = line.chars().collect();
    let mut cells = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        if letters[at] == ' ' {
            at += 1;
            continue;
        }
        let start = at;
        while at < letters.len() && !(letters[at] == ' ' && letters.get(at + 1) == Some(&' ')) {
            at += 1;
        }
        cells.push((start, at, letters[start..at].iter().collect()));
    }
    cells
}

/// On a terminal the newest periods are across, and every number is that of the rows.
#[test]
fn a_report_fits_the_terminal() {
    let root = contributions();
    let rows = run_in(&root, &["report", "--format", "csv", "--level", "total,stage"]);
    let rows = Table::of_csv(&rows.out).numbers(&["stage", "period_start"], "users");
    let names = csv(&root, "SELECT DISTINCT stage, stage_name FROM stages");
    let names: BTreeMap<&str, &str> =
        names.rows.iter().map(|row| (row[1].as_str(), row[0].as_str())).collect();
    let mut shown = Vec::new();
    for columns in [80, 100, 200] {
        let text = Terminal::new(&root, columns).fitting(&["report"]);
        assert!(text.contains("of 262 periods. Trend: 2004-11 to 2026-07, from 0"), "{text}");
        let numbers = pivot_numbers(&text);
        for ((name, period), users) in &numbers {
            let stage = if name == "Unique users" { "" } else { names[name.as_str()] };
            let key = vec![stage.to_owned(), format!("{period}-01")];
            assert_eq!(rows.get(&key), Some(users), "{name} {period}");
        }
        shown.push(numbers.len());
    }
    // All nodes, and the more periods the wider the terminal is.
    assert!(shown[0] >= 3 * 8 && shown.is_sorted_by(|a, b| a < b), "{shown:?}");
    // A few periods are a list.
    let list = Terminal::new(&root, 80).fitting(&["report", "--from", "2026-06"]);
    assert!(list.contains("Period     Level"), "{list}");
    let text = Terminal::new(&root, 80).fitting(&["report", "--from", "2026-06", "--pivot"]);
    assert!(text.contains("Name ") && !text.contains("of 3 periods"), "{text}");
    // Long descriptions of metrics are shortened.
    let arguments = ["report", "--level", "action", "--from", "2026-06", "--by", "repository"];
    assert!(Terminal::new(&root, 80).fitting(&arguments).contains('…'));
    Terminal::new(&root, 60).fitting(&["report", "--level", "action"]);
}

/// The demo shows all months as far as they fit.
#[test]
fn the_demo_fits_the_terminal() {
    let folder = Project::empty();
    copy_contributions(&folder.path("datasets/contributions"));
    let text = Terminal::new(folder.root(), 80).fitting(&["demo"]);
    assert!(text.contains("of 262 periods") && text.contains("Trend"), "{text}");
    assert!(folder.path("headcount-demo.html").is_file());
}
