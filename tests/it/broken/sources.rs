//! `check` lists the problems of all sources, with their lines in the project file.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, StringArray};
use arrow::datatypes::Int64Type;

use crate::project::{GOOD, Project, Ran, parquet};

const YAML: &str = "\
sources:
  - name: one
    files: [one, nowhere/*.csv, \"never.csv\"]
    time: at
    user: user_id
    event: event
    dimensions: [plan, planet]
  - name: two
    files: two.parquet
    time: at
    user: {column: user_id, scope: tenant}
    event: {const: searched}
    dimensions:
      - plan
      - tags
    deployment: hosting
  - {name: three, files: [three.ndjson, more.csv], time: at, user: user_id, event: event}
";

/// Lines of the list of problems, in which files are named without their folder.
fn problems(project: &Project, ran: &Ran) -> Vec<String> {
    let root = format!("{}/", project.root().display());
    let lines = ran.out.lines().filter(|line| line.contains(": error: "));
    lines.map(|line| line.replace(&root, "")).collect()
}

fn three_sources() -> Project {
    let project = Project::good();
    project.write("headcount.yaml", YAML);
    project.write("one/a.csv", "at,user_id,event,plan\n2026-01-05,1,searched,free\n");
    project.write("one/b.csv", "at,user_id,name,plan,planet\n2026-01-05,1,searched,free,mars\n");
    let lists: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some([None])]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["free"]));
    let columns =
        [("at", Arc::clone(&numbers)), ("user_id", numbers), ("plan", texts), ("tags", lists)];
    project.write("two.parquet", parquet(&columns));
    project.write(
        "three.ndjson",
        "{\"at\": \"2026-01-05\", \"user_id\": 1, \"event\": \"searched\"}\n",
    );
    project.write("more.csv", "at,user_id,event\n2026-01-05,1,searched\n");
    project
}

#[test]
fn check_lists_the_problems_of_all_sources_and_files() {
    let project = three_sources();
    let ran = project.run(&["check"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    let found = problems(&project, &ran);
    let expected = [
        ("headcount.yaml:3: error: sources[0].files[1]: no event files found", "nowhere/*.csv"),
        ("headcount.yaml:3: error: sources[0].files[2]: no event files found", "never.csv"),
        (
            "headcount.yaml:7: error: sources[0].dimensions[1]: the column `planet` is missing",
            "one/a.csv",
        ),
        ("headcount.yaml:6: error: sources[0].event: the column `event` is missing", "one/b.csv"),
        (
            "headcount.yaml:16: error: sources[1].deployment: the column `hosting` is missing",
            "two.parquet",
        ),
        (
            "headcount.yaml:15: error: sources[1].dimensions[1]: a column of type List",
            "two.parquet",
        ),
        (
            "headcount.yaml:10: error: sources[1].time: times of type Int64 need a unit",
            "two.parquet",
        ),
        (
            "headcount.yaml:11: error: sources[1].user.scope: the column `tenant` is missing",
            "two.parquet",
        ),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (start, file) in expected {
        let is_it = |line: &&String| line.starts_with(start) && line.contains(file);
        assert_eq!(found.iter().filter(is_it).count(), 1, "{start:?} {file:?} in {found:#?}");
    }
    assert!(ran.out.ends_with("8 errors\n"), "{}", ran.out);
    let help = "the columns of the file are: at, user_id, event, plan";
    assert!(found.iter().any(|line| line.ends_with(help)), "{found:#?}");
}

/// Problems that only show while a file is read are listed too, for every file.
#[test]
fn check_reads_on_after_a_broken_file() {
    let project = three_sources();
    project.write("more.csv", "at,user_id,event\n2026-01-05,1\n");
    project.write(
        "three.ndjson",
        "{\"at\": \"2026-01-05\", \"user_id\": 1, \"event\": \"searched\"\n",
    );
    project.write("one/a.csv", "at,user_id,event,plan,planet\nnever,1,searched,free,x\n");
    project.write("one/b.csv", "at,user_id,event,plan,planet\nnever,1,searched,free,mars\n");
    let ran = project.run(&["check"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    let found = problems(&project, &ran);
    for (start, file) in [
        ("headcount.yaml:17: error: sources[2].files: invalid file", "more.csv"),
        ("headcount.yaml:17: error: sources[2].files: invalid file", "three.ndjson"),
        (
            "headcount.yaml:4: error: sources[0].time: no row of source `one` was counted",
            "one/a.csv",
        ),
        (
            "headcount.yaml:11: error: sources[1].user.scope: the column `tenant` is missing",
            "two.parquet",
        ),
    ] {
        let is_it = |line: &&String| line.starts_with(start) && line.contains(file);
        assert_eq!(found.iter().filter(is_it).count(), 1, "{start:?} {file:?} in {found:#?}");
    }
}

/// Problems of sources are listed even if the project file or the dictionary has some.
#[test]
fn check_inspects_sources_despite_other_errors() {
    let project = Project::good();
    let yaml = GOOD[0].1.replace("[plan]", "[planet]").replace("UTC", "Utopia");
    project.write("headcount.yaml", format!("{yaml}dictionary: nowhere\n"));
    let ran = project.run(&["check"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    for part in ["Utopia", "nowhere", "sources[0].dimensions", "`planet`", "3 errors"] {
        assert!(ran.out.contains(part), "no {part:?} in\n{}", ran.out);
    }
}
