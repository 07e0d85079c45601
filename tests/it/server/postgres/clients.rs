//! Drivers and tools in Python, Node.js and Java.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::server::Server;
use crate::project::Project;
use crate::python;

/// The driver of Debian's package `libpostgresql-jdbc-java`.
const JDBC: &str = "/usr/share/java/postgresql.jar";

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
}

/// A project whose events are in a store, too, so that all tables exist.
fn project() -> Project {
    let project = Project::good();
    project.run(&["ingest"]);
    project
}

/// Runs a test of `postgres_clients.py` against a server.
fn check(test: &str, more: &[&str]) {
    let project = project();
    let server = Server::start(project.root(), &[]);
    let address = server.postgres.to_string();
    python::run("postgres_clients.py", &[&[test, &address][..], more].concat());
    server.assert_healthy();
}

#[test]
fn asyncpg_reads_binds_and_copies() {
    check("asyncpg", &[]);
}

#[test]
fn psycopg2_reads_and_copies() {
    check("psycopg2", &[]);
}

#[test]
fn psycopg_copies_in_every_format() {
    check("psycopg_copy", &[]);
}

#[test]
fn pandas_polars_and_connectorx_read_frames() {
    check("frames", &[]);
}

#[test]
fn sqlalchemy_reflects_types_and_views_with_every_driver() {
    check("reflection", &[]);
}

#[test]
fn adbc_reads_types_and_copies() {
    check("adbc", &[]);
}

#[test]
fn superset_finds_tables_and_columns() {
    let project = project();
    let server = Server::start(project.root(), &[]);
    python::run_superset("postgres_clients.py", &["superset", &server.postgres.to_string()]);
    server.assert_healthy();
}

#[test]
fn duckdb_attaches_the_database() {
    check("duckdb", &[]);
}

#[test]
fn dbt_tests_sources_and_writes_documentation() {
    let (project, folder) = (project(), Project::empty());
    let server = Server::start(project.root(), &[]);
    let address = server.postgres.to_string();
    let folder = folder.root().display().to_string();
    python::run_dbt("postgres_clients.py", &["dbt", &address, &folder]);
    server.assert_healthy();
}

/// Node's packages, as pinned in `package-lock.json`, installed once in the build folder.
fn node_modules() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let install = || {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node");
        let (stamp, pins) = (home.join("installed"), tests().join("node/package-lock.json"));
        let pinned = fs::read_to_string(&pins).unwrap();
        fs::create_dir_all(&home).unwrap();
        let lock = fs::File::create(home.join("lock")).unwrap();
        // Other processes that run tests wait here.
        lock.lock().unwrap();
        for file in ["package.json", "package-lock.json", "clients.js"] {
            fs::copy(tests().join("node").join(file), home.join(file)).unwrap();
        }
        if fs::read_to_string(&stamp).ok().as_deref() != Some(&pinned) {
            run(Command::new("npm").args(["ci", "--silent", "--no-audit"]).current_dir(&home));
            fs::write(&stamp, &pinned).unwrap();
        }
        home
    };
    FOLDER.get_or_init(install).clone()
}

/// Runs a command, which must succeed.
#[track_caller]
fn run(command: &mut Command) {
    let name = command.get_program().display().to_string();
    let output = command.output().unwrap_or_else(|cause| {
        panic!("{name}: {cause}; these tests need nodejs, npm, a JDK and libpostgresql-jdbc-java")
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{name}:\n{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn node_drivers_read_and_bind() {
    let project = project();
    let server = Server::start(project.root(), &[]);
    let script = node_modules().join("clients.js");
    for driver in ["pg", "postgres"] {
        run(Command::new("node").arg(&script).args([driver, &server.postgres.to_string()]));
    }
    server.assert_healthy();
}

#[test]
fn jdbc_reads_metadata_and_rows() {
    assert!(Path::new(JDBC).exists(), "no {JDBC}: install libpostgresql-jdbc-java");
    let project = project();
    let server = Server::start(project.root(), &[]);
    // Compiled and run by the one command.
    let mut java = Command::new("java");
    java.args(["-XX:TieredStopAtLevel=1", "-cp", JDBC]).arg(tests().join("java/Clients.java"));
    run(java.arg(server.postgres.to_string()));
    server.assert_healthy();
}

#[test]
fn the_documentation_names_the_tested_versions() {
    let read = |path: &str| fs::read_to_string(tests().join(path)).unwrap();
    let (page, packages) = (read("../docs/servers.md"), read("node/package.json"));
    let python = read("python/requirements.txt") + &read("python/requirements-dbt.txt");
    let rows = page.split("### Clients").nth(1).unwrap().split("\n\n").nth(2).unwrap();
    for row in rows.lines().skip(2) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (name, version) = (cells[1], cells[2]);
        let pinned = match name.split_once(' ') {
            // Whatever the system has.
            None if name == "psql" => continue,
            Some(("JDBC", _)) => {
                fs::canonicalize(format!("/usr/share/java/postgresql-{version}.jar")).is_ok()
            }
            Some((package, _)) => packages.contains(&format!("\"{package}\": \"{version}\"")),
            None => python
                .lines()
                .any(|line| line.replace("[binary]", "") == format!("{name}=={version}")),
        };
        assert!(pinned, "{name} {version} is not the version that the tests use");
    }
}
