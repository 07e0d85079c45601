//! `headcount sql`: statements, formats, limits, errors, and the same numbers as other interfaces.

use std::io::Write as _;
use std::process::Stdio;

use crate::project::{Project, Ran, contributions, program, run_in};

/// Runs SQL in the good project.
fn ask(sql: &str, more: &[&str]) -> Ran {
    let mut arguments = vec!["sql", "-c", sql];
    arguments.extend(more);
    Project::good().run(&arguments)
}

#[track_caller]
fn fails(ran: &Ran, parts: &[&str]) {
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    for part in parts {
        assert!(ran.err.contains(part), "no {part:?} in {}", ran.err);
    }
    for never in ["panicked", "internal error"] {
        assert!(!ran.err.contains(never), "{}", ran.err);
    }
}

#[test]
fn statements_share_a_session() {
    let sql = "CREATE VIEW paid AS SELECT * FROM visits WHERE plan = 'paid'; \
               SELECT count(*) AS n FROM paid; SELECT 'a;b' AS x";
    let ran = ask(sql, &["--format", "csv"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "n\n3\n\nx\na;b\n"), "{}", ran.err);
    let project = Project::good();
    let root = project.root().display().to_string();
    let sql = "SELECT count(*) AS n FROM visits";
    let ran = Project::empty().run(&["sql", "--project", &root, "-c", sql, "--format", "csv"]);
    assert_eq!(ran.out, "n\n7\n", "{}", ran.err);
}

#[test]
fn without_a_project_files_are_tables() {
    let folder = Project::empty();
    folder.write("more/people.csv", "id,name\n1,Ada\n2,Alan\n");
    let count = "SELECT count(*) AS n, max(name) AS name FROM";
    for place in ["more/people.csv", "more", "more/*.csv"] {
        let ran = folder.run(&["sql", "--format", "csv", "-c", &format!("{count} '{place}'")]);
        assert_eq!((ran.code, ran.out.as_str()), (0, "n,name\n2,Alan\n"), "{}", ran.err);
    }
    fails(&folder.run(&["sql", "-c", "SELECT * FROM visits"]), &["no table `visits`"]);
    fails(&folder.run(&["sql", "-c", "SELECT * FROM mau"]), &["no table `mau`"]);
}

#[test]
fn scripts_run_in_order_and_stop_at_the_first_error() {
    let project = Project::good();
    project.write("views.sql", "-- a view; for later\nCREATE VIEW v AS\n  SELECT 1 AS one;\n");
    let ran = project.run(&["sql", "-f", "views.sql", "-c", "SELECT * FROM v", "--format", "csv"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "one\n1\n"), "{}", ran.err);
    project
        .write("broken.sql", "SELECT 1;\n\nSELECT 2;\n  SELECT nothing\n  FROM visits;\nSELECT 3");
    let ran = project.run(&["sql", "-f", "broken.sql", "--format", "csv"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, "Int64(1)\n1\n\nInt64(2)\n2\n"));
    for part in ["nothing", "script: broken.sql", "statement: 3", "line: 4"] {
        assert!(ran.err.contains(part), "no {part:?} in {}", ran.err);
    }
    fails(&ask("SELECT 1 FROM visits WHERE (1 = )", &[]), &["Line: 1, Column: 33"]);
    fails(&ask("SELECT 'a", &[]), &["a text is not terminated", "line: 1"]);
    // Places are those of the script.
    project.write("syntax.sql", "\n\n   SELEC 1;");
    let ran = project.run(&["sql", "-f", "syntax.sql"]);
    fails(&ran, &["Line: 3, Column: 4", "statement: 1"]);
    fails(&project.run(&["sql", "-f", "none.sql"]), &["none.sql", "no such file"]);
}

#[test]
fn statements_come_from_stdin_too() {
    let project = Project::good();
    let mut child = program(project.root())
        .args(["sql", "--format", "ndjson"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT count(*) AS n FROM visits;").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"n\":7}\n");
}

#[test]
fn every_format_goes_to_a_file_by_its_ending() {
    let project = Project::good();
    let sql = "SELECT plan, count(*) AS n FROM visits GROUP BY plan ORDER BY plan";
    for (name, expected) in [
        ("a.csv", "plan,n\nfree,4\npaid,3\n"),
        ("a.tsv", "plan\tn\nfree\t4\npaid\t3\n"),
        ("a.json", "[\n{\"plan\":\"free\",\"n\":4},\n{\"plan\":\"paid\",\"n\":3}\n]\n"),
        ("a.ndjson", "{\"plan\":\"free\",\"n\":4}\n{\"plan\":\"paid\",\"n\":3}\n"),
        ("a.md", "| plan | n |\n| --- | ---: |\n| free | 4 |\n| paid | 3 |\n"),
        ("a.txt", "plan  n\n────  ─\nfree  4\npaid  3\n"),
    ] {
        let ran = project.run(&["sql", "-c", sql, "-o", name]);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""), "{name}");
        assert_eq!(std::fs::read_to_string(project.path(name)).unwrap(), expected, "{name}");
    }
    let ran = project.run(&["sql", "-c", sql, "-o", "a.parquet"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let back = project.run(&["sql", "-c", "SELECT * FROM 'a.parquet'", "--format", "csv"]);
    assert_eq!(back.out, "plan,n\nfree,4\npaid,3\n", "{}", back.err);
    // A file is whole or not there.
    let ran = project.run(&["sql", "-c", "SELECT 1; SELECT 2", "-o", "two.parquet"]);
    fails(&ran, &["a Parquet file can contain only one result", "statement: 2"]);
    assert!(!project.path("two.parquet").exists());
}

#[test]
fn limits_and_settings_hold() {
    let many = "SELECT count(*) AS n FROM (SELECT value, count(*) FROM \
                generate_series(1, 3000000) GROUP BY value ORDER BY value DESC)";
    let ran = ask(
        "SELECT array_agg(value) FROM generate_series(1, 3000000)",
        &["--memory-limit", "8MB", "--threads", "2"],
    );
    fails(&ran, &["the limit of 8 MB", "--memory-limit"]);
    let spilled = ["--memory-limit", "60MB", "--threads", "2", "--temporary", "spill"];
    let ran = ask(many, &[&spilled[..], &["--format", "csv"]].concat());
    assert_eq!((ran.code, ran.out.as_str()), (0, "n\n3000000\n"), "{}", ran.err);
    let show = "SHOW datafusion.execution.batch_size";
    let ran = ask(show, &["--set", "datafusion.execution.batch_size=77", "--format", "csv"]);
    assert!(ran.out.contains(",77"), "{}{}", ran.out, ran.err);
    fails(&ask(show, &["--set", "datafusion.execution.no=1"]), &["key: datafusion.execution.no"]);
    for wrong in [
        &["--memory-limit", "much"][..],
        &["--threads", "0"],
        &["--set", "alone"],
        &["--format", "html"],
    ] {
        let ran = ask("SELECT 1", wrong);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{wrong:?}");
    }
}

/// The output of operators and functions counts towards the limit, as on servers.
#[test]
fn the_memory_limit_covers_memory_outside_of_the_pool() {
    let sums = |rows: u64| {
        format!(
            "SELECT count(*) AS n, max(s) AS s FROM (SELECT sum(value) OVER () AS s \
             FROM generate_series(1, {rows}))"
        )
    };
    let texts = |bytes: u64| {
        format!(
            "SELECT max(length(t || value)) AS n FROM (SELECT string_agg(repeat('x', 1000), '') AS \
             t FROM generate_series(1, {bytes} / 1000)), generate_series(1, 2000)"
        )
    };
    let limit = ["--memory-limit", "64MB", "--format", "csv"];
    for (little, expected, much) in [
        (sums(1000), "n,s\n1000,500500\n", sums(20_000_000)),
        (texts(4000), "n\n4004\n", texts(8_000_000)),
        ("SELECT length(repeat('x', 9)) AS n".to_owned(), "n\n9\n", {
            "SELECT length(repeat('x', 60000000)) AS n".to_owned()
        }),
    ] {
        assert_eq!(ask(&little, &limit[2..]).out, expected);
        let ran = ask(&little, &limit);
        assert_eq!((ran.code, ran.out.as_str()), (0, expected), "{}", ran.err);
        fails(&ask(&much, &limit), &["more memory than", "--memory-limit"]);
    }
    // Settings and views are no queries.
    let ran = ask("SET datafusion.execution.batch_size = 100; SHOW headcount.rollup", &limit);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn commands_of_the_prompt_work_in_scripts() {
    let ran = ask("\\d", &["--format", "csv"]);
    for line in ["public,visits,base table", "public,smau,view", "dictionary,metrics,base table"] {
        assert!(ran.out.contains(line), "no {line:?} in {}{}", ran.out, ran.err);
    }
    let ran = ask("\\d visits", &["--format", "csv"]);
    assert!(ran.out.starts_with("column,type,nullable\nat,Utf8,true\n"), "{}{}", ran.out, ran.err);
    let ran = ask("\\d 'events.csv'", &["--format", "csv"]);
    assert!(ran.out.contains("user_id,Utf8,true"), "{}{}", ran.out, ran.err);
    for name in ["exact_distinct", "active_users", "date_trunc", "row_number"] {
        let ran = ask(&format!("\\h {name}"), &[]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert!(ran.out.starts_with(name) && ran.out.contains('('), "{}", ran.out);
    }
    let ran = ask("\\h", &["--format", "csv"]);
    assert!(ran.out.contains("exact_distinct,aggregate,exact_distinct(expression)"), "{}", ran.out);
    fails(&ask("\\h nothing", &[]), &["unknown function `nothing`"]);
    fails(&ask("\\nonsense", &[]), &["unknown command"]);
    let ran = ask("SELECT 1 AS a;\n\\format csv\n\\q\nSELECT 2", &["--format", "json"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "[\n{\"a\":1}\n]\n"), "{}", ran.err);
}

/// The limit of memory wraps functions such as `repeat`, which keep their documentation.
#[test]
fn functions_are_documented_under_a_memory_limit() {
    let (plain, limited) = (ask("\\h repeat", &[]), ask("\\h repeat", &["--memory-limit", "1GB"]));
    assert!(plain.out.contains("Arguments"), "{}", plain.out);
    assert_eq!((limited.code, limited.out), (0, plain.out));
}

/// Values wider than Rust's own padding can be.
#[test]
fn long_and_binary_values_go_into_a_pipe_whole() {
    let ran = ask("SELECT repeat('x', 70000) AS a, X'00ff' AS b", &[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let last = ran.out.lines().last().unwrap();
    assert_eq!(last, format!("{}  00ff", "x".repeat(70_000)));
    let ran = ask("SELECT bitmap_agg(value * 7919) AS b FROM generate_series(1, 20000)", &[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let hex = ran.out.lines().last().unwrap();
    assert!(hex.len() > 70_000 && hex.chars().all(|c| c.is_ascii_hexdigit()), "{}", hex.len());
}

/// Rows that cannot be counted are reported as by `headcount report`.
#[test]
fn rejected_rows_and_notes_are_reported() {
    let project = Project::good();
    let events = std::fs::read_to_string(project.path("events.csv")).unwrap();
    project.write("events.csv", format!("{events}2026-02-30T00:00:00Z,9,page_viewed,free\n"));
    let report = project.run(&["report", "--level", "total", "--format", "csv"]);
    let view = project.run(&["sql", "-c", "SELECT * FROM mau", "--format", "csv"]);
    assert_eq!((report.code, view.code), (3, 3));
    assert_eq!((view.out, view.err), (report.out, report.err));
}

/// Views, table function and report give the same bytes.
#[test]
fn views_and_functions_are_the_report() {
    let root = contributions();
    let sql = |sql: &str| {
        let ran = run_in(&root, &["sql", "--format", "csv", "-c", sql]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{sql}");
        ran.out
    };
    let report = |levels: &str, more: &[&str]| {
        let mut arguments = vec!["report", "--format", "csv", "--level", levels];
        arguments.extend(more);
        run_in(&root, &arguments).out
    };
    let all = "total,combined,section,stage,group,action";
    for (view, levels) in
        [("mau", "total"), ("smau", "stage"), ("gmau", "group"), ("amau", "action"), ("xmau", all)]
    {
        let expected = report(levels, &[]);
        assert_eq!(sql(&format!("SELECT * FROM {view}")), expected, "{view}");
        let call = format!("SELECT * FROM active_users(level => '{levels}')");
        assert_eq!(sql(&call), expected, "{view}");
    }
    // Every argument is the report's option of that name.
    for (arguments, switches) in [
        (
            "window => 'trailing_28d', level => 'total', \"from\" => '2020-01'",
            &["--window", "trailing_28d", "--level", "total", "--from", "2020-01"][..],
        ),
        (
            "level => make_array('stage', 'group'), method => 'indicator'",
            &["--level", "stage,group", "--method", "indicator"],
        ),
        (
            "by => 'repository,component', from => '2020', to => '2020-Q2'",
            &["--by", "repository,component", "--from", "2020", "--to", "2020-Q2"],
        ),
        (
            "'quarter', 'total', by => make_array('repository'), as_of => DATE '2010-06-30'",
            &[
                "--window",
                "quarter",
                "--level",
                "total",
                "--by",
                "repository",
                "--as-of",
                "2010-06-30",
            ],
        ),
        ("approx => true, level => 'total'", &["--approx", "--level", "total"]),
        (
            "approx => 5, level => 'total', tree => 'period'",
            &["--approx", "5", "--level", "total", "--tree", "period"],
        ),
    ] {
        let mut all = vec!["report", "--format", "csv"];
        all.extend(switches);
        let expected = run_in(&root, &all).out;
        assert_eq!(
            sql(&format!("SELECT * FROM active_users({arguments})")),
            expected,
            "{arguments}"
        );
    }
}

/// A filter on the start of the period reads less and changes nothing.
#[test]
fn filters_on_the_period_change_no_row() {
    let root = contributions();
    let sql = |sql: &str| {
        let ran = run_in(&root, &["sql", "--format", "csv", "-c", sql]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{sql}");
        ran.out
    };
    for window in ["month", "week", "trailing_7d", "iso_4w", "lagged_28d", "last_28d_of_month"] {
        let call = format!("active_users('{window}', 'total,stage', by => 'repository')");
        // The reference query's filter is written so that it cannot be pushed down.
        for filter in [
            "period_start >= DATE '2026-01-15' AND period_start <= '2026-03-20'",
            "period_start BETWEEN '2011-01-01' AND '2011-02-01'",
            "period_start = '2012-02-01'",
            "period_start > '2026-07-01'",
            "'2004-12-20' > period_start",
            "period_start > '2030-01-01'",
        ] {
            let hidden = filter.replace("period_start", "arrow_cast(period_start, 'Date64')");
            let direct = sql(&format!("SELECT * FROM {call} WHERE {filter}"));
            let unfiltered = sql(&format!("SELECT * FROM {call} WHERE {hidden}"));
            assert_eq!(direct, unfiltered, "{window}: {filter}");
        }
    }
}

/// A source may have the name of a dictionary table, which is then found in its own schema only.
#[test]
fn a_source_goes_before_the_dictionary() {
    let project = Project::good();
    let (_, yaml) = crate::project::GOOD[0];
    project.write("headcount.yaml", yaml.replace("name: visits", "name: events"));
    let sql = |sql: &str| project.run(&["sql", "-c", sql, "--format", "csv"]).out;
    assert_eq!(sql("SELECT count(*) AS n FROM events"), "n\n7\n");
    assert_eq!(sql("SELECT count(*) AS n FROM dictionary.events"), "n\n3\n");
    assert_eq!(sql("SELECT users FROM mau"), "users\n2\n3\n1\n");
}
