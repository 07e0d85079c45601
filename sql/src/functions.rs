//! Documentation of SQL functions, for `\h` and for `docs/functions.md`, generated from the
//! documentation in each function's code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use datafusion::logical_expr::Documentation;
use datafusion::prelude::SessionContext;

use crate::catalog::table_functions;

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `FROM f(...)`
    Table,
    /// One value for many rows; also as a window function.
    Aggregate,
    /// `f(...) OVER (...)`
    Window,
    /// One value for each row.
    Scalar,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Table => "table",
            Self::Aggregate => "aggregate",
            Self::Window => "window",
            Self::Scalar => "scalar",
        })
    }
}

/// A function under its name or one of its other names.
#[derive(Clone, Debug)]
pub struct Function {
    /// The name or alias.
    pub name: String,
    /// The function's name, if `name` is an alias.
    pub alias_of: Option<String>,
    /// How it is called.
    pub kind: Kind,
    /// Its documentation.
    pub documentation: Option<Documentation>,
}

/// Every function of a session by name, and by kind where a name has several.
pub fn functions(session: &SessionContext) -> Vec<Function> {
    let state = session.state();
    let mut functions = Vec::new();
    let mut add = |name: &str, own: &str, kind, documentation: Option<&Documentation>| {
        functions.push(Function {
            name: name.to_owned(),
            alias_of: (name != own).then(|| own.to_owned()),
            kind,
            documentation: documentation.cloned(),
        });
    };
    for (name, function) in state.scalar_functions() {
        add(name, function.name(), Kind::Scalar, function.documentation());
    }
    for (name, function) in state.higher_order_functions() {
        add(name, function.name(), Kind::Scalar, function.documentation());
    }
    for (name, function) in state.aggregate_functions() {
        add(name, function.name(), Kind::Aggregate, function.documentation());
    }
    for (name, function) in state.window_functions() {
        add(name, function.name(), Kind::Window, function.documentation());
    }
    // Our table functions are documented even if the session has no project.
    let ours = table_functions();
    for (name, documentation) in &ours {
        add(name, name, Kind::Table, Some(documentation));
    }
    for name in state.table_functions().keys() {
        if ours.iter().all(|(own, _)| own != name) {
            add(name, name, Kind::Table, None);
        }
    }
    functions.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
    functions
}

/// Characters in a line of text about a function.
const WIDTH: usize = 100;

/// The documentation of a function as text for a terminal.
pub fn describe(function: &Function) -> String {
    let article = if function.kind == Kind::Aggregate { "an" } else { "a" };
    let mut text = format!("{}, {article} {} function", function.name, function.kind);
    if let Some(own) = &function.alias_of {
        let _ = write!(text, ", an alias of {own}");
    }
    let Some(documentation) = &function.documentation else {
        return text + "\nNot documented.\n";
    };
    let _ = write!(text, "\n\n  {}\n", documentation.syntax_example.trim());
    for other in documentation.alternative_syntax.iter().flatten() {
        let _ = writeln!(text, "  {}", other.trim());
    }
    let _ = write!(text, "\n{}\n", wrapped(documentation.description.trim(), 0));
    let arguments = documentation.arguments.iter().flatten();
    let widest = arguments.clone().map(|(name, _)| name.chars().count()).max();
    if let Some(widest) = widest {
        text.push_str("\nArguments\n");
        for (name, meaning) in arguments {
            let _ = writeln!(text, "  {name:widest$}  {}", wrapped(meaning.trim(), widest + 4));
        }
    }
    if let Some(example) = &documentation.sql_example {
        text.push_str("\nExample\n");
        for line in example_lines(example) {
            let _ = writeln!(text, "  {line}");
        }
    }
    if let Some(related) = &documentation.related_udfs {
        let _ = write!(text, "\nSee also {}\n", related.join(", "));
    }
    text
}

/// Documentation of DataFusion's own functions, by kind.
const DATAFUSION: [(&str, &str); 3] = [
    ("Aggregate functions", "aggregate_functions"),
    ("Window functions", "window_functions"),
    ("Scalar functions", "scalar_functions"),
];

/// The functions that Headcount adds to DataFusion as a page of Markdown: by kind, and under the
/// headings of their documentation.
pub fn page(session: &SessionContext) -> String {
    let mut text = String::from(
        "# Functions\n\nThe functions that Headcount adds to SQL. This page is written by \
         `headcount sql -c '\\h *'`;\n`\\h NAME` at the prompt describes any function, \
         DataFusion's included. Concepts: [sql.md](sql.md).\n",
    );
    let added = added();
    let functions = functions(session);
    for (kind, title) in [
        (Kind::Table, "Table functions"),
        (Kind::Aggregate, "Aggregate functions"),
        (Kind::Scalar, "Scalar functions"),
    ] {
        let _ = write!(text, "\n## {title}\n");
        let mut sections: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
        for function in &functions {
            if function.kind == kind && added.contains(&(kind, function.name.clone())) {
                let section = function.documentation.as_ref().map_or("", |d| d.doc_section.label);
                sections.entry(section).or_default().push(function);
            }
        }
        for (section, functions) in sections {
            let _ = write!(text, "\n### {section}\n");
            for function in functions {
                entry(&mut text, function);
            }
        }
    }
    text.push_str("\n## Functions of DataFusion\n\nDataFusion documents its own functions:\n\n");
    for (title, page) in DATAFUSION {
        let address = "https://datafusion.apache.org/user-guide/sql";
        let _ = writeln!(text, "- [{title}]({address}/{page}.html)");
    }
    text
}

/// The functions that Headcount adds to DataFusion, by kind and name, because `range` is also a
/// scalar function of DataFusion.
fn added() -> BTreeSet<(Kind, String)> {
    let aggregates = engine::functions::aggregates();
    let scalars = engine::functions::scalars();
    let aggregates = aggregates.iter().map(|f| (Kind::Aggregate, f.name().to_owned()));
    let scalars = scalars.iter().map(|f| (Kind::Scalar, f.name().to_owned()));
    let tables = table_functions().into_iter().map(|(name, _)| (Kind::Table, name));
    aggregates.chain(scalars).chain(tables).collect()
}

fn entry(text: &mut String, function: &Function) {
    let _ = write!(text, "\n#### `{}`\n\n", function.name);
    let Some(documentation) = &function.documentation else { return };
    let _ = write!(text, "```text\n{}\n", documentation.syntax_example.trim());
    for other in documentation.alternative_syntax.iter().flatten() {
        let _ = writeln!(text, "{}", other.trim());
    }
    let _ = write!(text, "```\n\n{}\n", wrapped(documentation.description.trim(), 0));
    let arguments: Vec<_> = documentation.arguments.iter().flatten().collect();
    if !arguments.is_empty() {
        text.push('\n');
        for (name, meaning) in arguments {
            let _ = writeln!(text, "{}", wrapped(&format!("- `{name}`: {}", meaning.trim()), 2));
        }
    }
    if let Some(example) = &documentation.sql_example {
        text.push_str("\n```sql\n");
        for line in example_lines(example) {
            let _ = writeln!(text, "{line}");
        }
        text.push_str("```\n");
    }
    if let Some(related) = &documentation.related_udfs {
        let _ = write!(text, "\nSee also {}.\n", related.join(", "));
    }
}

/// Wraps long lines at spaces; continuation lines are indented.
fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = Vec::new();
    for long in text.lines() {
        let mut line = String::new();
        for word in long.split(' ') {
            let used = line.chars().count();
            if used > 0 && indent + used + 1 + word.chars().count() > WIDTH {
                lines.push(std::mem::take(&mut line));
            } else if used > 0 {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

/// An example without the fences that some documentation puts around it.
fn example_lines(example: &str) -> impl Iterator<Item = &str> {
    example.trim().lines().map(str::trim_end).filter(|line| !line.trim_start().starts_with("```"))
}

#[cfg(test)]
mod tests {
    use super::{Function, added, describe, functions, page};
    use crate::session::{Options, session};

    #[test]
    fn every_function_can_be_described() {
        let session = session(&Options::default()).unwrap();
        let functions = functions(&session);
        assert!(functions.len() > 200, "{}", functions.len());
        for function in &functions {
            assert!(describe(function).starts_with(&function.name), "{}", function.name);
        }
        let describe =
            |name: &str| describe(functions.iter().find(|function| function.name == name).unwrap());
        for (name, parts) in [
            ("exact_distinct", &["exact_distinct(expression)", "Arguments\n  expression  "][..]),
            ("active_users", &["active_users(window, level, ", "trailing_<n>d", "Example\n"]),
            ("mean", &["mean, an aggregate function, an alias of avg"]),
            ("range", &["range([start, ]end[, step])"]),
        ] {
            for part in parts {
                assert!(describe(name).contains(part), "{name}: no {part:?} in {}", describe(name));
            }
        }
    }

    #[test]
    fn our_functions_are_fully_documented() {
        let session = session(&Options::default()).unwrap();
        let all = functions(&session);
        for (kind, name) in added() {
            let of = |function: &&Function| (function.kind, &function.name) == (kind, &name);
            let function = all.iter().find(of).unwrap();
            let documentation = function.documentation.as_ref().unwrap();
            assert!(documentation.sql_example.is_some(), "{name} has no example");
            assert!(documentation.syntax_example.starts_with(&name), "{name}");
            assert!(!documentation.description.is_empty(), "{name}");
        }
    }

    #[tokio::test]
    async fn our_examples_run() {
        let session = session(&Options::default()).unwrap();
        let events = "CREATE VIEW events AS SELECT value AS user_id FROM range(10)";
        session.sql(events).await.unwrap();
        let aggregates = engine::functions::aggregates();
        let scalars = engine::functions::scalars();
        let documented = aggregates.iter().map(|f| f.documentation());
        for documentation in documented.chain(scalars.iter().map(|f| f.documentation())) {
            let example = documentation.unwrap().sql_example.as_ref().unwrap();
            let example = example.trim_end().trim_end_matches(';');
            let rows = session.sql(example).await.unwrap().collect().await;
            assert!(rows.is_ok_and(|rows| rows.iter().any(|r| r.num_rows() > 0)), "{example}");
        }
    }

    #[test]
    fn the_page_is_up_to_date() {
        let session = session(&Options::default()).unwrap();
        assert!(
            page(&session).eq(include_str!("../../docs/functions.md")),
            "write it anew: headcount sql -c '\\h *' > docs/functions.md"
        );
    }
}
