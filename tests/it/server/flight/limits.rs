//! Time, memory, rows, connections; cancelling and stopping.

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
use crate::server::inside::{Inside, Set};

/// Work that does not end by itself.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 3000000) a \
                       CROSS JOIN generate_series(1, 3000000) b WHERE a.value % 7 = b.value % 11";
/// Rows that do not end.
const FLOOD: &str = "SELECT value, value * 2 AS twice FROM generate_series(1, 100000000000)";

#[test]
fn limits_hold_while_rows_stream_and_while_nobody_reads() {
    let with = |limits: Limits| Inside::good_with(Set { limits, ..Set::default() });
    let (_project, inside) = with(Limits {
        time: Duration::from_millis(700),
        // A fast machine sends the default number of rows before its time is over.
        rows: u64::MAX,
        ..Limits::default()
    });
    let mut client = client(&inside);
    for sql in [ENDLESS, FLOOD] {
        fails(
            inside.runtime.block_on(ask(&mut client, sql)),
            "xhausted",
            &["longer than the limit"],
        );
    }
    // Asked for, and never read.
    let info = inside.runtime.block_on(client.execute(FLOOD.into(), None)).unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let unread = inside.runtime.block_on(client.do_get(ticket)).unwrap();
    inside.wait_for("headcount_running_statements 1", Duration::from_secs(1));
    inside.wait_for("headcount_running_statements 0", Duration::from_secs(3));
    drop(unread);
    let line = "headcount_statements_total{protocol=\"flight\",outcome=\"out_of_time\"} 3";
    inside.wait_for(line, Duration::from_secs(1));

    let (_project, inside) = with(Limits { rows: 1000, ..Limits::default() });
    let mut client = super::client(&inside);
    let rows = |n: u32| format!("SELECT value FROM generate_series(1, {n})");
    fails(
        inside.runtime.block_on(ask(&mut client, &rows(1001))),
        "xhausted",
        &["limit of 1000 rows"],
    );
    assert_eq!(inside.runtime.block_on(ask(&mut client, &rows(1000))).unwrap().num_rows(), 1000);

    let (_project, inside) = with(Limits { memory: 8 << 20, ..Limits::default() });
    let mut client = super::client(&inside);
    let sql = "SELECT array_agg(value) FROM generate_series(1, 3000000)";
    fails(inside.runtime.block_on(ask(&mut client, sql)), "xhausted", &["needs more memory"]);
    assert_eq!(csv(&inside.runtime.block_on(ask(&mut client, "SELECT 1 AS n")).unwrap()), "n\n1\n");

    let (_project, inside) = with(Limits { connections: 2, ..Limits::default() });
    let (mut one, _two) = (super::client(&inside), super::client(&inside));
    inside.runtime.block_on(ask(&mut one, "SELECT 1")).unwrap();
    inside.wait_for("headcount_connections{protocol=\"flight\"} 2", Duration::from_secs(5));
    let third = Channel::from_shared(format!("http://{}", inside.flight)).unwrap();
    let third = inside.runtime.block_on(async {
        let mut third = Client::new(third.connect_lazy());
        ask(&mut third, "SELECT 1").await
    });
    assert!(third.is_err());
    inside.runtime.block_on(ask(&mut one, "SELECT 1")).unwrap();
    inside.wait_for("headcount_refused_connections_total 1", Duration::from_secs(1));
}

#[test]
fn what_is_cancelled_stops() {
    let (_project, inside) = Inside::good();
    let mut client = client(&inside);
    let ticket = |info: &FlightInfo| info.endpoint[0].ticket.clone().unwrap();
    let stopped = |cancelled: u64| {
        inside.wait_for("headcount_running_statements 0", Duration::from_secs(1));
        let line = "headcount_statements_total{protocol=\"flight\",outcome=\"cancelled\"}";
        inside.wait_for(&format!("{line} {cancelled}"), Duration::from_secs(1));
    };
    // Dropped while rows come.
    let info = inside.runtime.block_on(client.execute(FLOOD.into(), None)).unwrap();
    inside.runtime.block_on(async {
        let mut rows = client.do_get(ticket(&info)).await.unwrap();
        assert!(rows.next().await.unwrap().unwrap().num_rows() > 0);
    });
    stopped(1);
    // Given up while there are none yet.
    let info = inside.runtime.block_on(client.execute(ENDLESS.into(), None)).unwrap();
    let waiting = inside.runtime.block_on(async {
        let rows = async { client.do_get(ticket(&info)).await?.try_collect::<Vec<_>>().await };
        tokio::time::timeout(Duration::from_millis(300), rows).await
    });
    assert!(waiting.is_err());
    stopped(2);
    // By somebody else.
    let info = inside.runtime.block_on(client.execute(ENDLESS.into(), None)).unwrap();
    let mut other = super::client(&inside);
    let cancel = |info: &FlightInfo| {
        let body = CancelFlightInfoRequest::new(info.clone()).encode_to_vec();
        Action::new("CancelFlightInfo", body)
    };
    inside.runtime.block_on(async {
        let mut twin = client.clone();
        let asked = ticket(&info);
        let running = tokio::spawn(async move {
            let rows = twin.do_get(asked).await?;
            rows.try_collect::<Vec<_>>().await
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
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
fn it_stops_when_it_is_told_to() {
    let (_project, mut inside) = Inside::good();
    let mut client = client(&inside);
    let info = inside.runtime.block_on(client.execute(FLOOD.into(), None)).unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut rows = inside.runtime.block_on(client.do_get(ticket)).unwrap();
    inside.runtime.block_on(rows.next()).unwrap().unwrap();
    // What runs may go on; new connections are not taken.
    inside.shared.stop();
    inside.runtime.block_on(rows.next()).unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(TcpStream::connect(inside.flight).is_err());
    inside.shared.kill();
    inside.ended(Duration::from_secs(3));
    inside.wait_for("headcount_running_statements 0", Duration::from_secs(1));
}
