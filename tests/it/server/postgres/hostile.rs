//! Hostile statements and messages: they are refused or answered, and the server survives.

use std::io::Read;

use tokio_postgres::Client;

use super::raw_connection::{self, RawConnection, bind, execute, message, parse, startup, sync};
use super::server::{Server, run};
use super::texts::rows;
use crate::project::Project;
use crate::server::hostile::{Hostile, many, statements};

fn small(project: &Project) -> Server {
    let more = ["--time-limit", "8s", "--statement-memory", "64MiB", "--memory-limit", "512MiB"];
    Server::start(project.root(), &more)
}

#[test]
fn hostile_statements_are_answered() {
    let project = Project::good();
    let server = small(&project);
    let refused = [
        format!("SELECT pg_class.relname FROM pg_class WHERE {}true", many("oid = 1 OR ", 5_000)),
        "DECLARE c CURSOR FOR DROP TABLE visits".to_owned(),
        "DO $$ BEGIN NULL; END $$".to_owned(),
        "SELECT pg_sleep(1000), pg_read_file('/etc/passwd'), lo_import('/etc/passwd')".to_owned(),
        "CREATE FUNCTION f() RETURNS INT RETURN 1".to_owned(),
        "SELECT string_agg(a.value::VARCHAR, ',') FROM generate_series(1, 1000000000) a(value)"
            .to_owned(),
        "SELECT median(a.value) FROM generate_series(1, 1000000000) a(value)".to_owned(),
        "EXPLAIN ANALYZE SELECT count(*) FROM generate_series(1, 100000000000) t(value)".to_owned(),
    ];
    let others = [
        format!("SELECT pg_class.relname FROM pg_class WHERE {}true", many("oid = 1 OR ", 740)),
        format!("SELECT pg_class.relname FROM pg_class WHERE {}true", many("true OR ", 1_400)),
        // No part of a statement is used twice.
        format!("SELECT {}2{}", many("sqrt(", 40), many(")", 40)),
        format!("SELECT {}1", many("1 ^ ", 60)),
        format!("SELECT {}'UTC'{}", many("date_trunc('day', now(), ", 40), many(")", 40)),
        many("SELECT 1;", 5_000),
        many("BEGIN;", 5_000),
        many("BEGIN;", 170_000),
        "PREPARE p AS SELECT 1; EXECUTE p".to_owned(),
        "SET datafusion.execution.target_partitions = 100000".to_owned(),
    ];
    let own = refused.map(|sql| Hostile { sql, refused: true }).into_iter();
    let own = own.chain(others.map(|sql| Hostile { sql, refused: false }));
    run(async {
        let mut client = server.client().await;
        for hostile in statements().chain(own) {
            let (sql, shown) = (&hostile.sql, hostile.shown());
            for prepared in [false, true] {
                let error = match prepared {
                    true => client.query(sql, &[]).await.err(),
                    false => client.simple_query(sql).await.err(),
                };
                assert!(error.is_some() || !hostile.refused, "{shown} was answered");
                if let Some(error) = error {
                    println!("{shown}: {error:?}");
                    assert!(!format!("{error:?}").contains("root:"), "{shown}: {error:?}");
                }
                let _ = client.simple_query("ROLLBACK").await;
                assert!(alive(&client).await, "after {shown}");
                client = server.client().await;
            }
        }
    });
    server.assert_healthy();
    if let Some(peak) = server.peak() {
        println!("{peak} bytes at most");
        assert!(peak < 640 << 20, "{peak} bytes, more than 1.25 of the limit");
    }
}

async fn alive(client: &Client) -> bool {
    rows(client, "SELECT 7").await == ["7"]
}

#[test]
fn malformed_messages_are_harmless() {
    let project = Project::good();
    let server = small(&project);
    let openings: [Vec<u8>; 12] = [
        Vec::new(),
        b"GET / HTTP/1.1\r\nhost: here\r\n\r\n".to_vec(),
        vec![0; 64],
        vec![0xff; 64],
        b"\0\0\0\x04".to_vec(),
        b"\0\0\0\x03\0\0\0\0".to_vec(),
        b"\0\0\0\x08\0\x03\0\0".to_vec(),
        b"\0\0\0\x09\0\x02\0\0\0".to_vec(),
        [&b"\x7f\xff\xff\xff\0\x03\0\0"[..], &vec![b'x'; 1 << 20]].concat(),
        startup(&[("user", "ada"), ("nonsense", "1")]),
        startup(&[("database", "x")]),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
    ];
    for opening in openings {
        let mut raw_connection = RawConnection::unauthenticated(server.postgres);
        raw_connection.bytes(&opening);
        let _ = raw_connection.0.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = raw_connection.0.read_to_end(&mut answer);
        assert!(answer.len() < 10_000, "{opening:?}");
    }
    let steps: [Vec<u8>; 24] = [
        message('Q', b"SELECT 1"),
        message('Q', b"\xff\xfe\0"),
        message('Q', b"SELECT 1\0SELECT 2\0"),
        b"Q\0\0\0\0".to_vec(),
        b"Q\0\0\0\x03".to_vec(),
        b"Q\x7f\xff\xff\xffSELECT".to_vec(),
        b"Q\xff\xff\xff\xffSELECT".to_vec(),
        message('?', b"what"),
        message('\0', b""),
        message('F', b"\0\0\0\x01\0\0\0\0\0\0"),
        message('P', b"a\0SELECT 1\0\xff\xff"),
        message('P', b""),
        message('B', b"\0\0\xff\xff"),
        message('B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff"),
        message('B', b"\0\0\0\0\0\x01\xff\xff\xff\x00\0\0"),
        message('B', b"\0nobody\0\0\0\0\0\0\0"),
        message('D', b"X\0"),
        message('D', b""),
        message('E', b"\0\0"),
        message('E', b"nobody\0\0\0\0\0"),
        message('C', b"Q\0"),
        message('p', b"secret\0"),
        message('d', b"data"),
        startup(&[("user", "ada")]),
    ];
    for step in steps {
        let mut raw_connection = RawConnection::open(server.postgres);
        raw_connection.bytes(&step);
        raw_connection.bytes(&sync());
        let _ = raw_connection.0.shutdown(std::net::Shutdown::Write);
        let received = raw_connection.until_ready();
        assert!(received.len() < 10, "{step:?}: {received:?}");
    }
    server.assert_healthy();
}

#[test]
fn formats_and_row_counts_are_validated() {
    let project = Project::good();
    let server = small(&project);
    let mut raw_connection = RawConnection::open(server.postgres);
    let three = "SELECT 1, 2, 3 FROM generate_series(1, 3)";
    let with_formats = |formats: &[u16]| {
        let codes: Vec<u8> = formats.iter().flat_map(|code| code.to_be_bytes()).collect();
        let count = u16::try_from(formats.len()).unwrap().to_be_bytes();
        message('B', &[b"\0\0\0\0\0\0", &count[..], &codes].concat())
    };
    for (formats, expected) in [
        (&[][..], "12DDDCZ"),
        (&[1], "12DDDCZ"),
        (&[0, 1, 0], "12DDDCZ"),
        (&[0, 1], "12EZ"),
        (&[1, 1, 1, 1], "12EZ"),
    ] {
        raw_connection
            .bytes(&[parse(three), with_formats(formats), execute("", 0), sync()].concat());
        assert_eq!(raw_connection::kinds(&raw_connection.until_ready()), expected, "{formats:?}");
    }
    // Any number of rows, and more than there are.
    for (most, expected) in [
        (1, "12DsZ"),
        (3, "12DDDsZ"),
        (4, "12DDDCZ"),
        (i32::MAX, "12DDDCZ"),
        (-1, "12DDDCZ"),
        (i32::MIN, "12DDDCZ"),
    ] {
        raw_connection.bytes(&[parse(three), bind(""), execute("", most), sync()].concat());
        assert_eq!(raw_connection::kinds(&raw_connection.until_ready()), expected, "{most}");
    }
    // In parts, in a transaction; a portal does not outlive it.
    assert_eq!(raw_connection.ask("BEGIN"), "CZ");
    raw_connection.bytes(&[parse(three), bind("p"), execute("p", 2), sync()].concat());
    assert_eq!(raw_connection::kinds(&raw_connection.until_ready()), "12DDsZ");
    raw_connection.bytes(&[execute("p", 2), sync()].concat());
    assert_eq!(raw_connection::kinds(&raw_connection.until_ready()), "DCZ");
    assert_eq!(raw_connection.ask("COMMIT"), "CZ");
    raw_connection.bytes(&[execute("p", 2), sync()].concat());
    assert_eq!(raw_connection::kinds(&raw_connection.until_ready()), "EZ");
    // After an error, messages are skipped until the next Sync.
    raw_connection.bytes(
        &[parse("SELECT nothing"), bind(""), execute("", 0), parse("SELECT 1"), sync()].concat(),
    );
    assert_eq!(raw_connection::kinds(&raw_connection.until_ready()), "EZ");
    // A statement's text may be empty.
    raw_connection.bytes(&[parse(" -- nothing"), bind(""), execute("", 0), sync()].concat());
    assert_eq!(raw_connection::kinds(&raw_connection.until_ready()), "12IZ");
    server.assert_healthy();
}

#[test]
fn open_statements_and_portals_are_limited() {
    let project = Project::good();
    let server = small(&project);
    run(async {
        let client = server.client().await;
        let mut kept = Vec::new();
        let mut refused = None;
        for n in 0..20_000 {
            match client.prepare(&format!("SELECT {n}")).await {
                Ok(statement) => kept.push(statement),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        assert!(refused.is_some(), "{} statements", kept.len());
        assert!(alive(&client).await);
    });
    server.assert_healthy();
}
