//! Rows of the table `ping_uploads`: one for each document in a file of pings, refused ones too.
//!
//! What depends on definitions, on settings or on other uploads is not stored, but computed when the
//! table is read: edition, tier, deployment, and which upload of a ping counts.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;

use super::columns::Columns;
use crate::Result;
use crate::calendar::Day;
use crate::storage::Digest;

/// Rows of a batch.
const BATCH_ROWS: usize = 1 << 14;

/// A document in a file of pings: a row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredUpload {
    /// Its number, from 0, without gaps: rows of `ping_values` refer to it.
    pub upload: u64,
    /// The digest of its file, as in the ledger.
    pub file: Digest,
    /// Its line, from 1; `None` if it is the only document of its file.
    pub line: Option<u64>,
    /// What it says of its sender, or why it was refused.
    pub outcome: std::result::Result<PingHeader, String>,
}

/// What identifies a ping: `uuid`, `hostname` and `recorded_at`.
pub(crate) type PingKey<'a> = (&'a str, Option<&'a str>, i64);

/// What an accepted document says of its sender, besides its values. Instants are microseconds since
/// 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PingHeader {
    /// `uuid`
    pub uuid: String,
    /// `hostname`
    pub hostname: Option<String>,
    /// `recorded_at`
    pub recorded_at: i64,
    /// `uploaded_at`, or the time in the name of the file.
    pub uploaded_at: Option<i64>,
    /// `version`
    pub version: Option<String>,
    /// `edition`
    pub edition: Option<String>,
    /// Whether `gitlab_dedicated` is true.
    pub is_dedicated: bool,
    /// The date of `license_expires_at`.
    pub license_expires_at: Option<Day>,
    /// `license_subscription_id`
    pub subscription: Option<String>,
    /// `license_user_count`, if it is an integer from 0 to 2^63 - 1.
    pub licensed_users: Option<i64>,
}

impl PingHeader {
    /// Which ping it is.
    pub(crate) fn key(&self) -> PingKey<'_> {
        (&self.uuid, self.hostname.as_deref(), self.recorded_at)
    }
}

/// Columns of the table.
pub(super) fn schema() -> Schema {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let columns = [
        ("upload", DataType::Int64),
        ("hash", DataType::Utf8),
        ("line", DataType::Int64),
        ("reason", DataType::Utf8),
        ("uuid", DataType::Utf8),
        ("hostname", DataType::Utf8),
        ("recorded_at", time()),
        ("uploaded_at", time()),
        ("version", DataType::Utf8),
        ("edition", DataType::Utf8),
        ("gitlab_dedicated", DataType::Boolean),
        ("license_expires_at", DataType::Date32),
        ("license_subscription_id", DataType::Utf8),
        ("license_user_count", DataType::Int64),
    ];
    Schema::new(columns.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec())
}

/// Uploads as batches of [`schema`].
pub(super) fn write(uploads: &[StoredUpload]) -> Result<Vec<RecordBatch>> {
    uploads.chunks(BATCH_ROWS).map(batch).collect()
}

fn batch(uploads: &[StoredUpload]) -> Result<RecordBatch> {
    let header = |upload: &StoredUpload| upload.outcome.as_ref().ok().cloned();
    let headers: Vec<Option<PingHeader>> = uploads.iter().map(header).collect();
    let headers = || headers.iter().map(Option::as_ref);
    let texts = |of: &dyn Fn(&PingHeader) -> Option<&str>| -> ArrayRef {
        Arc::new(headers().map(|header| of(header?)).collect::<StringArray>())
    };
    let times = |of: &dyn Fn(&PingHeader) -> Option<i64>| -> ArrayRef {
        let times = headers().map(|header| of(header?)).collect::<TimestampMicrosecondArray>();
        Arc::new(times.with_timezone("UTC"))
    };
    let line = |upload: &StoredUpload| upload.line.map(|line| line as i64);
    let reason = |upload: &StoredUpload| upload.outcome.as_ref().err().cloned();
    let day = |header: &PingHeader| header.license_expires_at.map(Day::number);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(uploads.iter().map(|row| row.upload as i64))),
        Arc::new(StringArray::from_iter_values(uploads.iter().map(|row| row.file.to_string()))),
        Arc::new(uploads.iter().map(line).collect::<Int64Array>()),
        Arc::new(uploads.iter().map(reason).collect::<StringArray>()),
        texts(&|header| Some(&header.uuid)),
        texts(&|header| header.hostname.as_deref()),
        times(&|header| Some(header.recorded_at)),
        times(&|header| header.uploaded_at),
        texts(&|header| header.version.as_deref()),
        texts(&|header| header.edition.as_deref()),
        Arc::new(headers().map(|header| Some(header?.is_dedicated)).collect::<BooleanArray>()),
        Arc::new(headers().map(|header| day(header?)).collect::<Date32Array>()),
        texts(&|header| header.subscription.as_deref()),
        Arc::new(headers().map(|header| header?.licensed_users).collect::<Int64Array>()),
    ];
    Ok(RecordBatch::try_new(Arc::new(schema()), columns)?)
}

/// Uploads of a batch.
pub(super) fn read(batch: &RecordBatch) -> Result<Vec<StoredUpload>> {
    let columns = Columns::new(batch, "the table `ping_uploads`");
    let broken = || columns.broken();
    let text = |name| columns.get::<StringArray>(name);
    let number = |name| columns.get::<Int64Array>(name);
    let time = |name| columns.get::<TimestampMicrosecondArray>(name);
    let (upload, hash, line) = (number("upload")?, text("hash")?, number("line")?);
    let (reason, uuid, hostname) = (text("reason")?, text("uuid")?, text("hostname")?);
    let (recorded_at, uploaded_at) = (time("recorded_at")?, time("uploaded_at")?);
    let (version, edition) = (text("version")?, text("edition")?);
    let dedicated = columns.get::<BooleanArray>("gitlab_dedicated")?;
    let expires = columns.get::<Date32Array>("license_expires_at")?;
    let subscription = text("license_subscription_id")?;
    let users = number("license_user_count")?;
    let unsigned = |number: i64| u64::try_from(number).map_err(|_| broken());
    let text_at =
        |column: &StringArray, row| column.is_valid(row).then(|| column.value(row).to_owned());
    let row = |row: usize| {
        let outcome = match text_at(reason, row) {
            Some(reason) => Err(reason),
            None if recorded_at.is_null(row) || dedicated.is_null(row) => return Err(broken()),
            None => Ok(PingHeader {
                uuid: text_at(uuid, row).ok_or_else(broken)?,
                hostname: text_at(hostname, row),
                recorded_at: recorded_at.value(row),
                uploaded_at: uploaded_at.is_valid(row).then(|| uploaded_at.value(row)),
                version: text_at(version, row),
                edition: text_at(edition, row),
                is_dedicated: dedicated.value(row),
                license_expires_at: expires.is_valid(row).then(|| Day::new(expires.value(row))),
                subscription: text_at(subscription, row),
                licensed_users: users.is_valid(row).then(|| users.value(row)),
            }),
        };
        if upload.is_null(row) || hash.is_null(row) {
            return Err(broken());
        }
        Ok(StoredUpload {
            upload: unsigned(upload.value(row))?,
            file: Digest::parse(hash.value(row)).ok_or_else(broken)?,
            line: line.is_valid(row).then(|| unsigned(line.value(row))).transpose()?,
            outcome,
        })
    };
    (0..batch.num_rows()).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::{PingHeader, StoredUpload, batch, read};
    use crate::calendar::Day;
    use crate::storage::Digest;

    #[test]
    fn rows_survive_a_round_trip_through_a_batch() {
        let full = PingHeader {
            uuid: "u".to_owned(),
            hostname: Some("h".to_owned()),
            recorded_at: -7,
            uploaded_at: Some(8),
            version: Some("16.0".to_owned()),
            edition: Some("EEP".to_owned()),
            is_dedicated: true,
            license_expires_at: Some(Day::MAX),
            subscription: Some(String::new()),
            licensed_users: Some(i64::MAX),
        };
        let bare = PingHeader { uuid: "u".to_owned(), ..PingHeader::default() };
        let outcomes = [Ok(full), Ok(bare), Err("empty".to_owned())];
        let row = |(upload, outcome)| StoredUpload {
            upload,
            file: Digest::of_bytes(b"abc"),
            line: (upload > 0).then_some(upload),
            outcome,
        };
        let uploads: Vec<StoredUpload> = (0..).zip(outcomes).map(row).collect();
        assert_eq!(read(&batch(&uploads).unwrap()).unwrap(), uploads);
    }
}
