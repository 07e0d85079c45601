//! Exports of other products: small invented files, whose users are counted in Python as well.
//!
//! Their project files are those of `docs/recipes.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{Project, copy_folder};
use crate::python::python;
use crate::table::Table;

/// The products, and the level at which they are counted beside the total.
const PRODUCTS: [(&str, &str); 7] = [
    ("segment", "stage"),
    ("posthog", "action"),
    ("amplitude", "action"),
    ("mixpanel", "action"),
    ("snowplow", "action"),
    ("stripe", "action"),
    ("postgresql", "action"),
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn fixture(product: &str) -> PathBuf {
    repository().join("tests/fixtures/exports").join(product)
}

/// Users by month, and by month and stage or event.
fn counted_in_python(product: &str) -> BTreeMap<String, u64> {
    let script = repository().join("tests/python/exports.py");
    let output = Command::new(python()).arg(script).arg(fixture(product)).arg(product).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counted: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let counted = counted.as_object().unwrap().iter();
    counted.map(|(key, users)| (key.clone(), users.as_u64().unwrap())).collect()
}

fn by_name(rows: &Table, level: &str) -> BTreeMap<String, u64> {
    let name = if level == "stage" { "stage" } else { "metric" };
    let numbers = rows.numbers(&["period_start", "level", name], "users");
    let key = |key: Vec<String>| format!("{} {}", key[0], key[2]).trim_end().to_owned();
    numbers.into_iter().map(|(names, users)| (key(names), users)).collect()
}

#[test]
fn reports_the_store_and_sql_agree_with_python() {
    for (product, level) in PRODUCTS {
        let expected = counted_in_python(product);
        assert!(expected.len() >= 9, "{product}: {expected:?}");
        let project = Project::empty();
        copy_folder(&fixture(product), project.root());
        let check = project.run(&["check"]);
        assert_eq!(check.code, 0, "{product}: {} {}", check.out, check.err);
        for stored in [false, true] {
            if stored {
                let ran = project.run(&["ingest"]);
                assert_eq!(ran.code, 0, "{product}: {}", ran.err);
            }
            let report = project.report(&["--level", &format!("total,{level}")]);
            assert_eq!(by_name(&report, level), expected, "{product}, stored: {stored}");
            let sql = format!("SELECT * FROM active_users(level => 'total,{level}')");
            let ran = project.run(&["sql", "--format", "csv", "-c", &sql]);
            assert_eq!(
                by_name(&Table::of_csv(&ran.out), level),
                expected,
                "{product}: {}",
                ran.err
            );
        }
    }
}

/// Without `--level`, a project without stages reports the total and each event.
#[test]
fn without_a_dictionary_each_event_is_counted() {
    let project = Project::empty();
    copy_folder(&fixture("posthog"), project.root());
    let report = project.report(&[]);
    assert_eq!(by_name(&report, "action"), counted_in_python("posthog"));
    let check = project.run(&["check"]);
    assert!(check.out.contains("no dictionary: "), "{}", check.out);
    assert!(check.out.contains("insight viewed"), "{}", check.out);
    let page = project.run(&["report", "--format", "html", "-o", "page.html"]);
    assert_eq!(page.code, 0, "{}", page.err);
    let split = project.report(&["--level", "total", "--by", "browser"]);
    assert!(split.rows.len() > 9, "{split:?}");
}

/// The project files in the documentation are those that are tested.
#[test]
fn recipes_are_tested() {
    let recipes = std::fs::read_to_string(repository().join("docs/recipes.md")).unwrap();
    for (product, _) in PRODUCTS {
        let text = std::fs::read_to_string(fixture(product).join("headcount.yaml")).unwrap();
        let block = format!("```yaml no-run=fragment\n{text}```\n");
        assert!(
            recipes.contains(&block),
            "docs/recipes.md lacks the project of {product}:\n{block}"
        );
    }
}

/// Drafts of projects over files that nobody described.
#[test]
fn drafts_are_accepted_and_count() {
    for (product, files, level) in [
        ("segment", "*.ndjson", "total"),
        ("posthog", "*.jsonl", "total,action"),
        ("amplitude", "*.json", "total"),
        ("mixpanel", "*.jsonl", "total"),
        ("stripe", "*.jsonl", "total"),
    ] {
        let folder = Project::empty();
        copy_folder(&fixture(product), &folder.path("exports"));
        let ran = folder.run(&["init", "draft", "--from", &format!("exports/{files}")]);
        assert_eq!(ran.code, 0, "{product}: {}", ran.err);
        let text = std::fs::read_to_string(folder.path("draft/headcount.yaml")).unwrap();
        assert!(text.contains("# guess"), "{text}");
        let check = folder.run(&["check", "--project", "draft"]);
        assert!([0, 3].contains(&check.code), "{product}: {} {}\n{text}", check.out, check.err);
        assert!(!check.out.contains("warning"), "{product}: {}", check.out);
        let report =
            folder.run(&["report", "--project", "draft", "--level", level, "--format", "csv"]);
        assert!([0, 3].contains(&report.code), "{product}: {}", report.err);
        assert!(Table::of_csv(&report.out).rows.len() >= 3, "{product}: {}\n{text}", report.out);
        // Nothing is overwritten.
        let again = folder.run(&["init", "draft", "--from", &format!("exports/{files}")]);
        assert_eq!(again.code, 1, "{product}: {}", again.err);
    }
}

/// The draft over files whose columns have the usual names gives the numbers of the finished project.
#[test]
fn a_draft_counts_what_the_columns_say() {
    let folder = Project::empty();
    folder.write(
        "exports/2026-01.csv",
        "user_id;event;created_at;plan\n1;Opened;05.01.2026 10:00;free\n2;Closed;31.01.2026 10:00;paid\n",
    );
    folder.write(
        "exports/2026-02.csv",
        "user_id;event;created_at;plan\n1;Opened;01.02.2026 10:00;free\n",
    );
    let ran = folder.run(&["init", "draft", "--from", "exports/*.csv"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("1 source and 2 events"), "{}", ran.err);
    let report = folder.run(&["report", "--project", "draft", "--format", "csv"]);
    assert_eq!(report.code, 0, "{}", report.err);
    let rows = Table::of_csv(&report.out).lines(&["period_start", "level", "stage", "users"]);
    assert_eq!(
        rows,
        [
            "2026-01-01 total  2",
            "2026-01-01 stage product 2",
            "2026-02-01 total  1",
            "2026-02-01 stage product 1",
        ]
    );
    let none = folder.run(&["init", "none", "--from", "exports/*.parquet"]);
    assert_eq!(none.code, 1, "{}", none.err);
    folder.write("odd.csv", "a,b\n1,2\n");
    let odd = folder.run(&["init", "odd", "--from", "odd.csv"]);
    assert_eq!(odd.code, 1);
    assert!(odd.err.contains("no column is recognised as the time"), "{}", odd.err);
    assert!(!folder.path("odd/headcount.yaml").exists());
    copy_folder(&fixture("snowplow"), &folder.path("snowplow"));
    let unnamed = folder.run(&["init", "unnamed", "--from", "snowplow/*.tsv"]);
    assert_eq!(unnamed.code, 1);
    assert!(unnamed.err.contains("the names of its 131 columns"), "{}", unnamed.err);
}
