use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Float64Array, Int64Array, StringArray, StringViewArray,
};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::{Format, Options, write_batch, writer};

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
    let options = Options { width, ..Options::default() };
    let mut writer = writer(format, &schema, options, &mut bytes).unwrap();
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
fn formats_are_as_expected() {
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
fn empty_results_are_written() {
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
    write_batch(Format::Parquet, &people, &mut bytes).unwrap();
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
    let at = |width| {
        let (text, note) = written(Format::Table, Some(width), std::slice::from_ref(&wide));
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        for name in ["key", "users", "descrip"] {
            assert!(text.contains(name), "no {name} in\n{text}");
        }
        (text, note)
    };
    let (text, note) = at(40);
    assert!(text.contains("a value of many…"), "{text}");
    assert!(note.unwrap().contains("long values are shortened"));
    let (text, note) = at(24);
    assert!(text.contains("a value…"), "{text}");
    assert!(note.unwrap().contains("long values are shortened"));
    // Rows become records, in which nothing is cut.
    let (text, note) = at(22);
    let expected = "\
─[ 1 ]────────────────
key          short
users        1
description  it goes o
             n and on
             and on
─[ 2 ]────────────────
key          a value o
             f many le
             tters
users        22
description  x
";
    assert_eq!(text, expected);
    assert_eq!(note.as_deref(), Some("the columns do not fit, so each row is a record"));
    let (text, note) = at(100);
    assert!(text.contains("a value of many letters") && note.is_none());
}

/// Columns of one value are listed above the table; numbers and dates are never cut.
#[test]
fn columns_with_one_value_are_listed_first() {
    let texts = |values: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let numbers = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
    let rows = batch(&[
        ("window", texts(vec!["month", "month"])),
        ("a_long_name_for_a_date", Arc::new(Date32Array::from(vec![20_000, 20_031]))),
        ("stage", texts(vec!["reading", "writing"])),
        ("nothing", texts(vec!["none", "none"])),
        ("users", numbers(vec![1_000_000_000_000, 2])),
    ]);
    let (text, note) = written(Format::Table, Some(36), std::slice::from_ref(&rows));
    let expected = "\
window = month · nothing = none

a_long_
name_for_
a_date      stage            users
──────────  ───────  ─────────────
2024-10-04  reading  1000000000000
2024-11-04  writing              2
";
    assert_eq!((text.as_str(), note), (expected, None));
    // Numbers stay, also if all are the same, unless they repeat another column.
    let none: ArrayRef = Arc::new(Int64Array::from(vec![None, None]));
    let rows = batch(&[
        ("stage", texts(vec!["reading", "writing"])),
        ("users", numbers(vec![7, 7])),
        ("users_low", numbers(vec![7, 7])),
        ("previous_users", none),
        ("share", Arc::new(Float64Array::from(vec![100.0 / 3.0, 12.0]))),
    ]);
    let (text, note) = written(Format::Table, Some(22), std::slice::from_ref(&rows));
    let expected = "\
users_low = users
previous_users = NULL

stage   users  share
─────── ───── ──────
reading     7 33.333
writing     7   12.0
";
    assert_eq!(text, expected);
    assert_eq!(note.unwrap(), "decimals are rounded; a file or a pipe gets everything");
}

#[test]
fn records_have_a_line_for_each_value() {
    let mut bytes = Vec::new();
    let people = people();
    let options = Options { expanded: true, ..Options::default() };
    let mut writer = writer(Format::Table, &people.schema(), options, &mut bytes).unwrap();
    for part in [people.slice(0, 1), people.slice(1, 2)] {
        writer.write(&part).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), None);
    let text = String::from_utf8(bytes).unwrap();
    let rule = "─".repeat(34);
    let expected = format!(
        "─[ 1 ]{rule}\nname   Ada\nnote   a,b\nusers  1\nshare  0.5\n\
         ─[ 2 ]{rule}\nname\nnote   say \"hi\"\nusers  1000\nshare  12.0\n\
         ─[ 3 ]{rule}\nname   NULL\nnote   two\n       lines\nusers  NULL\nshare  -1.25\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn later_rows_are_written_at_once() {
    let column = Int64Array::from_iter_values(0..15_000);
    let long = batch(&[("n", Arc::new(column))]);
    let (text, note) =
        written(Format::Table, None, &[long.slice(0, 14_000), long.slice(14_000, 1_000)]);
    assert_eq!((text.lines().count(), note), (15_002, None));
    assert_eq!(text.lines().last(), Some("14999"));
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let evil = "\u{1b}[31mred\u{7}";
    let batch = batch(&[(evil, Arc::new(StringArray::from(vec![evil])))]);
    let (text, _) = written(Format::Table, None, std::slice::from_ref(&batch));
    let escaped = "\\x1b[31mred\\x07";
    assert_eq!(text, format!("{escaped}\n{}\n{escaped}\n", "─".repeat(15)));
    let named = |name: &str| RecordBatch::try_from_iter([(name, Arc::clone(batch.column(0)))]);
    let (text, _) = written(Format::Table, None, &[named("two\nlines").unwrap()]);
    assert!(text.starts_with("two\\nlines\n"), "{text}");
    let (text, _) = written(Format::Markdown, None, &[batch]);
    assert!(text.contains("\\\\x1b\\[31mred\\\\x07"), "{text}");
}

/// A table is padded in columns of the terminal, whatever characters take.
#[test]
fn wide_characters_are_aligned() {
    let names = vec!["漢字", "🦀", "e\u{301}te\u{301}", "plain"];
    let rows = batch(&[
        ("名", Arc::new(StringArray::from(names))),
        ("n", Arc::new(Int64Array::from(vec![1, 22, 333, 4]))),
    ]);
    let (text, _) = written(Format::Table, None, std::slice::from_ref(&rows));
    let expected = "\
名       n
─────  ───
漢字     1
🦀      22
e\u{301}te\u{301}    333
plain    4
";
    assert_eq!(text, expected);
    let long = batch(&[("x", Arc::new(StringArray::from(vec!["漢字漢字漢字漢字"])))]);
    let (text, note) = written(Format::Table, Some(12), &[long]);
    assert_eq!(text.lines().last(), Some("漢字漢字漢…"));
    assert!(note.unwrap().starts_with("long values are shortened; a file or a pipe"));
}

/// A value of any length is whole in a pipe, and does not widen all other rows to its own width.
#[test]
fn long_and_binary_values_are_not_cut_in_a_pipe() {
    let long = "x".repeat(70_000);
    let bytes = vec![0xab; 40_000];
    let rows = batch(&[
        ("b", Arc::new(StringArray::from(vec![long.as_str(), "short"]))),
        ("bytes", Arc::new(BinaryArray::from_vec(vec![&bytes, b"\x01"]))),
        ("n", Arc::new(Int64Array::from(vec![1, 2]))),
    ]);
    let (text, note) = written(Format::Table, None, std::slice::from_ref(&rows));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[2], format!("{long}  {}  1", "ab".repeat(40_000)));
    assert_eq!(lines[3], format!("{:1000}  {:1000}  2", "short", "01"));
    assert_eq!(note, None);
    let (text, note) = written(Format::Table, Some(40), std::slice::from_ref(&rows));
    assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
    assert!(note.unwrap().starts_with("long values are shortened"));
    let whole = written(Format::Csv, Some(40), &[rows]).0;
    assert!(whole.contains(&long) && whole.contains(&"ab".repeat(40_000)));
}
