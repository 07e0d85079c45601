//! The commands on the command line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::project::{Project, contributions, program, run_in};
use crate::table::Table;

const COMMANDS: [(&str, &[&str]); 10] = [
    ("demo", &["--output"]),
    ("init", &["DIR"]),
    ("check", &["--project", "--verbose"]),
    ("docs", &["--output", "--overwrite", "--title", "--project"]),
    (
        "report",
        &[
            "--window",
            "--level",
            "--from",
            "--to",
            "--by",
            "--section",
            "--stage",
            "--group",
            "--metric",
            "--pivot",
            "--method",
            "--approx",
            "--as-of",
            "--tree",
            "--format",
            "--output",
            "--project",
        ],
    ),
    (
        "publish",
        &["--output", "--format", "--window", "--level", "--by", "--from", "--as-of", "--project"],
    ),
    (
        "sql",
        &[
            "--command",
            "--file",
            "--expanded",
            "--format",
            "--output",
            "--threads",
            "--memory-limit",
            "--temporary",
            "--set",
        ],
    ),
    (
        "generate",
        &[
            "--events",
            "--users",
            "--months",
            "--seed",
            "--ids",
            "--scoped",
            "--installations",
            "--keys",
            "--nonresponse",
            "--output",
        ],
    ),
    ("bench", &["accuracy"]),
    ("completions", &["bash", "zsh", "fish"]),
];

#[test]
fn a_new_project_works() {
    let home = Project::empty();
    let made = home.run(&["init", "my/project"]);
    assert_eq!((made.code, made.out.as_str()), (0, ""), "{}", made.err);
    for part in ["my/project", "headcount check", "headcount report"] {
        assert!(made.err.contains(part), "no {part:?} in {}", made.err);
    }
    let check = home.run(&["check", "--project", "my/project"]);
    assert_eq!((check.code, check.err.as_str()), (0, ""), "{}", check.out);
    assert!(check.out.contains("no errors"), "{}", check.out);
    let by = ["report", "--project", "my/project", "--format", "csv", "--by", "plan,deployment"];
    let by = home.run(&by);
    assert_eq!((by.code, by.err.as_str()), (0, ""));
    let values = Table::of_csv(&by.out).lines(&["plan", "deployment"]);
    for pair in [" ", " saas", " self_managed", "free ", "ultimate self_managed"] {
        assert!(values.iter().any(|line| line == pair), "no {pair:?} in\n{}", by.out);
    }
    let report = home.run(&["report", "--project", "my/project", "--format", "csv"]);
    assert_eq!((report.code, report.err.as_str()), (0, ""));
    // The total of the starter's first month, recounted from its file.
    let events = std::fs::read_to_string(home.path("my/project/data/events.csv")).unwrap();
    let users: std::collections::BTreeSet<&str> = events
        .lines()
        .filter(|line| line.starts_with("2026-01"))
        .map(|line| line.split(',').nth(1).unwrap())
        .collect();
    let table = Table::of_csv(&report.out);
    let lines = table.lines(&["period_start", "level", "stage", "users"]);
    assert_eq!(lines[0], format!("2026-01-01 total  {}", users.len()));
    // From a folder inside of it the project is found.
    let inside = run_in(&home.path("my/project/data"), &["report", "--format", "csv"]);
    assert_eq!(inside.out, report.out);
    // A second time nothing is touched.
    home.write("my/project/data/events.csv", "mine");
    assert_eq!(home.run(&["init", "my/project"]).code, 1);
    assert_eq!(std::fs::read_to_string(home.path("my/project/data/events.csv")).unwrap(), "mine");
}

#[test]
fn the_real_project_is_in_order() {
    let check = run_in(&contributions(), &["check"]);
    assert_eq!((check.code, check.err.as_str()), (0, ""), "{}", check.out);
    for part in ["29 metrics", "104238 events", "no errors"] {
        assert!(check.out.contains(part), "no {part:?} in\n{}", check.out);
    }
    assert!(!check.out.contains("warning"), "{}", check.out);
    // All contributions are to public repositories.
    let by = ["report", "--format", "csv", "--level", "total", "--by", "plan,deployment"];
    let by = run_in(&contributions(), &[by.as_slice(), &["--from", "2026-07"]].concat());
    assert_eq!((by.code, by.err.as_str()), (0, ""));
    let lines = Table::of_csv(&by.out).lines(&["period_start", "plan", "deployment", "users"]);
    let july =
        ["  55", " saas 55", "free  55", "free saas 55"].map(|line| format!("2026-07-01 {line}"));
    assert!(july.iter().all(|line| lines.contains(line)), "{}", by.out);
}

#[test]
fn help_names_every_option() {
    let folder = Project::empty();
    let all = folder.run(&["--help"]);
    assert_eq!(all.code, 0);
    for (command, options) in COMMANDS {
        assert!(all.out.contains(command), "no {command} in\n{}", all.out);
        let help = folder.run(&[command, "--help"]);
        assert_eq!((help.code, help.err.as_str()), (0, ""));
        for option in options {
            assert!(help.out.contains(option), "{command}: no {option} in\n{}", help.out);
        }
        let widest = help.out.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{command}: a line of {widest:?} characters");
    }
    for word in ["day", "week", "month", "quarter", "year", "last_28d_of_month", "iso_4w"] {
        assert!(folder.run(&["report", "--help"]).out.contains(word), "{word}");
    }
    let version = folder.run(&["--version"]);
    assert_eq!(version.out, format!("headcount {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(folder.run(&[] as &[&str]).code, 2);
}

#[test]
fn completions_know_the_commands() {
    let folder = Project::empty();
    for shell in ["bash", "zsh", "fish"] {
        let ran = folder.run(&["completions", shell]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        for part in ["headcount", "report", "generate", "approx"] {
            assert!(ran.out.contains(part), "{shell}: no {part}");
        }
    }
    assert_eq!(folder.run(&["completions", "tcsh"]).code, 2);
}

const FORMATS: [(&str, &str); 6] = [
    ("table", "txt"),
    ("csv", "csv"),
    ("json", "json"),
    ("markdown", "md"),
    ("html", "html"),
    ("parquet", "parquet"),
];

fn report_on_real_data(format: &str) -> Vec<&str> {
    let words = "report --level total,combined,stage,group --by repository --from 2020 --format";
    words.split(' ').chain([format]).collect()
}

/// Same input, same bytes: in a second run, on one thread, and into a file.
#[test]
fn same_input_same_bytes() {
    let root = contributions();
    let folder = Project::empty();
    for (format, ending) in FORMATS {
        let arguments = report_on_real_data(format);
        let first = run_in(&root, &arguments);
        assert_eq!((first.code, first.err.as_str()), (0, ""), "{format}");
        assert!(first.bytes.len() > 2_000, "{format}: {} bytes", first.bytes.len());
        assert_eq!(run_in(&root, &arguments).bytes, first.bytes, "{format} again");
        let single =
            program(&root).env("RAYON_NUM_THREADS", "1").args(&arguments).output().unwrap();
        assert_eq!(single.stdout, first.bytes, "{format} on one thread");
        let path = folder.path(&format!("report.{ending}"));
        let by_ending = &arguments[..arguments.len() - 2];
        let ran = program(&root).args(by_ending).arg("-o").arg(&path).output().unwrap();
        assert!(ran.status.success());
        assert_eq!(ran.stdout, b"", "{format}: the report is in the file");
        assert_eq!(std::fs::read(&path).unwrap(), first.bytes, "{format} in a file");
    }
    assert_eq!(std::fs::read_dir(folder.root()).unwrap().count(), FORMATS.len());
}

/// Colours are for terminals: a pipe gets none, and no progress either.
#[test]
fn a_pipe_gets_plain_text() {
    let ran = run_in(&contributions(), &report_on_real_data("table"));
    assert!(!ran.out.contains('\u{1b}') && ran.err.is_empty());
}

/// JSON, Parquet and CSV hold the same rows.
#[test]
fn formats_agree() {
    let root = contributions();
    let csv = Table::of_csv(&run_in(&root, &report_on_real_data("csv")).out);
    let columns =
        ["period_start", "level", "stage", "group", "repository", "users", "previous_users"];
    let lines = csv.lines(&columns);
    let json = run_in(&root, &report_on_real_data("json"));
    let json: serde_json::Value = serde_json::from_slice(&json.bytes).unwrap();
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let from_json: Vec<String> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            assert_eq!(row.as_object().unwrap().len(), csv.header.len());
            columns.map(|name| text(&row[name])).join(" ")
        })
        .collect();
    assert_eq!(from_json, lines);
    let folder = Project::empty();
    folder.write("report.parquet", run_in(&root, &report_on_real_data("parquet")).bytes);
    let file = File::open(folder.path("report.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut from_parquet = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let names: Vec<&str> =
            batch.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, csv.header);
        for row in 0..batch.num_rows() {
            let value = |name| array_value_to_string(batch.column_by_name(name).unwrap(), row);
            from_parquet.push(columns.map(|name| value(name).unwrap()).join(" "));
        }
    }
    assert_eq!(from_parquet, lines);
}

/// The reader of the output may close the pipe at any time.
#[test]
fn a_closed_pipe_is_no_error() {
    let arguments =
        "report --window day --level total,stage --by repository --from 2010 --format csv";
    let mut child = program(&contributions())
        .args(arguments.split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.starts_with("window,period_start,period_end,complete,level,"), "{line}");
    drop(out);
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

/// A part of the tree: its level and the one below, with the rows of the whole report.
#[test]
fn a_report_on_a_part_of_the_tree() {
    let project = Project::good();
    let ask = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        project.report(&arguments).lines(&["level", "stage", "group", "metric", "users"])
    };
    let february = |part: &str| ask(&format!("--from 2026-02 --to 2026-02 {part}"));
    assert_eq!(
        february("--stage reading"),
        ["stage reading   2", "group reading pages  1", "group reading search  1"]
    );
    // Names in any case, and several.
    assert_eq!(
        february("--stage READING,writing --level stage"),
        ["stage reading   2", "stage writing   1"]
    );
    assert_eq!(
        february("--section site"),
        ["section    3", "stage reading   2", "stage writing   1"]
    );
    assert_eq!(
        february("--group search"),
        ["group reading search  1", "action reading search monthly.search 1"]
    );
    assert_eq!(february("--metric monthly.search"), ["action reading search monthly.search 1"]);
    assert_eq!(february("--stage reading --group posts"), Vec::<String>::new());
    let header = |arguments: &[&str]| {
        let ran = project.run(&[&["report"], arguments].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    // The header says what was counted: four of the seven events are of the stage, two in February.
    let all = header(&["--stage", "reading"]);
    assert!(all.contains("periods 2026-01 to 2026-03 (3) · stage Reading · events 4 "), "{all}");
    let some = header(&["--stage", "reading", "--from", "2026-02", "--to", "2026-02"]);
    assert!(some.contains("periods 2026-02 · stage Reading · events 2 "), "{some}");
    for (arguments, code, part) in [
        ("--stage reeding", 1, "did you mean `reading`?"),
        ("--stage reading --level total", 1, "with --stage there are no rows of the level total"),
        ("--metric monthly.search --level group", 1, "with --metric there are no rows"),
        ("--pivot --format csv", 2, "--pivot is for table, markdown and html, not for csv"),
    ] {
        let all: Vec<&str> = ["report"].into_iter().chain(arguments.split(' ')).collect();
        let ran = project.run(&all);
        assert!(ran.code == code && ran.err.contains(part), "{arguments}: {}", ran.err);
    }
}

/// Every number of a pivot is that of a row, and no row is missing.
#[test]
fn a_pivot_has_the_numbers_of_the_rows() {
    let root = contributions();
    let more = ["--level", "total,stage", "--by", "repository", "--from", "2025-01"];
    let ask = |format: &[&str]| {
        let ran = run_in(&root, &[&["report"], format, more.as_slice()].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let rows = Table::of_csv(&ask(&["--format", "csv"]))
        .numbers(&["stage", "repository", "period_start"], "users");
    let names = run_in(
        &root,
        &["sql", "--format", "csv", "-c", "SELECT DISTINCT stage, stage_name FROM stages"],
    );
    let names = Table::of_csv(&names.out);
    let pivot = ask(&["--format", "markdown", "--pivot"]);
    let mut lines = pivot.lines().filter(|line| line.starts_with('|')).map(|line| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    });
    let head = lines.next().unwrap();
    let mut seen = 0;
    for line in lines.skip(1) {
        let stage = names.rows.iter().find(|row| row[1] == line[0]).map_or("", |row| &row[0]);
        let value = if line[1] == "(all)" { "" } else { &line[1] };
        for (period, cell) in head.iter().zip(&line).filter(|(period, _)| period.starts_with("20"))
        {
            let start = format!("{}-01", &period[..7]);
            let key = vec![stage.to_owned(), value.to_owned(), start];
            let users: u64 = cell.replace(',', "").parse().unwrap();
            assert_eq!(rows.get(&key).copied().unwrap_or(0), users, "{key:?}");
            seen += usize::from(rows.contains_key(&key));
        }
    }
    assert_eq!(seen, rows.len());
}

#[test]
fn the_options_of_a_report() {
    let project = Project::good();
    let lines = |arguments: &str, columns: &[&str]| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        project.report(&arguments).lines(columns)
    };
    let brief = ["period_start", "users", "previous_users", "complete"];
    assert_eq!(
        lines("--level total", &brief),
        ["2026-01-01 2  true", "2026-02-01 3 2 true", "2026-03-01 1 3 false"]
    );
    assert_eq!(lines("--level total --from 2026-02 --to 2026-02", &brief), ["2026-02-01 3 2 true"]);
    assert_eq!(
        lines("--level total --as-of 2026-02-05", &brief),
        ["2026-01-01 2  true", "2026-02-01 1 2 false"]
    );
    assert_eq!(
        lines("--level total --window quarter --as-of 2026-Q1", &brief),
        ["2026-01-01 3  true"]
    );
    assert_eq!(
        lines("--level combined --from 2026-02 --to 2026-02", &["users", "method"]),
        ["3 sum"]
    );
    let of_february = |more: &str| {
        let arguments = format!("--from 2026-02 --to 2026-02 {more}");
        lines(&arguments, &["level", "stage", "group", "metric", "plan", "method", "users"])
    };
    assert_eq!(
        of_february("--level stage --by plan --method indicator"),
        [
            "stage reading    indicator 1",
            "stage reading   free indicator 0",
            "stage reading   paid indicator 1",
            "stage writing    indicator 1",
            "stage writing   free indicator 0",
            "stage writing   paid indicator 1",
        ]
    );
    assert_eq!(
        of_february("--level action,group --by plan --method max")[..4],
        [
            "group reading pages   max 1",
            "group reading pages  free max 0",
            "group reading pages  paid max 1",
            "group reading search   max 1",
        ]
    );
    let table = project.report(&["--approx", "--level", "total"]);
    assert_eq!(table.lines(&["count", "basis"]), ["approx recorded"; 3]);
    let expected = "window,period_start,period_end,complete,level,section,stage,group,metric,plan,\
                    method,basis,count,users,users_low,users_high,previous_users,change_pct";
    assert_eq!(project.report(&["--by", "plan"]).header.join(","), expected);
}

/// `generate` makes a project that reports its own truth, and the same bytes every time.
#[test]
fn generated_events_have_their_truth_beside_them() {
    let home = Project::empty();
    let words = "generate --events 5000 --users 400 --months 2 --seed 7 --ids uuid --scoped -o";
    let make = |folder: &'static str| {
        let arguments: Vec<&str> = words.split(' ').chain([folder]).collect();
        let ran = home.run(&arguments);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    assert_eq!(make("a"), make("b"));
    for file in ["events/2025-01.parquet", "truth/truth.csv", "dictionary/stages.yml"] {
        let read = |folder: &str| std::fs::read(home.path(&format!("{folder}/{file}"))).unwrap();
        assert_eq!(read("a"), read("b"), "{file}");
    }
    let check = home.run(&["check", "--project", "a"]);
    assert_eq!((check.code, check.err.as_str()), (0, ""), "{}", check.out);
    let truth = std::fs::read_to_string(home.path("a/truth/truth.csv")).unwrap();
    let truth = Table::of_csv(&truth).lines(&["period_start", "level", "plan", "users"]);
    let total: Vec<&String> = truth.iter().filter(|line| line.contains(" total  ")).collect();
    let report = home.run(&["report", "--project", "a", "--level", "total", "--format", "csv"]);
    let lines = Table::of_csv(&report.out).lines(&["period_start", "level", "section", "users"]);
    assert_eq!(lines.iter().collect::<Vec<_>>(), total);
    assert_eq!(lines.len(), 2);
}

/// `generate --installations` makes a project of pings.
#[test]
fn generated_fleets_have_their_truth_beside_them() {
    let home = Project::empty();
    let words = "generate --installations 30 --months 2 --seed 7 --keys 300 --nonresponse biased \
                 --start 2024-02 -o fleet";
    let made = home.run(&words.split_whitespace().collect::<Vec<_>>());
    assert_eq!(made.code, 0, "{}", made.err);
    let lines: Vec<&str> = made.out.lines().map(|line| line.trim_start()).collect();
    assert!(lines[0].starts_with("month ") && lines[1].starts_with("2024-02 "), "{}", made.out);
    assert_eq!(lines.len(), 3);
    let readme = std::fs::read_to_string(home.path("fleet/README.md")).unwrap();
    let command = "headcount generate --installations 30 --months 2 --seed 7 --start 2024-02 \
                   --keys 300 --nonresponse biased -o DIR";
    assert!(readme.contains(&format!("\n{command}\n")), "{readme}");
    let check = home.run(&["check", "--project", "fleet"]);
    assert!([0, 3].contains(&check.code) && check.out.contains("pings: "), "{}", check.out);
    for (words, message) in [
        ("--installations 5 --events 3", "cannot be used with"),
        ("--installations 5 --late 0.1", "cannot be used with"),
        ("--keys 300", "--installations <N>"),
        ("--nonresponse biased", "--installations <N>"),
        ("--installations 5 --nonresponse none", "use one of: random, biased"),
        ("--installations 5 --keys 10", "keys is 10, expected 200 to 20,000"),
    ] {
        let arguments: Vec<&str> = words.split(' ').collect();
        let ran = home.run(&[&["generate", "-o", "other"], &arguments[..]].concat());
        assert!(ran.code != 0 && ran.err.contains(message), "{words}: {}", ran.err);
        assert!(!home.path("other").exists());
    }
}

/// Every command with `-o` takes the format from the ending, and refuses those that it does not
/// know before it does anything.
#[test]
fn the_ending_of_the_output_file_decides_its_format() {
    let project = Project::good();
    let accuracy = ["bench", "accuracy", "--invented", "100", "--sizes", "10", "--trials", "1"];
    for (command, known) in [
        (&["sql", "-c", "SELECT 1 AS n, 'a' AS t"][..], ".ndjson"),
        (&["report"], ".html"),
        (&accuracy, ".html"),
    ] {
        let run = |more: &[&str]| project.run(&[command, more].concat());
        let wrong = run(&["-o", "out.xlsx"]);
        assert_eq!((wrong.code, wrong.out.as_str()), (2, ""), "{}", wrong.err);
        for part in ["`.xlsx`", "out.xlsx", ".csv, .tsv", known] {
            assert!(wrong.err.contains(part), "{command:?}: no {part:?} in {}", wrong.err);
        }
        assert!(!project.path("out.xlsx").exists());
        let tabs = run(&["-o", "out.TSV"]);
        assert_eq!(tabs.code, 0, "{}", tabs.err);
        let written = std::fs::read_to_string(project.path("out.TSV")).unwrap();
        assert!(written.lines().all(|line| line.contains('\t')), "{written}");
        // What is named explicitly goes first.
        let named = run(&["--format", "csv", "-o", "out.xlsx"]);
        assert_eq!(named.code, 0, "{}", named.err);
        let written = std::fs::read_to_string(project.path("out.xlsx")).unwrap();
        assert!(written.lines().all(|line| line.contains(',')), "{written}");
        std::fs::remove_file(project.path("out.xlsx")).unwrap();
    }
    let demo = project.run(&["demo", "-o", "demo.csv"]);
    assert_eq!(demo.code, 2, "{}", demo.err);
    assert!(demo.err.contains(".html, .htm"), "{}", demo.err);
}

/// A pipe is written directly: nothing is renamed onto it.
#[test]
#[cfg(unix)]
fn the_output_file_may_be_a_pipe() {
    let folder = Project::empty();
    let pipe = folder.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).unwrap()
    });
    let ran = folder.run(&["sql", "-c", "SELECT 1 AS n", "--format", "csv", "-o", "pipe"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(reader.join().unwrap(), "n\n1\n");
    assert!(!std::fs::metadata(pipe).unwrap().is_file());
}
