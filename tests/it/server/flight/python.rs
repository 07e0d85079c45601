//! Flight SQL with ADBC and pyarrow.

use crate::project::{Project, contributions, run_in};
use crate::python;
use crate::server::in_process::{InProcessServer, ServerSetup, USER, fixture};

fn ask(in_process: &InProcessServer, test: &str, more: &[&str]) -> String {
    let address = in_process.flight.to_string();
    python::run("flight.py", &[&[test, &address][..], more].concat())
}

#[test]
fn adbc_reads_the_rows_of_the_report() {
    let root = contributions();
    let in_process = InProcessServer::new(&root, ServerSetup::default());
    let report = run_in(&root, &["report", "--format", "csv", "--level", "total,stage"]);
    let folder = Project::empty();
    folder.write("report.csv", &report.out);
    ask(&in_process, "report", &[&folder.path("report.csv").display().to_string()]);
}

#[test]
fn adbc_binds_lists_and_gets_errors() {
    let (_project, in_process) = InProcessServer::good();
    ask(&in_process, "adbc", &[]);
}

#[test]
fn adbc_authenticates_over_tls() {
    let (_project, in_process) = InProcessServer::good_with(ServerSetup {
        require_login: true,
        tls: true,
        ..ServerSetup::default()
    });
    let certificate = fixture("certificate.pem").display().to_string();
    ask(&in_process, "access", &[USER.0, USER.1, &certificate]);
}

#[test]
fn pyarrow_reads_tickets() {
    let (_project, in_process) =
        InProcessServer::good_with(ServerSetup { require_login: true, ..ServerSetup::default() });
    ask(&in_process, "pyarrow", &[USER.0, USER.1]);
}
