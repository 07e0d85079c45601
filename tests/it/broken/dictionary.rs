//! Broken definitions of stages, events and metrics.

use super::{Case, case};

const STAGES: &str = "dictionary/stages.yml";
const EVENTS: &str = "dictionary/events/all.yml";
const METRICS: &str = "dictionary/metrics/all.yml";

fn stages(name: &'static str, from: &str, to: &str) -> Case {
    case(name).swap(STAGES, from, to)
}

fn metrics(name: &'static str, from: &str, to: &str) -> Case {
    case(name).swap(METRICS, from, to)
}

#[test]
fn files() {
    case("no dictionary")
        .swap("headcount.yaml", "sources:", "dictionary: dictionary\nsources:")
        .without("dictionary")
        .fails(&["no such file or folder", "stages.yml"]);
    case("no stages").without(STAGES).fails(&["no such file or folder", "stages.yml"]);
    case("no metrics")
        .without("dictionary/metrics")
        .fails(&["no such file or folder", "dictionary/metrics"]);
    case("a part that does not exist")
        .swap("headcount.yaml", "sources:", "dictionary: {stage: x.yml}\nsources:")
        .fails(&["unknown key", "dictionary.stage", "did you mean `stages`?"]);
    case("a glob of nothing")
        .swap("headcount.yaml", "sources:", "dictionary: {metrics: m/*.yml}\nsources:")
        .fails(&["no file matches", "m/*.yml"]);
    case("stages that are invalid YAML")
        .file(STAGES, "stages:\n  reading: {\n")
        .fails(&["invalid YAML", "stages.yml:"]);
    case("metrics that are invalid YAML")
        .file(METRICS, "- key_path: a\n description: b\n")
        .fails(&["invalid YAML", "metrics/all.yml:2"]);
}

#[test]
fn the_tree() {
    case("no `stages`").file(STAGES, "steps: {}\n").fails(&["`stages` is missing", "stages.yml:1"]);
    stages("groups in a list", "\n      posts: {name: Posts}", " [posts]")
        .fails(&["stages.yml:11", "stages.writing.groups: expected a mapping, found a list"]);
    case("stages in a list")
        .file(STAGES, "stages: [reading, writing]\n")
        .fails(&["stages: expected a mapping, found a list"]);
    stages("a stage twice", "  writing:", "  reading:")
        .fails(&["stages.yml:8", "the key appears twice; the first is in line 2"]);
    stages("a stage in two spellings", "  writing:", "  Reading:")
        .fails(&["stage `Reading` is defined twice for the same days", "stages.yml:2"]);
    stages("a group in two stages", "posts: {name: Posts}", "pages: {}").fails(&[
        "group `pages` is defined twice for the same days; the first is in ",
        "add `valid_to` there and `valid_from` here",
    ]);
    stages("a date that is none", "{name: Posts}", "{valid_from: 2026-13-01}").fails(&[
        "stages.yml:12",
        "stages.writing.groups.posts.valid_from: `2026-13-01` is not a date",
        "YYYY-MM-DD",
    ]);
    stages("an end that is no date", "{name: Posts}", "{valid_to: soon}")
        .fails(&["posts.valid_to: `soon` is not a date"]);
    stages(
        "an end before the beginning",
        "{name: Posts}",
        "{valid_from: 2026-02-01, valid_to: 2026-01-01}",
    )
    .fails(&["stages.yml:12", "`valid_to` is not after `valid_from`"]);
}

#[test]
fn events() {
    case("text for events")
        .file(EVENTS, "page_viewed\n")
        .fails(&["events/all.yml:1", "expected an event definition, found text"]);
    case("an event without a name")
        .add(EVENTS, "- {description: What was it?}\n")
        .fails(&["events/all.yml:4: error: [3]: `action` is missing"]);
    case("an event twice").add(EVENTS, "- {action: searched}\n").fails(&[
        "events/all.yml:4",
        "event `searched` is defined twice; the first is in ",
        "all.yml:2",
    ]);
    case("a list for a name")
        .add(EVENTS, "- {action: [a, b]}\n")
        .fails(&["[3].action: expected text, found a list"]);
}

#[test]
fn metrics_and_rules() {
    case("text for metrics")
        .file(METRICS, "monthly.view_pages\n")
        .fails(&["expected a metric definition, found text"]);
    metrics("a metric without a name", "key_path: monthly.search\n  ", "")
        .fails(&["metrics/all.yml:6", "`key_path` is missing"]);
    metrics("a key path twice", "monthly.search", "monthly.view_pages").fails(&[
        "metrics/all.yml:6",
        "`monthly.view_pages` is defined twice; the first is in ",
        "all.yml:1",
    ]);
    metrics("a rule without a name", "{name: searched, unique: user.id}", "{unique: user.id}")
        .fails(&["metrics/all.yml:9", "[1].events[0]: `name` is missing"]);
    metrics(
        "an unknown operator",
        "  product_group: search",
        "  operator: XOR\n  product_group: x",
    )
    .fails(&["[1].operator: unknown operator `XOR`; use OR or AND"]);
    metrics("an unknown time frame", "product_group: search", "time_frame: 30d")
        .fails(&["unknown time frame `30d`", "use 7d, 28d, all or none"]);
    metrics("a date that is none", "product_group: search", "valid_from: 01.02.2026")
        .fails(&["[1].valid_from: `01.02.2026` is not a date"]);
    metrics(
        "an end before the beginning",
        "product_group: search",
        "valid_from: 2026-02-01\n  valid_to: 2026-02-01",
    )
    .fails(&["`valid_to` is not after `valid_from`"]);
    metrics(
        "rules of different things",
        "[{name: searched, unique: user.id}]",
        "[{name: searched, unique: user.id}, {name: page_viewed, unique: project.id}]",
    )
    .fails(&["the rules count different things"]);
    metrics(
        "a filter by nothing",
        "{name: searched, unique",
        "{name: searched, filter: {plan: []}, unique",
    )
    .fails(&["an empty list matches no events", "filter.plan"]);
    metrics(
        "a filter that is a word",
        "{name: searched, unique",
        "{name: searched, filter: plan, unique",
    )
    .fails(&["filter: expected a mapping, found text"]);
    metrics(
        "a rule that adds",
        "{name: searched, unique: user.id}",
        "{name: searched, operator: max(value)}",
    )
    .fails(&["unknown operator `max(value)`"]);
}
