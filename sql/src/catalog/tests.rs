use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;
use parquet::arrow::ArrowWriter;

use super::{CatalogOptions, register};
use crate::failure::statement_error;
use crate::session::{Options, session};

/// A session that reads files below a folder.
fn reading(folder: &Path) -> SessionContext {
    let session = session(&Options::default()).unwrap();
    let catalog_options =
        CatalogOptions { paths: Some(folder.to_owned()), ..CatalogOptions::default() };
    register(&session, &catalog_options).unwrap();
    session
}

/// The rows of a query, cells joined by a space; or its error.
async fn ask(session: &SessionContext, sql: &str) -> Result<Vec<String>, String> {
    let to_error = |cause| statement_error(cause, None).to_string();
    let batches = session.sql(sql).await.map_err(to_error)?.collect().await.map_err(to_error)?;
    let row = |batch: &RecordBatch, row| -> String {
        let cells = batch.columns().iter().map(|c| array_value_to_string(c, row).unwrap());
        cells.collect::<Vec<_>>().join(" ")
    };
    Ok(batches.iter().flat_map(|b| (0..b.num_rows()).map(|at| row(b, at))).collect())
}

fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn ints(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

#[tokio::test]
async fn files_are_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("more")).unwrap();
    parquet(&path("more/a [1].parquet"), vec![("id", ints(&[1, 2]))]);
    parquet(&path("more/b.parquet"), vec![("id", ints(&[3])), ("extra", ints(&[9]))]);
    std::fs::write(path("c.csv"), "id,name\n1,\"x,y\"\n2,\n").unwrap();
    std::fs::write(path("d.ndjson"), "{\"id\":1,\"on\":true}\n{\"id\":\"z\"}\n").unwrap();
    let zipped = zstd::encode_all(&b"id,name\n7,zipped\n"[..], 1).unwrap();
    std::fs::write(path("e.csv.zst"), zipped).unwrap();

    let session = reading(folder.path());
    let sums = ["3 6 9".to_owned()];
    for place in ["more", "more/", "more/*.parquet"] {
        let sql = format!("SELECT count(*), sum(id), sum(extra) FROM '{place}'");
        assert_eq!(ask(&session, &sql).await.unwrap(), sums, "{place}");
    }
    let one = ask(&session, "SELECT * FROM 'more/a [1].parquet' ORDER BY id").await;
    assert_eq!(one.unwrap(), ["1", "2"]);
    let csv = ask(&session, "SELECT name, id, name IS NULL FROM 'c.csv'").await.unwrap();
    assert_eq!(csv, ["x,y 1 false", " 2 true"]);
    assert_eq!(ask(&session, "SELECT count(*) FROM 'c.csv'").await.unwrap(), ["2"]);
    let both = "SELECT * FROM '*.csv*' ORDER BY id";
    assert_eq!(ask(&session, both).await.unwrap(), ["1 x,y", "2 ", "7 zipped"]);
    let json = ask(&session, "SELECT id, \"on\" FROM 'd.ndjson'").await.unwrap();
    assert_eq!(json, ["1 true", "z "]);
    assert_eq!(ask(&session, "SELECT count(*) FROM 'd.ndjson'").await.unwrap(), ["2"]);
    // What is new is seen.
    parquet(&path("more/c.parquet"), vec![("id", ints(&[100]))]);
    assert_eq!(ask(&session, "SELECT sum(id) FROM 'more'").await.unwrap(), ["106"]);
    // What a statement made is there too, and goes away again.
    ask(&session, "CREATE TABLE mine AS SELECT 5 AS five").await.unwrap();
    assert_eq!(ask(&session, "SELECT five FROM mine").await.unwrap(), ["5"]);
    ask(&session, "DROP TABLE mine").await.unwrap();
    assert!(ask(&session, "SELECT five FROM mine").await.unwrap_err().contains("mine"));
}

#[tokio::test]
async fn invalid_tables_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    parquet(&path("a.parquet"), vec![("id", ints(&[1]))]);
    parquet(&path("b.parquet"), vec![("id", Arc::new(StringArray::from(vec!["1"])))]);
    std::fs::write(path("c.csv"), "id\n1\n2,3\n").unwrap();
    std::fs::write(path("broken.parquet"), "no parquet").unwrap();
    std::fs::write(path("notes.txt"), "hello").unwrap();
    let session = reading(folder.path());
    for (table, parts) in [
        ("[ab].parquet", &["Int64", "Utf8", "a.parquet", "b.parquet", "column: id"][..]),
        ("broken.parquet", &["invalid file", "broken.parquet"]),
        ("c.csv", &["invalid file", "c.csv"]),
        ("[ac].*", &["cannot mix Parquet files and text", "a.parquet"]),
        ("none.parquet", &["no event files found", "none.parquet"]),
        ("notes.txt", &["unknown file format", "notes.txt"]),
        ("ftp://host/a.parquet", &["`ftp` URLs are not supported"]),
        ("nothing", &["no table `nothing`"]),
    ] {
        let error = ask(&session, &format!("SELECT * FROM '{table}'")).await.unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{table}: no {part:?} in {error}");
        }
    }
    // Where files may not be named they are not read.
    let closed = crate::session::session(&Options::default()).unwrap();
    register(&closed, &CatalogOptions::default()).unwrap();
    let sql = format!("SELECT * FROM '{}'", path("a.parquet").display());
    assert!(ask(&closed, &sql).await.unwrap_err().contains("no table"));
}
