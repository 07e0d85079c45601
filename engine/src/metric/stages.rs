//! Reads the tree: `sections`, and `stages` with their groups, in the form of GitLab's stages.yml.

use super::taxonomy::{Group, Section, Stage, Tree, normalise};
use super::yaml::View;
use super::{fields, validity};
use crate::nearest::did_you_mean;

/// Reads all documents into one tree.
pub(super) fn read(documents: &[View<'_>]) -> Tree {
    let mut tree = Tree::default();
    let parts = |name: &str| -> Vec<_> {
        let part = documents.iter().filter_map(|document| document.get(name));
        part.flat_map(|view| view.entries()).collect()
    };
    for document in documents {
        let known = ["stages", "sections", "groups"];
        if known.iter().all(|name| document.get(name).is_none()) {
            let help = Some("add `stages:` with one key for each stage");
            document.error("`stages` is missing", help);
        }
        if let Some(stages) = document.get("stages")
            && stages.node().as_map().is_some_and(<[_]>::is_empty)
        {
            stages.warning("`stages` is empty", Some("add a key for each stage"));
        }
    }
    for (key, view) in parts("sections") {
        section(&mut tree, key, &view);
    }
    let declared = tree.sections.len();
    for (key, view) in parts("stages") {
        stage(&mut tree, declared, key, &view);
    }
    for (_, view) in parts("groups") {
        view.warning("a group outside of a stage is ignored", Some("move it under its stage"));
    }
    tree
}

fn section(tree: &mut Tree, key: &str, view: &View<'_>) {
    let slug = normalise(key);
    if tree.sections.iter().any(|section| section.slug == slug) {
        view.error(format!("section `{key}` is defined twice"), Some("remove one of them"));
        return;
    }
    tree.sections.push(Section { key: key.to_owned(), name: name(view, key), slug });
}

fn stage(tree: &mut Tree, declared: usize, key: &str, view: &View<'_>) {
    if view.node().as_map().is_none() {
        view.wrong_type("a mapping");
        return;
    }
    let slug = normalise(key);
    let valid = validity::read(view);
    let duplicate =
        tree.stages.iter().find(|stage| stage.slug == slug && stage.valid.overlaps(&valid));
    if let Some(duplicate) = duplicate {
        let place = format!("{}:{}", duplicate.file.display(), duplicate.line);
        let message =
            format!("stage `{key}` is defined twice for the same days; the first is in {place}");
        view.error(message, Some("remove one of them, or give them dates that do not overlap"));
        return;
    }
    let section = view.get("section").and_then(|word| section_of(tree, declared, &word));
    let used = ["display_name", "name", "section", "valid_from", "valid_to", "groups"];
    tree.stages.push(Stage {
        key: key.to_owned(),
        name: name(view, key),
        slug,
        section,
        valid,
        groups: Vec::new(),
        file: view.file().to_owned(),
        line: view.line(),
        other: fields::other(view, &used),
    });
    for (key, view) in view.get("groups").iter().flat_map(View::entries) {
        if let Some(group) = group(tree, key, &view)
            && let Some(stage) = tree.stages.last_mut()
        {
            stage.groups.push(group);
        }
    }
}

/// The section that a stage names, made if it is new.
fn section_of(tree: &mut Tree, declared: usize, view: &View<'_>) -> Option<String> {
    let key = view.text()?;
    let slug = normalise(key);
    if let Some(section) = tree.sections.iter().find(|section| section.slug == slug) {
        return Some(section.key.clone());
    }
    if declared > 0 {
        let known = tree.sections[..declared].iter().map(|section| section.key.as_str());
        let near = did_you_mean(key, known);
        let help = near.as_deref().or(Some("add it to `sections`"));
        view.warning(format!("section `{key}` is not defined"), help);
    }
    tree.sections.push(Section { key: key.to_owned(), name: key.to_owned(), slug });
    Some(key.to_owned())
}

/// Reads a group of the newest stage. A group may move to another stage, but it belongs to one
/// place at a time.
fn group(tree: &Tree, key: &str, view: &View<'_>) -> Option<Group> {
    // `groups: {orm: }` is a group with nothing to say about it.
    if !view.node().is_null() && view.node().as_map().is_none() {
        view.wrong_type("a mapping");
        return None;
    }
    let slug = normalise(key);
    let valid = validity::read(view);
    let valid = tree.stages.last().map_or(valid, |stage| stage.valid.and(&valid));
    let duplicate = tree.groups().find(|group| group.slug == slug && group.valid.overlaps(&valid));
    if let Some(duplicate) = duplicate {
        let place = format!("{}:{}", duplicate.file.display(), duplicate.line);
        let message =
            format!("group `{key}` is defined twice for the same days; the first is in {place}");
        let help = "if the group moved to another stage, add `valid_to` there and `valid_from` \
                    here";
        view.error(message, Some(help));
        return None;
    }
    if valid.is_empty() {
        view.warning("the group is valid only on days on which its stage is not", None);
    }
    Some(Group {
        key: key.to_owned(),
        name: name(view, key),
        slug,
        categories: view.texts_of("categories").into_iter().map(str::to_owned).collect(),
        valid,
        file: view.file().to_owned(),
        line: view.line(),
        other: fields::other(
            view,
            &["display_name", "name", "categories", "valid_from", "valid_to"],
        ),
    })
}

fn name(view: &View<'_>, key: &str) -> String {
    let name = view.text_of("display_name").or_else(|| view.text_of("name"));
    name.unwrap_or(key).to_owned()
}
