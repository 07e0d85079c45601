//! Authentication and access.

use arrow::array::AsArray;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{Action, FlightData, FlightDescriptor, Ticket};
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use super::{Client, ask, client, csv, fails};
use crate::server::in_process::{InProcessServer, ServerSetup, USER, fixture};

#[test]
fn login_is_required() {
    let (_project, in_process) =
        InProcessServer::good_with(ServerSetup { require_login: true, ..ServerSetup::default() });
    let with = |header: Option<&str>| {
        let mut client = client(&in_process);
        if let Some(header) = header {
            client.set_header("authorization", header);
        }
        in_process.runtime.block_on(ask(&mut client, "SELECT 1 AS n")).map(|rows| csv(&rows))
    };
    fails(with(None), "valid authentication", &["requires a name and a password"]);
    for wrong in ["Basic YWRhOndyb25n", "Bearer 00", "Basic", "nonsense", "Bearer "] {
        fails(with(Some(wrong)), "valid authentication", &["wrong name, password or token"]);
    }
    let right = with(Some("Basic YWRhOmNvcnJlY3QgaG9yc2U6IGJhdHRlcnk="));
    assert_eq!(right.unwrap(), "n\n1\n");
    let mut client = client(&in_process);
    let shaken = in_process.runtime.block_on(client.handshake(USER.0, "wrong"));
    fails(shaken, "valid authentication", &["password"]);
    let token = in_process.runtime.block_on(client.handshake(USER.0, USER.1)).unwrap();
    assert_eq!(client.token().unwrap().as_bytes(), &token[..]);
    let rows = in_process.runtime.block_on(ask(&mut client, "SELECT 1 AS n")).unwrap();
    assert_eq!(csv(&rows), "n\n1\n");
    // Without a login no call is answered, not even the list of actions.
    let channel = Channel::from_shared(format!("http://{}", in_process.flight)).unwrap();
    in_process.runtime.block_on(async {
        let channel = channel.connect().await.unwrap();
        let mut raw = FlightServiceClient::new(channel);
        let codes = [
            raw.list_actions(arrow_flight::Empty {}).await.map(|_| ()),
            raw.list_flights(arrow_flight::Criteria::default()).await.map(|_| ()),
            raw.get_schema(FlightDescriptor::default()).await.map(|_| ()),
            raw.do_get(Ticket::default()).await.map(|_| ()),
            raw.do_action(Action::default()).await.map(|_| ()),
            raw.do_put(futures::stream::iter([FlightData::default()])).await.map(|_| ()),
            raw.do_exchange(futures::stream::iter([FlightData::default()])).await.map(|_| ()),
        ];
        for code in codes.map(|called| called.unwrap_err().code()) {
            assert_eq!(code, Code::Unauthenticated);
        }
    });
}

#[test]
fn it_only_reads() {
    let (project, in_process) = InProcessServer::good();
    let out = project.path("out.csv").display().to_string();
    let file = project.path("events.csv").display().to_string();
    let mut client = client(&in_process);
    for sql in [
        "CREATE TABLE t AS SELECT 1".to_owned(),
        "CREATE VIEW v AS SELECT 1".to_owned(),
        "CREATE SCHEMA s".to_owned(),
        "DROP TABLE visits".to_owned(),
        "DROP VIEW mau".to_owned(),
        "INSERT INTO visits VALUES (1)".to_owned(),
        "DELETE FROM visits".to_owned(),
        "UPDATE visits SET plan = 'x'".to_owned(),
        "TRUNCATE TABLE visits".to_owned(),
        format!("COPY visits TO '{out}'"),
        format!("EXPLAIN ANALYZE COPY visits TO '{out}'"),
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{file}'"),
        format!("SELECT * FROM '{file}'"),
        "SELECT * FROM '/etc/passwd'".to_owned(),
        "SELECT * FROM read_csv('/etc/passwd')".to_owned(),
        "SELECT * FROM parquet_metadata('/etc/passwd')".to_owned(),
        "SET datafusion.runtime.memory_limit = '100G'".to_owned(),
        "SET datafusion.execution.target_partitions = 9999".to_owned(),
        "BEGIN".to_owned(),
        "PREPARE p AS SELECT 1".to_owned(),
        "SELECT 1; SELECT 2".to_owned(),
        String::new(),
    ] {
        fails(in_process.runtime.block_on(ask(&mut client, &sql)), "argument", &[]);
        let prepared = in_process.runtime.block_on(client.prepare(sql.clone(), None)).map(|_| ());
        fails(prepared, "argument", &[]);
        let update = in_process.runtime.block_on(client.execute_update(sql.clone(), None));
        fails(update, "argument", &[]);
    }
    assert!(!project.path("out.csv").exists());
    let refused =
        in_process.runtime.block_on(client.execute_update("DELETE FROM visits".into(), None));
    fails(refused, "argument", &["this server only reads"]);
    let query = in_process.runtime.block_on(client.execute_update("SELECT 1".into(), None));
    fails(query, "argument", &["returns rows", "run it as a query"]);
    fails(in_process.runtime.block_on(client.begin_transaction()), "", &["no transactions"]);
    let rows = in_process.runtime.block_on(ask(&mut client, "SELECT count(*) AS n FROM visits"));
    assert_eq!(csv(&rows.unwrap()), "n\n7\n");
}

#[test]
fn settings_belong_to_their_connection() {
    let (_project, in_process) = InProcessServer::good();
    let (mut one, mut other) = (client(&in_process), client(&in_process));
    let show = |client: &mut Client| {
        let rows = in_process
            .runtime
            .block_on(ask(client, "SHOW datafusion.execution.time_zone"))
            .unwrap();
        rows.column(1).as_string::<i32>().value(0).to_owned()
    };
    let (before, set) = (show(&mut one), "SET datafusion.execution.time_zone = '+02:00'");
    assert_ne!(before, "+02:00");
    assert_eq!(in_process.runtime.block_on(ask(&mut one, set)).unwrap().num_rows(), 0);
    assert_eq!((show(&mut one), show(&mut other)), ("+02:00".to_owned(), before));
    assert_eq!(in_process.runtime.block_on(other.execute_update(set.into(), None)).unwrap(), 0);
    assert_eq!(show(&mut other), "+02:00");
}

#[test]
fn tls_is_supported() {
    let (_project, in_process) = InProcessServer::good_with(ServerSetup {
        tls: true,
        require_login: true,
        ..ServerSetup::default()
    });
    let pem = std::fs::read(fixture("certificate.pem")).unwrap();
    let tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)).domain_name("localhost");
    let endpoint = Channel::from_shared(format!("https://{}", in_process.flight)).unwrap();
    let mut client = Client::new(
        in_process.runtime.block_on(endpoint.tls_config(tls).unwrap().connect()).unwrap(),
    );
    in_process.runtime.block_on(client.handshake(USER.0, USER.1)).unwrap();
    let rows = in_process.runtime.block_on(ask(&mut client, "SELECT 1 AS n")).unwrap();
    assert_eq!(csv(&rows), "n\n1\n");
    let mut plain = {
        let channel = Channel::from_shared(format!("http://{}", in_process.flight)).unwrap();
        let _entered = in_process.runtime.enter();
        Client::new(channel.connect_lazy())
    };
    assert!(in_process.runtime.block_on(ask(&mut plain, "SELECT 1")).is_err());
}
