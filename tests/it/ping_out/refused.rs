//! Pings that are refused, with what to do.

use super::{IDENTITY, events, project};

#[track_caller]
fn check(settings: &str, arguments: &[&str], code: i32, messages: &[&str]) {
    let project = project(&events(1, 300, 20), settings);
    project.write("short", "0123456789");
    project.write("salt", "0123456789abcdef\n");
    let ran = project.run(&[&["ping"], arguments].concat());
    assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{}", ran.err);
    for message in messages {
        assert!(ran.err.contains(message), "{message}: {}", ran.err);
    }
}

/// The identity with settings of sketches.
fn with_sketches(settings: &str) -> String {
    IDENTITY.replace("}\n", &format!(", sketches: {settings}}}\n"))
}

#[test]
fn a_ping_needs_an_identity_and_a_complete_month() {
    check("", &[], 1, &["does not say which installation it is", "add `installation: {uuid:"]);
    for (month, messages) in [
        ("2026-04", ["the newest event is of 2026-04-20", "`--as-of 2026-04-20`"]),
        ("2026-05", ["the month is not complete", "name an earlier month"]),
        ("2025-12", ["the events begin on 2026-01-", "after 2025-12-31"]),
    ] {
        check(IDENTITY, &["--month", month], 1, &messages);
    }
    check(IDENTITY, &["--month", "2026"], 2, &["expected a month as YYYY-MM"]);
    check(IDENTITY, &["--month", "2026-03", "--as-of", "2026-03-31"], 2, &["cannot be used with"]);
}

#[test]
fn mistakes_in_the_identity_are_reported() {
    for (settings, messages) in [
        ("installation: 5\n", ["headcount.yaml, line: 3", "expected a mapping"]),
        ("installation: {hostname: x}\n", ["line: 3", "`uuid` is missing"]),
        ("installation: {uuid: ''}\n", ["key: installation.uuid", "the text is empty"]),
        ("installation: {uuid: a, version: VERSION-ee}\n", ["installation.version", "are refused"]),
        (
            "installation: {uuid: a, hostnam: x}\n",
            ["installation.hostnam", "did you mean `hostname`"],
        ),
        (
            "installation: {uuid: a, license_user_count: x}\n",
            ["license_user_count", "whole number"],
        ),
        (
            "installation: {uuid: a, sketches: {user: x}}\n",
            ["installation.sketches", "`salt_file` is missing"],
        ),
    ] {
        check(settings, &[], 1, &messages);
    }
}

#[test]
fn sketches_need_a_salt_that_cannot_be_guessed_and_a_column_of_users() {
    let no_salt = ["sketches need a salt", "without one anybody could look for a user in a sketch"];
    check(IDENTITY, &["--sketches"], 1, &no_salt);
    let missing = with_sketches("{salt_file: none, user: email}");
    check(&missing, &["--sketches"], 1, &["no such file", "none"]);
    let short = with_sketches("{salt_file: short, user: email}");
    check(&short, &["--sketches"], 1, &["the salt has 10 bytes", "openssl rand", "short"]);
    let no_column = with_sketches("{salt_file: salt, user: mail}");
    check(&no_column, &["--sketches"], 1, &["mail", "events.csv"]);
}
