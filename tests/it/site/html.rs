//! A small reader of the pages' HTML, independent of what writes it.

use std::collections::BTreeMap;

/// A start tag with its attributes, or text.
#[derive(Debug)]
pub(super) enum Part {
    Start(String, BTreeMap<String, String>),
    End(String),
    Text(String),
}

/// Elements without an end tag.
const VOID: [&str; 6] = ["meta", "link", "input", "br", "wbr", "hr"];

/// The parts of a page. Panics if it is not well-formed: a tag that is not closed, or not the innermost
/// one, a `<` or `&` that begins nothing.
pub(super) fn parts(page: &str) -> Vec<Part> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>\n").unwrap_or(page);
    let (mut parts, mut open) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let Some(tag) = rest.strip_prefix('<') else {
            let end = rest.find('<').unwrap_or(rest.len());
            assert!(!rest[..end].contains('>'), "a bare > in {}", &rest[..end]);
            parts.push(Part::Text(unescaped(&rest[..end])));
            rest = &rest[end..];
            continue;
        };
        let (inside, after) = whole_tag(tag);
        rest = after;
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "</{name}>");
            parts.push(Part::End(name.to_owned()));
            continue;
        }
        let closed = inside.ends_with('/');
        let inside = inside.trim_end_matches('/');
        let name_end = inside.find(' ').unwrap_or(inside.len());
        let (name, attributes) = inside.split_at(name_end);
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "<{name}");
        parts.push(Part::Start(name.to_owned(), self::attributes(attributes)));
        if !closed && !VOID.contains(&name) {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    parts
}

/// What is before the `>` of a tag, and what is after it; a `>` in quotes does not end it.
fn whole_tag(text: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '>' if !quoted => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    panic!("a tag has no end: {}", &text[..text.len().min(80)])
}

fn attributes(text: &str) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':');
        assert!(name.chars().all(named) && !name.starts_with("on"), "attribute {name}");
        let value = match after.strip_prefix("=\"") {
            Some(value) => {
                let (value, after) = value.split_once('"').unwrap();
                rest = after.trim_start();
                unescaped(value)
            }
            None => {
                rest = after.trim_start();
                String::new()
            }
        };
        assert_eq!(attributes.insert(name.to_owned(), value), None, "{name} twice");
    }
    attributes
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split('&');
    plain.push_str(parts.next().unwrap());
    for part in parts {
        let (name, after) = part.split_once(';').unwrap_or_else(|| panic!("a bare & in {text}"));
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            _ => panic!("&{name};"),
        });
        plain.push_str(after);
    }
    plain
}

/// A cell of a row: its first class, and its text.
pub(super) type Cell = (String, String);

/// A row of the table: its attributes, the link and the description of its name, and its cells.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) data: BTreeMap<String, String>,
    pub(super) page: String,
    pub(super) name: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) cells: Vec<Cell>,
}

impl Row {
    pub(super) fn cell(&self, class: &str) -> &str {
        let found = self.cells.iter().find(|(own, _)| own == class);
        &found.unwrap_or_else(|| panic!("no cell {class}")).1
    }
}

/// The rows of the table on the first page.
pub(super) fn rows(page: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    // The element whose text is read: in the name `code`, `b` or `p`; else the cell.
    let (mut into, mut in_table) = (String::new(), false);
    for part in parts(page) {
        match part {
            Part::Start(name, attributes) if name == "tbody" => {
                in_table = attributes.get("id").is_some_and(|id| id.starts_with("kind="));
            }
            Part::End(name) if name == "tbody" => in_table = false,
            _ if !in_table => {}
            Part::Start(name, attributes) => match name.as_str() {
                "tr" => {
                    let data = attributes.iter().filter_map(|(name, value)| {
                        Some((name.strip_prefix("data-")?.to_owned(), value.clone()))
                    });
                    rows.push(Row { data: data.collect(), ..Row::default() });
                }
                "td" => {
                    let classes = attributes.get("class").unwrap();
                    let class = classes.split(' ').next().unwrap().to_owned();
                    rows.last_mut().unwrap().cells.push((class, String::new()));
                    into = "td".to_owned();
                }
                "th" => into = String::new(),
                "a" => rows.last_mut().unwrap().page.clone_from(&attributes["href"]),
                "code" | "b" | "p" if into != "td" => into = name,
                _ => {}
            },
            Part::End(name) => {
                if name == into {
                    into = String::new();
                }
            }
            Part::Text(text) => {
                let Some(row) = rows.last_mut() else { continue };
                match into.as_str() {
                    "code" => row.name.push_str(&text),
                    "b" => row.title.push_str(&text),
                    "p" => row.description.push_str(&text),
                    "td" => row.cells.last_mut().unwrap().1.push_str(&text),
                    _ => {}
                }
            }
        }
    }
    // Those of the headings of kinds.
    rows.retain(|row| !row.data.is_empty());
    rows
}
