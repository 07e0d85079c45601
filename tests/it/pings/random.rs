//! The tables of random fleets against a recount in plain Python, which shares nothing with us.
//!
//! `HEADCOUNT_FLEETS` is how many fleets to make (5 unless set), from the seed `HEADCOUNT_SEED` (1
//! unless set) on.

use std::process::Command;

use crate::python::scripts;

#[test]
fn the_tables_of_random_fleets_are_those_of_a_plain_recount() {
    let number = |name: &str, default: u32| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (first, fleets) = (number("HEADCOUNT_SEED", 1), number("HEADCOUNT_FLEETS", 5));
    // Nothing but the standard library: no environment with packages is needed.
    let mut script = Command::new("python3");
    script.arg(scripts().join("pings.py")).arg(env!("CARGO_BIN_EXE_headcount"));
    let output = script.args([first, fleets].map(|number| number.to_string())).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let printed = String::from_utf8_lossy(&output.stdout);
    let rows: usize = printed.split(' ').next().and_then(|rows| rows.parse().ok()).unwrap();
    assert!(rows > 200 * fleets as usize, "too little was compared: {printed}");
}
