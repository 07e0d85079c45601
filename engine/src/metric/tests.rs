//! Small dictionaries: what a definition means, and what is said about a bad one.

use super::{DefinitionKind, Dictionary, Operator, Paths, Placement, Rank, Uncounted};
use crate::calendar::Day;

const TREE: &str = "stages:\n  plan:\n    section: dev\n    groups: {planning: {name: P}}\n";
const EVENTS: &str = "- {action: opened}\n- {action: closed}\n- {action: file_modified}\n";

fn dictionary(stages: &str, events: &str, metrics: &str) -> Dictionary {
    Dictionary::from_texts(&[
        (DefinitionKind::Stages, "stages.yml", stages),
        (DefinitionKind::Events, "events.yml", events),
        (DefinitionKind::Metrics, "metrics.yml", metrics),
    ])
}

/// A metric with an owner and one known event, so that only `more` can be wrong.
fn metric(more: &str) -> Dictionary {
    let text = format!("key_path: a\nproduct_group: planning\n{more}");
    dictionary(TREE, EVENTS, &text)
}

fn problems(dictionary: &Dictionary) -> Vec<String> {
    dictionary.problems.iter().map(ToString::to_string).collect()
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

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
fn problems_of_owners() {
    let tree = "stages:\n  plan: {section: dev, groups: {planning: , code_review: }}\n";
    for (owner, expected) in [
        ("product_group: planning", None),
        ("product_group: group::code review", None),
        ("product_group: Code-Review", None),
        ("product_group: plan", None),
        ("product_stage: devops::plan", None),
        (
            "product_group: planing",
            Some(
                "group `planing` is not defined in the stages file: the metric belongs to no \
                 stage; did you mean `planning`?",
            ),
        ),
        (
            "product_group: ideas\nproduct_stage: plan",
            Some(
                "group `ideas` is not defined in the stages file: the metric belongs to stage \
                 `plan`",
            ),
        ),
        (
            "product_group: ideas\nproduct_section: dev",
            Some(
                "group `ideas` is not defined in the stages file: the metric belongs to section \
                 `dev`",
            ),
        ),
        ("product_group:", Some("`a` has no product_group: the metric belongs to no stage")),
        (
            "product_section: dev",
            Some("`a` has no product_group: the metric belongs to section `dev`"),
        ),
    ] {
        // The line of the group where there is one.
        let line = if owner.starts_with("product_group: ") { 3 } else { 1 };
        let found = dictionary(
            tree,
            EVENTS,
            &format!("- key_path: a\n  events: [opened]\n  {}\n", owner.replace('\n', "\n  ")),
        );
        let expected: Vec<String> = expected
            .map(|text| format!("metrics.yml:{line}: warning: [0].product_group: {text}"))
            .into_iter()
            .collect();
        assert_eq!(problems(&found), expected, "{owner}");
    }
}

#[test]
fn problems_of_definitions_side_by_side() {
    let metric = "- {key_path: a, product_group: planning, events: [opened]}\n";
    for (stages, events, metrics, expected) in [
        (TREE, EVENTS, "- {description: x}", "metrics.yml:1: error: [0]: `key_path` is missing"),
        (
            TREE,
            EVENTS,
            "- text",
            "metrics.yml:1: error: [0]: expected a metric definition, found text",
        ),
        (TREE, "- {category: x}", "[]", "events.yml:1: error: [0]: `action` is missing"),
        (TREE, "text", "[]", "events.yml:1: error: expected an event definition, found text"),
        (TREE, "- {action: x, category: b}\n- {action: x, category: c}\n- {action: x}", "[]", ""),
        (
            TREE,
            "- {action: x, category: b}\n- {action: x, category: b}",
            "[]",
            "events.yml:2: error: [1].action: event `x` is defined twice; the first is in \
             events.yml:1; remove one of them",
        ),
        (
            TREE,
            EVENTS,
            &format!("{metric}{metric}"),
            "metrics.yml:2: error: [1].key_path: `a` is defined twice; the first is in \
             metrics.yml:1; remove one of them",
        ),
        (TREE, "# none", "[]", "events.yml: warning: the file has no definition"),
        (
            "stage: {}",
            EVENTS,
            metric,
            "stages.yml:1: error: `stages` is missing; add `stages:` with one key for each stage",
        ),
        (
            "stages: [plan]",
            EVENTS,
            metric,
            "stages.yml:1: error: stages: expected a mapping, found a list",
        ),
        (
            "stages: {}",
            EVENTS,
            metric,
            "stages.yml:1: warning: stages: `stages` is empty; add a key for each stage",
        ),
        (
            "stages: {plan: dev}",
            EVENTS,
            metric,
            "stages.yml:1: error: stages.plan: expected a mapping, found text",
        ),
        (
            "stages: {plan: {groups: {planning: , x: y}}}",
            EVENTS,
            metric,
            "stages.yml:1: error: stages.plan.groups.x: expected a mapping, found text",
        ),
        (
            "sections: {dev: {name: Dev}}\nstages: {plan: {section: dve, groups: {planning: }}}",
            EVENTS,
            metric,
            "stages.yml:2: warning: stages.plan.section: section `dve` is not defined; did you \
             mean `dev`?",
        ),
        (
            "stages: {plan: {groups: {planning: }}}\ngroups: {idle: {name: Idle}}",
            EVENTS,
            metric,
            "stages.yml:2: warning: groups.idle: a group outside of a stage is ignored; move it \
             under its stage",
        ),
    ] {
        let found = problems(&dictionary(stages, events, metrics)).join("\n");
        assert_eq!(found, expected, "{stages} {events} {metrics}");
    }
}

#[test]
fn a_group_or_stage_holds_in_one_place_at_a_time() {
    let groups = |first: &str, second: &str| {
        format!(
            "stages:\n  plan:\n    groups:\n      review: {{{first}}}\n  create:\n    \
             groups:\n      \
             review: {{{second}}}\n"
        )
    };
    let twice = "stages.yml:7: error: stages.create.groups.review: group `review` is defined \
                 twice for the same days; the first is in stages.yml:4; if the group moved to \
                 another stage, add `valid_to` there and `valid_from` here";
    for (first, second, expected) in [
        ("", "", twice),
        ("valid_to: 2024-01-01", "", twice),
        ("valid_to: 2024-01-02", "valid_from: 2024-01-01", twice),
        ("valid_to: 2024-01-01", "valid_from: 2024-01-01", ""),
        ("valid_from: 2024-01-01", "valid_to: 2024-01-01", ""),
        (
            "valid_from: 2024-01-02, valid_to: 2024-01-01",
            "valid_from: 2024-01-01",
            "stages.yml:4: error: stages.plan.groups.review.valid_to: `valid_to` is not after \
             `valid_from`; `valid_to` is the first day that is no longer included",
        ),
    ] {
        let text = groups(first, second);
        let found = dictionary(&text, EVENTS, "[]");
        let found = problems(&found).first().cloned().unwrap_or_default();
        assert_eq!(found, expected, "{text}");
    }
    let twice = Dictionary::from_texts(&[
        (DefinitionKind::Stages, "a.yml", "stages: {plan: {section: dev}}"),
        (DefinitionKind::Stages, "b.yml", "stages: {Plan: {section: ops}}"),
    ]);
    assert_eq!(
        problems(&twice),
        ["b.yml:1: error: stages.Plan: stage `Plan` is defined twice for the same days; the \
             first is in a.yml:1; remove one of them, or give them dates that do not overlap"]
    );
}

const MOVING: &str = "
sections:
  ops: {display_name: Operations}
stages:
  plan:
    display_name: Planning
    section: dev
    groups:
      ideas: {name: Ideas}
      code-review: {name: Review, valid_to: 2024-01-01}
  release: {section: ops, valid_to: 2024-03-01, groups: {delivery: , release: }}
  deploy:
    section: ops
    valid_from: 2024-03-01
    groups: {delivery: }
  create: {section: dev, groups: {code_review: {name: Review, valid_from: 2024-02-01}}}
  loose:
    valid_from: 2025-01-01
";

#[test]
fn a_metric_has_the_node_of_its_group_on_that_day() {
    let place = |section, stage, group| Placement { section, stage, group };
    let (dev, ops) = (Some("dev"), Some("ops"));
    for (owner, on, expected) in [
        ("product_group: ideas", "2024-01-01", place(dev, Some("plan"), Some("ideas"))),
        ("product_group: Ideas", "1999-01-01", place(dev, Some("plan"), Some("ideas"))),
        ("product_group: code review", "2023-12-31", place(dev, Some("plan"), Some("code-review"))),
        ("product_group: code review", "2024-01-01", Placement::default()),
        ("product_group: code review", "2024-01-31", Placement::default()),
        (
            "product_group: code review",
            "2024-02-01",
            place(dev, Some("create"), Some("code_review")),
        ),
        (
            "product_group: group::delivery",
            "2024-02-29",
            place(ops, Some("release"), Some("delivery")),
        ),
        (
            "product_group: group::delivery",
            "2024-03-01",
            place(ops, Some("deploy"), Some("delivery")),
        ),
        ("product_group: release", "2024-02-29", place(ops, Some("release"), Some("release"))),
        ("product_group: release", "2024-03-01", Placement::default()),
        ("product_group: deploy", "2024-03-01", place(ops, Some("deploy"), None)),
        ("product_group: deploy", "2024-02-29", Placement::default()),
        (
            "product_group: gone, product_stage: 'devops::plan'",
            "2024-01-01",
            place(dev, Some("plan"), None),
        ),
        ("product_stage: deploy, product_section: ops", "2024-01-01", place(ops, None, None)),
        ("product_section: 'section::ops'", "2024-01-01", place(ops, None, None)),
        ("product_group: loose", "2025-01-01", place(None, Some("loose"), None)),
        ("description: none", "2025-01-01", Placement::default()),
    ] {
        let dictionary =
            dictionary(MOVING, EVENTS, &format!("{{key_path: a, events: [opened], {owner}}}"));
        assert!(!dictionary.has_errors(), "{:?}", problems(&dictionary));
        let found = dictionary.tree.placement(&dictionary.metrics[0], day(on));
        assert_eq!(found, expected, "{owner} on {on}");
    }
}

#[test]
fn the_tree_of_a_day_in_file_order() {
    let tree = dictionary(MOVING, EVENTS, "[]").tree;
    let nodes = |on: &str| {
        let nodes = tree.nodes_on(day(on));
        let keys = nodes.iter().map(|node| {
            let Placement { section, stage, group } = node.placement;
            let depth = match node.rank {
                Rank::Section => "",
                Rank::Stage => "/",
                Rank::Group => "//",
            };
            format!("{depth}{}", group.or(stage).or(section).unwrap())
        });
        keys.collect::<Vec<_>>().join(" ")
    };
    for (on, expected) in [
        ("2023-12-31", "ops /release //delivery //release dev /plan //ideas //code-review /create"),
        ("2024-01-15", "ops /release //delivery //release dev /plan //ideas /create"),
        ("2024-03-01", "ops /deploy //delivery dev /plan //ideas /create //code_review"),
        ("2025-01-01", "ops /deploy //delivery dev /plan //ideas /create //code_review /loose"),
    ] {
        assert_eq!(nodes(on), expected, "{on}");
    }
    for (rank, key, expected) in [
        (Rank::Section, "ops", Some("Operations")),
        (Rank::Section, "dev", Some("dev")),
        (Rank::Stage, "plan", Some("Planning")),
        (Rank::Stage, "deploy", Some("deploy")),
        (Rank::Group, "code review", Some("Review")),
        (Rank::Group, "plan", None),
    ] {
        assert_eq!(tree.name_of(rank, key), expected, "{rank:?} {key}");
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
fn aggregates_become_metrics_or_give_their_rules() {
    let aggregate =
        "- {name: x, operator: AND, source: redis, time_frame: FRAMES, events: [opened, closed]}";
    let monthly = "counts_monthly.aggregated_metrics.x";
    let weekly = "counts_weekly.aggregated_metrics.x";
    for (frames, definitions, expected) in [
        ("[7d, 28d]", vec![], vec![(monthly, 2)]),
        ("[7d]", vec![], vec![(weekly, 2)]),
        ("all", vec![], vec![("counts.aggregate_x", 2)]),
        ("", vec![], vec![(monthly, 2)]),
        ("[7d, 28d]", vec![(monthly, 0)], vec![(monthly, 2)]),
        ("[7d, 28d]", vec![(monthly, 1)], vec![(monthly, 1)]),
        ("[7d, 28d]", vec![(weekly, 0), (monthly, 0)], vec![(weekly, 2), (monthly, 2)]),
        ("[7d, 28d]", vec![(weekly, 0)], vec![(weekly, 2), (monthly, 2)]),
        ("[28d]", vec![(weekly, 0)], vec![(weekly, 0), (monthly, 2)]),
    ] {
        let mut text = aggregate.replace("FRAMES", frames);
        for (key_path, events) in &definitions {
            let events = &["[]", "[opened]"][*events];
            text += &format!("\n- {{key_path: {key_path}, events: {events}}}");
        }
        let dictionary = dictionary(TREE, EVENTS, &text);
        assert!(!dictionary.has_errors(), "{:?}", problems(&dictionary));
        let found: Vec<_> =
            dictionary.metrics.iter().map(|m| (m.key_path.as_str(), m.rules.len())).collect();
        assert_eq!(found, expected, "{frames} {definitions:?}");
        for metric in dictionary.metrics.iter().filter(|metric| metric.rules.len() == 2) {
            assert_eq!(metric.operator, Operator::Intersection);
            assert_ne!(metric.counted(), Err(Uncounted::NotUsers));
        }
    }
}

#[test]
fn pings_have_a_key_path_for_each_time_frame_of_a_list() {
    let x = ["counts_monthly.aggregated_metrics.x", "counts_weekly.aggregated_metrics.x"];
    for (definition, expected) in [
        ("key_path: a.b", vec!["a.b 28d"]),
        ("key_path: a.b, time_frame: all", vec!["a.b all"]),
        ("key_path: a.b, time_frame: none", vec!["a.b none"]),
        ("key_path: a.b, time_frame: [28d]", vec!["a.b_monthly 28d"]),
        ("key_path: a.b, time_frame: [all, 7d]", vec!["a.b all", "a.b_weekly 7d"]),
        ("name: x, operator: OR, events: [opened]", vec![&format!("{} 28d", x[0])]),
        (
            "name: x, operator: OR, time_frame: [7d], events: [opened]",
            vec![&format!("{} 7d", x[1])],
        ),
        (
            "name: x, operator: OR, time_frame: [all, 7d, 28d], events: [opened]",
            vec![&format!("{} 28d", x[0]), &format!("{} 7d", x[1]), "counts.aggregate_x all"],
        ),
        (
            "key_path: counts_weekly.aggregated_metrics.x, time_frame: 7d",
            vec![&format!("{} 7d", x[1])],
        ),
    ] {
        let dictionary = dictionary(TREE, EVENTS, &format!("- {{{definition}}}"));
        let paths = dictionary.metrics[0].key_paths();
        let paths: Vec<String> =
            paths.into_iter().map(|(p, frame)| format!("{p} {frame}")).collect();
        assert_eq!(paths, expected, "{definition}");
    }
}

#[test]
fn the_same_aggregate_twice_is_a_problem_only_when_it_differs() {
    let first = "- {name: x, operator: OR, time_frame: [7d, 28d], events: [opened, closed]}";
    for (second, expected) in [
        ("- {name: x, operator: OR, time_frame: [28d, 7d], events: [closed, opened]}", 0),
        ("- {name: x, operator: AND, time_frame: [28d, 7d], events: [closed, opened]}", 1),
        ("- {name: x, operator: OR, time_frame: [28d], events: [closed, opened]}", 1),
        ("- {name: x, operator: OR, time_frame: [28d, 7d], events: [opened]}", 1),
    ] {
        let found = Dictionary::from_texts(&[
            (DefinitionKind::Events, "events.yml", EVENTS),
            (DefinitionKind::Aggregates, "old.yml", first),
            (DefinitionKind::Aggregates, "new.yml", second),
        ]);
        let expected = vec![
            "new.yml:1: error: [0]: aggregate `x` has two different definitions; the first is in \
             old.yml:1; remove one of them";
            expected
        ];
        let errors: Vec<String> =
            problems(&found).into_iter().filter(|problem| problem.contains("error")).collect();
        assert_eq!(errors, expected, "{second}");
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
fn a_folder_is_searched_to_any_depth_and_nothing_is_read_twice() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("stages.yml", TREE);
    write("events/deep/er/b.yaml", "action: closed");
    write("events/a.yml", "action: opened");
    write("events/notes.txt", "action: no");
    write("events/.hidden.yml", "action: no");
    write("metrics/z.yml", "{key_path: z, product_group: planning, events: [opened]}");
    write("metrics/a/b.yml", "{key_path: b, product_group: planning, events: [closed]}");
    write("metrics/aggregates/c.yml", "- {name: c, product_group: planning, events: [opened]}");
    let paths = Paths::folder(dir.path());
    let dictionary = Dictionary::load(&paths).unwrap();
    assert_eq!(problems(&dictionary), [""; 0]);
    let actions: Vec<&str> = dictionary.events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["opened", "closed"]);
    let metrics: Vec<&str> = dictionary.metrics.iter().map(|m| m.key_path.as_str()).collect();
    assert_eq!(metrics, ["b", "z", "counts_monthly.aggregated_metrics.c"]);
    assert_eq!(dictionary.files.len(), 6);

    let glob =
        |pattern: &str| Paths { metrics: vec![dir.path().join(pattern)], ..Paths::default() };
    for (pattern, expected) in [
        ("metrics/*.yml", Ok(1)),
        ("metrics/**/*.yml", Ok(3)),
        ("metrics/[az]*", Ok(3)),
        ("metrics/z.yml", Ok(1)),
        ("metrics", Ok(3)),
        ("gone", Err("no such file or folder")),
        ("*.json", Err("no file matches")),
        ("***", Err("invalid glob")),
    ] {
        match (Dictionary::load(&glob(pattern)), expected) {
            (Ok(found), Ok(files)) => assert_eq!(found.files.len(), files, "{pattern}"),
            (Err(error), Err(message)) => {
                assert!(error.to_string().starts_with(message), "{pattern}: {error}");
                assert!(error.context("file").is_some(), "{pattern}");
            }
            (found, _) => panic!("{pattern}: {found:?}"),
        }
    }
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
