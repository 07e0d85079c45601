//! The tree of stages and groups, on each day.

use super::{EVENTS, day, dictionary, problems};
use crate::metric::{DefinitionKind, Dictionary, Placement, Rank};

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
