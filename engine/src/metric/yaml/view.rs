//! A node being read, with its file and the path of keys that lead to it; reports what
//! does not fit.

use std::collections::BTreeMap;
use std::path::Path;

use super::node::{Node, Value};
use crate::calendar::Day;
use crate::metric::problem::{Problem, Problems, Severity};
use crate::nearest::did_you_mean;

/// A node with its file, its path of keys, and the place for problems.
///
/// Getters named `.._of` read one key of a mapping. They return `None` (or nothing) for a key
/// that is missing or null without a word, and for a wrong type with a problem.
#[derive(Clone, Debug)]
pub struct View<'a> {
    node: &'a Node,
    /// Line of the key, or of the node where there is no key: what a reader looks for.
    line: usize,
    key: String,
    file: &'a Path,
    problems: &'a Problems,
}

impl<'a> View<'a> {
    /// A whole document.
    pub fn root(node: &'a Node, file: &'a Path, problems: &'a Problems) -> Self {
        Self { node, line: node.line, key: String::new(), file, problems }
    }

    /// The node itself.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// The file that it stands in.
    pub fn file(&self) -> &'a Path {
        self.file
    }

    /// Its line, from 1: that of the key where there is one.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Path of keys from the top of the document: `stages.plan.groups`, `[2].events[0].name`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Reports an error here.
    pub fn error(&self, message: impl Into<String>, help: Option<&str>) {
        self.report(Severity::Error, message, help);
    }

    /// Reports a warning here.
    pub fn warning(&self, message: impl Into<String>, help: Option<&str>) {
        self.report(Severity::Warning, message, help);
    }

    fn report(&self, severity: Severity, message: impl Into<String>, help: Option<&str>) {
        let problem = Problem::new(severity, self.file, self.line, self.key.as_str(), message);
        self.problems.push(problem.with_help(help));
    }

    /// The value of a key; `None` when the key is missing or null, or this is no mapping.
    pub fn get(&self, name: &str) -> Option<View<'a>> {
        let entry = self.node.as_map()?.iter().find(|entry| entry.key == name)?;
        let view = View {
            node: &entry.value,
            line: entry.line,
            key: join(&self.key, name),
            file: self.file,
            problems: self.problems,
        };
        Some(view).filter(|view| !view.node.is_null())
    }

    /// Keys and values of a mapping in file order, null values too; a wrong type is reported.
    pub fn entries(&self) -> Vec<(&'a str, View<'a>)> {
        let Some(entries) = self.node.as_map() else {
            self.wrong_type("a mapping");
            return Vec::new();
        };
        let view = |entry: &'a super::Entry| View {
            node: &entry.value,
            line: entry.line,
            key: join(&self.key, &entry.key),
            file: self.file,
            problems: self.problems,
        };
        entries.iter().map(|entry| (entry.key.as_str(), view(entry))).collect()
    }

    /// The items of a list; anything that is not a list is a list of itself.
    pub fn items(&self) -> Vec<View<'a>> {
        let Some(items) = self.node.as_list() else { return vec![self.clone()] };
        let view = |(i, node): (usize, &'a Node)| View {
            node,
            line: node.line,
            key: format!("{}[{i}]", self.key),
            file: self.file,
            problems: self.problems,
        };
        items.iter().enumerate().map(view).collect()
    }

    /// Lines of everything below this, by path of keys.
    pub fn lines(&self) -> BTreeMap<String, usize> {
        let mut lines = BTreeMap::new();
        self.add_lines(&mut lines);
        lines
    }

    fn add_lines(&self, lines: &mut BTreeMap<String, usize>) {
        lines.insert(self.key.clone(), self.line);
        let parts = match &self.node.value {
            Value::Scalar { .. } => return,
            Value::List(_) => self.items(),
            Value::Map(_) => self.entries().into_iter().map(|(_, view)| view).collect(),
        };
        parts.iter().for_each(|part| part.add_lines(lines));
    }

    /// The text of a scalar as written; a wrong type or null is reported.
    pub fn text(&self) -> Option<&'a str> {
        let text = self.node.as_str();
        if text.is_none() {
            self.wrong_type("text");
        }
        text
    }

    /// A key's text.
    pub fn text_of(&self, name: &str) -> Option<&'a str> {
        self.get(name)?.text()
    }

    /// A key's text; a missing key is reported.
    pub fn required_text_of(&self, name: &str) -> Option<&'a str> {
        match self.get(name) {
            Some(view) => view.text(),
            None => {
                self.error(format!("`{name}` is missing"), None);
                None
            }
        }
    }

    /// A key's word or list of words.
    pub fn texts_of(&self, name: &str) -> Vec<&'a str> {
        let Some(view) = self.get(name) else { return Vec::new() };
        view.items().iter().filter_map(View::text).collect()
    }

    /// A key's date, `YYYY-MM-DD`.
    pub fn day_of(&self, name: &str) -> Option<Day> {
        let view = self.get(name)?;
        let text = view.text()?;
        let day = text.parse().ok();
        if day.is_none() {
            let help = Some("write a date as YYYY-MM-DD");
            view.error(format!("`{text}` is not a date"), help);
        }
        day
    }

    /// A key's `true` or `false`.
    pub fn bool_of(&self, name: &str) -> Option<bool> {
        let view = self.get(name)?;
        match view.text()? {
            "true" => Some(true),
            "false" => Some(false),
            text => {
                view.error(format!("expected `true` or `false`, found `{text}`"), None);
                None
            }
        }
    }

    /// A key's whole number, from 0.
    pub fn number_of(&self, name: &str) -> Option<u64> {
        let view = self.get(name)?;
        let text = view.text()?;
        let number = text.parse().ok();
        if number.is_none() {
            view.error(format!("`{text}` is not a whole number"), None);
        }
        number
    }

    /// Reports every key of a mapping that is not among `known`: for files that are our own.
    pub fn only(&self, known: &[&str]) {
        for (key, view) in self.entries() {
            if !known.contains(&key) {
                let near = did_you_mean(key, known.iter().copied());
                let help = near.unwrap_or_else(|| format!("the keys are {}", known.join(", ")));
                view.error("unknown key", Some(&help));
            }
        }
    }

    /// Reports that another type was expected.
    pub fn wrong_type(&self, expected: &str) {
        let found = match &self.node.value {
            Value::Scalar { .. } if self.node.is_null() => "nothing",
            Value::Scalar { .. } => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        };
        self.error(format!("expected {expected}, found {found}"), None);
    }
}

/// A path of keys and one more key.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
