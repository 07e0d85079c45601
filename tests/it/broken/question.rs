//! Questions that cannot be answered, and command lines that cannot be understood.

use super::case;

#[test]
fn a_question_that_does_not_fit() {
    let asks = |command: &'static str| case(command).run(command);
    asks("report --by planet")
        .fails(&["no source has a dimension `planet`", "dimensions are: plan"]);
    asks("report --by plan,plan").fails(&["the dimension `plan` is given twice"]);
    asks("report --from 2026-03 --to 2026-01").fails(&["2026-01-31", "2026-03-01", "before"]);
    asks("report -o missing/report.csv").fails(&["no such file or folder", "missing/report.csv"]);
    case("all of several things, approximately")
        .swap(
            "dictionary/metrics/all.yml",
            "events: [{name: searched, unique: user.id}]",
            "operator: AND\n  events: [searched, page_viewed]",
        )
        .run("report --approx")
        .fails(&["`monthly.search`", "metrics/all.yml", "line: 6", "without --approx"]);
}

#[test]
fn wrong_usage() {
    let asks = |command: &'static str| case(command).run(command);
    asks("report --approx 3").refused(&["precision", "4", "18"]);
    asks("report --approx 19").refused(&["precision"]);
    asks("report --approx many").refused(&["many"]);
    asks("report --level total,planet").refused(&["unknown level `planet`", "total combined"]);
    asks("report --method average").refused(&["unknown method `average`", "union indicator"]);
    asks("report --window 28d").refused(&["unknown window `28d`", "`trailing_28d`"]);
    asks("report --window trailing_0d").refused(&["unknown window `trailing_0d`"]);
    asks("report --format xml").refused(&["xml", "csv", "json"]);
    asks("report --from 2026-13").refused(&["`2026-13` is not a date", "2026-Q1"]);
    asks("report --to 2026-02-30").refused(&["invalid date 2026-02-30"]);
    asks("report --as-of yesterday").refused(&["`yesterday` is not a date"]);
    asks("report --tree tomorrow").refused(&["today", "period"]);
    asks("report --planet mars").refused(&["--planet"]);
    asks("rapport").refused(&["rapport", "report"]);
    asks("init").refused(&["DIR"]);
    asks("generate --events 10").refused(&["--output"]);
    asks("generate --ids serial -o x").refused(&["serial", "dense", "uuid"]);
    asks("generate --start 2026-13 -o x").refused(&["2026-13", "YYYY-MM"]);
}

#[test]
fn settings_of_the_generator() {
    let asks = |command: &'static str| case(command).run(command);
    asks("generate --events 0 -o x").fails(&["events is 0"]);
    asks("generate --months 0 -o x").fails(&["months is 0"]);
    asks("generate --late 0.9 -o x").fails(&["late is 0.9"]);
    asks("generate --events 10 -o dictionary").fails(&["dictionary", "is not empty"]);
    asks("init .").fails(&["a project already exists here", "headcount.yaml"]);
}
