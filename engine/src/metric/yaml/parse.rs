//! From YAML text to nodes, on top of the parser's events: its own tree would turn `8.10` into a
//! number, and stop at the first key that stands twice.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::node::{Entry, Node, Value};
use crate::metric::problem::{Problem, Problems, Severity};

/// Deeper nesting than any definition has; keeps recursion over nodes from exhausting the stack.
const MAX_DEPTH: usize = 64;

/// Nodes that aliases may copy into one file, so that a few nested ones cannot fill the memory.
const MAX_ALIAS_VALUES: usize = 100_000;

/// Further right than the key before any bracket; one that stands deeper still stays an error.
const INDENTATION: &str = match std::str::from_utf8(&[b' '; 128]) {
    Ok(spaces) => spaces,
    Err(_) => "",
};

/// How many lines of a file are indented; each one costs another reading.
const MAX_REINDENTED_LINES: usize = 200;

/// The documents of a YAML file. A file that cannot be read, or is not YAML, is reported and has
/// no documents.
pub fn load(path: &Path, problems: &Problems) -> Vec<Node> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path, problems),
        Err(cause) => {
            let message = format!("cannot read the file: {cause}");
            problems.push(Problem::new(Severity::Error, path, 0, "", message));
            Vec::new()
        }
    }
}

/// The documents of a YAML text; `file` is where it comes from.
///
/// One deviation from YAML is accepted, with a warning for each line: inside of brackets a line may
/// begin no deeper than the key before the bracket. YAML forbids it, but the reader that GitLab
/// uses allows it, and published definitions close a list of events so. Such a line is read as if
/// it were indented. A text that is YAML is never read in any other way than as it stands.
pub fn parse(text: &str, file: &Path, problems: &Problems) -> Vec<Node> {
    let mut text = Cow::Borrowed(text.trim_start_matches('\u{feff}'));
    let mut indented: Vec<usize> = Vec::new();
    loop {
        let ParseFailure { line, message, at } = match try_parse(&text, file) {
            Ok((documents, found)) => {
                found.into_vec().into_iter().for_each(|problem| problems.push(problem));
                for line in indented {
                    let message = "invalid YAML: a line inside brackets must be indented more \
                                   than the key before the bracket; it was read as if it were";
                    let problem = Problem::new(Severity::Warning, file, line, "", message);
                    problems.push(problem.with_help(Some("indent the line more than that key")));
                }
                return documents;
            }
            Err(failure) => failure,
        };
        let again = indented.last() == Some(&line);
        let reindented = at.filter(|_| !again).and_then(|at| with_line_indented(&text, at));
        let problem = match reindented {
            Some(reindented) if indented.len() < MAX_REINDENTED_LINES => {
                indented.push(line);
                text = Cow::Owned(reindented);
                continue;
            }
            Some(_) => {
                let message = format!(
                    "invalid YAML: more than {MAX_REINDENTED_LINES} lines inside brackets are not \
                     indented more than the key before the bracket"
                );
                Problem::new(Severity::Error, file, 0, "", message)
            }
            None => Problem::new(Severity::Error, file, line, "", message),
        };
        problems.push(problem);
        return Vec::new();
    }
}

/// Why a text could not be read.
struct ParseFailure {
    line: usize,
    message: String,
    /// The character, counted from 0, at which the text stops to be YAML.
    at: Option<usize>,
}

/// Reads a text as it stands.
fn try_parse(text: &str, file: &Path) -> Result<(Vec<Node>, Problems), ParseFailure> {
    let mut builder = Builder {
        file,
        problems: Problems::default(),
        open: Vec::new(),
        anchors: BTreeMap::new(),
        documents: Vec::new(),
        copies: 0,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| ParseFailure {
            line: error.marker().line(),
            message: format!("invalid YAML: {}", error.info()),
            at: Some(error.marker().index()),
        })?;
        let line = span.start.line();
        builder.take(event, line).map_err(|message| ParseFailure { line, message, at: None })?;
    }
    Ok((builder.documents, builder.problems))
}

/// The text with the line that begins with the character `at` indented; `None` if no line begins
/// there, or if it does not lie inside of brackets even then.
fn with_line_indented(text: &str, at: usize) -> Option<String> {
    let (byte, _) = text.char_indices().nth(at)?;
    let before = text[..byte].trim_end_matches([' ', '\t']);
    if !(before.is_empty() || before.ends_with(['\n', '\r'])) {
        return None;
    }
    let mut indented = text.to_owned();
    indented.insert_str(byte, INDENTATION);
    is_in_brackets(&indented, at + INDENTATION.len()).then_some(indented)
}

/// Whether brackets are open where the character `at` stands.
fn is_in_brackets(text: &str, at: usize) -> bool {
    let letters: Vec<char> = text.chars().collect();
    // For each list and mapping that is open, whether a bracket opened it.
    let mut open: Vec<bool> = Vec::new();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            // An error in a later line, which may be such a line too, says nothing of this one.
            Err(error) => return error.marker().index() > at && open.contains(&true),
        };
        let start = span.start.index();
        match event {
            Event::SequenceEnd | Event::MappingEnd => {
                let is_bracket = open.pop() == Some(true);
                if is_bracket && closing_bracket(&letters, start) >= at {
                    return true;
                }
            }
            _ if start >= at => return open.contains(&true),
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                open.push(matches!(letters.get(start), Some('[' | '{')));
            }
            _ => {}
        }
    }
    false
}

/// Where the bracket stands that closes a list or mapping. The parser gives the place of the comma
/// before it if there is one; spaces and comments may stand between them.
fn closing_bracket(letters: &[char], start: usize) -> usize {
    let mut is_comment = false;
    for (place, letter) in letters.iter().enumerate().skip(start) {
        match letter {
            ']' | '}' if !is_comment => return place,
            '#' => is_comment = true,
            '\n' => is_comment = false,
            _ => {}
        }
    }
    letters.len()
}

struct Builder<'a> {
    file: &'a Path,
    problems: Problems,
    /// Lists and mappings that have begun and not ended, the innermost last.
    open: Vec<OpenNode>,
    anchors: BTreeMap<usize, Node>,
    documents: Vec<Node>,
    copies: usize,
}

struct OpenNode {
    node: Node,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<Key>,
    /// Entries that `<<` brings in; the mapping's own entries go before them.
    merged: Vec<Entry>,
}

struct Key {
    text: String,
    line: usize,
    quoted: bool,
}

impl Builder<'_> {
    /// Takes one event; an error ends the reading.
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), String> {
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::SequenceStart(anchor, _) => {
                self.open_node(Value::List(Vec::new()), anchor, line)
            }
            Event::MappingStart(anchor, _) => self.open_node(Value::Map(Vec::new()), anchor, line),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = style != ScalarStyle::Plain || tag.is_some();
                let value = Value::Scalar { text: text.into_owned(), quoted };
                self.add(Node { line, value }, anchor)
            }
            Event::Alias(anchor) => self.copy(anchor, line),
        }
    }

    fn open_node(&mut self, value: Value, anchor: usize, line: usize) -> Result<(), String> {
        if self.open.len() == MAX_DEPTH {
            return Err(format!("the YAML is nested more than {MAX_DEPTH} levels deep"));
        }
        let node = Node { line, value };
        self.open.push(OpenNode { node, anchor, key: None, merged: Vec::new() });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(OpenNode { mut node, anchor, merged, .. }) = self.open.pop() else {
            return Err("invalid YAML: an end without a start".to_owned());
        };
        if let Value::Map(entries) = &mut node.value {
            for entry in merged {
                if entries.iter().all(|own| own.key != entry.key) {
                    entries.push(entry);
                }
            }
        }
        self.add(node, anchor)
    }

    fn copy(&mut self, anchor: usize, line: usize) -> Result<(), String> {
        let Some(original) = self.anchors.get(&anchor) else {
            return Err("an alias inside its own anchor".to_owned());
        };
        self.copies += size(original);
        if self.copies > MAX_ALIAS_VALUES {
            return Err(format!("aliases expand to more than {MAX_ALIAS_VALUES} values"));
        }
        let value = original.value.clone();
        self.add(Node { line, value }, 0)
    }

    /// Puts a finished node into what is open, or makes it a document.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        match &mut open.node.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match open.key.take() {
                None => open.key = Some(as_key(node)?),
                Some(key) if key.text == "<<" && !key.quoted => merge(node, &mut open.merged)?,
                Some(key) => match entries.iter().find(|entry| entry.key == key.text) {
                    None => {
                        entries.push(Entry { key: key.text, line: key.line, value: node });
                    }
                    Some(first) => {
                        let message =
                            format!("the key appears twice; the first is in line {}", first.line);
                        let path = self.path(&key.text);
                        let problem =
                            Problem::new(Severity::Error, self.file, key.line, path, message)
                                .with_help(Some("remove one of them"));
                        self.problems.push(problem);
                    }
                },
            },
            Value::Scalar { .. } => {
                return Err("invalid YAML: a value inside a scalar".to_owned());
            }
        }
        Ok(())
    }

    /// Path of keys of `last` in the innermost open mapping.
    fn path(&self, last: &str) -> String {
        let mut path = String::new();
        for open in &self.open {
            match &open.node.value {
                Value::List(items) => path.push_str(&format!("[{}]", items.len())),
                _ => {
                    let key = open.key.as_ref().map_or(last, |key| &key.text);
                    path = super::view::join(&path, key);
                }
            }
        }
        path
    }
}

fn as_key(node: Node) -> Result<Key, String> {
    match node.value {
        Value::Scalar { text, quoted } => Ok(Key { text, line: node.line, quoted }),
        _ => Err("a key must be text, not a list or a mapping".to_owned()),
    }
}

/// Adds the entries of a mapping, or of a list of mappings, under `<<`; the first of a key counts.
fn merge(node: Node, merged: &mut Vec<Entry>) -> Result<(), String> {
    match node.value {
        Value::Map(entries) => {
            merged.extend(entries);
            Ok(())
        }
        Value::List(items) => items.into_iter().try_for_each(|item| merge(item, merged)),
        Value::Scalar { .. } => Err("`<<` needs a mapping or a list of mappings".to_owned()),
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar { .. } => 0,
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
    }
}
