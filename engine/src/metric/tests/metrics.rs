//! What the definition of a metric means, and what is said about a bad one.

use super::{TREE, day, dictionary, metric, problems};
use crate::metric::{Operator, Uncounted};

#[test]
fn whether_a_metric_can_be_counted() {
    use Uncounted::{Broken, NoEvents, NotUsers, Removed, SumOperator};
    for (text, expected) in [
        ("events: [opened]", Ok(())),
        ("events: [{name: opened}]", Ok(())),
        ("events: [{name: opened, unique: user.id}]", Ok(())),
        ("events: [{name: opened, unique: user_id}]", Ok(())),
        ("events: [{name: opened, unique: project.id}]", Err(NotUsers)),
        ("events: [{name: opened, operator: sum(value)}]", Err(SumOperator)),
        ("data_source: internal_events\nevents: [{name: opened, unique: user.id}]", Ok(())),
        ("data_source: internal_events\nevents: [{name: opened}]", Err(NotUsers)),
        ("data_source: redis_hll\nevents: [{name: opened}]", Ok(())),
        ("data_source: redis_hll\noptions: {events: [opened]}", Ok(())),
        ("data_source: redis\noptions: {events: [opened]}", Err(NotUsers)),
        (
            "data_source: redis_hll\noptions: {events: [opened], aggregate: {attribute: user_id}}",
            Ok(()),
        ),
        (
            "data_source: database\noptions: {events: [opened], aggregate: {attribute: user.id}}",
            Ok(()),
        ),
        (
            "data_source: redis_hll\noptions: {events: [opened], \
             aggregate: {attribute: project_id}}",
            Err(NotUsers),
        ),
        ("data_source: redis_hll", Err(NoEvents)),
        ("events: []", Err(NoEvents)),
        ("status: removed\nevents: [opened]", Err(Removed)),
        ("status: broken\nevents: [opened]", Err(Broken)),
        ("status: data_available\nevents: [opened]", Ok(())),
        ("time_frame: 28d\nevents: [opened]", Ok(())),
        ("time_frame: [all, 28d, 7d]\nevents: [opened]", Ok(())),
        ("time_frame: [all, 7d]\nevents: [opened]", Err(Uncounted::TimeFrame)),
        ("time_frame: none\nevents: [opened]", Err(Uncounted::TimeFrame)),
    ] {
        let dictionary = metric(text);
        assert!(!dictionary.has_errors(), "{text}: {:?}", problems(&dictionary));
        assert_eq!(dictionary.metrics[0].counted(), expected, "{text}");
    }
}

#[test]
fn rules_operators_and_filters() {
    let dictionary = metric(
        "operator: AND\nperformance_indicator_type: [smau, paid_gmau]\nevents:\n\
         - {name: opened, filter: {label: 1, tool: [a, '2', 3.50]}}\n- name: closed\n",
    );
    assert_eq!(problems(&dictionary), [""; 0]);
    let metric = &dictionary.metrics[0];
    assert_eq!(metric.operator, Operator::Intersection);
    let indicators: Vec<String> = metric.indicators.iter().map(ToString::to_string).collect();
    assert_eq!(indicators, ["smau", "paid_gmau"]);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        metric.rules[0].filter,
        [("label".to_owned(), words(&["1"])), ("tool".to_owned(), words(&["a", "2", "3.50"]))]
    );
    assert_eq!(metric.rules[1].filter, []);
    assert_eq!((metric.rules[0].line, metric.rules[1].line), (6, 7));
    for (operator, expected) in [
        ("OR", Operator::Union),
        ("or", Operator::Union),
        ("and", Operator::Intersection),
        ("union", Operator::Union),
        ("intersection", Operator::Intersection),
    ] {
        let dictionary = self::metric(&format!("operator: {operator}\nevents: [opened]"));
        assert_eq!(dictionary.metrics[0].operator, expected);
    }
}

#[test]
fn problems_of_a_metric() {
    for (text, expected) in [
        ("events: [opened]", ""),
        (
            "events: [file_modifed]",
            "3: warning: events[0]: event `file_modifed` has no definition; did you mean \
             `file_modified`?",
        ),
        (
            "events:\n- opened\n- released\n- released",
            "5: warning: events[1]: event `released` has no definition",
        ),
        ("description: x", "1: warning: `a` has no events, so its users are not counted"),
        ("status: removed\nevents: [gone]", ""),
        (
            "events: [opened]\ndescription: [a]",
            "4: error: description: expected text, found a list",
        ),
        ("events: [opened, {unique: user.id}]", "3: error: events[1]: `name` is missing"),
        ("events: [[opened]]\nstatus: removed", "3: error: events[0]: expected text, found a list"),
        (
            "events: [{name: opened, filter: x}]",
            "3: error: events[0].filter: expected a mapping, found text",
        ),
        (
            "events: [{name: opened, filter: {a: {b: c}}}]",
            "3: error: events[0].filter.a: expected text, found a mapping",
        ),
        (
            "events: [{name: opened, filter: {a: }}]",
            "3: error: events[0].filter.a: expected text, found nothing",
        ),
        (
            "events: [{name: opened, filter: {a: []}}]",
            "3: error: events[0].filter.a: an empty list matches no events; add a value or remove \
             the key",
        ),
        (
            "events: [{name: opened, filters: {a: b}}]",
            "3: warning: events[0].filters: unknown field of a rule; it is ignored; did you mean \
             `filter`?",
        ),
        (
            "events: [{name: opened, operator: max(value)}]",
            "3: error: events[0].operator: unknown operator `max(value)`; the only operator of a \
             rule is sum(value)",
        ),
        (
            "events: [{name: opened, unique: user.id}, {name: closed}]",
            "3: error: events: the rules count different things; give all rules the same \
             `unique`, such as `user.id`",
        ),
        (
            "events: [opened]\noperator: XOR",
            "4: error: operator: unknown operator `XOR`; use OR or AND",
        ),
        (
            "events: [opened]\nperformance_indicator_type: [smau, xmau]",
            "4: warning: performance_indicator_type[1]: unknown indicator `xmau`; reports use \
             smau, gmau, paid_gmau and umau",
        ),
        ("events: [opened]\nperformance_indicator_type: customer_health_score", ""),
        (
            "events: [opened]\nstatus: live",
            "4: warning: status: unknown status `live`, treated as `active`; use active, broken \
             or removed",
        ),
        (
            "events: [opened]\ntime_frame: [28d, 30d]",
            "4: error: time_frame[1]: unknown time frame `30d`; use 7d, 28d, all or none",
        ),
        (
            "events: [opened]\nvalid_from: 2024-02-30x",
            "4: error: valid_from: `2024-02-30x` is not a date; write a date as YYYY-MM-DD",
        ),
        (
            "events: [opened]\nvalid_from: 2024-02-01\nvalid_to: 2024-02-01",
            "5: error: valid_to: `valid_to` is not after `valid_from`; `valid_to` is the first \
             day that is no longer included",
        ),
        (
            "events: [opened]\nstatus: active\nstatus: removed",
            "5: error: status: the key appears twice; the first is in line 4; remove one of them",
        ),
        ("events: [opened]\nmade_up: {x: [1]}", ""),
    ] {
        let found = problems(&metric(text));
        let expected: Vec<String> = Some(expected)
            .filter(|e| !e.is_empty())
            .map(|e| format!("metrics.yml:{e}"))
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn a_metric_holds_from_its_first_day_to_the_day_before_its_end() {
    let dictionary = metric("events: [opened]\nvalid_from: 2024-01-01\nvalid_to: 2024-02-01");
    let valid = dictionary.metrics[0].valid;
    for (on, expected) in
        [("2023-12-31", false), ("2024-01-01", true), ("2024-01-31", true), ("2024-02-01", false)]
    {
        assert_eq!(valid.contains(day(on)), expected, "{on}");
    }
}

#[test]
fn other_fields_are_kept_as_text() {
    let dictionary = dictionary(
        TREE,
        "{action: a, milestone: 8.10, tiers: [free, premium], extra: {x: {type: string}}, none: }",
        "{key_path: a, product_group: planning, status: not_used, options: {events: [a]}}",
    );
    assert_eq!(problems(&dictionary), [""; 0]);
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(
        dictionary.events[0].other,
        pairs(&[
            ("milestone", "8.10"),
            ("tiers", "[free, premium]"),
            ("extra", "{x: {type: string}}")
        ])
    );
    assert_eq!(
        dictionary.metrics[0].other,
        pairs(&[("options", "{events: [a]}"), ("status", "not_used")])
    );
}

#[test]
fn a_problem_becomes_an_error_of_the_engine() {
    let dictionary = metric("events: [opened]\noperator: XOR");
    let error = crate::Error::from(dictionary.problems[0].clone());
    assert_eq!(
        error.to_string(),
        "unknown operator `XOR` (file: metrics.yml, line: 4, key: operator); use OR or AND"
    );
}
