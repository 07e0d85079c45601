//! Values of the columns of a source, and time zones, as the project file gives them.

use crate::calendar::Zone;
use crate::metric::yaml::View;
use crate::scan::Value;

/// How values are given that may differ from row to row.
pub(super) const COLUMN_KINDS: &[&str] = &["column", "sql"];
/// How all values are given.
pub(super) const ALL_KINDS: &[&str] = &["column", "sql", "const"];

/// A column or path, or a mapping with one of some `kinds` of values, and `other` keys.
pub(super) fn value(view: &View<'_>, kinds: &[&str], other: &[&str]) -> Option<Value> {
    if view.node().as_map().is_none() {
        return Some(Value::Column(view.text()?.to_owned()));
    }
    view.only(&[kinds, other].concat());
    let given: Vec<&&str> = kinds.iter().filter(|kind| view.get(kind).is_some()).collect();
    let [kind] = *given else {
        let kinds: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
        let (last, others) = kinds.split_last()?;
        let kinds = others.join(", ");
        view.error(
            format!("expected one of {kinds} or {last}"),
            Some("a column can be named without a key"),
        );
        return None;
    };
    let text = view.text_of(kind)?.to_owned();
    Some(match *kind {
        "sql" => Value::Sql(text),
        "const" => Value::Const(text),
        _ => Value::Column(text),
    })
}

/// A time zone, by its name; UTC if it is left out.
pub(super) fn zone(view: &View<'_>, key: &str) -> Zone {
    let Some(name) = view.text_of(key) else { return Zone::utc() };
    Zone::get(name).unwrap_or_else(|error| {
        if let Some(view) = view.get(key) {
            view.error(error.to_string(), None);
        }
        Zone::utc()
    })
}
