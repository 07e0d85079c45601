//! Definitions of one dictionary in several files.

use super::{EVENTS, TREE, dictionary, problems};
use crate::metric::{Dictionary, Paths};

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
