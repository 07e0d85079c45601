//! The tables of pings: see [`TABLES`]. All of them are computed together, when one of them is first
//! read, and again only after a file or definition has changed.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, ListBuilder, StringArray,
    StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use engine::calendar::Day;
use engine::events::ScanObserver;
use engine::metric::Dictionary;
use engine::pings::{Estimate, Inputs, Outcome, Ping, PingTables, Recorded, Subscriber, UploadRow};
use engine::project::Project;
use engine::{Error, Kind};
use rayon::ThreadPoolBuilder;
use tokio::sync::mpsc::Sender;

use super::dictionary;
use crate::failure::external;

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;
/// Batches that are computed ahead.
const BUFFERED_BATCHES: usize = 2;

/// What a column holds.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Count,
    Share,
    Flag,
    Month,
    Instant,
    Texts,
}

use Type::{Count, Flag, Instant, Month, Share, Text, Texts};

/// The tables with their columns.
const TABLES: [(&str, &[(&str, Type)]); 7] = [
    (
        "pings",
        &[
            ("file", Text),
            ("uuid", Text),
            ("hostname", Text),
            ("recorded_at", Instant),
            ("uploaded_at", Instant),
            ("month", Month),
            ("is_last_of_month", Flag),
            ("version", Text),
            ("major_minor", Count),
            ("prerelease", Flag),
            ("raw_edition", Text),
            ("edition", Text),
            ("tier", Text),
            ("deployment", Text),
            ("subscription_id", Text),
        ],
    ),
    ("ping_uploads", &[("file", Text), ("outcome", Text), ("reason", Text)]),
    (
        "ping_values",
        &[
            ("uuid", Text),
            ("hostname", Text),
            ("recorded_at", Instant),
            ("key_path", Text),
            ("kind", Text),
            ("value", Count),
        ],
    ),
    (
        "ping_recorded",
        &[
            ("month", Month),
            ("key_path", Text),
            ("edition", Text),
            ("deployment", Text),
            ("tier", Text),
            ("time_frame", Text),
            ("complete", Flag),
            ("installations", Count),
            ("installations_active", Count),
            ("recorded", Count),
        ],
    ),
    (
        "ping_windows",
        &[
            ("key_path", Text),
            ("edition", Text),
            ("prerelease", Flag),
            ("first_major_minor", Count),
            ("last_major_minor", Count),
        ],
    ),
    (
        "ping_population",
        &[
            ("month", Month),
            ("subscription_id", Text),
            ("deployment", Text),
            ("seats", Count),
            ("source", Text),
            ("versions", Texts),
        ],
    ),
    (
        "ping_estimates",
        &[
            ("month", Month),
            ("key_path", Text),
            ("edition", Text),
            ("deployment", Text),
            ("condition", Text),
            ("measure", Text),
            ("numerator", Count),
            ("denominator", Count),
            ("p", Share),
            ("recorded", Count),
            ("estimated", Count),
            ("total", Count),
        ],
    ),
];

impl Type {
    fn data_type(self) -> DataType {
        match self {
            Text => DataType::Utf8,
            Count => DataType::Int64,
            Share => DataType::Float64,
            Flag => DataType::Boolean,
            Month => DataType::Date32,
            Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        }
    }
}

/// The names of the tables.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|(name, _)| *name)
}

/// The pings of a project, read once per session.
#[derive(Clone, Debug)]
pub(super) struct PingContext {
    project: Arc<Project>,
    cache: Arc<Mutex<Option<Arc<Cached>>>>,
}

/// Computed tables, and what they were computed from.
#[derive(Debug)]
struct Cached {
    inputs: Inputs,
    dictionary: Dictionary,
    tables: PingTables,
    /// The memory of the tables, as long as they exist.
    _memory: MemoryReservation,
}

impl PingContext {
    /// `None` if the project has no sources of pings.
    pub(super) fn new(project: &Arc<Project>) -> Option<Self> {
        let project = Arc::clone(project);
        let has_pings = !project.ping_sources.is_empty();
        has_pings.then(|| Self { project, cache: Arc::default() })
    }

    /// The table of that name.
    pub(super) fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        let (name, columns) = TABLES.iter().find(|(table, _)| *table == name)?;
        let fields = columns.iter().map(|(name, kind)| Field::new(*name, kind.data_type(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Some(Arc::new(PingTable { name, schema, context: self.clone() }))
    }

    /// The computed tables. Concurrent callers wait for the first.
    fn load(
        &self,
        threads: usize,
        memory: MemoryReservation,
        is_wanted: &(dyn Fn() -> bool + Sync),
    ) -> engine::Result<Arc<Cached>> {
        let inputs = Inputs::find(&self.project)?;
        let dictionary = dictionary::load(&self.project)?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = &*cache
            && (&cached.inputs, &cached.dictionary) == (&inputs, &dictionary)
        {
            return Ok(Arc::clone(cached));
        }
        *cache = None;
        // A pool of its own, as for reports.
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|_| "pings".to_owned())
            .build()
            .map_err(|cause| Error::new(Kind::Io, format!("cannot start threads: {cause}")))?;
        let observer = Observer { memory: &memory, is_wanted };
        let load = || PingTables::load(&self.project, &dictionary, &inputs, &observer);
        let tables = pool.install(load)?;
        let cached = Arc::new(Cached { inputs, dictionary, tables, _memory: memory });
        *cache = Some(Arc::clone(&cached));
        Ok(cached)
    }
}

/// Ends the reading when nobody waits for it, and accounts for its memory.
struct Observer<'a> {
    memory: &'a MemoryReservation,
    is_wanted: &'a (dyn Fn() -> bool + Sync),
}

impl ScanObserver for Observer<'_> {
    fn progress(&self, _: u64, _: u64) -> engine::Result<()> {
        if (self.is_wanted)() { Ok(()) } else { Err(Error::limit("cancelled")) }
    }

    fn reserve(&self, more: usize) -> engine::Result<()> {
        self.memory.try_grow(more).map_err(|cause| {
            let cause = cause.strip_backtrace();
            let first = cause.lines().next().unwrap_or_default();
            Error::limit(format!("the pings need more memory than is available: {first}")).with(
                "help",
                "name fewer files in the sources of pings, or raise the memory limit of the server \
                 or session",
            )
        })
    }
}

/// One of the tables.
struct PingTable {
    name: &'static str,
    schema: SchemaRef,
    context: PingContext,
}

impl fmt::Debug for PingTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PingTable").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TableProvider for PingTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn scan<'a, 's, 'p, 'x, 'f>(
        &'a self,
        _: &'s dyn Session,
        projection: Option<&'p Vec<usize>>,
        _: &'x [Expr],
        limit: Option<usize>,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>>> + Send + 'f>>
    where
        'a: 'f,
        's: 'f,
        'p: 'f,
        'x: 'f,
    {
        let plan = || -> Result<Arc<dyn ExecutionPlan>> {
            let columns = match projection {
                Some(columns) => columns.clone(),
                None => (0..self.schema.fields().len()).collect(),
            };
            let schema = Arc::new(self.schema.project(&columns)?);
            let context = self.context.clone();
            let scan = PingScan { name: self.name, columns, schema: Arc::clone(&schema), context };
            let partitions: Vec<Arc<dyn PartitionStream>> = vec![Arc::new(scan)];
            let exec = StreamingTableExec::try_new(schema, partitions, None, None, false, limit)?;
            Ok(Arc::new(exec))
        };
        Box::pin(std::future::ready(plan()))
    }
}

/// The rows of a table.
#[derive(Debug)]
struct PingScan {
    name: &'static str,
    columns: Vec<usize>,
    schema: SchemaRef,
    context: PingContext,
}

impl PartitionStream for PingScan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, task: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder =
            RecordBatchReceiverStream::builder(Arc::clone(&self.schema), BUFFERED_BATCHES);
        let memory = MemoryConsumer::new("pings").register(task.memory_pool());
        let threads = task.session_config().target_partitions();
        let (name, columns, context) = (self.name, self.columns.clone(), self.context.clone());
        let out = Rows { schema: Arc::clone(&self.schema), columns, sender: builder.tx() };
        builder.spawn_blocking(move || {
            let is_wanted = || !out.sender.is_closed();
            let cached = context.load(threads, memory, &is_wanted).map_err(external)?;
            // The receiver may have been dropped, which ends the rows.
            let _ = send(name, &cached.tables, &out)?;
            Ok(())
        });
        builder.build()
    }
}

/// Makes the columns of some rows.
type Column<'a, T> = Box<dyn Fn(&[T]) -> ArrayRef + 'a>;

/// Where the rows of a table go.
struct Rows {
    schema: SchemaRef,
    /// The wanted columns.
    columns: Vec<usize>,
    sender: Sender<Result<RecordBatch>>,
}

impl Rows {
    /// Sends rows with the wanted ones of all columns; whether the receiver still exists.
    fn send<T>(&self, rows: &[T], columns: &[Column<'_, T>]) -> Result<bool> {
        for rows in rows.chunks(BATCH_ROWS) {
            let arrays = self.columns.iter().map(|at| columns[*at](rows)).collect();
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

fn text<'a, T>(get: impl Fn(&T) -> Option<&'a str> + 'a) -> Column<'a, T> {
    Box::new(move |rows| Arc::new(rows.iter().map(&get).collect::<StringArray>()))
}

fn shown<'a, T, S: ToString>(get: impl Fn(&T) -> S + 'a) -> Column<'a, T> {
    Box::new(move |rows| {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| get(row).to_string())))
    })
}

fn count<'a, T>(get: impl Fn(&T) -> Option<i64> + 'a) -> Column<'a, T> {
    Box::new(move |rows| Arc::new(rows.iter().map(&get).collect::<Int64Array>()))
}

fn share<'a, T>(get: impl Fn(&T) -> f64 + 'a) -> Column<'a, T> {
    Box::new(move |rows| Arc::new(Float64Array::from_iter_values(rows.iter().map(&get))))
}

fn flag<'a, T>(get: impl Fn(&T) -> bool + 'a) -> Column<'a, T> {
    Box::new(move |rows| Arc::new(rows.iter().map(|row| Some(get(row))).collect::<BooleanArray>()))
}

fn month<'a, T>(get: impl Fn(&T) -> Day + 'a) -> Column<'a, T> {
    let number = move |row: &T| get(row).number();
    Box::new(move |rows| Arc::new(Date32Array::from_iter_values(rows.iter().map(&number))))
}

fn instant<'a, T>(get: impl Fn(&T) -> Option<i64> + 'a) -> Column<'a, T> {
    Box::new(move |rows| {
        let instants = rows.iter().map(&get).collect::<TimestampMicrosecondArray>();
        Arc::new(instants.with_timezone("UTC"))
    })
}

/// A value of a ping.
struct ValueRow<'a> {
    ping: &'a Ping,
    key_path: &'a str,
    kind: &'static str,
    value: Option<i64>,
}

/// Sends the rows of a table; whether the receiver still exists.
fn send(name: &str, tables: &PingTables, out: &Rows) -> Result<bool> {
    let PingTables { collection, metrics, .. } = tables;
    let uuid = |ping: &Ping| Some(collection.installations[ping.installation].uuid.as_str());
    let hostname = |ping: &Ping| collection.installations[ping.installation].hostname.as_deref();
    let path = |metric: usize| Some(metrics.list[metric].key_path.as_str());
    match name {
        "pings" => out.send::<&Ping>(
            &collection.pings.iter().collect::<Vec<_>>(),
            &[
                text(|ping| Some(ping.file.as_str())),
                text(move |ping| uuid(ping)),
                text(move |ping| hostname(ping)),
                instant(|ping| Some(ping.recorded_at)),
                instant(|ping| ping.uploaded_at),
                month(|ping| ping.month),
                flag(|ping| ping.is_last_of_month),
                text(|ping| ping.version.as_deref()),
                count(|ping| ping.major_minor()),
                flag(|ping| ping.is_prerelease()),
                text(|ping| ping.raw_edition.as_deref()),
                shown(|ping| ping.edition),
                shown(|ping| ping.tier),
                shown(|ping| ping.deployment),
                text(|ping| ping.subscription.as_deref()),
            ],
        ),
        "ping_uploads" => out.send::<&UploadRow>(
            &collection.uploads.iter().collect::<Vec<_>>(),
            &[
                text(|upload| Some(upload.file.as_str())),
                text(|upload| {
                    Some(match upload.outcome {
                        Outcome::Accepted => "accepted",
                        Outcome::Superseded => "superseded",
                        Outcome::Refused(_) => "refused",
                    })
                }),
                text(|upload| match upload.outcome {
                    Outcome::Refused(reason) => Some(reason.as_str()),
                    _ => None,
                }),
            ],
        ),
        "ping_values" => {
            let columns: [Column<'_, ValueRow<'_>>; 6] = [
                text(move |row| uuid(row.ping)),
                text(move |row| hostname(row.ping)),
                instant(|row| Some(row.ping.recorded_at)),
                text(|row| Some(row.key_path)),
                text(|row| Some(row.kind)),
                count(|row| row.value),
            ];
            let mut rows = Vec::new();
            for ping in &collection.pings {
                let values = tables.values(ping).map(|(key_path, kind, value)| ValueRow {
                    ping,
                    key_path,
                    kind: kind.as_str(),
                    value,
                });
                rows.extend(values);
                if rows.len() >= BATCH_ROWS {
                    if !out.send(&rows, &columns)? {
                        return Ok(false);
                    }
                    rows.clear();
                }
            }
            out.send(&rows, &columns)
        }
        "ping_recorded" => out.send::<Recorded>(
            &tables.recorded,
            &[
                month(|row| row.month),
                text(move |row| path(row.metric)),
                shown(|row| row.edition),
                shown(|row| row.deployment),
                shown(|row| row.tier),
                shown(|row| metrics.list[row.metric].time_frame),
                flag(|row| row.complete),
                count(|row| Some(row.installations)),
                count(|row| Some(row.installations_active)),
                count(|row| Some(row.recorded)),
            ],
        ),
        "ping_windows" => out.send::<(usize, Edition, bool, VersionWindow)>(
            &tables.windows.iter().collect::<Vec<_>>(),
            &[
                text(move |row| path(row.0)),
                shown(|row| row.1),
                flag(|row| row.2),
                count(|row| Some(row.3.0)),
                count(|row| Some(row.3.1)),
            ],
        ),
        "ping_population" => out.send::<&Subscriber>(
            &tables.population.iter().collect::<Vec<_>>(),
            &[
                month(|row| row.month),
                text(|row| Some(row.id.as_str())),
                shown(|row| row.deployment),
                count(|row| Some(row.seats)),
                text(|row| Some(row.origin.as_str())),
                Box::new(|rows| {
                    let mut lists = ListBuilder::new(StringBuilder::new());
                    for row in rows {
                        lists.append_value(row.versions.iter().map(Some));
                    }
                    Arc::new(lists.finish())
                }),
            ],
        ),
        _ => out.send::<Estimate>(
            &tables.estimates,
            &[
                month(|row| row.month),
                text(move |row| path(row.metric)),
                shown(|row| row.edition),
                shown(|row| row.deployment),
                text(|row| Some(row.condition.as_str())),
                text(|row| Some(row.measure.as_str())),
                count(|row| row.share.map(|(numerator, _)| numerator)),
                count(|row| row.share.map(|(_, denominator)| denominator)),
                share(|row| row.p()),
                count(|row| Some(row.recorded)),
                count(|row| Some(row.total - row.recorded)),
                count(|row| Some(row.total)),
            ],
        ),
    }
}
