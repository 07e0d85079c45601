//! One small report with everything that is awkward, in every format.

use std::collections::BTreeMap;
use std::io;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{Array, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Date32Type, Int64Type};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::ValueEnum;
use engine::Kind;
use engine::active::{Basis, Count, Level, Method, NodeFilter, Report, ReportRow};
use engine::calendar::{Day, Period, Window};

use super::figures::{change, difference, period};
use super::{Style, record_batch, schema, write};
use crate::output::text::{format_number, width};
use crate::output::{Format, write_batch};

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// A row of a month for all values of every dimension.
fn row(month: &str, level: Level, users: u64, previous: Option<u64>) -> ReportRow {
    let period = Window::Month.at(day(&format!("{month}-01")));
    ReportRow {
        window: Window::Month,
        period,
        complete: period.end < day("2026-02-20"),
        level,
        section: None,
        stage: None,
        group: None,
        metric: None,
        by: vec![None],
        method: if level == Level::Combined { Method::Sum } else { Method::Union },
        basis: Basis::Recorded,
        count: Count::Exact,
        users,
        users_low: users,
        users_high: users,
        previous_users: previous,
        change_pct: previous
            .filter(|before| *before > 0)
            .map(|before| (users as f64 / before as f64 - 1.0) * 100.0),
    }
}

/// A stage's row, for one value of the dimension or all of them.
fn stage(month: &str, key: &str, by: Option<&str>, users: u64, previous: Option<u64>) -> ReportRow {
    let mut row = row(month, Level::Stage, users, previous);
    row.section = Some("dev".to_owned());
    row.stage = Some(key.to_owned());
    row.by = vec![by.map(str::to_owned)];
    row
}

/// Two months, the second incomplete; one approximate row; values that are null, empty, quoted.
fn report() -> Report {
    let mut approximate = stage("2026-01", "web", None, 1_234_567, Some(1_000_000));
    approximate.count = Count::Approx;
    approximate.users_low = 1_200_000;
    approximate.users_high = 1_270_000;
    approximate.change_pct = Some(23.4567);
    let name = |key: &str, name: &str| ((Level::Stage, key.to_owned()), name.to_owned());
    Report {
        window: Window::Month,
        time_zone: "Europe/Berlin".to_owned(),
        by: vec!["plan".to_owned()],
        top: None,
        nodes: NodeFilter::default(),
        first_day: Some(day("2025-11-03")),
        last_day: Some(day("2026-02-19")),
        events: 7_654_321,
        pings: None,
        forecast: None,
        names: BTreeMap::from([name("web", "Web | <API> & Größe"), name("data", "Data")]),
        rows: vec![
            row("2026-01", Level::Total, 1_500_000, Some(1_600_000)),
            row("2026-01", Level::Combined, 1_734_567, None),
            stage("2026-01", "data", None, 500_000, Some(0)),
            stage("2026-01", "data", Some(""), 20, None),
            stage("2026-01", "data", Some("say \"hi\", ok"), 499_980, None),
            approximate,
            row("2026-02", Level::Total, 600_000, Some(1_500_000)),
            stage("2026-02", "data", None, 500_100, Some(500_000)),
        ],
    }
}

fn bytes(report: &Report, format: Format, style: &Style) -> Vec<u8> {
    let mut out = Vec::new();
    write(report, format, &mut out, style).unwrap();
    out
}

fn text(report: &Report, format: Format) -> String {
    String::from_utf8(bytes(report, format, &Style::default())).unwrap()
}

/// Reports of every awkward shape, by name.
fn shapes() -> Vec<(&'static str, Report)> {
    let shaped = |keep: fn(&ReportRow) -> bool| {
        let mut report = report();
        report.rows.retain(keep);
        report
    };
    let mut daily = report();
    daily.window = Window::Trailing(28);
    daily.by.clear();
    let range = Period::new(day("2018-01-01"), day("2026-03-20"));
    daily.rows = Window::Trailing(28)
        .periods(range)
        .into_iter()
        .flat_map(|period| {
            let users = 1_000 + u64::from(period.start.number().unsigned_abs() % 97);
            let mut total = row("2026-01", Level::Total, users, Some(1_000));
            let mut one = stage("2026-01", "web", None, users / 2, None);
            for row in [&mut total, &mut one] {
                row.window = Window::Trailing(28);
                row.period = period;
                row.complete = period.end < day("2026-03-19");
                row.by.clear();
            }
            [total, one]
        })
        .collect();
    let mut stages = report();
    stages.rows.clear();
    for month in ["2025-11", "2025-12", "2026-01", "2026-02"] {
        for key in 0..25 {
            stages.rows.push(stage(month, &format!("s{key:02}"), None, 100 * key, Some(50)));
        }
    }
    let mut zero = report();
    for row in &mut zero.rows {
        (row.users, row.users_low, row.users_high) = (0, 0, 0);
    }
    vec![
        ("all", report()),
        ("no rows", shaped(|_| false)),
        ("no total", shaped(|row| row.level > Level::Combined)),
        ("no stages", shaped(|row| row.level < Level::Stage)),
        ("one period", shaped(|row| row.complete)),
        ("only incomplete", shaped(|row| !row.complete)),
        ("only values", shaped(|row| row.by != [None])),
        ("3,000 periods", daily),
        ("25 stages", stages),
        ("no users", zero),
    ]
}

#[test]
fn csv_distinguishes_null_and_empty() {
    let expected = r#"window,period_start,period_end,complete,level,section,stage,group,metric,plan,method,basis,count,users,users_low,users_high,previous_users,change_pct
month,2026-01-01,2026-01-31,true,total,,,,,,union,recorded,exact,1500000,1500000,1500000,1600000,-6.25
month,2026-01-01,2026-01-31,true,combined,,,,,,sum,recorded,exact,1734567,1734567,1734567,,
month,2026-01-01,2026-01-31,true,stage,dev,data,,,,union,recorded,exact,500000,500000,500000,0,
month,2026-01-01,2026-01-31,true,stage,dev,data,,,"",union,recorded,exact,20,20,20,,
month,2026-01-01,2026-01-31,true,stage,dev,data,,,"say ""hi"", ok",union,recorded,exact,499980,499980,499980,,
month,2026-01-01,2026-01-31,true,stage,dev,web,,,,union,recorded,approx,1234567,1200000,1270000,1000000,23.4567
month,2026-02-01,2026-02-28,false,total,,,,,,union,recorded,exact,600000,600000,600000,1500000,-60.0
month,2026-02-01,2026-02-28,false,stage,dev,data,,,,union,recorded,exact,500100,500100,500100,500000,0.019999999999997797
"#;
    assert_eq!(text(&report(), Format::Csv), expected);
}

#[test]
fn json_is_an_array_with_an_object_per_line() {
    let json = text(&report(), Format::Json);
    let lines: Vec<&str> = json.lines().collect();
    assert_eq!((lines[0], lines[9], lines.len()), ("[", "]", 10));
    assert_eq!(
        lines[3],
        r#"{"window":"month","period_start":"2026-01-01","period_end":"2026-01-31","complete":true,"level":"stage","section":"dev","stage":"data","group":null,"metric":null,"plan":null,"method":"union","basis":"recorded","count":"exact","users":500000,"users_low":500000,"users_high":500000,"previous_users":0,"change_pct":null},"#
    );
    let parsed: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(parsed[4]["plan"], "say \"hi\", ok");
    assert_eq!(parsed[5]["change_pct"], 23.4567);
    let mut empty = report();
    empty.rows.clear();
    assert_eq!(text(&empty, Format::Json), "[\n]\n");
}

#[test]
fn the_table_is_a_tree_per_period() {
    let expected = "\
Monthly active users
window month: calendar months · periods 2026-01 to 2026-02 (2) · events 7,654,321
method union, combined: sum · count exact, approximate, with a 95 % interval · basis recorded
time zone Europe/Berlin · data 2025-11-03 to 2026-02-19

";
    let table = text(&report(), Format::Table);
    assert!(table.starts_with(expected), "{table}");
    assert_eq!(table[expected.len()..], *include_str!("tests/table.txt"));
}

#[test]
fn the_table_takes_colors() {
    let style = |color| Style { color, title: "Größe\x1b[2J".into(), ..Style::default() };
    let table = String::from_utf8(bytes(&report(), Format::Table, &style(false))).unwrap();
    assert!(!table.contains('\x1b'), "no escapes without color, nor from a title");
    let table = String::from_utf8(bytes(&report(), Format::Table, &style(true))).unwrap();
    assert!(table.contains("\x1b[1mGröße\\x1b[2J\x1b[0m"), "{table:?}");
    assert!(table.contains("\x1b[2mtotal    \x1b[0m"), "{table:?}");
    // The terminal library takes the colors away itself where the environment forbids them.
    let forbidden = std::env::var_os("NO_COLOR").is_some();
    assert!(forbidden || table.contains("\x1b[38;5;1m   −6.3 % "), "{table:?}");
}

#[test]
fn markdown_is_a_table() {
    assert_eq!(text(&report(), Format::Markdown), include_str!("tests/report.md"));
}

#[test]
fn parquet_gives_the_columns_back() {
    let report = report();
    let mut file = tempfile::tempfile().unwrap();
    write(&report, Format::Parquet, &mut file, &Style::default()).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let metadata = reader.metadata().file_metadata().clone();
    assert_eq!(metadata.created_by(), Some("headcount"));
    let zone =
        metadata.key_value_metadata().unwrap().iter().find(|fact| fact.key.ends_with("zone"));
    assert_eq!(zone.unwrap().value.as_deref(), Some("Europe/Berlin"));
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let expected = record_batch(&report).unwrap();
    assert_eq!(
        concat_batches(&batches[0].schema(), &batches).unwrap().columns(),
        expected.columns()
    );
    assert_eq!(batches[0].schema().fields(), expected.schema().fields());
}

#[test]
fn columns_hold_the_rows() {
    let batch = record_batch(&report()).unwrap();
    let column = |name: &str| batch.column_by_name(name).unwrap();
    assert_eq!(
        column("period_end").as_primitive::<Date32Type>().value(0),
        day("2026-01-31").number()
    );
    assert_eq!(column("users_high").as_primitive::<Int64Type>().value(5), 1_270_000);
    assert_eq!(column("plan").null_count(), 6);
    assert_eq!(column("previous_users").null_count(), 3);

    let mut huge = report();
    huge.rows[0].users = u64::MAX;
    assert_eq!(record_batch(&huge).unwrap_err().kind(), Kind::Limit);
    let mut narrow = report();
    narrow.rows[0].by.clear();
    assert_eq!(record_batch(&narrow).unwrap_err().kind(), Kind::Internal);
}

#[test]
fn a_dimension_never_hides_a_column() {
    let check = |by: &[&str], expected: &[&str]| {
        let by: Vec<String> = by.iter().map(|name| (*name).to_owned()).collect();
        let schema = schema(&by);
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(&names[9..9 + by.len()], expected);
        assert_eq!(names[9 + by.len()], "method");
    };
    check(&["plan", "deployment"], &["plan", "deployment"]);
    check(&["stage", "count"], &["by_stage", "by_count"]);
    check(&["stage", "by_stage", "stage"], &["by_stage", "by_by_stage", "by_by_by_stage"]);
}

#[test]
fn the_page_shows_every_number_and_fetches_nothing() {
    for (shape, report) in shapes() {
        let page = text(&report, Format::Html);
        for row in &report.rows {
            let users = format_number(row.users);
            assert!(page.contains(&format!(">{users}<")), "{shape}: {users}");
        }
        let rows =
            page.split("<h2>All numbers</h2>").nth(1).map_or(0, |rest| rest.matches("<tr").count());
        let tables = page.matches("class=\"numbers\"").count();
        assert_eq!(rows, report.rows.len() + tables, "{shape}");
        for outside in ["http:", "https:", "src=", "url(", "@import", "<script", "<link"] {
            assert!(!page.contains(outside), "{shape}: {outside}");
        }
        balanced(shape, &page);
    }
}

#[test]
fn the_page_escapes_names_and_carries_the_csv() {
    let page = text(&report(), Format::Html);
    assert!(page.contains("Web | &lt;API&gt; &amp; Größe"));
    assert!(!page.contains("<API>"));
    assert!(page.contains("say &quot;hi&quot;, ok"));
    let encoded = BASE64_STANDARD.encode(text(&report(), Format::Csv));
    assert!(page.contains(&format!("base64,{encoded}\"")));
    let title = Style { title: "<b>&".to_owned(), ..Style::default() };
    let page = String::from_utf8(bytes(&report(), Format::Html, &title)).unwrap();
    assert!(page.contains("<title>&lt;b&gt;&amp;</title>"));
}

/// Every element that is opened is closed, in order.
fn balanced(shape: &str, page: &str) {
    let mut open = Vec::new();
    let mut rest = page;
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').unwrap();
        rest = after;
        let name = tag.split([' ', '\n']).next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{shape}: </{name}>"),
            None if tag.ends_with('/') || ["meta", "!DOCTYPE"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<&str>::new(), "{shape}");
}

/// A value without users in a period has no row there, and its line goes through 0.
#[test]
fn lines_of_values_have_no_gaps() {
    let mut report = report();
    report.rows.clear();
    for month in ["2025-09", "2025-10", "2025-11", "2025-12", "2026-01"] {
        report.rows.push(row(month, Level::Total, 100, None));
        if !["2025-10", "2025-11"].contains(&month) {
            let mut free = row(month, Level::Total, 7, None);
            free.by = vec![Some("free".to_owned())];
            report.rows.push(free);
        }
    }
    let chart = |report: &Report| {
        let page = text(report, Format::Html);
        let (_, rest) = page.split_once("<figcaption>free ").unwrap();
        rest.split_once("</figure>").unwrap().0.to_owned()
    };
    let points = |chart: &str| -> Vec<usize> {
        let lines = chart.split("<polyline").skip(1).filter(|line| line.contains("#0072B2"));
        let points = lines.map(|line| line.split("points=\"").nth(1).unwrap());
        points.map(|line| line.split('"').next().unwrap().split_whitespace().count()).collect()
    };
    let free = chart(&report);
    assert_eq!(points(&free), [5], "{free}");
    assert_eq!(free.matches(": 0 users").count(), 2, "{free}");
    assert!(free.contains("Between 0 and 7 users in complete periods."), "{free}");
    // In the pivot, too.
    let style = Style { pivot: Some(true), ..Style::default() };
    let pivot = String::from_utf8(bytes(&report, Format::Markdown, &style)).unwrap();
    assert!(pivot.contains("| Unique users | free | █▁▁██ | 7 | 0 | 0 | 7 | 7 |"), "{pivot}");
    // A node that has no row is not known, and neither is what pings do not say.
    report.rows.retain(|row| row.by != [None] || row.period.start != day("2025-10-01"));
    report.rows.push(stage("2025-10", "web", None, 5, None));
    assert_eq!(points(&chart(&report)), [1, 3]);
    report.window = Window::Ping28d;
    assert_eq!(points(&chart(&report)), [1, 2]);
}

/// Numbers, names and changes of a pivot are those of the rows.
#[test]
fn a_pivot_has_periods_across() {
    let style = Style { pivot: Some(true), ..Style::default() };
    let pivot = String::from_utf8(bytes(&report(), Format::Table, &style)).unwrap();
    let (_, table) = pivot.split_once("\n\n").unwrap();
    assert_eq!(table, include_str!("tests/pivot.txt"));
    // On a terminal it has the newest periods that fit.
    for (room, periods) in [(60, 1), (80, 2), (200, 2)] {
        let style = Style { width: Some(room), ..style.clone() };
        let text = String::from_utf8(bytes(&report(), Format::Table, &style)).unwrap();
        let head = text.lines().find(|line| line.starts_with("Name")).unwrap();
        assert_eq!(head.matches("2026-").count(), periods, "{text}");
        assert_eq!(text.contains("The newest 1 of 2 periods."), periods == 1, "{text}");
        assert!(text.lines().all(|line| width(line) <= room), "{text}");
    }
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    for (shape, report) in shapes() {
        for &format in Format::value_variants() {
            let style = Style::default();
            let (once, again) = (bytes(&report, format, &style), bytes(&report, format, &style));
            assert!(once == again, "{shape} as {format}");
            let no_lines = format == Format::Ndjson && report.rows.is_empty();
            let ends = format.is_binary() || no_lines || once.ends_with(b"\n");
            assert!(ends, "{shape} as {format}");
        }
    }
}

/// Writing in batches changes no byte.
#[test]
fn batches_do_not_affect_the_output() {
    let mut long = report();
    let rows = long.rows.clone();
    let numbered = rows.iter().cycle().zip(0..30_000).map(|(row, at)| {
        let mut row = row.clone();
        row.users += at * 7_919 % 10_007;
        row.by = vec![(at % 3 > 0).then(|| format!("plan {}", at % 5_000))];
        row
    });
    long.rows = numbered.collect();
    let batch = record_batch(&long).unwrap();
    for format in [Format::Csv, Format::Json] {
        let mut expected = Vec::new();
        write_batch(format, &batch, &mut expected).unwrap();
        assert!(bytes(&long, format, &Style::default()) == expected, "{format}");
    }
    // Long Parquet reports are written in several batches.
    long.rows = std::mem::take(&mut long.rows).into_iter().cycle().take(140_000).collect();
    let mut file = tempfile::tempfile().unwrap();
    write(&long, Format::Parquet, &mut file, &Style::default()).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 1);
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let read = concat_batches(batches[0].schema_ref(), &batches).unwrap();
    assert!(read.columns() == record_batch(&long).unwrap().columns());
}

#[test]
fn reports_that_are_too_long_are_refused() {
    let mut long = report();
    let row = long.rows[0].clone();
    long.rows = vec![row; 50_001];
    let mut out = Vec::new();
    let error = write(&long, Format::Html, &mut out, &Style::default()).unwrap_err();
    assert_eq!((error.kind(), out.len()), (Kind::Limit, 0));
    assert!(error.to_string().contains("more than 50,000 rows"), "{error}");
    write(&long, Format::Table, &mut out, &Style::default()).unwrap();
    // As many series in two periods, and one more.
    long.rows.truncate(5_000);
    for (at, row) in long.rows.iter_mut().enumerate() {
        row.by = vec![Some(at.to_string())];
    }
    let mut rows = long.rows.clone();
    rows.iter_mut().for_each(|row| row.period = Window::Month.at(day("2026-02-01")));
    long.rows.append(&mut rows);
    write(&long, Format::Html, &mut io::sink(), &Style::default()).unwrap();
    long.rows[9_999].by = vec![Some("another".to_owned())];
    out.clear();
    let error = write(&long, Format::Html, &mut out, &Style::default()).unwrap_err();
    assert_eq!((error.kind(), out.len()), (Kind::Limit, 0));
    for part in ["more than 5,000 series", "--top N", "--format csv"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    write(&long, Format::Table, &mut out, &Style::default()).unwrap();
}

#[test]
fn a_closed_pipe_can_be_detected() {
    struct Closed;
    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = write(&report(), Format::Csv, &mut Closed, &Style::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
    assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::BrokenPipe));
}

#[test]
fn metrics_with_the_same_description_show_their_key() {
    let mut report = report();
    let metric = |key: &str| {
        let mut row = stage("2026-01", "data", None, 5, None);
        (row.level, row.metric) = (Level::Action, Some(key.to_owned()));
        row
    };
    report.rows = vec![metric("a.one"), metric("a.two"), metric("a.three"), metric("a.four")];
    for (key, name) in [("a.one", "Opened"), ("a.two", "Opened"), ("a.three", "Closed")] {
        report.names.insert((Level::Action, key.to_owned()), name.to_owned());
    }
    let table = text(&report, Format::Markdown);
    for name in ["| Opened (a.one) |", "| Opened (a.two) |", "| Closed |", "| a.four |"] {
        assert!(table.contains(name), "{name} in\n{table}");
    }
}

#[test]
fn tsv_has_the_values_of_csv() {
    let tsv = text(&report(), Format::Tsv);
    let csv = text(&report(), Format::Csv);
    let names = |text: &str, separator: char| -> Vec<String> {
        text.lines().next().unwrap().split(separator).map(str::to_owned).collect()
    };
    assert_eq!(names(&tsv, '\t'), names(&csv, ','));
    assert!(tsv.lines().nth(1).unwrap().starts_with("month\t2026-01-01\t2026-01-31\ttrue\t"));
}

/// Names of any script stay in line, and sentences are wrapped.
#[test]
fn wide_names_are_aligned_in_the_table() {
    let mut report = report();
    report.rows = vec![
        stage("2026-01", "漢字の段階", None, 5, None),
        stage("2026-01", "plain", None, 1_234, None),
        stage("2026-01", "\u{1b}[31mred", None, 7, None),
    ];
    report.time_zone = "漢字".repeat(30);
    let table = text(&report, Format::Table);
    assert!(!table.contains('\u{1b}'), "{table:?}");
    let end = |value: &str| width(table.lines().find(|line| line.ends_with(value)).unwrap());
    assert_eq!(end(" 5"), end(" 1,234"), "{table}");
    assert_eq!(end(" 7"), end(" 5"), "{table}");
    let facts = table.lines().take_while(|line| !line.is_empty());
    for line in facts.filter(|line| line.contains(" · ")) {
        assert!(width(line) <= 100, "{line}");
    }
}

#[test]
fn numbers_are_formatted() {
    assert_eq!(
        [4.24, -12.0, 0.04, -0.04, 1_234.56, 100.0].map(change),
        ["+4.2 %", "−12.0 %", "0.0 %", "0.0 %", "+1,234.6 %", "+100.0 %"]
    );
    assert_eq!(
        [(5, 3), (3, 5), (4, 4)].map(|(now, before)| difference(now, before)),
        ["+2", "−2", "0"]
    );
}

#[test]
fn periods_are_named_as_in_arguments() {
    let check = |window: Window, at: &str, expected: &str| {
        assert_eq!(period(window, window.at(day(at))), expected);
    };
    check(Window::Day, "2026-03-15", "2026-03-15");
    check(Window::Week, "2026-03-18", "2026-W12");
    check(Window::Week, "2027-01-02", "2026-W53");
    check(Window::Week, "2024-12-30", "2025-W01");
    check(Window::Month, "2026-03-15", "2026-03");
    check(Window::Quarter, "2026-06-30", "2026-Q2");
    check(Window::Year, "2026-06-30", "2026");
    check(Window::Trailing(28), "2026-03-15", "2026-02-16..2026-03-15");
}
