//! What is detected: delimiter, quotes and header of CSV files, the form of times; and names of events
//! that the dictionary has as aliases.

use engine::scan::{EventFile, read_text, text_schema};

use super::{FIELDS, csv, events, expected, project, rows};
use crate::project::{Project, civil};

/// A sequence of numbers that is the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Names of the columns, and rows, of a file with this content.
fn read(name: &str, content: &str) -> engine::Result<Vec<Vec<String>>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), content).unwrap();
    let file = EventFile::find(folder.path(), &[name.to_owned()])?.remove(0);
    let schema = text_schema(&file, &|_| true)?;
    let mut all = vec![schema.fields().iter().map(|field| field.name().clone()).collect()];
    for batch in read_text(&file, &schema)? {
        let batch = batch?;
        let texts = |column: &arrow::array::ArrayRef| -> Vec<String> {
            let column: &arrow::array::StringArray = arrow::array::AsArray::as_string(column);
            column.iter().map(|text| text.unwrap_or_default().to_owned()).collect()
        };
        let columns: Vec<Vec<String>> = batch.columns().iter().map(texts).collect();
        for row in 0..batch.num_rows() {
            all.push(columns.iter().map(|column| column[row].clone()).collect());
        }
    }
    Ok(all)
}

/// A table in a random dialect is read as it was written.
#[test]
fn random_tables_are_read_in_every_dialect() {
    let mut numbers = Numbers(23);
    for case in 0..600 {
        let (delimiter, quote) =
            (numbers.pick(&[',', ';', '\t', '|']), numbers.pick(&['"', '"', '\'']));
        let words = [
            "a",
            "plan",
            "free plan",
            "1.5",
            "2026-01-05",
            "x,y",
            "x;y",
            "x|y",
            "x\ty",
            "line\nbreak",
            "é",
            "",
            "{\"k\": 1}",
            "it's",
            "5\" pipe",
            "-",
            "\\N?",
        ];
        let (columns, rows) = (1 + numbers.below(5), 1 + numbers.below(40));
        let mut table =
            vec![(0..columns).map(|at| format!("column {}", "x".repeat(at + 1))).collect()];
        for _ in 0..rows {
            table.push((0..columns).map(|_| numbers.pick(&words).to_owned()).collect::<Vec<_>>());
        }
        // Nothing in a file of one column says what would separate others.
        let delimiter = if columns == 1 { ',' } else { delimiter };
        let quote_all = quote == '\'' || numbers.below(3) == 0;
        // A file in which `'` encloses values has no `"` at all.
        if quote == '\'' {
            table.iter_mut().flatten().for_each(|value| *value = value.replace('"', "'"));
        }
        let mut text = String::new();
        for row in &table {
            let field = |value: &String| {
                // One empty value alone would be an empty line.
                let special =
                    value.contains([delimiter, quote, '\n']) || (columns == 1 && value.is_empty());
                match special || quote_all {
                    true => format!(
                        "{quote}{}{quote}",
                        value.replace(quote, &format!("{quote}{quote}"))
                    ),
                    false => value.clone(),
                }
            };
            let fields: Vec<String> = row.iter().map(field).collect();
            text += &(fields.join(&delimiter.to_string()) + numbers.pick(&["\n", "\r\n"]));
        }
        let found = read("a.csv", &text).unwrap_or_else(|error| panic!("{case}: {error}\n{text}"));
        assert_eq!(found, table, "{case}:\n{text}");
    }
}

#[test]
fn two_delimiters_are_an_error() {
    let error = read("a.csv", "a;b,c\n1;2,3\n4;5,6\n").unwrap_err().to_string();
    assert!(error.contains("the delimiter may be a comma or a semicolon"), "{error}");
    assert!(error.contains("a.csv") && error.contains("csv: {delimiter: \";\"}"), "{error}");
    // The rows decide.
    assert_eq!(read("a.csv", "a;b,c\n1;2\n4;5,6\n").unwrap()[1], ["1", "2"]);
    // A tab in the name of the file.
    assert_eq!(read("a.tsv", "a,b\tc\n1,2\t3\n").unwrap()[1], ["1,2", "3"]);
}

#[test]
fn headers_are_lines_without_values() {
    let names = |text: &str| read("a.csv", text).unwrap().remove(0).join(" ");
    assert_eq!(names("id,time\n1,2026-01-05\n"), "id time");
    assert_eq!(names("1,2026-01-05\n2,2026-01-06\n"), "column_1 column_2");
    assert_eq!(names("x,2026-01-05T10:00:00Z\n"), "column_1 column_2");
    assert_eq!(names("x,123e4567-e89b-12d3-a456-426614174000\n"), "column_1 column_2");
    assert_eq!(names("x,nan,inf,1st\n"), "x nan inf 1st");
}

#[test]
fn backslashes_of_postgresql() {
    let rows = read("a.tsv", "1\t\\N\tx\\ty\\\\\\n\"\n2\t'\t\n").unwrap();
    assert_eq!(rows[1..], [["1", "", "x\ty\\\n\""], ["2", "'", ""]]);
}

/// The project's CSV options take the place of what would be detected.
#[test]
fn options_of_a_source() {
    let text = csv(&events(), ';').replace("at;user_id;event;plan\n", "");
    let options = "csv: {delimiter: ';', header: [at, user_id, event, plan]}";
    let project_of = |options: &str| {
        let project = project("events.csv", &format!("{options}, {FIELDS}"));
        project.write("events.csv", &text);
        project
    };
    assert_eq!(rows(&project_of(options)), expected());
    assert_eq!(rows(&project_of("csv: {header: [at, user_id, event, plan]}")), expected());
    for (options, message) in [
        ("csv: {header: true}", "the column `at` is missing"),
        ("csv: {delimiter: ';;'}", "`;;` is not a single character"),
        ("csv: {delimiter: '\"', quote: '\"'}", "are the same character"),
        ("csv: {header: maybe}", "expected `true`, `false` or a list of names"),
        ("csv: {header: [at, user_id, event, plan, more]}", "the source names 5"),
        ("csv: {separator: ';'}", "unknown key"),
        ("csv: yes", "expected a mapping"),
        ("without_user: keep", "expected `reject` or `ignore`"),
    ] {
        let ran = project_of(options).run(&["check"]);
        let output = ran.out + &ran.err;
        assert!(ran.code == 1 && output.contains(message), "{options}: {output}");
    }
}

/// The events with their times in another form.
fn in_form(form: impl Fn(i64) -> String) -> String {
    let mut text = "at,user_id,event,plan\n".to_owned();
    for event in events() {
        let plan = event.plan.unwrap_or_default();
        text += &format!("\"{}\",{},{},{plan}\n", form(event.second), event.user, event.event);
    }
    text
}

#[test]
fn forms_of_times() {
    let digits = |second: i64| {
        let text = civil(second);
        let part = |range: std::ops::Range<usize>| text[range].to_owned();
        (part(0..4), part(5..7), part(8..10), part(11..19))
    };
    let forms: [(&str, &dyn Fn(i64) -> String); 8] = [
        ("ISO 8601", &|second| civil(second) + "Z"),
        ("s", &|second| second.to_string()),
        ("ms", &|second| (second * 1_000).to_string()),
        ("us", &|second| (second * 1_000_000).to_string()),
        ("ns", &|second| (second * 1_000_000_000).to_string()),
        ("%m/%d/%Y %H:%M:%S", &|second| {
            let (year, month, day, time) = digits(second);
            format!("{month}/{day}/{year} {time}")
        }),
        ("%d.%m.%Y %H:%M:%S", &|second| {
            let (year, month, day, time) = digits(second);
            format!("{day}.{month}.{year} {time}")
        }),
        ("%Y%m%d%H%M%S", &|second| {
            let (year, month, day, time) = digits(second);
            format!("{year}{month}{day}{}", time.replace(':', ""))
        }),
    ];
    let expected = expected();
    for (name, form) in forms {
        let mut times = vec!["{column: at, unit: auto}".to_owned()];
        match name {
            "ISO 8601" => times.push("at".to_owned()),
            unit if unit.len() <= 2 => times.push(format!("{{column: at, unit: {unit}}}")),
            pattern => times.push(format!("{{column: at, format: '{pattern}'}}")),
        }
        for time in times {
            let fields = format!("time: {time}, user: user_id, event: event, dimensions: [plan]");
            let project = project("events.csv", &fields);
            project.write("events.csv", in_form(form));
            assert_eq!(rows(&project), expected, "{name}: {time}");
        }
    }
}

#[test]
fn the_column_of_times_is_found() {
    let fields = "time: auto, user: user_id, event: event, dimensions: [plan]";
    let project = project("events.csv", fields);
    let text = in_form(|second| second.to_string());
    project.write("events.csv", text.replace("at,user_id", "created_at,user_id"));
    assert_eq!(rows(&project), expected());
    // In SQL it has one name.
    let ran =
        project.run(&["sql", "--format", "csv", "-c", "SELECT count(\"time\") AS n FROM visits"]);
    assert_eq!(ran.out, "n\n120\n", "{}", ran.err);
    project.write("events.csv", "created_at,sent_at,user_id,event,plan\n");
    let ran = project.run(&["report"]);
    assert!(
        ran.err.contains("several columns may be the time: created_at, sent_at"),
        "{}",
        ran.err
    );
    project.write("events.csv", "x,user_id,event,plan\n");
    let ran = project.run(&["report"]);
    assert!(ran.err.contains("no column is recognised as a time"), "{}", ran.err);
}

#[test]
fn times_that_can_be_read_in_two_ways() {
    let fields = "time: {column: at, unit: auto}, user: user_id, event: event";
    let project = project("events.csv", fields);
    project.write("events.csv", "at,user_id,event\n03/04/2026,1,searched\n");
    let ran = project.run(&["report"]);
    assert_eq!(ran.code, 1);
    for part in ["as %m/%d/%Y and as %d/%m/%Y", "events.csv", "column: at", "`format:`"] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    let ran = project.run(&["check"]);
    assert!(ran.code == 1 && ran.out.contains("in two ways"), "{}", ran.out);
}

/// Rows without a user are left out without a word, and others are still rejected.
#[test]
fn rows_without_a_user_can_be_ignored() {
    let text = "at,user_id,event\n2026-01-05,,searched\nsoon,,searched\n2026-01-05,1,searched\n2026-01-06,2,searched\n";
    let run = |how: &str, text: &str| {
        let fields = format!("{how}time: at, user: user_id, event: event");
        let project = project("events.csv", &fields);
        project.write("events.csv", text);
        let ran = project.run(&["report", "--level", "total", "--format", "csv"]);
        let users = crate::table::Table::of_csv(&ran.out).lines(&["users"]);
        assert_eq!(users, ["2"], "{}", ran.err);
        let ingested = project.run(&["ingest"]);
        assert_eq!(ingested.code, ran.code, "{}", ingested.err);
        ran
    };
    assert_eq!(run("", text).code, 3);
    let ignored = run("without_user: ignore, ", text);
    assert_eq!((ignored.code, ignored.err.contains("no user")), (0, false), "{}", ignored.err);
    let other = run("without_user: ignore, ", &format!("{text}never,3,searched\n"));
    assert_eq!(other.code, 3);
    assert!(other.err.contains("line 6: `at` is \"never\""), "{}", other.err);
}

/// Events under other names are the same event, in reports and from the store.
#[test]
fn aliases_of_events() {
    let project = project("events.csv", FIELDS);
    let names = |event: &str, at: usize| match (event, at % 2) {
        ("page_viewed", 0) => "Page Viewed".to_owned(),
        ("searched", _) => "Search: done".to_owned(),
        (other, _) => other.to_owned(),
    };
    let mut text = "at,user_id,event,plan\n".to_owned();
    for (at, event) in events().into_iter().enumerate() {
        let (time, name) = (civil(event.second), names(event.event, at));
        text += &format!("{time}Z,{},{name},{}\n", event.user, event.plan.unwrap_or_default());
    }
    project.write("events.csv", text);
    let events = |aliases: &str| {
        format!(
            "- {{action: page_viewed, aliases: [{aliases}]}}\n- {{action: searched, aliases: ['Search: done']}}\n\
             - {{action: post_written}}\n"
        )
    };
    project.write("dictionary/events/all.yml", events("Page Viewed"));
    assert_eq!(rows(&project), expected());
    assert_eq!(project.run(&["ingest"]).code, 0);
    assert_eq!(rows(&project), expected());
    let ran = project.run(&["check"]);
    assert!(ran.code == 0 && !ran.out.contains("warning"), "{}", ran.out);
    // A name in the data is that of one event.
    for alias in ["post_written", "'Search: done'", "page_viewed"] {
        project.write("dictionary/events/all.yml", events(alias));
        let ran = project.run(&["check"]);
        assert!(ran.code == 1 && ran.out.contains("is already a name of the event"), "{}", ran.out);
    }
}

/// A project of which only the events are known.
#[test]
fn without_a_dictionary() {
    let project = project("events.csv", FIELDS);
    project.write("events.csv", csv(&events(), ','));
    std::fs::remove_dir_all(project.path("dictionary")).unwrap();
    let report = |project: &Project| project.report(&["--level", "total,action"]);
    let all = report(&project);
    let mut users =
        std::collections::BTreeMap::<Vec<String>, std::collections::BTreeSet<u8>>::new();
    for event in events() {
        let month = format!("{}-01", &civil(event.second)[..7]);
        for name in ["", event.event] {
            users.entry(vec![month.clone(), name.to_owned()]).or_default().insert(event.user);
        }
    }
    let counted = users.into_iter().map(|(key, users)| (key, users.len() as u64)).collect();
    assert_eq!(all.numbers(&["period_start", "metric"], "users"), counted);
    assert_eq!(project.run(&["ingest"]).code, 0);
    assert_eq!(report(&project), all);
}
