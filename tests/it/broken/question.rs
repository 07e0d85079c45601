//! Questions that cannot be answered, and command lines that cannot be understood.

use super::case;

#[test]
fn a_question_that_does_not_fit() {
    let asks = |command: &'static str| case(command).run(command);
    asks("report --by planet").fails(&["no source has a dimension `planet`", "dimensions are: plan"]);
    asks("report --by plan,plan").fails(&["the dimension `plan` is asked for twice"]);
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
    asks("report --approx 3").is_refused(&["precision", "4", "18"]);
    asks("report --approx 19").is_refused(&["precision"]);
    asks("report --approx many").is_refused(&["many"]);
    asks("report --level total,planet").is_refused(&["unknown level `planet`", "total combined"]);
    asks("report --method average").is_refused(&["unknown method `average`", "union indicator"]);
    asks("report --window 28d").is_refused(&["unknown window `28d`", "`trailing_28d`"]);
    asks("report --window trailing_0d").is_refused(&["unknown window `trailing_0d`"]);
    asks("report --format xml").is_refused(&["xml", "csv", "json"]);
    asks("report --from 2026-13").is_refused(&["`2026-13` is not a date", "2026-Q1"]);
    asks("report --to 2026-02-30").is_refused(&["there is no day 2026-02-30"]);
    asks("report --as-of yesterday").is_refused(&["`yesterday` is not a date"]);
    asks("report --tree tomorrow").is_refused(&["today", "period"]);
    asks("report --planet mars").is_refused(&["--planet"]);
    asks("rapport").is_refused(&["rapport", "report"]);
    asks("init").is_refused(&["DIR"]);
    asks("generate --events 10").is_refused(&["--output"]);
    asks("generate --ids serial -o x").is_refused(&["serial", "dense", "uuid"]);
    asks("generate --start 2026-13 -o x").is_refused(&["2026-13", "YYYY-MM"]);
}

#[test]
fn settings_of_the_generator() {
    let asks = |command: &'static str| case(command).run(command);
    asks("generate --events 0 -o x").fails(&["events is 0"]);
    asks("generate --months 0 -o x").fails(&["months is 0"]);
    asks("generate --late 0.9 -o x").fails(&["late is 0.9"]);
    asks("generate --events 10 -o dictionary").fails(&["dictionary", "is not empty"]);
    asks("init .").fails(&["there is a project already", "headcount.yaml"]);
}
