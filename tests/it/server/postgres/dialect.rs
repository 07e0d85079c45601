//! Every statement of `tests/fixtures/postgres` on a real PostgreSQL server and on ours, and the page
//! about them.
//!
//! A file has a title (`-- # Texts`) and entries. An entry starts with a line
//! `-- MARK: names | remark`, which becomes a row of `docs/postgresql.md`, and has statements:
//!
//! | mark | PostgreSQL | this server |
//! |---|---|---|
//! | `same` | rows or an error | the same names and types of columns and the same rows, as text and binary; or an error with the same SQLSTATE |
//! | `refused` | rows | 0A000, `feature_not_supported` |
//! | `missing function` | rows | 42883, `undefined_function` |
//! | `missing syntax` | rows | 42601, `syntax_error` |
//!
//! Zeros at the end of the decimal places of a `numeric` are not compared. A line `-- code 22000: reason`
//! before a statement that fails gives the SQLSTATE of this server's error, if it differs.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::SinkExt as _;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::real_postgres::RealPostgres;
use super::server::{Server, run};
use crate::project::{contributions, run_in};

/// The page, and where its generated part starts.
const PAGE: &str = "docs/postgresql.md";
const GENERATED: &str = "<!-- generated from tests/fixtures/postgres -->\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Same,
    Refused,
    MissingFunction,
    MissingSyntax,
}

impl Mark {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "same" => Self::Same,
            "refused" => Self::Refused,
            "missing function" => Self::MissingFunction,
            "missing syntax" => Self::MissingSyntax,
            _ => return None,
        })
    }

    /// What the page says.
    fn result(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Refused => "refused",
            Self::MissingFunction | Self::MissingSyntax => "missing",
        }
    }

    /// The SQLSTATE of this server's error where PostgreSQL has rows.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Same => None,
            Self::Refused => Some("0A000"),
            Self::MissingFunction => Some("42883"),
            Self::MissingSyntax => Some("42601"),
        }
    }
}

/// Statements with the same mark.
struct Entry {
    mark: Mark,
    names: String,
    remark: String,
    statements: Vec<Case>,
}

/// A statement, and the SQLSTATE of this server's error if it differs from PostgreSQL's.
struct Case {
    sql: String,
    code: Option<String>,
}

/// A file: its title and entries.
struct Topic {
    title: String,
    entries: Vec<Entry>,
}

/// The result of a statement: columns with their types, and rows as text and binary.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    columns: Vec<(String, String)>,
    rows: Vec<Vec<Option<String>>>,
    binary: Vec<Vec<Option<Vec<u8>>>>,
}

/// The bytes of a value of any type.
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The code and message of an error, or the outcome.
type Answer = Result<Outcome, (String, String)>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn topics() -> Vec<Topic> {
    let folder = root().join("tests/fixtures/postgres");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| topic(&fs::read_to_string(file).unwrap())).collect()
}

fn topic(text: &str) -> Topic {
    let mut topic = Topic { title: String::new(), entries: Vec::new() };
    let (mut statement, mut code) = (String::new(), None);
    for line in text.lines() {
        let heading = line.strip_prefix("-- ").filter(|_| statement.is_empty());
        if let Some(title) = heading.and_then(|heading| heading.strip_prefix("# ")) {
            title.clone_into(&mut topic.title);
            continue;
        }
        if let Some((mark, names)) = heading.and_then(|heading| heading.split_once(": ")) {
            if let Some(other) = mark.strip_prefix("code ") {
                code = Some(other.to_owned());
                continue;
            }
            let mark = Mark::parse(mark).unwrap_or_else(|| panic!("unknown mark {mark}"));
            let (names, remark) = names.split_once(" | ").unwrap_or((names, ""));
            let (names, remark) = (names.to_owned(), remark.to_owned());
            topic.entries.push(Entry { mark, names, remark, statements: Vec::new() });
            continue;
        }
        statement.push_str(line);
        match statement.trim().strip_suffix(';') {
            Some("") | None => statement.push('\n'),
            Some(complete) => {
                let case = Case { sql: complete.trim().to_owned(), code: code.take() };
                topic.entries.last_mut().unwrap().statements.push(case);
                statement.clear();
            }
        }
        if statement.trim().is_empty() {
            statement.clear();
        }
    }
    assert!(statement.is_empty(), "{}: a statement has no end: {statement}", topic.title);
    topic
}

async fn answer(client: &Client, sql: &str) -> Answer {
    outcome(client, sql).await.map_err(|error| match error.as_db_error() {
        Some(fields) => {
            let hint = fields.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            (fields.code().code().to_owned(), format!("{}{hint}", fields.message()))
        }
        None => ("connection".to_owned(), format!("{error:?}")),
    })
}

async fn outcome(client: &Client, sql: &str) -> Result<Outcome, tokio_postgres::Error> {
    let mut rows: Vec<Vec<Option<String>>> = Vec::new();
    for message in client.simple_query(sql).await? {
        if let SimpleQueryMessage::Row(row) = message {
            rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
        }
    }
    let statement = client.prepare(sql).await?;
    let columns = statement.columns().iter();
    let columns = columns.map(|column| (column.name().to_owned(), column.type_().to_string()));
    let columns: Vec<(String, String)> = columns.collect();
    let is_numeric = |at: usize| columns[at].1 == "numeric";
    for row in &mut rows {
        for (_, value) in row.iter_mut().enumerate().filter(|(at, _)| is_numeric(*at)) {
            *value = value.take().map(|text| without_zeros(&text));
        }
    }
    let binary = client.query(&statement, &[]).await?.into_iter().map(|row| {
        let value = |at| {
            let value = row.get::<_, Option<Raw>>(at);
            value.map(|Raw(mut bytes)| {
                if is_numeric(at) {
                    // The number of decimal places.
                    bytes.drain(6..8);
                }
                bytes
            })
        };
        (0..row.len()).map(value).collect()
    });
    let mut binary: Vec<Vec<Option<Vec<u8>>>> = binary.collect();
    if !is_ordered(sql) {
        rows.sort();
        binary.sort();
    }
    Ok(Outcome { columns, rows, binary })
}

/// Whether a statement orders its rows: its last ORDER BY is not within parentheses.
fn is_ordered(sql: &str) -> bool {
    let count = |text: &str, letter| text.matches(letter).count();
    let last = sql.rsplit_once("ORDER BY");
    last.is_some_and(|(_, rest)| count(rest, ')') == count(rest, '('))
}

/// A number without zeros at the end of its decimal places.
fn without_zeros(text: &str) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    }
}

/// What is wrong with our answer. `code` is the SQLSTATE of ours if it differs from PostgreSQL's.
fn fault(mark: Mark, code: Option<&str>, real: &Answer, ours: &Answer) -> Option<String> {
    let show = |answer: &Answer| match answer {
        Ok(outcome) => format!("{:?}", outcome.rows),
        Err((code, message)) => format!("{code} {message}"),
    };
    let expected = match (mark.code(), real, ours) {
        (None, Ok(real), Ok(ours)) => return (real != ours).then(|| difference(real, ours)),
        (None, Err((real, _)), _) => match code {
            Some(code) if code == real => return Some("the codes do not differ".to_owned()),
            code => code.unwrap_or(real),
        },
        (Some(code), Ok(_), _) => code,
        // One of them has rows, or PostgreSQL has none.
        (None, Ok(_), Err(_)) | (Some(_), Err(_), _) => "",
    };
    match ours {
        Err((code, _)) if code == expected => None,
        ours => Some(format!("  PostgreSQL: {}\n  ours:       {}", show(real), show(ours))),
    }
}

/// Where two outcomes differ, column by column.
fn difference(real: &Outcome, ours: &Outcome) -> String {
    let mut text = String::new();
    let count = real.columns.len().max(ours.columns.len());
    for at in 0..count {
        let (real_column, our_column) = (real.columns.get(at), ours.columns.get(at));
        if real_column != our_column {
            let _ = writeln!(text, "  column {}: {real_column:?}, ours {our_column:?}", at + 1);
        }
    }
    if real.rows.len() != ours.rows.len() {
        let _ = writeln!(text, "  {} rows, ours {}", real.rows.len(), ours.rows.len());
    }
    let rows = real.rows.iter().zip(&ours.rows).enumerate();
    for (row, (real, ours)) in rows.filter(|(_, (real, ours))| real != ours).take(3) {
        for (at, (real, ours)) in real.iter().zip(ours).enumerate() {
            if real != ours {
                let place = format!("row {}, column {}", row + 1, at + 1);
                let _ = writeln!(text, "  {place}: {real:?}, ours {ours:?}");
            }
        }
    }
    if text.is_empty() {
        for (row, (real, ours)) in real.binary.iter().zip(&ours.binary).enumerate() {
            for (at, (real, ours)) in real.iter().zip(ours).enumerate() {
                if real != ours {
                    let place = format!("binary, row {}, column {}", row + 1, at + 1);
                    let _ = writeln!(text, "  {place}: {real:?}, ours {ours:?}");
                }
            }
        }
    }
    text.trim_end().to_owned()
}

/// Creates the table `contributions` with the rows and types that it has here.
async fn copy_contributions(real: &Client, ours: &Client, folder: &Path) {
    let statement = ours.prepare("SELECT * FROM contributions").await.unwrap();
    let columns = statement.columns().iter();
    let columns: Vec<String> =
        columns.map(|column| format!("\"{}\" {}", column.name(), column.type_())).collect();
    let create = format!("CREATE TABLE contributions ({})", columns.join(", "));
    real.batch_execute(&create).await.unwrap();
    let rows = run_in(folder, &["sql", "--format", "csv", "-c", "SELECT * FROM contributions"]);
    assert_eq!(rows.code, 0, "{}", rows.err);
    let copy = "COPY contributions FROM STDIN (FORMAT csv, HEADER)";
    let sink = real.copy_in::<_, Bytes>(copy).await.unwrap();
    futures::pin_mut!(sink);
    sink.send(Bytes::from(rows.bytes)).await.unwrap();
    assert!(sink.finish().await.unwrap() > 100_000);
}

#[test]
fn statements_are_answered_as_by_postgresql_or_refused() {
    let folder = contributions();
    let server = Server::start(&folder, &[]);
    let real_server = RealPostgres::start();
    let mut faults = Vec::new();
    let mut count = 0;
    run(async {
        copy_contributions(&real_server.client().await, &server.client().await, &folder).await;
        for topic in topics() {
            let (real, ours) = (real_server.client().await, server.client().await);
            for entry in topic.entries {
                assert!(!entry.statements.is_empty(), "{} has no statements", entry.names);
                for Case { sql, code } in entry.statements {
                    let (real, ours) = (answer(&real, &sql).await, answer(&ours, &sql).await);
                    if let Some(fault) = fault(entry.mark, code.as_deref(), &real, &ours) {
                        faults.push(format!("{:?}: {sql}\n{fault}", entry.mark));
                    }
                    count += 1;
                }
            }
        }
    });
    server.assert_healthy();
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_page_lists_what_is_compared() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let (introduction, _) = page.split_once(GENERATED).unwrap();
    let mut expected = format!("{introduction}{GENERATED}");
    for topic in topics() {
        let _ = write!(
            expected,
            "\n## {}\n\n| functions and constructs | result | remark |\n|---|---|---|\n",
            topic.title
        );
        for Entry { mark, names, remark, .. } in topic.entries {
            let (names, result) = (names.replace('|', "\\|"), mark.result());
            let _ = writeln!(expected, "| {names} | {result} | {remark} |");
        }
    }
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgresql.md");
    fs::write(&written, &expected).unwrap();
    assert!(page == expected, "write it anew: cp {} {PAGE}", written.display());
}
