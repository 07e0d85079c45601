//! Rules 1 to 3: which uploads are accepted, when they were made, and which of several counts.

use super::{Fleet, ping};
use crate::project::{gzip, zstd};

const UPLOADS: &str = "SELECT file, outcome, reason FROM ping_uploads ORDER BY file";

#[test]
fn uploads_are_refused_for_the_first_reason() {
    let at = |recorded_at: &str| format!(r#"{{"uuid": "u", "recorded_at": "{recorded_at}"}}"#);
    let with = |fields: &str| {
        format!(r#"{{"uuid": "u", "recorded_at": "2026-03-15T10:20:30Z", {fields}}}"#)
    };
    let cases: [(&str, String, &str); 40] = [
        ("a", String::new(), "empty"),
        ("a", " \r\n\t".to_owned(), "empty"),
        ("a", "\u{feff}".to_owned(), "empty"),
        ("a", "{".to_owned(), "invalid_json"),
        ("a", "hello".to_owned(), "invalid_json"),
        ("a", "{'uuid': 1}".to_owned(), "invalid_json"),
        ("a", r#"{"uuid": NaN}"#.to_owned(), "invalid_json"),
        ("a", format!("{} 1", at("2026-03-15T10:20:30Z")), "invalid_json"),
        ("a", "[{]".to_owned(), "invalid_json"),
        ("a", "[]".to_owned(), "not_an_object"),
        ("a", format!("[{}]", at("2026-03-15T10:20:30Z")), "not_an_object"),
        ("a", "null".to_owned(), "not_an_object"),
        ("a", "\"text\"".to_owned(), "not_an_object"),
        ("a", "{}".to_owned(), "missing_uuid"),
        ("a", r#"{"uuid": null, "recorded_at": "never"}"#.to_owned(), "missing_uuid"),
        ("a", r#"{"uuid": ""}"#.to_owned(), "missing_uuid"),
        ("a", r#"{"uuid": 12}"#.to_owned(), "missing_uuid"),
        ("a", r#"{"settings": {"uuid": "u"}}"#.to_owned(), "missing_uuid"),
        ("a", r#"{"uuid": "u", "version": "VERSION"}"#.to_owned(), "missing_recorded_at"),
        ("a", r#"{"uuid": "u", "recorded_at": null}"#.to_owned(), "missing_recorded_at"),
        ("a", at(""), "missing_recorded_at"),
        ("a", r#"{"uuid": "u", "recorded_at": 1773570030}"#.to_owned(), "bad_recorded_at"),
        ("a", at("2026-03-15"), "bad_recorded_at"),
        ("a", at("2026-03-15T10:20:30"), "bad_recorded_at"),
        ("a", at("2026-03-15 10:20:30 UTC"), "bad_recorded_at"),
        ("a", at("2026-02-30T10:20:30Z"), "bad_recorded_at"),
        (
            "a",
            r#"{"uuid": "u", "recorded_at": "x", "version": "VERSION"}"#.to_owned(),
            "bad_recorded_at",
        ),
        ("a", with(r#""version": "VERSION-ee""#), "placeholder_version"),
        // 24 hours and a second after the upload, in the name of the file or in the document.
        ("20260314T102029Z", with(r#""version": "13.9-VERSION""#), "placeholder_version"),
        ("20260314T102029Z", with(r#""version": "13.9""#), "future_clock"),
        ("20260314T102029Z-abc", at("2026-03-15T10:20:30Z"), "future_clock"),
        ("a", with(r#""uploaded_at": "2026-03-14T10:20:29Z""#), "future_clock"),
        ("20260401T000000Z", with(r#""uploaded_at": "2026-03-14T10:20:29Z""#), "future_clock"),
        // Exactly 24 hours; an unknown time; a time that says nothing.
        ("20260314T102030Z", at("2026-03-15T10:20:30Z"), ""),
        ("20260101T000000Z", with(r#""uploaded_at": "2026-03-14T10:20:30Z""#), ""),
        ("20260101", at("2026-03-15T10:20:30Z"), ""),
        ("a", with(r#""uploaded_at": "2026-01-01""#), ""),
        ("a", at("2026-03-15T12:20:30+02:00"), ""),
        ("a", at("20260315T102030Z"), ""),
        ("a", with(r#""version": "version""#), ""),
    ];
    let fleet = Fleet::new("");
    let mut expected = Vec::new();
    for (at, (name, content, reason)) in cases.iter().enumerate() {
        // Each in a folder and with a user of its own.
        let content = content.replace(r#""u""#, &format!("\"u{at}\""));
        fleet.write(&format!("{at:03}/{name}.json"), content);
        let outcome = if reason.is_empty() { "accepted" } else { "refused" };
        expected
            .push(format!("pings/{at:03}/{name}.json {outcome} {reason}").trim_end().to_owned());
    }
    assert_eq!(fleet.rows(UPLOADS), expected);
}

#[test]
fn the_upload_time_is_in_the_document_or_in_the_file_name() {
    // Name of the file, `uploaded_at` of the document, upload time.
    let cases = [
        ("a", "null", ""),
        ("20260316T000000Z", "null", "2026-03-16T00:00:00Z"),
        ("20260316T000000Z-abc", "null", "2026-03-16T00:00:00Z"),
        ("20260316T000000Zabc", "null", "2026-03-16T00:00:00Z"),
        // No such prefix, or no such time.
        ("a-20260316T000000Z", "null", ""),
        ("20260316", "null", ""),
        ("20260316T0000Z", "null", ""),
        ("20261316T000000Z", "null", ""),
        // The document first, unless its time says nothing.
        ("20260316T000000Z", r#""2026-03-17T01:00:00+01:00""#, "2026-03-17T00:00:00Z"),
        ("a", r#""2026-03-17T00:00:00.5Z""#, "2026-03-17T00:00:00.500Z"),
        ("20260316T000000Z", r#""2026-03-17""#, "2026-03-16T00:00:00Z"),
        ("20260316T000000Z", r#""""#, "2026-03-16T00:00:00Z"),
        ("20260316T000000Z", "1773705600", "2026-03-16T00:00:00Z"),
    ];
    let fleet = Fleet::new("");
    let mut expected = Vec::new();
    for (at, (name, uploaded_at, time)) in cases.iter().enumerate() {
        let fields = format!(r#""uploaded_at": {uploaded_at}"#);
        let document = ping(&format!("{at:02}"), "2026-03-15T10:20:30Z", &fields);
        fleet.write(&format!("{at}/{name}.json"), document);
        expected.push(format!("{at:02} {time}").trim_end().to_owned());
    }
    assert_eq!(fleet.rows("SELECT uuid, uploaded_at FROM pings ORDER BY uuid"), expected);
}

#[test]
fn what_cannot_be_decoded_is_refused_and_the_rest_is_read() {
    let fleet = Fleet::new("");
    let good = |uuid: &str| ping(uuid, "2026-03-15T10:20:30Z", "");
    fleet.write("a.json", b"\xff\xfe{\0}\0");
    fleet.write("b.json", b"{\"uuid\": \"\xff\"}");
    fleet.write("c.json", (0..=255).collect::<Vec<u8>>());
    fleet.write("d.json.gz", good("d"));
    fleet.write("e.json.gz", &gzip(good("e").as_bytes())[..30]);
    fleet.write("f.json.zst", b"(\xb5/\xfdno");
    fleet.write("g.json.gz", gzip(good("g").as_bytes()));
    fleet.write("h.json.zst", zstd(good("h").as_bytes()));
    // What comes before the damage is read.
    let lines: Vec<String> = (0..2_000).map(|at| good(&format!("i{at}"))).collect();
    let packed = gzip(lines.join("\n").as_bytes());
    fleet.write("i.ndjson.gz", &packed[..packed.len() / 2]);
    fleet.write(".hidden.json", "no");
    fleet.write("notes.csv", "no");
    let rows = fleet.rows(UPLOADS);
    let whole: Vec<&str> = rows.iter().map(String::as_str).filter(|r| !r.contains("/i.")).collect();
    let expected = [
        "pings/a.json refused invalid_json",
        "pings/b.json refused invalid_json",
        "pings/c.json refused invalid_json",
        "pings/d.json.gz refused invalid_json",
        "pings/e.json.gz refused invalid_json",
        "pings/f.json.zst refused invalid_json",
        "pings/g.json.gz accepted",
        "pings/h.json.zst accepted",
    ];
    assert_eq!(whole, expected);
    let read = rows.iter().filter(|row| row.starts_with("pings/i.ndjson.gz:")).count();
    assert!((500..2_000).contains(&read), "{read}");
    assert!(rows.contains(&"pings/i.ndjson.gz refused invalid_json".to_owned()));
}

#[test]
fn a_file_holds_one_document_or_one_on_each_line() {
    let good = |uuid: &str| ping(uuid, "2026-03-15T10:20:30Z", "");
    let spread = good("x").replace(", ", ",\n  ").replace('{', "{\n  ").replace('}', "\n}\n");
    let check = |content: String, expected: &[&str]| {
        let fleet = Fleet::new("");
        fleet.write("a.json", content.as_bytes());
        let plain = fleet.rows(UPLOADS);
        assert_eq!(plain, expected, "{content}");
        std::fs::remove_file(fleet.0.path("pings/a.json")).unwrap();
        fleet.write("a.json.gz", gzip(content.as_bytes()));
        let rows: Vec<String> =
            fleet.rows(UPLOADS).iter().map(|row| row.replace(".json.gz", ".json")).collect();
        assert_eq!(rows, plain, "{content}");
    };
    let accepted = ["pings/a.json accepted"];
    let broken = ["pings/a.json refused invalid_json"];
    check(good("x"), &accepted);
    check(format!("\u{feff}\n\n{}\r\n\n", good("x")), &accepted);
    check(spread.clone(), &accepted);
    check(spread.replace('\n', "\r\n"), &accepted);
    // A broken document is refused once.
    check(spread.replace('}', ""), &broken);
    check(format!("{spread}{spread}"), &broken);
    check("a\nb\nc\n".to_owned(), &broken);
    // A broken line does not spoil the others, wherever it stands.
    let lines = [good("x"), "{\"uuid\": ".to_owned(), String::new(), good("y")].join("\n");
    check(
        lines,
        &[
            "pings/a.json:1 accepted",
            "pings/a.json:2 refused invalid_json",
            "pings/a.json:4 accepted",
        ],
    );
    let lines = ["\n", &good("x")[..20], "\n[]\n", &good("y")].concat();
    check(
        lines,
        &[
            "pings/a.json:2 refused invalid_json",
            "pings/a.json:3 refused not_an_object",
            "pings/a.json:4 accepted",
        ],
    );
}

#[test]
fn the_newest_upload_of_a_ping_wins_as_a_whole() {
    let ping = |uploaded: &str, value: &str| {
        let uploaded_at = match uploaded {
            "" => String::new(),
            time => format!(r#", "uploaded_at": "{time}""#),
        };
        let fields = format!(r#""monthly": {{{value}}}{uploaded_at}"#);
        ping("u", "2026-03-15T10:20:30Z", &fields)
    };
    // The same instant in another zone is the same ping.
    let berlin = ping("2026-03-17T00:00:00Z", r#""users": 3"#)
        .replace("2026-03-15T10:20:30Z", "2026-03-15T11:20:30+01:00");
    for (uploads, values, outcomes) in [
        // The newest, not the last.
        (
            vec![
                ping("2026-03-16T00:00:00Z", r#""users": 1"#),
                ping("2026-03-18T00:00:00Z", r#""other": 2"#),
                berlin.clone(),
            ],
            "monthly.other 2",
            ["superseded", "accepted", "superseded"],
        ),
        // An unknown time is before all others; of equals the last by file wins.
        (
            vec![
                ping("2026-03-16T00:00:00Z", r#""users": 1"#),
                ping("2026-03-16T00:00:00Z", r#""users": 2"#),
                ping("", r#""users": 3"#),
            ],
            "monthly.users 2",
            ["superseded", "accepted", "superseded"],
        ),
        // A refused upload never wins.
        (
            vec![
                ping("2026-03-16T00:00:00Z", r#""users": 1"#),
                ping("2026-03-18T00:00:00Z", r#""users": 2}"#),
                ping("2026-03-01T00:00:00Z", r#""users": 3"#),
            ],
            "monthly.users 1",
            ["accepted", "refused", "refused"],
        ),
    ] {
        let fleet = Fleet::new("");
        fleet.write_all(&uploads.iter().map(String::as_str).collect::<Vec<_>>());
        let found = "SELECT outcome FROM ping_uploads ORDER BY file";
        assert_eq!(fleet.rows(found), outcomes, "{uploads:?}");
        fleet.check("SELECT key_path, value FROM ping_values WHERE value IS NOT NULL", &[values]);
        // A file found twice is one upload.
        fleet.check("SELECT count(*) FROM pings", &["1"]);
    }
}
