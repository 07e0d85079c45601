//! Reports of random projects have the numbers of a Python program, which reads the files itself.
//!
//! `HEADCOUNT_PROJECTS` is the number of projects (default 5), with the seeds from
//! `HEADCOUNT_SEED` (default 1) on.

use std::process::Command;

use crate::python::scripts;

#[test]
fn reports_of_random_projects_are_those_of_a_plain_recount() {
    let number = |name: &str, default: u32| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (first, projects) = (number("HEADCOUNT_SEED", 1), number("HEADCOUNT_PROJECTS", 5));
    // Nothing but the standard library: no environment with packages is needed.
    let mut script = Command::new("python3");
    script.arg(scripts().join("recount.py")).arg(env!("CARGO_BIN_EXE_headcount"));
    let output = script.args([first, projects].map(|number| number.to_string())).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let printed = String::from_utf8_lossy(&output.stdout);
    let rows: usize = printed.split(' ').next().and_then(|rows| rows.parse().ok()).unwrap();
    assert!(rows > 100 * projects as usize, "too little was compared: {printed}");
}
