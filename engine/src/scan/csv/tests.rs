use std::fmt::Write as _;
use std::io::Cursor;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::reader::{BUFFER, CsvFile, MAX_ROW_BYTES};
use crate::scan::EventFile;
use crate::{Error, Result};

type Row = Vec<Option<String>>;

/// Names and rows of a file with this content.
fn read(content: impl AsRef<[u8]>) -> Result<(Vec<String>, Vec<Row>)> {
    read_as("a.csv", content)
}

fn read_as(name: &str, content: impl AsRef<[u8]>) -> Result<(Vec<String>, Vec<Row>)> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), content).unwrap();
    let file = EventFile::find(folder.path(), &[name.to_owned()])?.remove(0);
    let csv = CsvFile::open(&file)?;
    let names = csv.names.clone();
    let mut rows = Vec::new();
    for batch in csv.batches(&names) {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            let value = |column: &arrow::array::ArrayRef| {
                let texts = column.as_string::<i32>();
                texts.is_valid(row).then(|| texts.value(row).to_owned())
            };
            rows.push(batch.columns().iter().map(value).collect());
        }
    }
    Ok((names, rows))
}

#[track_caller]
fn fails(content: impl AsRef<[u8]>, line: u64, what: &str) {
    let error = read(content).unwrap_err();
    assert!(error.to_string().contains(what), "{error}");
    assert_eq!(error.context("line"), Some(line.to_string().as_str()), "{error}");
    assert!(error.context("file").is_some_and(|file| file.ends_with("a.csv")), "{error}");
}

#[test]
fn what_is_allowed() {
    let check = |content: &str, expected: &[&[&str]]| {
        let (_, rows) = read(content).unwrap_or_else(|error| panic!("{content:?}: {error}"));
        let rows: Vec<Vec<String>> = rows
            .into_iter()
            .map(|row| row.into_iter().map(Option::unwrap_or_default).collect())
            .collect();
        assert_eq!(rows, expected, "{content:?}");
    };
    check("a,b\n1,2\n", &[&["1", "2"]]);
    check("a,b\n1,2", &[&["1", "2"]]);
    check("a,b\r\n1,2\r\n\r\n3,4", &[&["1", "2"], &["3", "4"]]);
    check("a,b\r1,2\r3,4\r", &[&["1", "2"], &["3", "4"]]);
    check("a,b\n\n\n1,\n\n", &[&["1", ""]]);
    check("a,b\n\"1\",\"2\"\n", &[&["1", "2"]]);
    check("a,b\n\"1\",\"\"", &[&["1", ""]]);
    check("a,b\n\"x,\"\"y\"\"\r\nz\",\"\"\"\"\n", &[&["x,\"y\"\r\nz", "\""]]);
    check("a,b\n5\" pipe,x\"y\"\n", &[&["5\" pipe", "x\"y\""]]);
    check("a\n1\n\n2", &[&["1"], &["2"]]);
    let (names, rows) = read("\u{feff}\"a \n \"\"b\",\" c \"\n1,2\n").unwrap();
    assert_eq!((names.as_slice(), rows.len()), (&["a \n \"b".to_owned(), "c".to_owned()][..], 1));
}

#[test]
fn mistakes_have_lines() {
    let never = "never closed";
    fails("a,b\n1,\"2\n3,4\n5,6\n", 2, never);
    fails("a,b\n\"x\ny\",\"2\n3,4\n", 3, never);
    fails("a,b\r\n\r\n1,2\r\n\"", 4, never);
    fails("a,b\r1,2\r\"3,4\r", 3, never);
    fails("a,\"b\n1,2\n", 1, never);
    fails("a,b\n1,2\"\n\"3\",\"4\"\"\n", 3, never);
    let text = "text after a closing quote";
    fails("a,b\n1,\"2\"x\n3,4\n", 2, text);
    fails("a,b\n1,\"2\" \n", 2, text);
    fails("a,b\n1,\"2\n3,\"4\"\n", 3, text);
    fails("a,b\n1,2\n3\n", 3, "a row has 1 field, but the header has 2");
    fails("a,b\n\n\"1\n\",2\n3,4,5\n", 5, "a row has 3 fields, but the header has 2");
    fails(b"a,b\n1,2\n\"\n\",\xff\n", 4, "not valid UTF-8");
    fails(b"a,b\n1,2\n\"\n\xff\",3", 4, "not valid UTF-8");
    assert_eq!(read(b"a,b\n1,\xff\n").unwrap_err().context("column"), Some("b"));
}

#[test]
fn quotes_are_ordinary_characters_in_a_file_with_tabs_that_has_none_around_values() {
    let values = |content: &str| {
        let rows = read_as("a.tsv", content)?.1;
        Ok(rows.into_iter().flatten().flatten().collect::<Vec<String>>())
    };
    let read = |content: &str| -> Vec<String> { values(content).unwrap() };
    assert_eq!(read("a\tb\n1\t\"x y\n2\t{\"k\": 1}\n"), ["1", "\"x y", "2", "{\"k\": 1}"]);
    assert_eq!(read("a\tb\n1\t\"x\" y\n2\tz"), ["1", "\"x\" y", "2", "z"]);
    // These have quotes around values.
    assert_eq!(read("a\tb\n1\t\"x\ty\"\n2\t\"z\nw\"\n"), ["1", "x\ty", "2", "z\nw"]);
    for broken in ["a\tb\n1\t\"x\"\n2\t\"y\n", "a\tb\n1\t\"x\"y\"\n2\t\"z\"\n", "a\tb\n1\t\"x\n2\n"]
    {
        let error: Error = values(broken).unwrap_err();
        assert!(error.to_string().contains("quote"), "{error}");
    }
}

#[test]
fn one_quote_does_not_load_the_whole_file() {
    let mut text = String::from("a,b\n1,2\n1,\"2\n");
    while text.len() <= 2 * MAX_ROW_BYTES {
        text.push_str("123456789,123456789\n");
    }
    fails(text, 3, "longer than 16 MiB");
}

/// Rows of every length up to several times the buffer, so that all of their parts come to lie at
/// the end of one: the same as those of the reader in Arrow.
#[test]
fn rows_are_those_of_another_reader() {
    let mut text = String::from("a,b,c\n");
    for row in 0..3_000_usize {
        let long = "x\"\"\n,é\r\n".repeat(row % 57 * row % 41);
        let end = if row % 3 == 0 { "\r\n" } else { "\n" };
        let _ = write!(text, "{row},\"{long}\",\"{}\"{end}", row % 7);
    }
    text.push_str(&format!("1,\"{}\",2\n", "y\n".repeat(500_000)));
    assert!(text.len() > 5 * BUFFER);
    let (names, rows) = read(&text).unwrap();
    let fields = names.iter().map(|name| Field::new(name, DataType::Utf8, true));
    let schema = std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let reader = arrow::csv::ReaderBuilder::new(schema).with_header(true).with_batch_size(10_000);
    let batch = reader.build(Cursor::new(&text)).unwrap().next().unwrap().unwrap();
    assert_eq!(batch.num_rows(), rows.len());
    for (at, column) in batch.columns().iter().enumerate() {
        let theirs: Vec<Option<&str>> = column.as_string::<i32>().iter().collect();
        let ours: Vec<Option<&str>> = rows.iter().map(|row| row[at].as_deref()).collect();
        assert!(theirs == ours, "column {at}");
    }
}
