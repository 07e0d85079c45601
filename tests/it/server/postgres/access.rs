//! Authentication, TLS and addresses.

use std::process::{Command, Stdio};

use super::psql::psql;
use super::server::{Server, client, fails, refused, run};
use crate::project::Project;
use crate::server::in_process::fixture;

const PASSWORD: &str = "correct horse: battery ä";

/// A project with a file of users beside it, made by the program.
fn with_users() -> (Project, Project) {
    let (project, users) = (Project::good(), Project::empty());
    add(&users, "ada", PASSWORD);
    add(&users, "grace", "other");
    (project, users)
}

fn add(folder: &Project, name: &str, password: &str) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(["serve", "--add-user", name, "--users"])
        .arg(folder.path("users"))
        .current_dir(folder.root())
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, format!("{password}\n").as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_users_file_is_private_and_has_hashes() {
    let (_project, users) = with_users();
    let text = std::fs::read_to_string(users.path("users")).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(!text.contains("horse") && !text.contains("other"), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = users.path("users").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn only_the_right_password_is_accepted() {
    let (project, users) = with_users();
    let file = users.path("users").display().to_string();
    let server = Server::start(project.root(), &["--users", &file]);
    run(async {
        let with = |user: &str, password: &str| {
            let mut config = server.config();
            config.user(user).password(password);
            config
        };
        let ada = client(&with("ada", PASSWORD)).await.unwrap();
        let user = ada.query_one("SELECT current_user", &[]).await.unwrap();
        assert_eq!(user.get::<_, &str>(0), "ada");
        for (user, password) in [("ada", "other"), ("ada", ""), ("eve", PASSWORD), ("", "x")] {
            let refused = client(&with(user, password)).await;
            fails(refused.map(|_| ()), "28P01", &[]);
        }
        let mut unauthenticated = server.config();
        unauthenticated.user("ada");
        assert!(client(&unauthenticated).await.is_err(), "without a password");
    });
    let uri = format!("postgresql://grace:other@{}/headcount", server.postgres);
    assert_eq!(psql(&uri, &["-Atc", "SELECT count(*) FROM visits"]).out, "7\n");
    let wrong =
        psql(&format!("postgresql://grace:x@{}/headcount", server.postgres), &["-c", "\\l"]);
    assert!(wrong.err.contains("password authentication failed"), "{}", wrong.err);
    for line in server.log_lines() {
        assert!(!line.contains("horse") && !line.contains("other"), "{line}");
    }
}

/// The handshake is the same for unknown users: salt, iterations, and the same salt again.
#[test]
fn the_handshake_does_not_reveal_users() {
    let (project, users) = with_users();
    let file = users.path("users").display().to_string();
    let server = Server::start(project.root(), &["--users", &file]);
    let first = |user: &str| {
        let mut raw_connection =
            super::raw_connection::RawConnection::unauthenticated(server.postgres);
        raw_connection.bytes(&super::raw_connection::startup(&[("user", user)]));
        assert_eq!(raw_connection.receive().unwrap().0, 'R');
        let begin = b"n,,n=,r=fyko+d2lbbFgONRv9qkxdawL";
        let length = u32::try_from(begin.len()).unwrap().to_be_bytes();
        raw_connection.send('p', &[b"SCRAM-SHA-256\0", &length[..], begin].concat());
        let (kind, body) = raw_connection.receive().unwrap();
        assert_eq!(kind, 'R', "{body:?}");
        let text = String::from_utf8(body[4..].to_vec()).unwrap();
        let parts: Vec<String> = text.split(',').map(str::to_owned).collect();
        assert_eq!(parts.len(), 3, "{text}");
        (parts[1].clone(), parts[2].clone())
    };
    let (there, not_there) = (first("ada"), first("eve"));
    assert_eq!(there.0.len(), not_there.0.len());
    assert_eq!(there.1, not_there.1);
    assert_eq!(first("eve"), not_there);
    assert_ne!(first("mallory").0, not_there.0);
    assert_eq!(first("ada"), there);
}

#[test]
fn certificates_encrypt_and_invalid_ones_prevent_the_start() {
    let (project, users) = with_users();
    let folder = Project::empty();
    let (certificate, key) = certificate(&folder, "good");
    let (_, other) = self::certificate(&folder, "other");
    let file = users.path("users").display().to_string();
    let tls = ["--tls-cert", &certificate, "--tls-key", &key];
    let server = Server::start(project.root(), &[&tls[..], &["--users", &file]].concat());
    let uri = |mode: &str| {
        let port = server.postgres.port();
        format!(
            "host=localhost hostaddr=127.0.0.1 port={port} dbname=headcount user=grace \
             password=other sslmode={mode} sslrootcert={certificate}"
        )
    };
    let sql = "SELECT count(*) FROM visits";
    for mode in ["prefer", "require", "verify-full"] {
        let ran = psql(&uri(mode), &["-Atc", sql]);
        assert_eq!(ran.out, "7\n", "{mode}: {}", ran.err);
    }
    // The password is bound to the certificate.
    let bound = psql(&format!("{} channel_binding=require", uri("require")), &["-Atc", sql]);
    assert_eq!(bound.out, "7\n", "{}", bound.err);
    let plain = psql(&uri("disable"), &["-Atc", sql]);
    assert!(plain.err.contains("encrypted"), "{}", plain.err);
    drop(server);
    folder.write("nothing.pem", "nothing");
    let nothing = folder.path("nothing.pem").display().to_string();
    for (certificate, key, part) in [
        (&nothing, &key, "certificate"),
        (&certificate, &nothing, "private key"),
        (&certificate, &other, "invalid certificate or key"),
        (&"missing.pem".to_owned(), &key, "no such file"),
    ] {
        let error = refused(project.root(), &["--tls-cert", certificate, "--tls-key", key]);
        assert!(error.contains(part), "no {part:?} in {error}");
    }
}

/// A certificate for localhost with its key, made by openssl.
fn certificate(folder: &Project, name: &str) -> (String, String) {
    let path = |ending: &str| folder.path(&format!("{name}.{ending}")).display().to_string();
    let (certificate, key) = (path("pem"), path("key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-batch"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-out", &certificate, "-keyout", &key])
        .output()
        .expect("these tests need the program openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

#[test]
fn network_addresses_require_users() {
    let project = Project::good();
    let error = refused(project.root(), &["--postgres", "0.0.0.0:0"]);
    for part in ["0.0.0.0", "--users"] {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
}

#[test]
fn a_port_in_use_is_an_error_with_help() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    let address = server.postgres.to_string();
    let error = refused(project.root(), &["--postgres", &address]);
    for part in [address.as_str(), "already in use", "--postgres"] {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
    assert_eq!(error.trim().lines().count(), 1, "{error}");
    server.assert_healthy();
}

#[test]
fn idle_unauthenticated_connections_are_closed() {
    let project = Project::good();
    let server = Server::start(project.root(), &["--connections", "2"]);
    let mut strangers: Vec<_> = (0..2)
        .map(|_| super::raw_connection::RawConnection::unauthenticated(server.postgres))
        .collect();
    // They hold slots until the timeout.
    for stranger in &mut strangers {
        assert!(stranger.receive().is_none());
    }
    server.assert_healthy();
}

#[test]
fn unencrypted_connections_are_refused_with_a_certificate() {
    let project = Project::good();
    let path = |name: &str| fixture(name).display().to_string();
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    let server = Server::start(project.root(), &["--tls-cert", &certificate, "--tls-key", &key]);
    let clear = run(async { client(&server.config()).await.map(|_| ()) });
    fails(clear, "28000", &["sslmode=require"]);
}
