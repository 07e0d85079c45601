//! The tables and reports of random fleets against a recount in plain Python, which shares nothing with us.
//!
//! `HEADCOUNT_FLEETS` is how many fleets to make (5 unless set), from the seed `HEADCOUNT_SEED` (1
//! unless set) on.

use std::process::Command;

use crate::python::scripts;

#[test]
fn the_tables_of_random_fleets_are_those_of_a_plain_recount() {
    recount("pings.py", 200);
}

#[test]
fn reports_over_random_fleets_are_those_of_a_plain_recount() {
    recount("ping_report.py", 300);
}

/// Runs a script over the fleets; of each it compares more than `rows` rows.
fn recount(script: &str, rows: usize) {
    let number = |name: &str, default: u32| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (first, fleets) = (number("HEADCOUNT_SEED", 1), number("HEADCOUNT_FLEETS", 5));
    // Nothing but the standard library: no environment with packages is needed.
    let mut command = Command::new("python3");
    command.arg(scripts().join(script)).arg(env!("CARGO_BIN_EXE_headcount"));
    let output = command.args([first, fleets].map(|number| number.to_string())).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let printed = String::from_utf8_lossy(&output.stdout);
    let compared: usize = printed.split(' ').next().and_then(|rows| rows.parse().ok()).unwrap();
    assert!(compared > rows * fleets as usize, "too little was compared: {printed}");
}
