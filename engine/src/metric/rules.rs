//! Reads the rules of a metric: which events it selects, and what it counts once.

use super::model::{Rule, USER};
use super::yaml::View;
use crate::nearest::did_you_mean;

/// The fields of a rule.
const FIELDS: [&str; 4] = ["name", "unique", "filter", "operator"];

/// Reads a list of rules; each is a mapping or just the event's name. `implied` is what they
/// count where none of them says so.
pub(super) fn read(events: &View<'_>, implied: Option<&str>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = events.items().iter().filter_map(rule).collect();
    if rules.iter().all(|rule| rule.unique.is_none() && rule.operator.is_none()) {
        for rule in &mut rules {
            rule.unique = implied.map(str::to_owned);
        }
    }
    let mixed = rules
        .windows(2)
        .any(|pair| pair[0].unique != pair[1].unique || pair[0].operator != pair[1].operator);
    if mixed {
        let help = "give all rules the same `unique`, such as `user.id`";
        events.error("the rules count different things", Some(help));
    }
    rules
}

/// The one spelling of what is counted: `user`, `user_id` and `user.id` are all [`USER`].
pub(super) fn subject(unique: &str) -> String {
    match unique {
        "user" | "user_id" => USER.to_owned(),
        "project" | "project_id" => "project.id".to_owned(),
        "namespace" | "namespace_id" => "namespace.id".to_owned(),
        _ => unique.to_owned(),
    }
}

fn rule(view: &View<'_>) -> Option<Rule> {
    let simple = |event: &str| Rule {
        event: event.to_owned(),
        filter: Vec::new(),
        unique: None,
        operator: None,
        line: view.line(),
        key: view.key().to_owned(),
    };
    let Some(entries) = view.node().as_map() else {
        return view.text().map(simple);
    };
    for entry in entries.iter().filter(|entry| !FIELDS.contains(&entry.key.as_str())) {
        // A misspelt `filter` would make the metric larger without a word.
        if let Some(field) = view.get(&entry.key) {
            let near = did_you_mean(&entry.key, FIELDS);
            let help =
                near.unwrap_or_else(|| format!("the fields of a rule are {}", FIELDS.join(", ")));
            field.warning("unknown field of a rule; it is ignored", Some(&help));
        }
    }
    let name = view.required_text_of("name")?;
    let operator = view.text_of("operator");
    if let (Some(word), Some(place)) = (operator, view.get("operator"))
        && !(word.starts_with("sum(") && word.ends_with(')'))
    {
        place.error(
            format!("unknown operator `{word}`"),
            Some("the only operator of a rule is sum(value)"),
        );
    }
    Some(Rule {
        filter: view.get("filter").map_or_else(Vec::new, |filter| read_filter(&filter)),
        unique: view.text_of("unique").map(subject),
        operator: operator.map(str::to_owned),
        ..simple(name)
    })
}

fn read_filter(view: &View<'_>) -> Vec<(String, Vec<String>)> {
    let mut filter = Vec::new();
    for (dimension, value) in view.entries() {
        let items = value.items();
        if items.is_empty() {
            value.error("an empty list matches no events", Some("add a value or remove the key"));
        }
        let values = items.iter().filter_map(View::text).map(str::to_owned).collect();
        filter.push((dimension.to_owned(), values));
    }
    filter
}
