//! Hostile statements and messages.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use arrow_flight::sql::{
    Any, CommandPreparedStatementQuery, CommandStatementQuery, ProstMessageExt,
    TicketStatementQuery,
};
use arrow_flight::{Action, FlightData, FlightDescriptor, Ticket};
use futures::TryStreamExt;
use headcount::server::Limits;
use prost::Message;
use tonic::{Code, Status};

use super::{ask, client, csv};
use crate::server::hostile::statements;
use crate::server::in_process::{InProcessServer, ServerSetup};

#[test]
fn hostile_statements_are_answered() {
    let limits = Limits { time: Duration::from_secs(3), memory: 64 << 20, ..Limits::default() };
    let (_project, in_process) =
        InProcessServer::good_with(ServerSetup { limits, ..ServerSetup::default() });
    let mut client = client(&in_process);
    for hostile in statements() {
        let shown = hostile.shown();
        match in_process.runtime.block_on(ask(&mut client, &hostile.sql)) {
            Ok(_) => assert!(!hostile.refused, "{shown} was answered"),
            Err(error) => {
                assert!(error.to_string().len() < 5_000, "{shown}");
                println!("{shown}: {error}");
            }
        }
        let next = in_process.runtime.block_on(ask(&mut client, "SELECT 1 AS n"));
        assert_eq!(csv(&next.unwrap_or_else(|e| panic!("after {shown}: {e}"))), "n\n1\n");
    }
}

#[test]
fn malformed_messages_are_harmless() {
    let (_project, in_process) = InProcessServer::good();
    let mut client = client(&in_process);
    let any = |url: &str, value: &[u8]| Any { type_url: url.into(), value: value.to_vec().into() };
    let handle = |bytes: &[u8]| TicketStatementQuery { statement_handle: bytes.to_vec().into() };
    let prepared = |bytes: &[u8]| CommandPreparedStatementQuery {
        prepared_statement_handle: bytes.to_vec().into(),
    };
    let tickets = [
        Vec::new(),
        b"nonsense".to_vec(),
        vec![0xff; 100],
        any("", b"").encode_to_vec(),
        any("type.googleapis.com/none", b"abc").encode_to_vec(),
        any("type.googleapis.com/arrow.flight.protocol.sql.TicketStatementQuery", &[0xff; 9])
            .encode_to_vec(),
        handle(b"").as_any().encode_to_vec(),
        handle(&[0xff; 30]).as_any().encode_to_vec(),
        // A statement with values that are none.
        handle(b"\x0a\x08SELECT 1\x12\x03abc").as_any().encode_to_vec(),
        handle(b"\x0a\x09SELECT $1\x12\x08\xff\xff\xff\xff\xff\xff\xff\x7f")
            .as_any()
            .encode_to_vec(),
        prepared(&[0x80; 20]).as_any().encode_to_vec(),
        CommandStatementQuery { query: "SELECT 1".into(), transaction_id: None }
            .as_any()
            .encode_to_vec(),
    ];
    in_process.runtime.block_on(async {
        let raw = client.inner_mut();
        let check_status = |status: Status| {
            let expected = matches!(
                status.code(),
                Code::InvalidArgument | Code::Unimplemented | Code::Internal
            );
            assert!(expected && !status.message().contains("ended unexpectedly"), "{status:?}");
        };
        for ticket in &tickets {
            if let Err(status) = raw.do_get(Ticket::new(ticket.clone())).await {
                check_status(status);
            } else {
                panic!("rows for {ticket:?}");
            }
            let _ = raw
                .get_flight_info(FlightDescriptor::new_cmd(ticket.clone()))
                .await
                .map_err(check_status);
            let _ = raw
                .get_schema(FlightDescriptor::new_cmd(ticket.clone()))
                .await
                .map_err(check_status);
            let mut data =
                FlightData::new().with_descriptor(FlightDescriptor::new_cmd(ticket.clone()));
            data.data_header = vec![0xff; 40].into();
            data.data_body = vec![0xff; 40].into();
            if let Ok(answers) = raw.do_put(futures::stream::iter([data])).await {
                let _ = answers.into_inner().try_collect::<Vec<_>>().await.map_err(check_status);
            }
            for action in [
                "CreatePreparedStatement",
                "ClosePreparedStatement",
                "CancelQuery",
                "CancelFlightInfo",
                "BeginTransaction",
                "CloseSession",
                "",
                "\u{0}",
            ] {
                let _ =
                    raw.do_action(Action::new(action, ticket.clone())).await.map_err(check_status);
            }
        }
        let _ =
            raw.do_put(futures::stream::iter(Vec::<FlightData>::new())).await.map_err(check_status);
        let _ =
            raw.do_put(futures::stream::iter([FlightData::default()])).await.map_err(check_status);
    });
    // Not HTTP/2.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    for bytes in [
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        vec![0; 1000],
        vec![0xff; 100_000],
        [preface.clone(), vec![0xff; 1000]].concat(),
        [preface.clone(), b"\xff\xff\xff\x04\x00\x00\x00\x00\x00".to_vec()].concat(),
        [preface, b"\x00\x00\x06\x04\x00\x00\x00\x00\x01\x00\x05\xff\xff\xff\xff".to_vec()]
            .concat(),
    ] {
        let mut stream = TcpStream::connect(in_process.flight).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let _ = stream.write_all(&bytes);
        let _ = stream.read(&mut [0; 1000]);
        drop(stream);
        let next = in_process.runtime.block_on(ask(&mut client, "SELECT 1 AS n")).unwrap();
        assert_eq!(csv(&next), "n\n1\n");
    }
    drop(client);
    in_process.wait_for("headcount_running_statements 0");
    in_process.wait_for("headcount_connections{protocol=\"flight\"} 0");
}
