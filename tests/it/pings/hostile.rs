//! Documents that nobody should send: each is answered or refused, in bounded time and memory.

use super::{Fleet, ping};

const AT: &str = "2026-03-15T10:20:30Z";

#[test]
fn hostile_documents_are_read_or_refused() {
    let fleet = Fleet::new("");
    let nested = |start: &str, end: &str, levels: usize| {
        ping("deep", AT, &format!("\"a\": {}1{}", start.repeat(levels), end.repeat(levels)))
    };
    fleet.write("deep-arrays.json", nested("[", "]", 1_000_000));
    fleet.write("deep-objects.json", nested("{\"a\":", "}", 10_000).replace("deep", "deep2"));
    fleet.write("unclosed.json", "[".repeat(1_000_000));
    let keys: Vec<String> = (0..1_000_000).map(|at| format!("\"k{at}\":{at}")).collect();
    fleet.write("keys.json", ping("keys", AT, &keys.join(",")));
    let text = "x".repeat(100_000_000);
    fleet.write(
        "long.json",
        ping("long", AT, &format!("\"monthly\": {{\"users\": 7, \"a\": \"{text}\"}}")),
    );
    let random: Vec<u8> =
        (0..1_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fleet.write("binary.json", random);
    fleet.write("nul.json", vec![0; 1_000_000]);
    fleet.check(
        "SELECT file, outcome, reason FROM ping_uploads ORDER BY file",
        &[
            "pings/binary.json refused invalid_json",
            "pings/deep-arrays.json accepted",
            "pings/deep-objects.json accepted",
            "pings/keys.json accepted",
            "pings/long.json accepted",
            "pings/nul.json refused invalid_json",
            "pings/unclosed.json refused invalid_json",
        ],
    );
    fleet.check(
        "SELECT uuid, count(*), count(value), sum(value) FROM ping_values WHERE key_path NOT IN \
         ('uuid', 'hostname', 'recorded_at') GROUP BY uuid ORDER BY uuid",
        // Values in arrays, and below very long paths, are not kept.
        &["deep 1 0", "keys 1000000 1000000 499999500000", "long 2 1 7"],
    );
}

#[test]
fn memory_is_limited() {
    let fleet = Fleet::new("");
    let keys: Vec<String> = (0..200_000).map(|at| format!("\"k{at}\":{at}")).collect();
    fleet.write("keys.json", ping("keys", AT, &keys.join(",")));
    let sql = "SELECT count(*) FROM ping_values";
    let ran = fleet.0.run(&["sql", "--memory-limit", "4MB", "-c", sql]);
    // By what the tables report, or by what the process uses: whichever is noticed first.
    assert!(ran.code == 1 && ran.err.contains("more memory"), "{}", ran.err);
}

#[test]
fn no_files_and_unknown_files_are_errors() {
    let fleet = Fleet::new("");
    for empty in [false, true] {
        if empty {
            std::fs::create_dir(fleet.0.path("pings")).unwrap();
        }
        let ran = fleet.run("SELECT count(*) FROM pings");
        assert!(ran.code == 1 && ran.err.contains("no files of pings found"), "{}", ran.err);
        assert!(ran.err.contains("source: fleet"), "{}", ran.err);
    }
    // Files that come later are seen.
    fleet.write("a.json", ping("a", AT, ""));
    fleet.check("SELECT count(*) FROM pings", &["1"]);
}

/// The texts of a document are nowhere in the tables, but for its identity.
#[test]
fn personal_data_is_not_kept() {
    let fleet = Fleet::new("");
    let fields =
        r#""licensee": {"Name": "Secret", "Email": "secret@x.org", "seats": 5}, "licensee2": 1,
        "source_ip": "10.9.8.7", "email": "secret@x.org", "license_md5": "Secret",
        "counts": {"secret@x.org": 1, "10.9.8.7": 2, "2001:db8::1": 3, "list": ["secret@x.org"]}"#
            .replace('\n', "");
    fleet.write("a.json", ping("a", AT, &fields));
    let mut printed = String::new();
    for table in ["pings", "ping_uploads", "ping_values", "ping_windows", "ping_population"] {
        printed += &fleet.run(&format!("SELECT * FROM {table}")).out;
    }
    for text in ["ecret", "10.9.8.7", "2001", "licensee.", "licensee,"] {
        assert!(!printed.contains(text), "{text}: {printed}");
    }
    assert!(printed.contains("license_md5,string") && printed.contains("licensee2,unknown,1"));
}
