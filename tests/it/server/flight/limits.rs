//! Limits of time, memory, rows and connections; cancellation and stopping.

use std::net::TcpStream;
use std::time::Duration;

use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo,
};
use futures::{StreamExt, TryStreamExt};
use headcount::server::Limits;
use prost::Message;
use tonic::transport::Channel;

use super::{Client, ask, client, csv, fails};
use crate::server::in_process::{InProcessServer, ServerSetup};
use crate::server::poll::poll;

/// Endless work.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 3000000) a \
                       CROSS JOIN generate_series(1, 3000000) b WHERE a.value % 7 = b.value % 11";
/// Endless rows.
const FLOOD: &str = "SELECT value, value * 2 AS twice FROM generate_series(1, 100000000000)";

#[test]
fn limits_apply_while_rows_stream_and_while_nobody_reads() {
    let with = |limits: Limits| {
        InProcessServer::good_with(ServerSetup { limits, ..ServerSetup::default() })
    };
    let (_project, in_process) = with(Limits {
        time: Duration::from_millis(700),
        // A fast machine sends the default number of rows before its time is over.
        rows: u64::MAX,
        ..Limits::default()
    });
    let mut client = client(&in_process);
    for sql in [ENDLESS, FLOOD] {
        fails(
            in_process.runtime.block_on(ask(&mut client, sql)),
            "xhausted",
            &["longer than the limit"],
        );
    }
    // Requested, and never read.
    let info = in_process.runtime.block_on(client.execute(FLOOD.into(), None)).unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let unread = in_process.runtime.block_on(client.do_get(ticket)).unwrap();
    in_process.wait_for("headcount_running_statements 1");
    in_process.wait_for("headcount_running_statements 0");
    drop(unread);
    let line = "headcount_statements_total{protocol=\"flight\",outcome=\"out_of_time\"} 3";
    in_process.wait_for(line);

    let (_project, in_process) = with(Limits { rows: 1000, ..Limits::default() });
    let mut client = super::client(&in_process);
    let rows = |n: u32| format!("SELECT value FROM generate_series(1, {n})");
    fails(
        in_process.runtime.block_on(ask(&mut client, &rows(1001))),
        "xhausted",
        &["limit of 1000 rows"],
    );
    assert_eq!(
        in_process.runtime.block_on(ask(&mut client, &rows(1000))).unwrap().num_rows(),
        1000
    );

    let (_project, in_process) = with(Limits { memory: 8 << 20, ..Limits::default() });
    let mut client = super::client(&in_process);
    let sql = "SELECT array_agg(value) FROM generate_series(1, 3000000)";
    fails(in_process.runtime.block_on(ask(&mut client, sql)), "xhausted", &["needs more memory"]);
    assert_eq!(
        csv(&in_process.runtime.block_on(ask(&mut client, "SELECT 1 AS n")).unwrap()),
        "n\n1\n"
    );

    let (_project, in_process) = with(Limits { connections: 2, ..Limits::default() });
    let (mut one, _two) = (super::client(&in_process), super::client(&in_process));
    in_process.runtime.block_on(ask(&mut one, "SELECT 1")).unwrap();
    in_process.wait_for("headcount_connections{protocol=\"flight\"} 2");
    let third = Channel::from_shared(format!("http://{}", in_process.flight)).unwrap();
    let third = in_process.runtime.block_on(async {
        let mut third = Client::new(third.connect_lazy());
        ask(&mut third, "SELECT 1").await
    });
    assert!(third.is_err());
    in_process.runtime.block_on(ask(&mut one, "SELECT 1")).unwrap();
    in_process.wait_for("headcount_refused_connections_total 1");
}

#[test]
fn cancelled_statements_stop() {
    let (_project, in_process) = InProcessServer::good();
    let mut client = client(&in_process);
    let ticket = |info: &FlightInfo| info.endpoint[0].ticket.clone().unwrap();
    let stopped = |cancelled: u64| {
        in_process.wait_for("headcount_running_statements 0");
        let line = "headcount_statements_total{protocol=\"flight\",outcome=\"cancelled\"}";
        in_process.wait_for(&format!("{line} {cancelled}"));
    };
    // Dropped while rows come.
    let info = in_process.runtime.block_on(client.execute(FLOOD.into(), None)).unwrap();
    in_process.runtime.block_on(async {
        let mut rows = client.do_get(ticket(&info)).await.unwrap();
        assert!(rows.next().await.unwrap().unwrap().num_rows() > 0);
    });
    stopped(1);
    // Dropped before the first row.
    let info = in_process.runtime.block_on(client.execute(ENDLESS.into(), None)).unwrap();
    let waiting = in_process.runtime.block_on(async {
        let rows = async { client.do_get(ticket(&info)).await?.try_collect::<Vec<_>>().await };
        tokio::time::timeout(Duration::from_millis(300), rows).await
    });
    assert!(waiting.is_err());
    stopped(2);
    // By another client.
    let info = in_process.runtime.block_on(client.execute(ENDLESS.into(), None)).unwrap();
    let mut other = super::client(&in_process);
    let cancel = |info: &FlightInfo| {
        let body = CancelFlightInfoRequest::new(info.clone()).encode_to_vec();
        Action::new("CancelFlightInfo", body)
    };
    in_process.runtime.block_on(async {
        let mut cloned = client.clone();
        let request = ticket(&info);
        let running = tokio::spawn(async move {
            let rows = cloned.do_get(request).await?;
            rows.try_collect::<Vec<_>>().await
        });
        in_process.wait_for("headcount_running_statements 1");
        let mut answer = other.do_action(cancel(&info)).await.unwrap();
        let answer = answer.message().await.unwrap().unwrap();
        let result = CancelFlightInfoResult::decode(answer.body).unwrap();
        assert_eq!(result.status, CancelStatus::Cancelled as i32);
        fails(running.await.unwrap(), "xhausted", &["cancelled"]);
        let mut answer = other.do_action(cancel(&info)).await.unwrap();
        let answer = answer.message().await.unwrap().unwrap();
        let result = CancelFlightInfoResult::decode(answer.body).unwrap();
        assert_eq!(result.status, CancelStatus::NotCancellable as i32);
        let nothing = other.do_action(cancel(&FlightInfo::new())).await;
        fails(nothing.map(|_| ()), "argument", &["unknown statement handle"]);
    });
    stopped(3);
}

#[test]
fn it_stops_on_request() {
    let (_project, mut in_process) = InProcessServer::good();
    let mut client = client(&in_process);
    let info = in_process.runtime.block_on(client.execute(FLOOD.into(), None)).unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut rows = in_process.runtime.block_on(client.do_get(ticket)).unwrap();
    in_process.runtime.block_on(rows.next()).unwrap().unwrap();
    // What runs may go on; new connections are not taken.
    in_process.server.stop();
    in_process.runtime.block_on(rows.next()).unwrap().unwrap();
    poll(|| match TcpStream::connect(in_process.flight) {
        Ok(accepted) => Err(accepted),
        Err(_) => Ok(()),
    });
    in_process.server.kill();
    in_process.ended();
    in_process.wait_for("headcount_running_statements 0");
}
