//! Editing support at the prompt: completion of words, and detection of complete statements.

use std::cell::RefCell;
use std::collections::BTreeMap;

use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};
use tokio::runtime::Handle;

use super::commands::{NAMES, is_quit};
use crate::functions::functions;
use crate::output::Format;
use crate::script::is_complete;

/// Keywords that are completed.
const KEYWORDS: [&str; 75] = [
    "ALL",
    "AND",
    "ANTI",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COPY",
    "CREATE",
    "CROSS",
    "CUBE",
    "CURRENT",
    "DATE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "ANALYZE",
    "EXTERNAL",
    "FALSE",
    "FILTER",
    "FIRST",
    "FOLLOWING",
    "FROM",
    "FULL",
    "GROUP",
    "GROUPING",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LAST",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOCATION",
    "NOT",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PRECEDING",
    "RANGE",
    "RIGHT",
    "ROLLUP",
    "ROWS",
    "SELECT",
    "SEMI",
    "SET",
    "SETS",
    "SHOW",
    "TABLE",
    "THEN",
    "TIMESTAMP",
    "TRUE",
    "UNION",
    "WHERE",
];

/// The prompt's editing helper.
pub(super) struct EditorHelper {
    session: SessionContext,
    runtime: Handle,
    /// Columns of tables, cached until the next statement.
    columns: RefCell<BTreeMap<String, Vec<String>>>,
}

impl EditorHelper {
    pub(super) fn new(session: SessionContext, runtime: Handle) -> Self {
        Self { session, runtime, columns: RefCell::default() }
    }

    /// A statement may have changed the tables.
    pub(super) fn clear_columns(&mut self) {
        self.columns.get_mut().clear();
    }

    /// The tables, by their names in statements.
    fn tables(&self) -> Vec<String> {
        let state = self.session.state();
        let default = &state.config_options().catalog;
        let Some(catalog) = self.session.catalog(&default.default_catalog) else {
            return Vec::new();
        };
        let mut tables = Vec::new();
        for schema in catalog.schema_names() {
            let names = catalog.schema(&schema).map(|schema| schema.table_names());
            for name in names.unwrap_or_default() {
                if schema == default.default_schema {
                    tables.push(quoted(&name));
                } else {
                    tables.push(format!("{}.{}", quoted(&schema), quoted(&name)));
                }
            }
        }
        tables.sort();
        tables
    }

    /// The columns of a table or of files; none if it does not exist.
    fn columns(&self, table: &str) -> Vec<String> {
        if let Some(known) = self.columns.borrow().get(table) {
            return known.clone();
        }
        let path = table.strip_prefix('\'').map(|rest| rest.trim_end_matches('\''));
        let name = path.map_or_else(|| TableReference::from(table), TableReference::bare);
        let found = self.runtime.block_on(self.session.table_provider(name));
        let columns: Vec<String> = found.map_or_else(
            |_| Vec::new(),
            |table| table.schema().fields().iter().map(|field| quoted(field.name())).collect(),
        );
        self.columns.borrow_mut().insert(table.to_owned(), columns.clone());
        columns
    }

    /// Tables and paths that a statement names.
    fn named(&self, line: &str) -> Vec<String> {
        let mut named: Vec<String> = line
            .split('\'')
            .skip(1)
            .step_by(2)
            .filter(|text| text.contains(['.', '/', '*']))
            .map(|path| format!("'{path}'"))
            .collect();
        let words: Vec<&str> = line.split(|c| !is_word(c)).collect();
        named.extend(self.tables().into_iter().filter(|table| words.contains(&table.as_str())));
        named
    }

    fn words(&self, line: &str, start: &str) -> Vec<String> {
        if let Some((table, _)) = start.rsplit_once('.') {
            let columns = self.columns(table);
            let mut full: Vec<String> =
                columns.into_iter().map(|column| format!("{table}.{column}")).collect();
            full.extend(self.tables());
            return full;
        }
        let mut words: Vec<String> =
            self.named(line).iter().flat_map(|table| self.columns(table)).collect();
        words.extend(self.tables());
        words.extend(functions(&self.session).iter().map(|function| format!("{}(", function.name)));
        let lower = start.chars().any(char::is_lowercase);
        let cased = |word: &str| if lower { word.to_lowercase() } else { word.to_owned() };
        words.extend(KEYWORDS.iter().map(|word| cased(word)));
        words
    }
}

impl Completer for EditorHelper {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = &line[..pos];
        let last = before.rsplit('\n').next().unwrap_or(before);
        if let Some(command) = last.strip_prefix('\\') {
            return Ok(match command.rsplit_once(' ') {
                None => (pos - last.len(), matching(last, NAMES.map(str::to_owned))),
                Some((name, start)) => (pos - start.len(), self.arguments(name.trim(), start)),
            });
        }
        // After an odd number of quotes the cursor is in a string literal.
        if let Some(open) = before.rfind('\'').filter(|_| before.matches('\'').count() % 2 == 1) {
            return Ok((open + 1, paths(&before[open + 1..])));
        }
        let start = before.len() - before.chars().rev().take_while(|c| is_word(*c)).count();
        let word = &before[start..];
        Ok((start, matching(word, self.words(line, word))))
    }
}

impl EditorHelper {
    /// The completions of a command's argument.
    fn arguments(&self, command: &str, start: &str) -> Vec<String> {
        match command {
            "d" => matching(start, self.tables()),
            "h" => matching(start, functions(&self.session).into_iter().map(|f| f.name)),
            "format" => {
                let formats = Format::OF_QUERIES.iter().filter(|format| !format.is_binary());
                matching(start, formats.map(Format::to_string))
            }
            "timing" | "x" => matching(start, ["on", "off"].map(str::to_owned)),
            _ => Vec::new(),
        }
    }
}

impl Validator for EditorHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let complete = is_complete(text) || is_quit(text);
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Highlighter for EditorHelper {}

impl Hinter for EditorHelper {
    type Hint = String;
}

impl Helper for EditorHelper {}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '"')
}

/// Those that begin with what was typed, in any case, each once and in their order.
fn matching(start: &str, words: impl IntoIterator<Item = String>) -> Vec<String> {
    let start = start.to_lowercase();
    let mut found: Vec<String> = Vec::new();
    for word in words {
        let bare = word.to_lowercase();
        let begins = bare.starts_with(&start) || bare.trim_start_matches('"').starts_with(&start);
        if begins && !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

/// A name, quoted if it has characters other than lower-case letters, digits and `_`.
fn quoted(name: &str) -> String {
    let small = |c: char| c.is_ascii_lowercase() || c == '_';
    let bare = name.starts_with(small) && name.chars().all(|c| small(c) || c.is_ascii_digit());
    if bare { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Files and folders that begin like this; nothing where they cannot be listed.
fn paths(start: &str) -> Vec<String> {
    let (folder, name) = match start.rfind('/') {
        Some(at) => start.split_at(at + 1),
        None => ("", start),
    };
    let Ok(entries) = std::fs::read_dir(if folder.is_empty() { "." } else { folder }) else {
        return Vec::new();
    };
    let mut found: Vec<String> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let found = entry.file_name().into_string().ok()?;
            let hidden = found.starts_with('.') && !name.starts_with('.');
            let slash = if entry.path().is_dir() { "/" } else { "" };
            (found.starts_with(name) && !hidden).then(|| format!("{folder}{found}{slash}"))
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::project::Project;
    use rustyline::Context;
    use rustyline::completion::Completer as _;
    use rustyline::history::DefaultHistory;
    use tokio::runtime::Runtime;

    use super::EditorHelper;
    use crate::catalog::{CatalogOptions, register};
    use crate::session::{Options, session};

    /// An assistant in a project with one source of events.
    fn with_helper<T>(check: impl FnOnce(&EditorHelper) -> T) -> T {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        let yaml =
            "sources:\n- {name: visits, files: e.csv, time: at, user: user_id, event: event}";
        write("headcount.yaml", yaml).unwrap();
        write("e.csv", "at,user_id,event,Plan B\n").unwrap();
        let project = Project::load(folder.path()).unwrap();
        let session = session(&Options::default()).unwrap();
        let catalog_options =
            CatalogOptions { project: Some(Arc::new(project)), ..CatalogOptions::default() };
        register(&session, &catalog_options).unwrap();
        let runtime = Runtime::new().unwrap();
        check(&EditorHelper::new(session, runtime.handle().clone()))
    }

    /// The completions at the bar, and the position where they begin.
    fn candidates(helper: &EditorHelper, line: &str) -> (usize, Vec<String>) {
        let at = line.find('|').unwrap();
        let history = DefaultHistory::new();
        let line = line.replace('|', "");
        helper.complete(&line, at, &Context::new(&history)).unwrap()
    }

    #[test]
    fn words_are_completed() {
        with_helper(|helper| {
            for (line, start, expected) in [
                ("SELECT * FROM vis|", 14, "visits"),
                ("SELECT user| FROM visits", 7, "user_id"),
                ("SELECT plan| FROM visits", 7, "\"Plan B\""),
                ("SELECT visits.us| FROM visits", 7, "visits.user_id"),
                ("SELECT exact_d|", 7, "exact_distinct("),
                ("SEL|", 0, "SELECT"),
                ("sel|", 0, "select"),
                ("SELECT 1;\n  FRO|", 12, "FROM"),
                ("SELECT * FROM dictionary.m|", 14, "dictionary.metrics"),
                ("\\|", 0, "\\timing"),
                ("\\d vi|", 3, "visits"),
                ("\\h approx_c|", 3, "approx_count_distinct"),
                ("\\format nd|", 8, "ndjson"),
            ] {
                let (at, found) = candidates(helper, line);
                assert_eq!(at, start, "{line}");
                assert!(found.iter().any(|word| word == expected), "{line}: {found:?}");
            }
            // A column of a table that the statement does not name is no candidate.
            assert_eq!(candidates(helper, "SELECT user_i|").1, Vec::<String>::new());
        });
    }

    #[test]
    fn paths_are_completed_inside_of_quotes() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("events")).unwrap();
        std::fs::write(folder.path().join("events/a.parquet"), "").unwrap();
        let base = folder.path().display();
        with_helper(|helper| {
            for (typed, expected) in [("ev", "events/"), ("events/", "events/a.parquet")] {
                let (at, found) = candidates(helper, &format!("SELECT * FROM '{base}/{typed}|"));
                assert_eq!((at, found), (15, vec![format!("{base}/{expected}")]));
            }
        });
    }
}
