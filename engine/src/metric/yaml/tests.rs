//! What a YAML text becomes, and what is said about a bad one.

use std::path::Path;

use super::{View, load, parse};
use crate::metric::problem::Problems;

fn read(text: &str) -> (String, Vec<String>) {
    let problems = Problems::default();
    let nodes = parse(text, Path::new("a.yml"), &problems);
    let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    let problems = problems.into_vec().iter().map(ToString::to_string).collect();
    (nodes.join(" | "), problems)
}

#[test]
fn scalars_keep_their_text() {
    for (text, expected) in [
        ("a: 8.10", "{a: 8.10}"),
        ("a: 1.0", "{a: 1.0}"),
        ("a: '8.10'", "{a: 8.10}"),
        ("a: 0x1F\nb: yes\nc: 1_000\nd: 2005-01-01", "{a: 0x1F, b: yes, c: 1_000, d: 2005-01-01}"),
        ("a: one\n  two\n  three", "{a: one two three}"),
        ("a: >-\n  one\n  two\n", "{a: one two}"),
        ("a: |-\n  one\n  two\n", "{a: one\ntwo}"),
        ("# first\n- a\n# between\n- b", "[a, b]"),
        ("a: [x, 'y', {z: 1}]", "{a: [x, y, {z: 1}]}"),
        ("\u{feff}a: 1\r\nb: 2\r\n", "{a: 1, b: 2}"),
        ("a: 1\n---\na: 2\n", "{a: 1} | {a: 2}"),
        ("a: &x {b: 1}\nc: *x", "{a: {b: 1}, c: {b: 1}}"),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", "{a: {b: 1, c: 2}, d: {c: 3, b: 1}}"),
        ("a: {<<: [{b: 1}, {b: 2, c: 3}]}", "{a: {b: 1, c: 3}}"),
        ("", ""),
        ("# nothing\n", ""),
    ] {
        assert_eq!(read(text), (expected.to_owned(), vec![]), "{text}");
    }
}

/// Published definitions need it; YAML it is not.
#[test]
fn a_line_in_brackets_that_is_not_indented_is_read_with_a_warning() {
    for (text, expected, lines) in [
        (
            "- a: [\n    'é',\n  ]\n  b: 1\n- c: {\n  d: 1,\n}\n",
            "[{a: [é], b: 1}, {c: {d: 1}}]",
            [3, 6, 7].as_slice(),
        ),
        ("a:\n  b: [\nx, y\n, z\n]\n", "{a: {b: [x, y, z]}}", &[3, 4, 5]),
        ("a:\n  b: [\nx\n]\n", "{a: {b: [x]}}", &[3, 4]),
        ("a:\n  b: {c: 1, # }\n }\n", "{a: {b: {c: 1}}}", &[3]),
        ("- a: &x {b: [\n  1, 2 ]\n  }\n", "[{a: {b: [1, 2]}}]", &[2]),
    ] {
        let (nodes, problems) = read(text);
        assert_eq!(nodes, expected, "{text}: {problems:?}");
        assert_eq!(problems.len(), lines.len(), "{text}: {problems:?}");
        for (line, problem) in lines.iter().zip(&problems) {
            let start = format!(
                "a.yml:{line}: warning: invalid YAML: a line inside brackets must be indented"
            );
            assert!(problem.starts_with(&start), "{text}: {problem}");
        }
    }
    // Outside of brackets nothing is moved, whatever the parser thinks of it.
    for text in ["a:\n    b: 1\n  c: 2\n", "a: |\n    [\n  ]\nb\n", "a: 'x\n'\n  b: ]\n"] {
        let (nodes, problems) = read(text);
        assert_eq!((nodes.as_str(), problems.len()), ("", 1), "{text}: {problems:?}");
        assert!(problems[0].contains(": error: invalid YAML"), "{text}: {}", problems[0]);
    }
}

#[test]
fn only_an_unquoted_nothing_is_null() {
    for (text, expected) in [
        ("a:", true),
        ("a: ~", true),
        ("a: null", true),
        ("a: ''", false),
        ("a: 'null'", false),
        ("a: !!str null", false),
        ("a: none", false),
        ("a: []", false),
    ] {
        let problems = Problems::default();
        let nodes = parse(text, Path::new("a.yml"), &problems);
        assert_eq!(nodes[0].get("a").map(super::Node::is_null), Some(expected), "{text}");
        assert_eq!(nodes[0].get("a").unwrap().as_str().is_none(), expected || text == "a: []");
    }
}

#[test]
fn every_node_has_its_line() {
    let (_, problems) = read("- [\n]\n- {a: [\n1]}\n- b: 1\n  b: 2\n");
    let twice = "a.yml:6: error: [2].b: the key appears twice; the first is in line 5; remove one \
                 of them";
    assert_eq!(
        problems.iter().filter(|problem| problem.contains("error")).collect::<Vec<_>>(),
        [twice]
    );

    let text = "---\na: 1\n# c\nlist:\n  - x\n  -\n    b: >-\n      folded\n    c:\n      d: 1\n";
    let problems = Problems::default();
    let nodes = parse(text, Path::new("a.yml"), &problems);
    let view = View::root(&nodes[0], Path::new("a.yml"), &problems);
    let list = view.get("list").unwrap();
    let second = &list.items()[1];
    let places = [&view.get("a").unwrap(), &list, &list.items()[0], second]
        .map(|view| (view.key().to_owned(), view.line()));
    let expected = [("a", 2), ("list", 4), ("list[0]", 5), ("list[1]", 7)];
    assert_eq!(places, expected.map(|(key, line)| (key.to_owned(), line)));
    let deep = second.get("c").unwrap().get("d").unwrap();
    assert_eq!((second.get("b").unwrap().line(), deep.line()), (7, 10));
    assert_eq!(deep.key(), "list[1].c.d");
}

#[test]
fn a_key_that_stands_twice_is_reported_with_both_lines() {
    let text = "a:\n- b: 1\n- c: 1\n  d: 2\n  c: 3\na: 4\n";
    let expected = [
        "a.yml:5: error: a[1].c: the key appears twice; the first is in line 3; remove one of them",
        "a.yml:6: error: a: the key appears twice; the first is in line 1; remove one of them",
    ];
    let (nodes, problems) = read(text);
    assert_eq!(nodes, "{a: [{b: 1}, {c: 1, d: 2}]}");
    assert_eq!(problems, expected);
}

#[test]
fn a_broken_text_has_no_documents_and_one_problem_with_its_line() {
    for (text, line, message) in [
        ("a: [1, 2\nb: 3\n", 2, "invalid YAML"),
        ("a: 1\n b: 2\n", 2, "invalid YAML"),
        ("a: 'open\n", 1, "invalid YAML"),
        // The value begins in line 1, and it is the value that cannot go on with a tab.
        ("a: 1\n\tb: 2\n", 1, "invalid YAML"),
        ("a: 1\n---\nb: *gone\n", 3, "invalid YAML"),
        ("a: &x [*x]\n", 1, "an alias inside its own anchor"),
        ("? [a, b]\n: c\n", 1, "a key must be text, not a list or a mapping"),
        ("<<: text\n", 1, "`<<` needs a mapping"),
    ] {
        let (nodes, problems) = read(text);
        assert_eq!((nodes.as_str(), problems.len()), ("", 1), "{text}: {problems:?}");
        let start = format!("a.yml:{line}: error: {message}");
        assert!(problems[0].starts_with(&start), "{text}: {}", problems[0]);
    }
}

#[test]
fn hostile_texts_end_in_a_problem() {
    for (levels, message) in [(64, None), (65, Some("the YAML is nested more than 64 levels deep"))]
    {
        let (_, problems) = read(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
        let found = problems.first().map(|problem| problem.contains(message.unwrap_or_default()));
        assert_eq!(found, message.map(|_| true), "{levels} {problems:?}");
    }
    assert_eq!(read(&"[".repeat(100_000)).1.len(), 1);
    assert_eq!(read(&"- ".repeat(100_000)).1.len(), 1);

    let lines = |count| format!("a:\n  b: [\n{}]\n", "x,\n".repeat(count));
    assert_eq!(read(&lines(150)).1.len(), 151);
    let many = read(&lines(250)).1;
    assert_eq!(many.len(), 1);
    assert!(
        many[0].contains("error: invalid YAML: more than 200 lines inside brackets"),
        "{}",
        many[0]
    );

    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..10 {
        let alias = format!("*a{}", i - 1);
        bomb += &format!("a{i}: &a{i} [{}]\n", [alias.as_str(); 10].join(", "));
    }
    assert!(read(&bomb).1[0].contains("aliases expand to more than 100000 values"));
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("latin1.yml");
    std::fs::write(&path, b"a: caf\xe9\n").unwrap();
    for path in [path, dir.path().join("gone.yml")] {
        let problems = Problems::default();
        assert!(load(&path, &problems).is_empty());
        let problems = problems.into_vec();
        assert_eq!((problems.len(), problems[0].line), (1, 0));
        assert!(problems[0].message.starts_with("cannot read the file: "), "{}", problems[0]);
    }
}

#[test]
fn typed_getters_report_what_does_not_fit() {
    let text = "text: a\nlist: [a, b]\nmap: {a: 1}\ntrue: true\nnumber: 12\nday: 2024-02-29\n\
                nil:\nbad_day: 2024-13-01\nbad_number: -1\n";
    let problems = Problems::default();
    let nodes = parse(text, Path::new("a.yml"), &problems);
    let view = View::root(&nodes[0], Path::new("a.yml"), &problems);
    assert_eq!(view.text_of("text"), Some("a"));
    assert_eq!(view.texts_of("text"), ["a"]);
    assert_eq!(view.texts_of("list"), ["a", "b"]);
    assert_eq!(view.bool_of("true"), Some(true));
    assert_eq!(view.number_of("number"), Some(12));
    assert_eq!(view.day_of("day"), "2024-02-29".parse().ok());
    assert_eq!((view.text_of("nil"), view.text_of("gone")), (None, None));
    assert_eq!(view.text_of("list"), None);
    assert_eq!(view.text_of("map"), None);
    assert_eq!(view.bool_of("text"), None);
    assert_eq!(view.number_of("bad_number"), None);
    assert_eq!(view.day_of("bad_day"), None);
    assert_eq!(view.required_text_of("nil"), None);
    assert!(view.get("text").unwrap().entries().is_empty());
    view.only(&["text", "list", "map", "true", "numbre", "day", "nil", "bad_day", "bad_number"]);
    let problems: Vec<String> = problems.into_vec().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "a.yml:1: error: text: expected `true` or `false`, found `a`",
            "a.yml:1: error: `nil` is missing",
            "a.yml:1: error: text: expected a mapping, found text",
            "a.yml:2: error: list: expected text, found a list",
            "a.yml:3: error: map: expected text, found a mapping",
            "a.yml:5: error: number: unknown key; did you mean `numbre`?",
            "a.yml:8: error: bad_day: `2024-13-01` is not a date; write a date as YYYY-MM-DD",
            "a.yml:9: error: bad_number: `-1` is not a whole number",
        ]
    );
}
