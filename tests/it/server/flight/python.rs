//! Flight SQL by the drivers that analysts use: ADBC and pyarrow.

use crate::project::{Project, contributions, run_in};
use crate::python;
use crate::server::inside::{Inside, Set, USER, fixture};

fn ask(inside: &Inside, test: &str, more: &[&str]) -> String {
    let address = inside.flight.to_string();
    python::run("flight.py", &[&[test, &address][..], more].concat())
}

#[test]
fn adbc_reads_what_the_report_says() {
    let root = contributions();
    let inside = Inside::new(&root, Set::default());
    let report = run_in(&root, &["report", "--format", "csv", "--level", "total,stage"]);
    let folder = Project::empty();
    folder.write("report.csv", &report.out);
    ask(&inside, "report", &[&folder.path("report.csv").display().to_string()]);
}

#[test]
fn adbc_binds_lists_and_is_refused() {
    let (_project, inside) = Inside::good();
    ask(&inside, "adbc", &[]);
}

#[test]
fn adbc_shows_its_password_over_tls() {
    let (_project, inside) = Inside::good_with(Set { asks: true, tls: true, ..Set::default() });
    let certificate = fixture("certificate.pem").display().to_string();
    ask(&inside, "access", &[USER.0, USER.1, &certificate]);
}

#[test]
fn pyarrow_reads_tickets() {
    let (_project, inside) = Inside::good_with(Set { asks: true, ..Set::default() });
    ask(&inside, "pyarrow", &[USER.0, USER.1]);
}
