use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, StringArray, StringViewArray};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::{Format, Writer};

fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter(columns.iter().map(|(name, array)| (*name, Arc::clone(array))))
        .unwrap()
}

fn people() -> RecordBatch {
    batch(&[
        ("name", Arc::new(StringArray::from(vec![Some("Ada"), Some(""), None]))),
        ("note", Arc::new(StringViewArray::from(vec!["a,b", "say \"hi\"", "two\nlines"]))),
        ("users", Arc::new(Int64Array::from(vec![Some(1), Some(1_000), None]))),
        ("share", Arc::new(Float64Array::from(vec![0.5, 12.0, -1.25]))),
    ])
}

fn written(
    format: Format,
    width: Option<usize>,
    batches: &[RecordBatch],
) -> (String, Option<String>) {
    let mut bytes = Vec::new();
    let schema: SchemaRef = batches[0].schema();
    let mut writer = Writer::new(format, &schema, width, &mut bytes).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    let note = writer.finish().unwrap();
    (String::from_utf8_lossy(&bytes).into_owned(), note)
}

#[track_caller]
fn check(format: Format, expected: &str) {
    let people = people();
    let (text, note) = written(format, None, std::slice::from_ref(&people));
    assert_eq!((text.as_str(), note), (expected, None));
    // The same in two batches.
    let parts = [people.slice(0, 1), people.slice(1, 2)];
    assert_eq!(written(format, None, &parts).0, expected);
}

#[test]
fn every_format_has_its_form() {
    check(
        Format::Csv,
        "name,note,users,share\nAda,\"a,b\",1,0.5\n\"\",\"say \"\"hi\"\"\",1000,12.0\n,\"two\nlines\",,-1.25\n",
    );
    check(
        Format::Tsv,
        "name\tnote\tusers\tshare\nAda\ta,b\t1\t0.5\n\"\"\t\"say \"\"hi\"\"\"\t1000\t12.0\n\t\"two\nlines\"\t\t-1.25\n",
    );
    check(
        Format::Ndjson,
        r#"{"name":"Ada","note":"a,b","users":1,"share":0.5}
{"name":"","note":"say \"hi\"","users":1000,"share":12.0}
{"name":null,"note":"two\nlines","users":null,"share":-1.25}
"#,
    );
    check(
        Format::Json,
        r#"[
{"name":"Ada","note":"a,b","users":1,"share":0.5},
{"name":"","note":"say \"hi\"","users":1000,"share":12.0},
{"name":null,"note":"two\nlines","users":null,"share":-1.25}
]
"#,
    );
    check(
        Format::Markdown,
        "| name | note | users | share |\n| --- | --- | ---: | ---: |\n| Ada | a,b | 1 | 0.5 |\n\
         |  | say \"hi\" | 1000 | 12.0 |\n| NULL | two<br>lines | NULL | -1.25 |\n",
    );
    check(
        Format::Table,
        "name  note      users  share
────  ────────  ─────  ─────
Ada   a,b           1    0.5
      say \"hi\"   1000   12.0
NULL  two        NULL  -1.25
      lines
",
    );
}

/// Separated values are made by several threads.
#[test]
fn rows_keep_their_order() {
    let numbers = batch(&[("n", Arc::new(Int64Array::from_iter_values(0..5_000)))]);
    let (text, _) = written(Format::Csv, None, &[numbers]);
    let lines: Vec<&str> = text.lines().collect();
    let expected: Vec<String> = (0..5_000).map(|n: i64| n.to_string()).collect();
    assert_eq!(lines[0], "n");
    assert_eq!(lines[1..], expected);
}

#[test]
fn nothing_is_a_result_too() {
    let none = people().slice(0, 0);
    for (format, expected) in [
        (Format::Csv, "name,note,users,share\n"),
        (Format::Json, "[\n]\n"),
        (Format::Ndjson, ""),
        (Format::Table, "name  note  users  share\n────  ────  ─────  ─────\n"),
    ] {
        assert_eq!(written(format, None, std::slice::from_ref(&none)).0, expected);
    }
}

#[test]
fn parquet_reads_back() {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let people = people();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut bytes = Vec::new();
    let mut writer = Writer::new(Format::Parquet, &people.schema(), None, &mut bytes).unwrap();
    writer.write(&people).unwrap();
    writer.finish().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    let opened = std::fs::File::open(file.path()).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(opened).unwrap().build().unwrap();
    let back: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert_eq!(back, [people]);
}

#[test]
fn a_terminal_is_never_too_narrow() {
    let wide = batch(&[
        ("key", Arc::new(StringArray::from(vec!["short", "a value of many letters"]))),
        ("users", Arc::new(Int64Array::from(vec![1, 22]))),
        ("description", Arc::new(StringArray::from(vec!["it goes on and on and on", "x"]))),
    ]);
    let (text, note) = written(Format::Table, Some(40), std::slice::from_ref(&wide));
    assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
    assert!(text.contains("a value of man…"), "{text}");
    assert!(note.unwrap().contains("long values are cut"));
    let (text, note) = written(Format::Table, Some(20), std::slice::from_ref(&wide));
    assert!(text.lines().all(|line| line.chars().count() <= 20), "{text}");
    assert!(note.unwrap().contains("no room for description"), "{text}");
    let (text, note) = written(Format::Table, Some(100), std::slice::from_ref(&wide));
    assert!(text.contains("a value of many letters") && note.is_none());
}

/// What all rows share goes first, and is told; numbers and dates are never cut.
#[test]
fn columns_of_one_value_give_way_first() {
    let texts = |values: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let rows = batch(&[
        ("window", texts(vec!["month", "month"])),
        ("a_long_name_for_a_date", Arc::new(Date32Array::from(vec![20_000, 20_031]))),
        ("stage", texts(vec!["reading", "writing"])),
        ("nothing", texts(vec!["none", "none"])),
        ("users", Arc::new(Int64Array::from(vec![1_000_000_000_000, 2]))),
    ]);
    let (text, note) = written(Format::Table, Some(36), std::slice::from_ref(&rows));
    assert_eq!(
        text,
        "\
a_long_name…  stage            users
────────────  ───────  ─────────────
2024-10-04    reading  1000000000000
2024-11-04    writing              2
"
    );
    assert!(note.unwrap().starts_with("the same in all rows: window month, nothing none; a pipe"));
}

#[test]
fn later_rows_go_through_as_they_come() {
    let column = Int64Array::from_iter_values(0..15_000);
    let long = batch(&[("n", Arc::new(column))]);
    let (text, note) =
        written(Format::Table, None, &[long.slice(0, 14_000), long.slice(14_000, 1_000)]);
    assert_eq!((text.lines().count(), note), (15_002, None));
    assert_eq!(text.lines().last(), Some("14999"));
}

#[test]
fn nothing_steers_the_terminal() {
    let evil = batch(&[("x", Arc::new(StringArray::from(vec!["\u{1b}[31mred\u{7}"])))]);
    let (text, _) = written(Format::Table, None, &[evil]);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text:?}");
}
