//! Aggregates, and the key paths of pings.

use super::{EVENTS, TREE, dictionary, problems};
use crate::metric::{DefinitionKind, Dictionary, Operator, Uncounted};

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
