//! Flight SQL, with the client of arrow-flight and Python's drivers.

mod access;
mod hostile;
mod limits;
mod lists;
mod python;
mod rows;

use arrow::array::RecordBatch;
use arrow_flight::FlightInfo;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use tonic::transport::Channel;

use super::in_process::InProcessServer;

type Client = FlightSqlServiceClient<Channel>;

fn client(in_process: &InProcessServer) -> Client {
    let channel = Channel::from_shared(format!("http://{}", in_process.flight)).unwrap();
    Client::new(in_process.runtime.block_on(channel.connect()).unwrap())
}

/// The rows of a FlightInfo, whose schema must be the one in the info.
async fn rows_of(client: &mut Client, info: FlightInfo) -> Result<RecordBatch, FlightError> {
    let promised = info.clone().try_decode_schema()?;
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut stream = client.do_get(ticket).await?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.try_next().await? {
        batches.push(batch);
    }
    let schema = stream.schema().expect("a schema").clone();
    assert_eq!(*schema, promised);
    Ok(arrow::compute::concat_batches(&schema, &batches)?)
}

async fn ask(client: &mut Client, sql: &str) -> Result<RecordBatch, FlightError> {
    let info = client.execute(sql.to_owned(), None).await?;
    rows_of(client, info).await
}

fn csv(batch: &RecordBatch) -> String {
    let mut bytes = Vec::new();
    arrow::csv::Writer::new(&mut bytes).write(batch).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[track_caller]
fn fails<T: std::fmt::Debug>(result: Result<T, FlightError>, code: &str, parts: &[&str]) {
    let error = result.unwrap_err().to_string();
    for part in [&[code][..], parts].concat() {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
    for never in ["panicked", "ended unexpectedly", "nternal error"] {
        assert!(!error.contains(never), "{error}");
    }
}
