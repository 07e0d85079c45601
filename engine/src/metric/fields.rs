//! The fields that events, metrics and stages have in common.

use super::model::Status;
use super::taxonomy::normalise;
use super::yaml::View;

/// Words of older definitions, all of which mean that it is in use.
const OLD_ACTIVE_WORDS: [&str; 4] = ["data_available", "implemented", "not_used", "deprecated"];

/// Reads `status`. A word that is not one of ours is added to `other`, so that it can be shown.
pub(super) fn status(view: &View<'_>, other: &mut Vec<(String, String)>) -> Status {
    let Some(word) = view.text_of("status") else { return Status::Active };
    match word {
        "active" => return Status::Active,
        "broken" => return Status::Broken,
        "removed" => return Status::Removed,
        _ => {}
    }
    if !OLD_ACTIVE_WORDS.contains(&word)
        && let Some(status) = view.get("status")
    {
        let help = "use active, broken or removed";
        status.warning(format!("unknown status `{word}`, treated as `active`"), Some(help));
    }
    other.push(("status".to_owned(), word.to_owned()));
    Status::Active
}

/// Reads a group, stage or section into its one spelling.
pub(super) fn owner(view: &View<'_>, name: &str) -> Option<String> {
    view.text_of(name).map(normalise).filter(|key| !key.is_empty())
}

/// Every field with a value whose name is not in `used`, as text.
pub(super) fn other(view: &View<'_>, used: &[&str]) -> Vec<(String, String)> {
    let Some(entries) = view.node().as_map() else { return Vec::new() };
    entries
        .iter()
        .filter(|entry| !used.contains(&entry.key.as_str()) && !entry.value.is_null())
        .map(|entry| (entry.key.clone(), entry.value.to_string()))
        .collect()
}
