//! Broken `headcount.yaml`.

use super::{Case, case};

const FILE: &str = "headcount.yaml";

fn swap(name: &'static str, from: &str, to: &str) -> Case {
    case(name).swap(FILE, from, to)
}

#[test]
fn the_file_itself() {
    case("no project")
        .without(FILE)
        .fails(&["no headcount.yaml in this folder", "headcount init DIR"]);
    case("a folder without a project")
        .run("report --project dictionary")
        .fails(&["dictionary", FILE]);
    case("an empty project").file(FILE, "").fails(&["the project file is empty", FILE]);
    case("only a comment").file(FILE, "# nothing\n").fails(&[FILE]);
    case("a list").file(FILE, "- sources\n").fails(&["expected a mapping, found a list", FILE]);
    case("a word").file(FILE, "sources\n").fails(&["expected a mapping, found text", FILE]);
    case("an open bracket").file(FILE, "time_zone: UTC\nsources: [\n").fails(&[
        "invalid YAML",
        FILE,
        "line: ",
    ]);
    case("not text").file(FILE, b"\xff\xfe\x00").fails(&["cannot read the file", FILE]);
    case("a key twice").add(FILE, "time_zone: UTC\n").fails(&[
        "the key appears twice; the first is in line 1",
        "line: 9",
        "key: time_zone",
    ]);
}

#[test]
fn keys_and_words() {
    swap("an unknown key", "time_zone:", "timezone:").fails(&[
        "unknown key",
        "line: 1",
        "key: timezone",
        "did you mean `time_zone`?",
    ]);
    swap("an unknown key of a source", "    user:", "    usr: x\n    user:").fails(&[
        "unknown key",
        "line: 6",
        "key: sources[0].usr",
        "did you mean `user`?",
    ]);
    swap("an unknown time zone", "UTC", "Europe/Berln").fails(&[
        "unknown time zone `Europe/Berln`",
        "line: 1",
        "did you mean `Europe/Berlin`?",
    ]);
    swap("an unknown zone of times", "time: at", "time: {column: at, zone: Nowhere}")
        .fails(&["unknown time zone `Nowhere`", "line: 5"]);
    swap("an unknown unit", "time: at", "time: {column: at, unit: minutes}").fails(&[
        "unknown time unit `minutes`",
        "use one of: s ms us ns",
        "line: 5",
    ]);
    swap("a time without a column", "time: at", "time: {unit: s}")
        .fails(&["expected one of `column` or `sql`", "line: 5"]);
    swap("a bound that is no date", "time_zone: UTC", "no_events_after: tomorrow").fails(&[
        "`tomorrow` is not a date",
        "YYYY-MM-DD",
        "line: 1",
    ]);
    swap("a const and a column", "event: event", "event: {const: page_viewed, column: event}")
        .fails(&["expected one of `column`, `sql` or `const`", "line: 7"]);
    swap("a list for a time zone", "UTC", "[UTC]")
        .fails(&["expected text, found a list", "key: time_zone"]);
}

#[test]
fn sources() {
    case("no sources")
        .file(FILE, "time_zone: UTC\n")
        .fails(&["`sources` is missing", "add at least one source"]);
    case("no source in the list").file(FILE, "sources: []\n").fails(&["source", FILE]);
    case("a source that is a word")
        .file(FILE, "sources: [events.csv]\n")
        .fails(&["expected a mapping, found text", "sources[0]"]);
    for (missing, line) in [
        ("name", "  - name: visits\n    "),
        ("files", "    files: events.csv\n"),
        ("time", "    time: at\n"),
        ("user", "    user: user_id\n"),
        ("event", "    event: event\n"),
    ] {
        let instead = if missing == "name" { "  - " } else { "" };
        let message = format!("`{missing}` is missing");
        swap("a source without a field", line, instead).fails(&[&message, "sources[0]", FILE]);
    }
    case("two sources of one name")
        .add(FILE, "  - {name: visits, files: more.csv, time: at, user: user_id, event: event}\n")
        .fails(&["two sources have the name `visits`", "line: 9"]);
    swap("a name that is no word", "visits", "my-visits")
        .fails(&["invalid source name `my-visits`", "SQL table"]);
    swap("a deployment given twice", "[plan]", "[plan, deployment]\n    deployment: saas")
        .fails(&["`deployment` is given twice"]);
}
