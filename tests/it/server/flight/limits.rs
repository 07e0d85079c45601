//! Time, memory, rows, connections; cancelling and stopping.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo,
};
use futures::{StreamExt, TryStreamExt};
use prost::Message;

use super::{client, fails};
use crate::server::inside::Inside;

/// Work that does not end by itself.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 3000000) a \
                       CROSS JOIN generate_series(1, 3000000) b WHERE a.value % 7 = b.value % 11";
/// Rows that do not end.
const FLOOD: &str = "SELECT value, value * 2 AS twice FROM generate_series(1, 100000000000)";

#[test]
fn what_is_cancelled_stops_within_a_second() {
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
        let begun = Instant::now();
        let mut answer = other.do_action(cancel(&info)).await.unwrap();
        let answer = answer.message().await.unwrap().unwrap();
        let result = CancelFlightInfoResult::decode(answer.body).unwrap();
        assert_eq!(result.status, CancelStatus::Cancelled as i32);
        fails(running.await.unwrap(), "xhausted", &["cancelled"]);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let mut answer = other.do_action(cancel(&info)).await.unwrap();
        let answer = answer.message().await.unwrap().unwrap();
        let result = CancelFlightInfoResult::decode(answer.body).unwrap();
        assert_eq!(result.status, CancelStatus::NotCancellable as i32);
        let nothing = other.do_action(cancel(&FlightInfo::new())).await;
        fails(nothing.map(|_| ()), "argument", &["no statement of this server"]);
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
