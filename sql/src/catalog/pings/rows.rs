//! The rows of the tables.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, ListBuilder,
    StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::error::Result;
use engine::calendar::Day;
use engine::pings::{
    Collection, Edition, Estimate, EstimateFilter, Explanation, Inputs, Outcome, Ping,
    PingSketches, PingTables, Prediction, Recorded, Subscriber, UploadRow, VersionWindow,
    last_sketches,
};
use engine::{Error, JobContext};
use tokio::sync::mpsc::Sender;

/// The tables that may be very long: they are made in parts, only for the wanted key paths and months.
pub(super) const LONG: [&str; 2] = [VALUES, EXPLANATIONS];
const VALUES: &str = "ping_values";
const EXPLANATIONS: &str = "ping_estimate_subscriptions";

/// The table of sketches, whose rows are read from the files.
pub(super) const SKETCHES: &str = "ping_sketches";
/// Sketches of a batch: at 13 KB each it has a few MB.
const BATCH_SKETCHES: usize = 256;

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// Makes the columns of some rows.
type Column<'a, T> = Box<dyn Fn(&[T]) -> ArrayRef + Sync + 'a>;

/// The rows of a large table that are wanted.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// `None` for all.
    pub(super) key_paths: Option<Arc<BTreeSet<String>>>,
    /// From the first month to the last.
    pub(super) months: RangeInclusive<Day>,
}

/// Where the rows of a table go.
pub(super) struct Rows {
    pub(super) schema: SchemaRef,
    /// The wanted columns.
    pub(super) columns: Vec<usize>,
    /// Of a long table and that of sketches: the wanted key paths and months.
    pub(super) filter: Filter,
    /// Of a long table: which of so many parts is wanted.
    pub(super) part: usize,
    pub(super) parts: usize,
    pub(super) sender: Sender<Result<RecordBatch>>,
}

impl Rows {
    /// The wanted part of so many things.
    fn part(&self, things: usize) -> Range<usize> {
        let bound = |part| things * part / self.parts;
        bound(self.part)..bound(self.part + 1)
    }

    /// Sends rows that are made one by one.
    fn send_all<T>(&self, rows: impl Iterator<Item = T>, columns: &Columns<'_, T>) -> Result<bool> {
        let mut batch = Vec::new();
        for row in rows {
            batch.push(row);
            if batch.len() == BATCH_ROWS {
                if !self.send(&batch, columns)? {
                    return Ok(false);
                }
                batch.clear();
            }
        }
        self.send(&batch, columns)
    }

    /// Sends rows with the wanted ones of all columns; whether the receiver still exists.
    fn send<T>(&self, rows: &[T], columns: &Columns<'_, T>) -> Result<bool> {
        for rows in rows.chunks(BATCH_ROWS) {
            let arrays = self.columns.iter().map(|at| columns.0[*at](rows)).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            let schema = Arc::clone(&self.schema);
            let batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
            if self.sender.blocking_send(Ok(batch)).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The columns of a table, in their order.
struct Columns<'a, T>(Vec<Column<'a, T>>);

impl<'a, T> Columns<'a, T> {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn with(mut self, column: impl Fn(&[T]) -> ArrayRef + Sync + 'a) -> Self {
        self.0.push(Box::new(column));
        self
    }

    fn text(self, get: impl Fn(&T) -> Option<&'a str> + Sync + 'a) -> Self {
        self.with(move |rows| Arc::new(rows.iter().map(&get).collect::<StringArray>()))
    }

    fn shown<S: ToString>(self, get: impl Fn(&T) -> S + Sync + 'a) -> Self {
        let text = move |row: &T| get(row).to_string();
        self.with(move |rows| Arc::new(StringArray::from_iter_values(rows.iter().map(&text))))
    }

    fn texts(self, get: impl Fn(&T) -> &BTreeSet<String> + Sync + 'a) -> Self {
        self.with(move |rows| {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for row in rows {
                lists.append_value(get(row).iter().map(Some));
            }
            Arc::new(lists.finish())
        })
    }

    fn count(self, get: impl Fn(&T) -> Option<i64> + Sync + 'a) -> Self {
        self.with(move |rows| Arc::new(rows.iter().map(&get).collect::<Int64Array>()))
    }

    fn share(self, get: impl Fn(&T) -> Option<f64> + Sync + 'a) -> Self {
        self.with(move |rows| Arc::new(rows.iter().map(&get).collect::<Float64Array>()))
    }

    fn flag(self, get: impl Fn(&T) -> bool + Sync + 'a) -> Self {
        let flag = move |row: &T| Some(get(row));
        self.with(move |rows| Arc::new(rows.iter().map(&flag).collect::<BooleanArray>()))
    }

    fn month(self, get: impl Fn(&T) -> Day + Sync + 'a) -> Self {
        let number = move |row: &T| get(row).number();
        self.with(move |rows| Arc::new(Date32Array::from_iter_values(rows.iter().map(&number))))
    }

    fn instant(self, get: impl Fn(&T) -> Option<i64> + Sync + 'a) -> Self {
        self.with(move |rows| {
            let instants = rows.iter().map(&get).collect::<TimestampMicrosecondArray>();
            Arc::new(instants.with_timezone("UTC"))
        })
    }
}

/// A sketch of a ping.
struct SketchRow<'a> {
    ping: &'a Ping,
    key_path: String,
    salt: Option<String>,
    sketch: Option<Vec<u8>>,
}

/// Sends the rows of the sketches, in the order of the files.
pub(super) fn send_sketches<'a>(
    root: &Path,
    inputs: &Inputs,
    collection: &'a Collection,
    out: &Rows,
    job: &JobContext<'_>,
) -> engine::Result<()> {
    let installation = |ping: &Ping| &collection.installations[ping.installation];
    let texts = |text: &dyn Fn(&SketchRow<'_>) -> Option<String>, rows: &[SketchRow<'_>]| {
        Arc::new(rows.iter().map(text).collect::<StringArray>()) as ArrayRef
    };
    let columns = Columns::<SketchRow<'_>>::new()
        .text(move |row| Some(installation(row.ping).uuid.as_str()))
        .text(move |row| installation(row.ping).hostname.as_deref())
        .instant(|row| Some(row.ping.recorded_at))
        .month(|row| row.ping.month)
        .with(move |rows| texts(&|row| Some(row.key_path.clone()), rows))
        .with(move |rows| texts(&|row| row.salt.clone(), rows))
        .with(|rows| {
            let sketches = rows.iter().map(|row| row.sketch.as_deref());
            Arc::new(sketches.collect::<BinaryArray>())
        });
    let each = |ping: &'a Ping, PingSketches { salt, list }: PingSketches| {
        let is_wanted = |key_path: &String| {
            out.filter.key_paths.as_ref().is_none_or(|key_paths| key_paths.contains(key_path))
        };
        let rows: Vec<SketchRow<'_>> = list
            .into_iter()
            .filter(|(key_path, _)| is_wanted(key_path))
            .map(|(key_path, sketch)| SketchRow {
                ping,
                key_path,
                salt: salt.clone(),
                sketch: sketch.map(|sketch| sketch.to_bytes()),
            })
            .collect();
        for rows in rows.chunks(BATCH_SKETCHES) {
            out.send(rows, &columns).map_err(|cause| Error::internal(cause.to_string()))?;
        }
        Ok(())
    };
    let is_wanted = |ping: &Ping| out.filter.months.contains(&ping.month);
    last_sketches(root, inputs, collection, &is_wanted, &each, job)
}

/// A value of a ping.
struct ValueRow<'a> {
    ping: &'a Ping,
    key_path: &'a str,
    kind: &'static str,
    value: Option<i64>,
}

/// Sends the rows of a table; whether the receiver still exists.
pub(super) fn send(name: &str, tables: &PingTables, out: &Rows) -> Result<bool> {
    let PingTables { collection, metrics, .. } = tables;
    let uuid = |ping: &Ping| Some(collection.installations[ping.installation].uuid.as_str());
    let hostname = |ping: &Ping| collection.installations[ping.installation].hostname.as_deref();
    let path = |metric: usize| Some(metrics.list[metric].key_path.as_str());
    match name {
        "pings" => out.send(
            &collection.pings.iter().collect::<Vec<_>>(),
            &Columns::<&Ping>::new()
                .text(|ping| Some(ping.file.as_str()))
                .text(move |ping| uuid(ping))
                .text(move |ping| hostname(ping))
                .instant(|ping| Some(ping.recorded_at))
                .instant(|ping| ping.uploaded_at)
                .month(|ping| ping.month)
                .flag(|ping| ping.is_last_of_month)
                .text(|ping| ping.version.as_deref())
                .count(|ping| ping.major_minor())
                .flag(|ping| ping.is_prerelease())
                .text(|ping| ping.raw_edition.as_deref())
                .shown(|ping| ping.edition)
                .shown(|ping| ping.tier)
                .shown(|ping| ping.deployment)
                .text(|ping| ping.subscription.as_deref()),
        ),
        "ping_uploads" => out.send(
            &collection.uploads.iter().collect::<Vec<_>>(),
            &Columns::<&UploadRow>::new()
                .text(|upload| Some(upload.file.as_str()))
                .text(|upload| {
                    Some(match upload.outcome {
                        Outcome::Accepted => "accepted",
                        Outcome::Superseded => "superseded",
                        Outcome::Refused(_) => "refused",
                    })
                })
                .text(|upload| match upload.outcome {
                    Outcome::Refused(reason) => Some(reason.as_str()),
                    _ => None,
                }),
        ),
        VALUES => {
            let columns = Columns::<ValueRow<'_>>::new()
                .text(move |row| uuid(row.ping))
                .text(move |row| hostname(row.ping))
                .instant(|row| Some(row.ping.recorded_at))
                .text(|row| Some(row.key_path))
                .text(|row| Some(row.kind))
                .count(|row| row.value);
            let selection = out.filter.key_paths.as_ref().map(|paths| tables.select(paths));
            let pings = &collection.pings[out.part(collection.pings.len())];
            let rows = pings.iter().flat_map(|ping| {
                let values = tables.values(ping, selection.as_ref());
                values.map(|(key_path, kind, value)| ValueRow {
                    ping,
                    key_path,
                    kind: kind.as_str(),
                    value,
                })
            });
            out.send_all(rows, &columns)
        }
        EXPLANATIONS => {
            let filter = EstimateFilter {
                key_paths: out.filter.key_paths.as_deref().cloned(),
                months: out.filter.months.clone(),
            };
            let columns = Columns::<Explanation<'_>>::new()
                .month(|row| row.subscriber.month)
                .text(move |row| path(row.metric))
                .shown(|row| row.edition)
                .shown(|row| row.subscriber.deployment)
                .text(|row| Some(row.condition.as_str()))
                .text(|row| Some(row.subscriber.id.as_str()))
                .count(|row| Some(row.subscriber.seats))
                .flag(|row| row.is_counted)
                .texts(|row| &row.subscriber.versions)
                .shown(|row| row.why.clone());
            let population = out.part(tables.population.len());
            out.send_all(tables.explanations(&filter, population), &columns)
        }
        "ping_recorded" => out.send(
            &tables.recorded,
            &Columns::<Recorded>::new()
                .month(|row| row.month)
                .text(move |row| path(row.metric))
                .shown(|row| row.edition)
                .shown(|row| row.deployment)
                .shown(|row| row.tier)
                .shown(|row| metrics.list[row.metric].time_frame)
                .flag(|row| row.complete)
                .count(|row| Some(row.installations))
                .count(|row| Some(row.installations_active))
                .count(|row| row.recorded),
        ),
        "ping_windows" => out.send(
            &tables.windows.iter().collect::<Vec<_>>(),
            &Columns::<(usize, Edition, bool, VersionWindow)>::new()
                .text(move |row| path(row.0))
                .shown(|row| row.1)
                .flag(|row| row.2)
                .count(|row| Some(row.3.0))
                .count(|row| Some(row.3.1)),
        ),
        "ping_population" => out.send(
            &tables.population.iter().collect::<Vec<_>>(),
            &Columns::<&Subscriber>::new()
                .month(|row| row.month)
                .text(|row| Some(row.id.as_str()))
                .shown(|row| row.deployment)
                .count(|row| Some(row.seats))
                .text(|row| Some(row.origin.as_str()))
                .texts(|row| &row.versions),
        ),
        "ping_estimates" => out.send(
            &tables.estimates,
            &Columns::<Estimate>::new()
                .month(|row| row.month)
                .text(move |row| path(row.metric))
                .shown(|row| row.edition)
                .shown(|row| row.deployment)
                .text(|row| Some(row.condition.as_str()))
                .text(|row| Some(row.measure.as_str()))
                .count(|row| row.share.numerator())
                .count(|row| row.share.denominator())
                .share(|row| row.share.p())
                .count(|row| row.recorded)
                .count(|row| row.estimated())
                .count(|row| row.total),
        ),
        _ => out.send(
            &tables.predictions,
            &Columns::<Prediction>::new()
                .month(|row| row.month)
                .text(move |row| path(row.metric))
                .shown(|row| row.edition)
                .shown(|row| row.deployment)
                .text(|row| Some(row.scenario.as_str()))
                .text(|row| Some(row.measure.as_str()))
                .count(|row| row.share.numerator())
                .count(|row| row.share.denominator())
                .count(|row| row.recorded)
                .count(|row| row.predicted),
        ),
    }
}
