//! Groups of events that count in the same nodes of a report, under the same filters.
//!
//! In a report of stages, for example, all events of a stage without filters are such a group. The
//! events of a group are counted as one event, so fewer sets have to be filled and merged.

use std::collections::{BTreeMap, HashMap};

use super::metric_sets::metric_sets_of;
use super::nodes::{change_days, needs_intersection, nodes};
use super::question::Question;
use crate::calendar::Day;
use crate::metric::Dictionary;

/// Where a metric counts: a day since which the tree is the same, a node, and one of its values.
type Uses = Vec<(usize, usize, usize)>;

/// What an event is counted for.
#[derive(PartialEq, Eq, Hash)]
enum Use<'a> {
    /// Metrics that are used alike, and the filter of a rule.
    Alike(&'a Uses, &'a [(String, Vec<String>)]),
    /// A rule of a metric whose rules are intersected.
    Rule(usize, usize),
}

/// For each of these events the one that stands for all that are counted alike.
pub(super) fn event_classes<'a>(
    dictionary: &'a Dictionary,
    question: &Question,
    events: impl Iterator<Item = &'a String>,
) -> BTreeMap<String, String> {
    let mut days = change_days(dictionary);
    days.push(Day::MIN);
    let mut uses: Vec<Uses> = vec![Uses::new(); dictionary.metrics.len()];
    for (at, day) in days.into_iter().enumerate() {
        let needed =
            nodes(dictionary, day, |metric| metric.counted().is_ok()).into_iter().enumerate();
        for (node_at, node) in needed.filter(|(_, node)| question.needs(&node.name)) {
            let sets = metric_sets_of(question.method, question.total, &node).into_iter().flatten();
            for (value, metrics) in sets.enumerate() {
                metrics.into_iter().for_each(|metric| uses[metric].push((at, node_at, value)));
            }
        }
    }
    let mut uses_by_event: HashMap<&str, Vec<Use<'_>>> = HashMap::new();
    for (at, (metric, uses)) in dictionary.metrics.iter().zip(&uses).enumerate() {
        if metric.counted().is_err() || uses.is_empty() {
            continue;
        }
        for (rule_at, rule) in metric.rules.iter().enumerate() {
            let rule_use = match needs_intersection(metric) {
                true => Use::Rule(at, rule_at),
                false => Use::Alike(uses, &rule.filter),
            };
            let uses = uses_by_event.entry(&rule.event).or_default();
            if !uses.contains(&rule_use) {
                uses.push(rule_use);
            }
        }
    }
    let mut representatives: HashMap<Vec<Use<'_>>, &String> = HashMap::new();
    let class = |event: &'a String| {
        let uses = uses_by_event.remove(event.as_str()).unwrap_or_default();
        (event.clone(), representatives.entry(uses).or_insert(event).clone())
    };
    events.map(class).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::event_classes;
    use crate::active::{Level, Method, Question, counted_events};
    use crate::metric::{DefinitionKind, Dictionary};

    const STAGES: &str = "
stages:
  plan:
    section: dev
    groups:
      board: {name: Board}
      notes: {name: Notes}
  ship:
    section: ops
    groups:
      run: {name: Run}
";
    const METRICS: &str = "
- {key_path: a, product_group: board, time_frame: 28d, events: [{name: e1, unique: user.id}]}
- {key_path: b, product_group: notes, time_frame: 28d, events: [{name: e2, unique: user.id}]}
- key_path: c
  product_group: notes
  time_frame: 28d
  events: [{name: e3, unique: user.id, filter: {plan: free}}]
- {key_path: d, product_group: run, time_frame: 28d, events: [{name: e4, unique: user.id}]}
";

    fn check(levels: &[Level], method: Method, expected: [&str; 4]) {
        let dictionary = Dictionary::from_texts(&[
            (DefinitionKind::Stages, "stages.yml", STAGES),
            (DefinitionKind::Metrics, "metrics.yml", METRICS),
        ]);
        let question =
            Question { levels: levels.iter().copied().collect(), method, ..Question::default() };
        let events = counted_events(&dictionary);
        let classes = event_classes(&dictionary, &question, events.iter());
        let expected = ["e1", "e2", "e3", "e4"].into_iter().zip(expected);
        let expected: BTreeMap<String, String> =
            expected.map(|(event, class)| (event.to_owned(), class.to_owned())).collect();
        assert_eq!(classes, expected, "{levels:?}");
    }

    #[test]
    fn events_of_a_node_are_one_unless_a_lower_level_or_a_filter_tells_them_apart() {
        check(&[Level::Total], Method::Union, ["e1", "e1", "e1", "e1"]);
        check(&[Level::Total, Level::Stage], Method::Union, ["e1", "e1", "e3", "e4"]);
        check(&[Level::Combined], Method::Union, ["e1", "e1", "e3", "e4"]);
        check(&[Level::Group], Method::Union, ["e1", "e2", "e3", "e4"]);
        check(&[Level::Stage], Method::Max, ["e1", "e2", "e3", "e4"]);
        check(&[Level::Stage], Method::Indicator, ["e1", "e1", "e1", "e1"]);
    }
}
