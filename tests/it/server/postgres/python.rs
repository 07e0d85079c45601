//! Python's drivers: psycopg, SQLAlchemy.

use super::server::Server;
use crate::project::{Project, contributions, run_in};
use crate::python;

fn ask(server: &Server, test: &str, more: &[&str]) {
    let address = server.postgres.to_string();
    python::run("postgres.py", &[&[test, &address][..], more].concat());
}

#[test]
fn psycopg_reads_the_rows_of_the_report() {
    let root = contributions();
    let server = Server::start(&root, &[]);
    let report = run_in(&root, &["report", "--format", "csv", "--level", "total,stage"]);
    let folder = Project::empty();
    folder.write("report.csv", &report.out);
    ask(&server, "report", &[&folder.path("report.csv").display().to_string()]);
    server.assert_healthy();
}

#[test]
fn psycopg_binds_and_gets_errors() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    ask(&server, "psycopg", &[]);
    server.assert_healthy();
}

#[test]
fn sqlalchemy_finds_tables_and_queries() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    ask(&server, "sqlalchemy", &[]);
    server.assert_healthy();
}
