//! `headcount bench accuracy` on the command line.

use crate::project::{Project, contributions, run_in};
use crate::table::Table;

#[test]
fn help_names_every_option() {
    let help = Project::empty().run(&["bench", "accuracy", "--help"]);
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    let options = ["--precisions", "--sizes", "--trials", "--seed", "--window", "--level"];
    for option in options.into_iter().chain(["--invented", "--format", "--output", "--project"]) {
        assert!(help.out.contains(option), "no {option} in\n{}", help.out);
    }
    let widest = help.out.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "a line of {widest:?} characters");
}

#[test]
fn without_a_project_users_are_synthetic_and_repeatable() {
    let folder = Project::empty();
    let run = |seed: &str| {
        let sizes = ["--sizes", "10,3000", "--trials", "4", "--precisions", "8", "--seed", seed];
        let ran = folder.run(&[&["bench", "accuracy", "--format", "csv"][..], &sizes].concat());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let table = Table::of_csv(&ran.out);
        let fixed = ["measured", "counter", "precision", "users", "error_mean", "bytes_memory"];
        table.lines(&fixed)
    };
    let lines = run("1");
    // Two sizes; exact, four sketches of precision 8 and DataFusion's.
    assert_eq!(lines.len(), 12);
    assert!(lines[0].starts_with("size exact  10 0.0 "), "{}", lines[0]);
    assert_eq!(run("1"), lines);
    assert_ne!(run("2"), lines);
    for wrong in ["--sizes=0", "--precisions=3", "--trials=0", "--invented=0", "--level=none"] {
        assert_eq!(folder.run(&["bench", "accuracy", wrong]).code, 2, "{wrong}");
    }
}

#[test]
fn the_sets_of_a_project_are_measured() {
    let options = ["bench", "accuracy", "--sizes", "10,1000,1000000", "--trials", "2"];
    let run = |more: &[&str]| {
        let ran = run_in(&contributions(), &[&options[..], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.err.contains("sets of 1,000,000 were skipped"), "{}", ran.err);
        ran.out
    };
    let table = Table::of_csv(&run(&["--format", "csv", "--precisions", "6"]));
    let report = run_in(&contributions(), &["report", "--level", "total", "--format", "csv"]);
    let users = Table::of_csv(&report.out);
    let at = users.column("users");
    let users: Vec<u64> = users.rows.iter().map(|row| row[at].parse().unwrap()).collect();
    let numbers = |column: &str| table.numbers(&["measured", "level", "counter", "users"], column);
    let mean = users.iter().sum::<u64>() as f64 / users.len() as f64;
    let total = ["level", "total", "exact", &mean.round().to_string()].map(str::to_owned);
    assert_eq!(numbers("sets")[&total.to_vec()], users.len() as u64);
    assert_eq!(Some(&numbers("users_largest")[&total.to_vec()]), users.iter().max());

    let words = run(&["--precisions", "14"]);
    for part in ["By size", "By level", "Whole reports", "Advice", "DataSketches Theta 14"] {
        assert!(words.contains(part), "no {part:?} in\n{words}");
    }
}
