//! Reads event definitions.

use std::collections::HashMap;

use super::fields;
use super::model::{Event, Property};
use super::yaml::{Node, View};

const USED: [&str; 12] = [
    "action",
    "aliases",
    "category",
    "description",
    "identifiers",
    "additional_properties",
    "extra_properties",
    "label_description",
    "property_description",
    "value_description",
    "product_group",
    "status",
];

/// Reads definitions; of two with the same category and action the first is kept.
pub(super) fn read(definitions: &[View<'_>]) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut known: HashMap<(Option<String>, String), usize> = HashMap::new();
    for view in definitions {
        let Some(event) = event(view) else { continue };
        let name = (event.category.clone(), event.action.clone());
        if let Some(first) = known.get(&name) {
            let first = &events[*first];
            let message = format!(
                "event `{}` is defined twice; the first is in {}:{}",
                event.action,
                first.file.display(),
                first.line
            );
            let place = view.get("action").unwrap_or_else(|| view.clone());
            place.error(message, Some("remove one of them"));
            continue;
        }
        known.insert(name, events.len());
        events.push(event);
    }
    check_aliases(&events, definitions);
    events
}

/// A name in the data is that of one event.
fn check_aliases(events: &[Event], definitions: &[View<'_>]) {
    let mut owners: HashMap<&str, &str> =
        events.iter().map(|event| (event.action.as_str(), event.action.as_str())).collect();
    for event in events {
        for alias in &event.aliases {
            let owner = owners.insert(alias, &event.action);
            let place = definitions
                .iter()
                .find(|view| (view.file(), view.line()) == (event.file.as_path(), event.line));
            if let (Some(owner), Some(place)) = (owner, place) {
                let place = place.get("aliases").unwrap_or_else(|| place.clone());
                place.error(format!("`{alias}` is already a name of the event `{owner}`"), None);
            }
        }
    }
}

fn event(view: &View<'_>) -> Option<Event> {
    if view.node().as_map().is_none() {
        view.wrong_type("an event definition");
        return None;
    }
    let action = view.required_text_of("action")?;
    let mut other = fields::other(view, &USED);
    Some(Event {
        action: action.to_owned(),
        aliases: view.texts_of("aliases").into_iter().map(str::to_owned).collect(),
        category: view.text_of("category").map(str::to_owned),
        description: view.text_of("description").unwrap_or_default().to_owned(),
        identifiers: view.texts_of("identifiers").into_iter().map(str::to_owned).collect(),
        properties: properties(view),
        group: fields::owner(view, "product_group"),
        status: fields::status(view, &mut other),
        file: view.file().to_owned(),
        line: view.line(),
        other,
    })
}

/// `additional_properties`, and in older definitions `extra_properties` and `label_description`.
fn properties(view: &View<'_>) -> Vec<Property> {
    let mut properties = Vec::new();
    for field in ["additional_properties", "extra_properties"] {
        let Some(entries) = view.node().get(field).and_then(Node::as_map) else { continue };
        properties.extend(entries.iter().map(|entry| {
            let description = match entry.value.get("description") {
                Some(description) => description.as_str().unwrap_or_default().to_owned(),
                None if entry.value.is_null() => String::new(),
                None => entry.value.to_string(),
            };
            Property { name: entry.key.clone(), description }
        }));
    }
    for name in ["label", "property", "value"] {
        if let Some(description) = view.text_of(&format!("{name}_description")) {
            let description = description.to_owned();
            properties.push(Property { name: name.to_owned(), description });
        }
    }
    properties
}
