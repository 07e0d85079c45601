//! Broken files of events, and columns of the wrong type.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;

use super::{Case, case};
use crate::project::{GOOD, gzip, parquet, parquet_in_groups, zstd};

/// 2026-01-01T00:00:00Z in microseconds.
const JANUARY: i64 = 1_767_225_600_000_000;
const ROWS: i64 = 500;

fn csv() -> &'static str {
    GOOD.iter().find(|(name, _)| *name == "events.csv").unwrap().1
}

/// The columns of good events, but with one of them replaced.
fn columns_with(column: &str, values: ArrayRef) -> Vec<(&'static str, ArrayRef)> {
    let text = |value: &'static str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..ROWS).map(|_| value)))
    };
    let times = (0..ROWS).map(|row| JANUARY + row * 1_000_000);
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(times));
    let users: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS));
    let mut columns = vec![
        ("at", times),
        ("user_id", users),
        ("event", text("searched")),
        ("plan", text("free")),
    ];
    for entry in &mut columns {
        if entry.0 == column {
            entry.1 = Arc::clone(&values);
        }
    }
    columns
}

fn parquet_with(column: &str, values: ArrayRef) -> Vec<u8> {
    parquet(&columns_with(column, values))
}

fn good_parquet() -> Vec<u8> {
    parquet_with("", Arc::new(Int64Array::from_iter_values(0..0)))
}

fn swap(name: &'static str, from: &str, to: &str) -> Case {
    case(name).swap("events.csv", from, to)
}

#[test]
fn finding_files() {
    let files = |name, pattern: &str| case(name).swap("headcount.yaml", "events.csv", pattern);
    files("a file that is not there", "gone.csv").fails(&["no event files", "gone.csv", "visits"]);
    files("a glob of nothing", "data/*.parquet").fails(&["no event files", "data/*.parquet"]);
    files("a folder without events", "dictionary").fails(&["no event files", "dictionary"]);
    files("a bad glob", "'***'").fails(&["invalid glob", "***"]);
    files("a strange address", "ftp://host/x.parquet").fails(&["`ftp` URLs", "s3://"]);
    case("an unknown format").events("events.xlsx", "PK").fails(&[
        "unknown file format",
        "events.xlsx",
        ".parquet, .csv",
    ]);
}

#[test]
fn csv_files() {
    swap("a missing column", "user_id", "uid").fails(&[
        "the column `user_id` is missing",
        "events.csv",
        "the columns of the file are: at, uid, event, plan",
    ]);
    case("a missing dimension").swap("events.csv", ",plan", ",tier").run("report --by plan").fails(
        &["the column `plan` is missing", "the columns of the file are: at, user_id, event, tier"],
    );
    case("nothing at all").file("events.csv", "").fails(&["header line is missing", "events.csv"]);
    case("an empty first line")
        .file("events.csv", format!("\n{}", csv()))
        .fails(&["header line is missing", "events.csv"]);
    case("no header").swap("events.csv", "at,user_id,event,plan\n", "").fails(&[
        "the column `at` is missing",
        "the columns of the file are: column_1, column_2, column_3, column_4",
    ]);
    swap("a row that is too short", "Z,3,searched,free", "Z,3,searched").fails(&[
        "invalid file",
        "events.csv",
        "line: 5",
        "a row has 3 fields, but the header has 4",
    ]);
    swap("a row that is too long", "Z,3,searched,free", "Z,3,searched,free,x").fails(&[
        "invalid file",
        "events.csv",
        "line: 5",
        "a row has 5 fields, but the header has 4",
    ]);
    swap("two columns of one name", "event,plan", "plan,plan").fails(&[
        "the header has two columns `plan`",
        "events.csv",
        "rename",
    ]);
    let mut bytes = csv().as_bytes().to_vec();
    bytes.extend(b"2026-01-05T10:00:00Z,\xff\xff,searched,free\n");
    case("not valid UTF-8").file("events.csv", bytes).fails(&[
        "invalid file",
        "events.csv",
        "UTF-8",
    ]);
}

/// A wrong quote merges many rows into one, which must be an error.
#[test]
fn quotes_of_csv_files() {
    for command in ["report --format csv", "ingest", "sql -f source.sql", "sql -f file.sql"] {
        let swap = |name, from, to| {
            swap(name, from, to)
                .file("source.sql", "SELECT count(*) FROM visits;")
                .file("file.sql", "SELECT count(*) FROM 'events.csv';")
                .run(command)
        };
        swap("a quote that is never closed", "2,page_viewed,paid", "2,page_viewed,\"paid")
            .fails(&["invalid file", "events.csv", "line: 3", "never closed"]);
        swap("text after a closing quote", "2,page_viewed,paid", "2,page_viewed,\"paid\"x")
            .fails(&["invalid file", "events.csv", "line: 3", "text after a closing quote"]);
    }
    let never = csv().replace("event,plan", "event,\"plan");
    case("a quote in the header").file("events.csv", never).fails(&[
        "events.csv",
        "line: 1",
        "never closed",
    ]);
}

#[test]
fn texts_in_other_encodings() {
    for (name, text) in [("events.csv", csv().to_owned()), ("events.ndjson", "{}\n".to_owned())] {
        let swapped = |swap: bool| -> Vec<u8> {
            let units = std::iter::once(0xfeff).chain(text.encode_utf16());
            units
                .flat_map(|unit: u16| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect()
        };
        for swap in [false, true] {
            case("UTF-16").events(name, swapped(swap)).fails(&["UTF-16", "UTF-8", name, "iconv"]);
        }
    }
}

#[test]
fn json_files() {
    let row =
        r#"{"at": "2026-01-05T10:00:00Z", "user_id": 1, "event": "searched", "plan": "free"}"#;
    let events = |name, text: String| case(name).events("events.ndjson", text);
    events("a line that is cut", format!("{row}\n{}\n", &row[..40]))
        .fails(&["invalid file", "events.ndjson"]);
    events("a line that is no object", format!("{row}\n42\n"))
        .fails(&["invalid file", "events.ndjson"]);
    events("a list of objects", format!("[{row},\n{row}]\n"))
        .fails(&["invalid file", "events.ndjson"]);
    events("a key that is nowhere", row.replace("user_id", "uid")).fails(&[
        "the column `user_id` is missing",
        "the columns of the file are:",
        "uid",
    ]);
    events("a user that is an object", row.replace(": 1,", r#": {"id": 1},"#)).fails(&[
        "cannot hold user keys",
        "events.ndjson",
        "user_id",
    ]);
    events("nothing at all", String::new()).fails(&["events.ndjson"]);
}

#[test]
fn compressed_files() {
    // Long enough that a half of it holds whole rows: none of them may be counted.
    let rows: String =
        (0..20_000).map(|user| format!("2026-01-05,{user},searched,free\n")).collect();
    let text = format!("at,user_id,event,plan\n{rows}");
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    case("half a .gz")
        .events("events.csv.gz", half(gzip(text.as_bytes())))
        .fails(&["invalid file", "events.csv.gz"]);
    case("half a .zst")
        .events("events.csv.zst", half(zstd(text.as_bytes())))
        .fails(&["invalid file", "events.csv.zst"]);
    case("a .gz that is none")
        .events("events.csv.gz", csv())
        .fails(&["invalid file", "events.csv.gz"]);
    case("a .zst that is none")
        .events("events.csv.zst", csv())
        .fails(&["invalid file", "events.csv.zst"]);
    let mut bytes = gzip(text.as_bytes());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    case("a damaged .gz").events("events.csv.gz", bytes).fails(&["invalid file", "events.csv.gz"]);
    case("a compressed Parquet file")
        .events("events.parquet.gz", gzip(&good_parquet()))
        .fails(&["events.parquet.gz"]);
}

#[test]
fn parquet_files() {
    let events = |name, bytes: Vec<u8>| case(name).events("events.parquet", bytes);
    let good = good_parquet();
    events("half a file", good[..good.len() / 2].to_vec())
        .fails(&["invalid file", "events.parquet"]);
    events("no Parquet at all", csv().into()).fails(&["invalid file", "events.parquet"]);
    events("an empty file", Vec::new()).fails(&["invalid file", "events.parquet"]);
    // Everything but the footer, whose length stands before the last four bytes.
    let mut damaged = good.clone();
    let end = good.len() - 8;
    let footer = u32::from_le_bytes(good[end..end + 4].try_into().unwrap()) as usize;
    damaged[4..end - footer].fill(0xff);
    events("damaged pages", damaged).fails(&["invalid file", "events.parquet"]);
    let numbers = || -> ArrayRef { Arc::new(Int64Array::from_iter_values(0..ROWS)) };
    events("a missing column", parquet(&[("at", numbers()), ("uid", numbers())]))
        .fails(&["the column `user_id` is missing", "the columns of the file are: at, uid"]);
}

#[test]
fn columns_that_cannot_serve() {
    let with = |name, column: &str, values: ArrayRef| {
        case(name).events("events.parquet", parquet_with(column, values))
    };
    let flags = || Arc::new(BooleanArray::from_iter((0..ROWS).map(|row| Some(row % 2 == 0))));
    let lists = || {
        let values = (0..ROWS).map(|row| Some(vec![Some(row as i32)]));
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(values))
    };
    let fractions = Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| row as f64)));
    with("numbers without a unit", "at", Arc::new(Int64Array::from_iter_values(0..ROWS))).fails(&[
        "times of type Int64 need a unit",
        "events.parquet",
        "column: at",
        "unit: s",
    ]);
    with("a time that is a flag", "at", flags())
        .fails(&["Boolean cannot hold times", "column: at"]);
    with("a user that is a flag", "user_id", flags()).fails(&[
        "a column of type Boolean cannot hold user keys",
        "events.parquet",
        "column: user_id",
    ]);
    with("a user that is a fraction", "user_id", fractions)
        .fails(&["a column of type Float64 cannot hold user keys", "column: user_id"]);
    with("a user that is a list", "user_id", lists())
        .fails(&["cannot hold user keys", "column: user_id"]);
    with("a dimension that is a list", "plan", lists()).run("report --by plan").fails(&[
        "cannot be a dimension",
        "column: plan",
        "events.parquet",
    ]);
    let bytes = (0..ROWS).map(|row| if row == 401 { &b"fr\xffee"[..] } else { &b"free"[..] });
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values(bytes));
    for column in ["plan", "event"] {
        let columns = columns_with(column, Arc::clone(&bytes));
        case("binary that is no text")
            .events("events.parquet", parquet_in_groups(&columns, 400))
            .run("report --by plan")
            .fails(&[
                "not valid UTF-8",
                &format!("column: {column}"),
                "row: 402",
                "events.parquet",
            ]);
    }
    with("an event that is a list", "event", lists()).fails(&["column: event", "events.parquet"]);
}
