//! What a metric counts, in words and as parts.

use engine::metric::{Metric, Operator, Rule, USER};

/// Rules of a metric that differ only in their events.
pub(super) struct RuleGroup<'a> {
    pub(super) events: Vec<&'a str>,
    pub(super) rule: &'a Rule,
}

/// The rules of a metric; those with the same filter together, unless all of them must hold.
pub(super) fn rule_groups(metric: &Metric) -> Vec<RuleGroup<'_>> {
    let mut groups: Vec<RuleGroup<'_>> = Vec::new();
    for rule in &metric.rules {
        let same = |group: &&mut RuleGroup<'_>| {
            metric.operator == Operator::Union
                && (&group.rule.filter, &group.rule.unique, &group.rule.operator)
                    == (&rule.filter, &rule.unique, &rule.operator)
        };
        match groups.iter_mut().find(same) {
            Some(group) if group.events.contains(&rule.event.as_str()) => {}
            Some(group) => group.events.push(&rule.event),
            None => groups.push(RuleGroup { events: vec![&rule.event], rule }),
        }
    }
    groups
}

/// `component is activerecord or activemodel, plan is free`; empty without a filter.
pub(super) fn filter(rule: &Rule) -> String {
    let one = |(dimension, values): &(String, Vec<String>)| {
        format!("{dimension} is {}", list(values.iter().map(String::as_str), "or"))
    };
    rule.filter.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What the metric counts: `users who did any of`.
pub(super) fn subject(metric: &Metric) -> String {
    let Some(rule) = metric.rules.first() else { return "no events".to_owned() };
    let of = match (metric.rules.len(), metric.operator) {
        (1, _) => "",
        (_, Operator::Union) => "any of ",
        (_, Operator::Intersection) => "all of ",
    };
    match (&rule.operator, rule.unique.as_deref()) {
        (Some(operator), _) => format!("{operator} over {of}").trim_end().to_owned(),
        (None, Some(USER)) => format!("users who did {of}").trim_end().to_owned(),
        (None, Some(unique)) => format!("distinct {unique} of {of}").trim_end().to_owned(),
        (None, None) => format!("occurrences of {of}").trim_end().to_owned(),
    }
}

/// The whole definition on one line.
pub(super) fn text(metric: &Metric) -> String {
    if metric.rules.is_empty() {
        let class = metric.other.iter().find(|(key, _)| key == "instrumentation_class");
        let class = class.map(|(_, class)| format!("class {class}"));
        let source = metric.data_source.as_ref().map(|source| format!("data source {source}"));
        let parts: Vec<String> = source.into_iter().chain(class).collect();
        return match parts.is_empty() {
            true => "no events".to_owned(),
            false => format!("no events: {}", parts.join(", ")),
        };
    }
    let group = |group: RuleGroup<'_>| {
        let events = list(group.events.into_iter(), "or");
        match filter(group.rule) {
            filter if filter.is_empty() => events,
            filter => format!("{events} where {filter}"),
        }
    };
    let groups: Vec<String> = rule_groups(metric).into_iter().map(group).collect();
    format!("{}: {}", subject(metric), groups.join("; "))
}

/// `a`, `a or b`, `a, b or c`
fn list<'a>(words: impl Iterator<Item = &'a str>, last: &str) -> String {
    let words: Vec<&str> = words.collect();
    match words.split_last() {
        None => String::new(),
        Some((word, [])) => (*word).to_owned(),
        Some((word, first)) => format!("{} {last} {word}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use engine::metric::{DefinitionKind, Dictionary};

    use super::text;

    #[test]
    fn definitions_in_words() {
        for (definition, expected) in [
            ("events: [{name: a, unique: user.id}]", "users who did: a"),
            (
                "events: [{name: a, unique: user.id, filter: {p: [x, y], q: z}}, \
                 {name: b, unique: user.id, filter: {p: [x, y], q: z}}, {name: c, unique: user.id}]",
                "users who did any of: a or b where p is x or y, q is z; c",
            ),
            (
                "operator: AND, events: [{name: a, unique: user.id}, {name: b, unique: user.id}]",
                "users who did all of: a; b",
            ),
            ("events: [{name: a, unique: project.id}]", "distinct project.id of: a"),
            ("data_source: internal_events, events: [{name: a}]", "occurrences of: a"),
            ("events: [{name: a, operator: sum(value)}]", "sum(value) over: a"),
            (
                "data_source: database, instrumentation_class: CountMetric",
                "no events: data source database, class CountMetric",
            ),
            ("tiers: [free]", "no events"),
        ] {
            let yaml = format!("{{key_path: m, {definition}}}");
            let files = [(DefinitionKind::Metrics, "m.yml", yaml.as_str())];
            let dictionary = Dictionary::from_texts(&files);
            assert_eq!(text(&dictionary.metrics[0]), expected);
        }
    }
}
