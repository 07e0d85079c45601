//! Rows, their types, and the values that they depend on.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Int64Type, Schema};
use arrow_flight::error::FlightError;

use super::{Client, ask, client, csv, fails, rows_of};
use crate::project::{contributions, run_in};
use crate::server::in_process::{InProcessServer, ServerSetup};
use crate::table::Table;

/// Runs a query with parameter values.
async fn bound(
    client: &mut Client,
    sql: &str,
    values: &[(&str, ArrayRef)],
) -> Result<RecordBatch, FlightError> {
    let mut prepared = client.prepare(sql.to_owned(), None).await?;
    if !values.is_empty() {
        prepared.set_parameters(RecordBatch::try_from_iter(values.iter().cloned())?)?;
    }
    let info = prepared.execute().await?;
    let rows = rows_of(client, info).await;
    prepared.close().await?;
    rows
}

#[test]
fn rows_are_those_of_the_report() {
    let root = contributions();
    let in_process = InProcessServer::new(&root, ServerSetup::default());
    let mut client = client(&in_process);
    let columns = ["period_start", "level", "section", "stage", "group", "metric", "users"];
    let all = "total,combined,section,stage,group,action";
    for (view, levels) in [("mau", "total"), ("smau", "stage"), ("xmau", all)] {
        let rows = in_process.runtime.block_on(ask(&mut client, &format!("SELECT * FROM {view}")));
        let ran = run_in(&root, &["report", "--format", "csv", "--level", levels]);
        let (sent, reported) = (Table::of_csv(&csv(&rows.unwrap())), Table::of_csv(&ran.out));
        assert_eq!(sent.header, reported.header);
        assert_eq!(sent.lines(&columns), reported.lines(&columns), "{view}");
    }
    let plain = "SELECT CAST(date_trunc('month', occurred_at) AS DATE) AS month, \
                 count(DISTINCT author) AS users FROM contributions GROUP BY 1 ORDER BY 1";
    let rows = in_process.runtime.block_on(ask(&mut client, plain)).unwrap();
    let ran = run_in(&root, &["sql", "--format", "csv", "-c", plain]);
    assert_eq!(csv(&rows), ran.out);
}

#[test]
fn columns_have_types_that_every_client_reads() {
    let root = contributions();
    let in_process = InProcessServer::new(&root, ServerSetup::default());
    let mut client = client(&in_process);
    let sql = "SELECT repository, array_agg(DISTINCT component ORDER BY component) AS parts, \
               arrow_cast(repository, 'Dictionary(Int32, Utf8)') AS coded, count(*) AS n, \
               bitmap_agg(length(author)) AS b, named_struct('r', repository) AS s \
               FROM contributions GROUP BY repository ORDER BY repository";
    let rows = in_process.runtime.block_on(ask(&mut client, sql)).unwrap();
    let kind = |name: &str| rows.schema().field_with_name(name).unwrap().data_type().clone();
    assert_eq!((kind("repository"), kind("coded")), (DataType::Utf8, DataType::Utf8));
    assert!(matches!(kind("parts"), DataType::List(field) if *field.data_type() == DataType::Utf8));
    assert!(
        matches!(kind("s"), DataType::Struct(fields) if *fields[0].data_type() == DataType::Utf8)
    );
    assert_eq!((kind("n"), kind("b")), (DataType::Int64, DataType::LargeBinary));
    // An answer of many batches, and one of none.
    let many = "SELECT value FROM generate_series(1, 300000)";
    let rows = in_process.runtime.block_on(ask(&mut client, many)).unwrap();
    assert_eq!(
        (rows.num_rows(), rows.column(0).as_primitive::<Int64Type>().value(299_999)),
        (300_000, 300_000)
    );
    let none =
        in_process.runtime.block_on(ask(&mut client, "SELECT 1 AS one WHERE false")).unwrap();
    assert_eq!((none.num_rows(), none.num_columns()), (0, 1));
}

#[test]
fn parameters_have_numbers_question_marks_or_names() {
    let (_project, in_process) = InProcessServer::good();
    let mut client = client(&in_process);
    let int = |n: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![n])) };
    let text = |s: &str| -> ArrayRef { Arc::new(StringArray::from(vec![s])) };
    let mut bound = |sql: &str, values: &[(&str, ArrayRef)]| {
        in_process.runtime.block_on(self::bound(&mut client, sql, values)).map(|rows| csv(&rows))
    };
    let users = "SELECT count(DISTINCT user_id) AS n FROM visits WHERE plan";
    for (sql, values, expected) in [
        (format!("{users} = $1"), vec![("a", text("free"))], "n\n2\n"),
        (format!("{users} = ?"), vec![("a", text("paid"))], "n\n2\n"),
        (format!("{users} = $plan"), vec![("plan", text("free"))], "n\n2\n"),
        (
            format!("{users} = $2 AND event = $1"),
            vec![("1", text("searched")), ("2", text("free"))],
            "n\n1\n",
        ),
        (
            format!("{users} = ? AND event = ? -- why?"),
            vec![("1", text("free")), ("2", text("searched"))],
            "n\n1\n",
        ),
        (
            "SELECT '?' AS a, \"user_id\" AS \"b?\" FROM visits /* ? */ WHERE user_id = ? LIMIT ?"
                .to_owned(),
            vec![("1", text("3")), ("2", int(1))],
            "a,b?\n?,3\n",
        ),
        ("SELECT ? + 1 AS n".to_owned(), vec![("1", int(41))], "n\n42\n"),
        (
            "SELECT 'it''s ?' || ? AS s".to_owned(),
            vec![("1", text("'; DROP TABLE visits --"))],
            "s\nit's ?'; DROP TABLE visits --\n",
        ),
        ("SELECT 1 AS n".to_owned(), vec![], "n\n1\n"),
        (
            "SELECT bitmap_count(?) AS n".to_owned(),
            vec![("b", {
                let set = "SELECT bitmap_agg(value) AS b FROM generate_series(1, 1000)";
                let mut other = super::client(&in_process);
                let rows = in_process.runtime.block_on(ask(&mut other, set)).unwrap();
                let bytes = rows.column(0).as_binary::<i64>().value(0);
                Arc::new(BinaryArray::from(vec![bytes]))
            })],
            "n\n1000\n",
        ),
    ] {
        assert_eq!(bound(&sql, &values).unwrap(), expected, "{sql}");
    }
    let one = |sql: &str| format!("{users} = {sql}");
    fails(bound(&one("$1"), &[]), "argument", &["1 parameters, but 0 values"]);
    fails(
        bound(&one("?"), &[("a", int(1)), ("b", int(2))]),
        "argument",
        &["1 parameters, but 2 values"],
    );
    fails(bound("SELECT 1", &[("a", int(1))]), "argument", &["0 parameters, but 1 values"]);
    fails(bound(&one("$plan"), &[("other", int(1))]), "argument", &["$plan"]);
    let two: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    fails(bound("SELECT $1", &[("a", two)]), "argument", &["2 rows of values", "one row"]);
    fails(bound("SELECT nothing FROM visits WHERE plan = ?", &[]), "argument", &["nothing"]);
    let schema = |sql: &str| {
        let mut client = super::client(&in_process);
        let prepared = in_process.runtime.block_on(client.prepare(sql.to_owned(), None)).unwrap();
        let all = |schema: &Schema| -> Vec<String> {
            schema.fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect()
        };
        (all(prepared.parameter_schema().unwrap()), all(prepared.dataset_schema().unwrap()))
    };
    let (parameters, columns) = schema("SELECT user_id AS u FROM visits WHERE plan = ? LIMIT ?");
    assert_eq!(
        (parameters, columns),
        // DataFusion does not infer the type of a LIMIT.
        (vec!["$1 Utf8".into(), "$2 Null".into()], vec!["u Utf8".into()])
    );
}
