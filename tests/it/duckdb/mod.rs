//! Random statements on small tables with NULLs, answered by a session and by DuckDB. Every other
//! statement reads the tables from Parquet files, the others from memory.
//!
//! `HEADCOUNT_STATEMENTS` is the number of statements (default 300), `HEADCOUNT_SEED` the seed.
//! Not generated, because the two systems define it differently:
//!
//! * division (of whole numbers, and by zero), and sums and products that may overflow
//! * `greatest` and `least`, `EXCEPT ALL` and `INTERSECT ALL`, `IS UNKNOWN`
//! * LIMIT and window frames without a total order, and any order that leaves NULLs to a default
//!
//! Not generated, because sessions refuse it:
//!
//! * `EXISTS` and `IN (SELECT ...)` elsewhere than in WHERE, HAVING and the ON of an inner join
//! * `IN (SELECT ...)` that may be NULL and uses columns of the outer query
//! * a window whose ORDER BY has a CASE with a column of its PARTITION BY

mod statements;

use std::fs;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::SessionContext;
use headcount::session::{Options, session, sql};
use tokio::runtime::Runtime;

use self::statements::{Statements, TABLES};
use crate::python;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}

#[test]
fn random_statements_have_the_answers_of_duckdb() {
    let (count, seed) = (number("HEADCOUNT_STATEMENTS", 300), number("HEADCOUNT_SEED", 1));
    let mut random = Statements::new(seed);
    let statements: Vec<String> = (0..count).map(|_| random.statement()).collect();
    let theirs = duckdb(&statements);
    let runtime = Runtime::new().unwrap();
    let run = |session: &SessionContext, text: &str| {
        runtime.block_on(async { sql(session, text).await?.collect().await })
    };
    let [memory, files] =
        [(); 2].map(|()| session(&Options { threads: Some(2), ..Options::default() }).unwrap());
    for table in TABLES {
        run(&memory, table).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["t", "u"] {
        let file = folder.path().join(format!("{name}.parquet"));
        let file = file.display();
        run(&memory, &format!("COPY {name} TO '{file}'")).unwrap();
        let table = format!("CREATE EXTERNAL TABLE {name} STORED AS PARQUET LOCATION '{file}'");
        run(&files, &table).unwrap();
    }
    let mut wrong = Vec::new();
    for ((statement, theirs), session) in
        statements.iter().zip(theirs).zip([&memory, &files].into_iter().cycle())
    {
        let ours = run(session, statement);
        let ours = ours.map(|batches| rows(&batches)).map_err(|error| error.to_string());
        if ours != Ok(theirs.clone()) {
            wrong.push(format!("{statement};\n  ours   {ours:?}\n  DuckDB {theirs:?}\n"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} differ, seed {seed}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The sorted rows of every statement.
fn duckdb(statements: &[String]) -> Vec<Vec<Vec<String>>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("statements.json");
    fs::write(&file, serde_json::to_string(&(TABLES, statements)).unwrap()).unwrap();
    let answers = python::run("in_duckdb.py", &[file.to_str().unwrap()]);
    let mut answers: Vec<Vec<Vec<String>>> = serde_json::from_str(&answers).unwrap();
    assert_eq!(answers.len(), statements.len());
    answers.iter_mut().for_each(|rows| rows.sort());
    answers
}

/// The sorted rows as texts.
fn rows(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<Vec<String>> = batch
            .columns()
            .iter()
            .map(|column| {
                let format = ArrayFormatter::try_new(column, &options).unwrap();
                let text = |row| match column.data_type() {
                    DataType::Float64 if column.is_valid(row) => {
                        format!("{:.6}", column.as_primitive::<Float64Type>().value(row))
                    }
                    _ => format.value(row).to_string(),
                };
                (0..column.len()).map(text).collect()
            })
            .collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column[row].clone()).collect::<Vec<_>>()),
        );
    }
    rows.sort();
    rows
}
