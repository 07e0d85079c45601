//! HTTP over raw sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use headcount::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::in_process::{InProcessServer, ServerSetup, fixture};
use crate::project::contributions;
use crate::rows::far_apart;

/// A parsed response.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    #[track_caller]
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    #[track_caller]
    fn is(&self, status: u16, parts: &[&str]) {
        assert_eq!(self.status, status, "{self:?}");
        for part in parts {
            assert!(self.body.contains(part), "no {part:?} in {self:?}");
        }
    }
}

/// Sends bytes and reads the response to its end.
fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server may close the connection before everything is sent.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn ask_with(address: SocketAddr, method: &str, path: &str, more: &str) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n{more}\r\n");
    Answer::of(&send(address, head.as_bytes()))
}

pub(super) fn get(address: SocketAddr, path: &str) -> Answer {
    ask_with(address, "GET", path, "")
}

#[test]
fn health_and_metrics_are_served() {
    let (_project, in_process) = InProcessServer::good();
    let alive = get(in_process.http, "/healthz");
    alive.is(200, &["ok\n"]);
    for line in [
        "x-content-type-options: nosniff",
        "content-security-policy: default-src 'none'; frame-ancestors 'none'",
        "cache-control: private, no-cache",
    ] {
        assert!(alive.head.contains(line), "no {line} in {}", alive.head);
    }
    assert!(!alive.head.contains("access-control"), "{}", alive.head);
    let head = ask_with(in_process.http, "HEAD", "/healthz", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    get(in_process.http, "/api/report").is(200, &["\"users\":2"]);
    get(in_process.http, "/api/report?by=colour").is(400, &[]);
    let metrics = get(in_process.http, "/metrics");
    metrics.is(
        200,
        &[
            "headcount_statements_total{protocol=\"http\",outcome=\"done\"} 1\n",
            "headcount_statements_total{protocol=\"http\",outcome=\"failed\"} 1\n",
            "headcount_statement_seconds_count{protocol=\"http\"} 2\n",
            "headcount_rows_total{protocol=\"http\"} 9\n",
            "headcount_running_statements 0\n",
            "headcount_connections{protocol=\"http\"} ",
            "headcount_memory_bytes ",
            "headcount_store_version -1\n",
            "# EOF\n",
        ],
    );
    assert!(metrics.head.contains("application/openmetrics-text"), "{}", metrics.head);
}

/// The same question gives the same bytes.
#[test]
fn a_report_is_that_of_the_command() {
    let root = contributions();
    let in_process = InProcessServer::new(&root, ServerSetup::default());
    for (query, arguments) in [
        ("", &[][..]),
        (
            "?window=trailing_28d&level=total&from=2020-01",
            &["--window", "trailing_28d", "--level", "total", "--from", "2020-01"],
        ),
        (
            "?level=total,combined&level=stage,group,action",
            &["--level", "total,combined,stage,group,action"],
        ),
        (
            "?by=repository%2Ccomponent&from=2020&to=2020-Q2",
            &["--by", "repository,component", "--from", "2020", "--to", "2020-Q2"],
        ),
        (
            "?method=indicator&level=stage&tree=period",
            &["--method", "indicator", "--level", "stage", "--tree", "period"],
        ),
        (
            "?window=quarter&level=total&as_of=2010-06-30",
            &["--window", "quarter", "--level", "total", "--as-of", "2010-06-30"],
        ),
        (
            "?by=repository,component&top=2&from=2020&to=2020-Q2",
            &["--by", "repository,component", "--top", "2", "--from", "2020", "--to", "2020-Q2"],
        ),
        ("?approx=true&level=total", &["--approx", "--level", "total"]),
        ("?approx=5&level=total", &["--approx", "5", "--level", "total"]),
        ("?from=1990&to=1990", &["--from", "1990", "--to", "1990"]),
    ] {
        let answer = get(in_process.http, &format!("/api/report{query}"));
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
        let all = [&["report", "--format", "json"][..], arguments].concat();
        let ran = crate::project::run_in(&root, &all);
        assert_eq!(answer.body, ran.out, "{query}: {}", ran.err);
    }
    let tag = |answer: &Answer| {
        let line = answer.head.lines().find(|line| line.starts_with("etag: "));
        line.unwrap().trim_start_matches("etag: ").to_owned()
    };
    let first = get(in_process.http, "/api/report?level=total");
    let known = format!("if-none-match: \"other\", {}\r\n", tag(&first));
    let again = ask_with(in_process.http, "GET", "/api/report?level=total", &known);
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    ask_with(in_process.http, "GET", "/api/report?level=stage", &known).is(200, &["stage"]);
    let head = ask_with(in_process.http, "HEAD", "/api/report?level=total", "");
    assert_eq!((head.status, head.body.as_str(), tag(&head)), (200, "", tag(&first)));
}

#[test]
fn invalid_questions_are_json_errors() {
    let (_project, in_process) = InProcessServer::good();
    for (path, status, parts) in [
        (
            "/api/report?window=monthly",
            400,
            &["{\"error\":\"unknown window `monthly`", "parameter: window"][..],
        ),
        (
            "/api/report?window=day&window=week",
            400,
            &["one value, not a list", "parameter: window"],
        ),
        ("/api/report?level=stages", 400, &["unknown level `stages`"]),
        (
            "/api/report?colour=red",
            400,
            &["unknown parameter `colour`", "\"help\":\"the parameters are: window"],
        ),
        ("/api/report?by=colour", 400, &["no source has a dimension `colour`", "\"help\":"]),
        ("/api/report?approx=3", 400, &["invalid precision `3`"]),
        ("/api/report?from=soon", 400, &["soon", "parameter: from"]),
        ("/api/report?from=2026&to=2025", 400, &["ends (2025-12-31) before it starts"]),
        ("/api/report?by=plan&top=0", 400, &["invalid number of values `0`"]),
        ("/api/report?top=3", 400, &["at least one dimension in `by`"]),
        ("/api/report?tree=oak", 400, &["`today` or `period`"]),
        ("/api/report?", 200, &["users"]),
        ("/", 404, &["not found", "/api/report"]),
        ("/api", 404, &["not found"]),
        ("/api/../../etc/passwd", 404, &["not found"]),
        ("/%2e%2e/%2e%2e/etc/passwd", 404, &["not found"]),
    ] {
        let answer = get(in_process.http, path);
        answer.is(status, parts);
        let kind = answer.head.contains("content-type: application/json");
        assert!(kind && answer.body.ends_with('\n'), "{answer:?}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let more = "content-length: 2\r\n";
        for path in ["/api/report", "/healthz", "/metrics"] {
            let answer = ask_with(in_process.http, method, path, more);
            answer.is(405, &["only reads", "GET or HEAD"]);
            assert!(answer.head.contains("allow: get,head"), "{answer:?}");
        }
    }
}

#[test]
fn login_is_required() {
    let (_project, in_process) =
        InProcessServer::good_with(ServerSetup { require_login: true, ..ServerSetup::default() });
    get(in_process.http, "/healthz").is(200, &["ok"]);
    let right = "authorization: Basic YWRhOmNvcnJlY3QgaG9yc2U6IGJhdHRlcnk=\r\n";
    for path in ["/metrics", "/api/report"] {
        let none = get(in_process.http, path);
        none.is(401, &["name or password"]);
        assert!(none.head.contains("www-authenticate: basic realm=\"headcount\""), "{}", none.head);
        for wrong in ["Basic YWRhOndyb25n", "Basic", "Bearer YWRh", "Basic ????", "Basic YWRh"] {
            let more = format!("authorization: {wrong}\r\n");
            ask_with(in_process.http, "GET", path, &more).is(401, &[]);
        }
        ask_with(in_process.http, "GET", path, right).is(200, &[]);
    }
    // Without a login nothing is revealed.
    ask_with(in_process.http, "GET", "/api/report?colour=red", "").is(401, &[]);
}

/// The response is an error or a closed connection, and other clients are unaffected.
#[test]
fn malformed_requests_are_harmless() {
    let (_project, in_process) = InProcessServer::good();
    let long = "a".repeat(70_000);
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let refused: [Vec<u8>; 20] = [
        b"\0\0\0\0\0\0\0\0\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET /healthz\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/9.9\r\n\r\n".to_vec(),
        b"GET  /healthz HTTP/1.1\r\n\r\n".to_vec(),
        b"G\x00T /healthz HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"GET /\x7f\x00\x01 HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.1\r\n: empty\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.1\r\nna me: x\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.1\r\nx: \x00\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.1\r\ncontent-length: -1\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_vec(),
        b"POST /healthz HTTP/1.1\r\ntransfer-encoding: nonsense\r\n\r\n".to_vec(),
        format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n").into_bytes(),
        format!("GET /healthz HTTP/1.1\r\nx: {long}\r\n\r\n").into_bytes(),
        format!("GET /healthz HTTP/1.1\r\n{many}\r\n").into_bytes(),
        long.into_bytes(),
    ];
    for bytes in refused {
        let answer = send(in_process.http, &bytes);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        if !answer.is_empty() {
            let status = Answer::of(&answer).status;
            assert!((400..600).contains(&status), "{shown:?}: {status}");
        }
        get(in_process.http, "/healthz").is(200, &["ok"]);
    }
    // Half a request, then disconnected.
    for part in ["", "GET", "GET /api/report HTTP/1.1\r\nhost: "] {
        let mut stream = TcpStream::connect(in_process.http).unwrap();
        stream.write_all(part.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    }
    get(in_process.http, "/api/report").is(200, &["users"]);
    in_process.wait_for("headcount_connections{protocol=\"http\"} 0");
}

#[test]
fn silent_and_slow_clients_are_disconnected() {
    let (_project, in_process) = InProcessServer::good();
    let mut silent = TcpStream::connect(in_process.http).unwrap();
    let mut slow = TcpStream::connect(in_process.http).unwrap();
    let mut idle = TcpStream::connect(in_process.http).unwrap();
    slow.write_all(b"GET /healthz HT").unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    for stream in [&mut silent, &mut slow, &mut idle] {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response);
    }
    in_process.wait_for("headcount_connections{protocol=\"http\"} 0");
}

#[test]
fn limits_hold() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let (_project, in_process) =
        InProcessServer::good_with(ServerSetup { limits, ..ServerSetup::default() });
    let open: Vec<TcpStream> =
        (0..2).map(|_| TcpStream::connect(in_process.http).unwrap()).collect();
    in_process.wait_for("headcount_connections{protocol=\"http\"} 2");
    get(in_process.http, "/healthz").is(503, &["all connections are in use"]);
    drop(open);
    in_process.wait_for("headcount_connections{protocol=\"http\"} 0");
    get(in_process.http, "/healthz").is(200, &["ok"]);
    for (limits, parts) in [
        (
            Limits { time: Duration::from_nanos(1), ..Limits::default() },
            &["longer than the limit of", "\"help\":\"query less data"][..],
        ),
        (Limits { rows: 5, ..Limits::default() }, &["more than the limit of 5 rows"]),
    ] {
        let (_project, in_process) =
            InProcessServer::good_with(ServerSetup { limits, ..ServerSetup::default() });
        get(in_process.http, "/api/report").is(503, parts);
        get(in_process.http, "/healthz").is(200, &["ok"]);
    }
}

/// Rows and their JSON count towards a statement's memory.
#[test]
fn a_report_that_is_too_large_is_refused() {
    let limits = Limits { memory: 32 << 20, ..Limits::default() };
    let project = far_apart();
    let in_process =
        InProcessServer::new(project.root(), ServerSetup { limits, ..ServerSetup::default() });
    let path = "/api/report?window=day&level=action,stage,total&by=plan";
    get(in_process.http, path).is(503, &["needs more memory", "`top`", "help"]);
    get(in_process.http, "/api/report?window=day&level=action,stage,total&by=plan&to=1971")
        .is(200, &["1971-12-31"]);
    in_process.wait_for("headcount_memory_bytes 0");
}

#[test]
fn it_stops_on_request() {
    let (_project, mut in_process) = InProcessServer::good();
    let mut idle = TcpStream::connect(in_process.http).unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut response = [0; 12];
    idle.read_exact(&mut response).unwrap();
    assert_eq!(&response, b"HTTP/1.1 200");
    in_process.server.stop();
    in_process.ended();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
    assert!(TcpStream::connect(in_process.http).is_err());
}

#[test]
fn tls_is_supported() {
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider};
    let (_project, in_process) =
        InProcessServer::good_with(ServerSetup { tls: true, ..ServerSetup::default() });
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("certificate.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let answer = in_process.runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(in_process.http).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    });
    Answer::of(&answer).is(200, &["ok"]);
    // A plain HTTP request to the TLS port gets no response.
    let plain = send(in_process.http, b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(!plain.starts_with(b"HTTP"), "{plain:?}");
}
