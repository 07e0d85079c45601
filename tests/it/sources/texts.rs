//! CSV, TSV and NDJSON, each plain, `.gz` and `.zst`, as various programs write them.

use super::{Event, FIELDS, columns, csv, events, expected, ndjson, rows_of};
use crate::project::{gzip, parquet, zstd};

#[test]
fn formats_and_compressions() {
    let expected = expected();
    let (all, fields) = (events(), FIELDS);
    for (name, text) in [
        ("events.csv", csv(&all, ',')),
        ("events.tsv", csv(&all, '\t')),
        ("events.ndjson", ndjson(&all)),
        ("events.jsonl", ndjson(&all)),
        ("events.json", ndjson(&all)),
        ("EVENTS.CSV", csv(&all, ',')),
    ] {
        let bytes = text.as_bytes();
        assert_eq!(rows_of(name, bytes, fields), expected, "{name}");
        let name = format!("{name}.gz");
        assert_eq!(rows_of(&name, &gzip(bytes), fields), expected, "{name}");
        let name = name.replace(".gz", ".zst");
        assert_eq!(rows_of(&name, &zstd(bytes), fields), expected, "{name}");
    }
    let bytes = parquet(&columns(&all));
    assert_eq!(rows_of("events.parquet", &bytes, fields), expected);
    assert_eq!(rows_of("events.pq", &bytes, fields), expected);
}

/// Files that were appended to, as logs are: several compressed members one after another.
#[test]
fn several_members_in_one_file() {
    let expected = expected();
    let text = csv(&events(), ',');
    let (first, second) = text.split_at(text.len() / 2);
    let twice = |wrap: fn(&[u8]) -> Vec<u8>| [wrap(first.as_bytes()), wrap(second.as_bytes())];
    assert_eq!(rows_of("events.csv.gz", &twice(gzip).concat(), FIELDS), expected);
    assert_eq!(rows_of("events.csv.zst", &twice(zstd).concat(), FIELDS), expected);
}

#[test]
fn habits_of_csv_writers() {
    let expected = expected();
    let plain = csv(&events(), ',');
    let quoted = plain.replace("page_viewed", "\"page_viewed\"");
    let line = |row: &str| row.split(',').map(|f| format!("\"{f}\"")).collect::<Vec<_>>().join(",");
    let all_quoted: String = plain.lines().map(|row| line(row) + "\n").collect();
    let reordered: String = plain
        .lines()
        .map(|row| row.split(',').rev().collect::<Vec<_>>().join(",") + "\n")
        .collect();
    let wider: String = plain
        .lines()
        .enumerate()
        .map(|(at, row)| match at {
            0 => format!("note,{row},more\n"),
            _ => format!("\"a, \"\"b\"\"\nc\",{row},\n"),
        })
        .collect();
    for (name, text) in [
        ("a byte order mark", format!("\u{feff}{plain}")),
        ("line ends of Windows", plain.replace('\n', "\r\n")),
        ("a mark and such line ends", format!("\u{feff}{}", plain.replace('\n', "\r\n"))),
        ("no last line end", plain.trim_end().to_owned()),
        ("quotes", quoted),
        ("quotes everywhere", all_quoted),
        ("columns in another order", reordered),
        ("more columns, with commas, quotes and lines in them", wider),
        ("line ends in the header", plain.replacen("at,", "\"at\n\",", 1)),
        ("spaces in the header", plain.replacen("at,user_id", "at, user_id ", 1)),
    ] {
        assert_eq!(rows_of("events.csv", text.as_bytes(), FIELDS), expected, "{name}");
    }
}

#[test]
fn habits_of_json_writers() {
    let expected = expected();
    let plain = ndjson(&events());
    let texts = |from: &str, to: &str| plain.replace(from, to);
    let user_as_text: String = events()
        .iter()
        .map(|event| {
            let plain = ndjson(&[*event]);
            let user = event.user;
            plain.replace(&format!("{user}, \"event\""), &format!("\"{user}\", \"event\""))
        })
        .collect();
    assert_ne!(user_as_text, plain);
    for (name, text) in [
        ("a byte order mark", format!("\u{feff}{plain}")),
        ("users as text", user_as_text),
        ("null keys left out", texts(", \"plan\": null", "")),
        ("more keys", texts("{\"at\"", "{\"x\": 1.5, \"y\": null, \"at\"")),
        ("nested keys", texts("{\"at\"", "{\"x\": {\"y\": [1, 2]}, \"at\"")),
        ("keys of changing types", texts("{\"at\"", "{\"x\": [1, {}, []], \"at\"")),
        ("line ends of Windows", texts("\n", "\r\n")),
        ("empty lines", texts("\n", "\n\n")),
        ("no last line end", plain.trim_end().to_owned()),
        ("no spaces", texts(" ", "")),
    ] {
        assert_eq!(rows_of("events.ndjson", text.as_bytes(), FIELDS), expected, "{name}");
    }
}

/// A JSON key that first occurs after many rows is a column.
#[test]
fn a_rare_key_is_found() {
    let rare = |at: i64| Event { plan: None, ..events()[at as usize % 120] };
    let mut all: Vec<Event> = (0..3_000).map(rare).collect();
    all.extend(events());
    let full = rows_of("events.csv", csv(&all, ',').as_bytes(), FIELDS);
    let text = ndjson(&all).replace(", \"plan\": null", "");
    assert_eq!(rows_of("events.ndjson", text.as_bytes(), FIELDS), full);
}
