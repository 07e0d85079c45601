//! Events as Parquet: the columns, and one encoded row group at a time.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Int8Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Int8Type, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, TypePtr};

use crate::error::Result;
use crate::ids::{Ids, push_uuid, random64};
use crate::model::{Event, Model};
use crate::product::{STAGES, events, stage_of};
use crate::random::key;
use crate::tenants::{DEPLOYMENTS, PLANS};

/// Rows that are made before they are encoded: few enough to stay in the cache.
const BATCH_ROWS: u64 = 16_384;
const UUID_LEN: usize = 36;

/// Turns events into row groups. Shared by all threads.
pub(crate) struct Encoder {
    ids: Ids,
    key: u64,
    schema: SchemaRef,
    parquet_schema: TypePtr,
    properties: WriterPropertiesPtr,
    factory: ArrowRowGroupWriterFactory,
    names: Names,
}

/// The values of the columns that hold names.
struct Names {
    events: ArrayRef,
    stages: ArrayRef,
    plans: ArrayRef,
    deployments: ArrayRef,
}

impl Encoder {
    /// An encoder for user keys of this form.
    ///
    /// # Errors
    /// When the Parquet library refuses the schema.
    pub(crate) fn new(ids: Ids, seed: u64) -> Result<Self> {
        let schema = Arc::new(schema(ids));
        let parquet_schema = ArrowSchemaConverter::new().convert(&schema)?.root_schema_ptr();
        let properties = Arc::new(properties());
        let discarded = SerializedFileWriter::new(
            std::io::sink(),
            Arc::clone(&parquet_schema),
            Arc::clone(&properties),
        )?;
        let factory = ArrowRowGroupWriterFactory::new(&discarded, Arc::clone(&schema));
        let names = Names {
            events: names(events().map(|(name, _)| name)),
            stages: names(STAGES.iter().map(|stage| stage.key)),
            plans: names(PLANS),
            deployments: names(DEPLOYMENTS),
        };
        Ok(Self { ids, key: key(seed, 9), schema, parquet_schema, properties, factory, names })
    }

    /// The start of a file.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub(crate) fn file<W: std::io::Write + Send>(&self, out: W) -> Result<SerializedFileWriter<W>> {
        let schema = Arc::clone(&self.parquet_schema);
        Ok(SerializedFileWriter::new(out, schema, Arc::clone(&self.properties))?)
    }

    /// The columns of one row group. Every event is shown to `observe`.
    ///
    /// # Errors
    /// When the Parquet library cannot encode them.
    pub(crate) fn row_group(
        &self,
        model: &Model,
        range: Range<u64>,
        mut observe: impl FnMut(&Event),
    ) -> Result<Vec<ArrowColumnChunk>> {
        // The number of the row group in its file is only used for encryption.
        let mut writers = self.factory.create_column_writers(0)?;
        let mut buffers = ColumnBuffers::default();
        let mut from = range.start;
        while from < range.end {
            let to = range.end.min(from + BATCH_ROWS);
            model.events(from..to, |event| {
                observe(&event);
                buffers.push(&event, self.ids, self.key);
            });
            self.encode(std::mem::take(&mut buffers), &mut writers)?;
            from = to;
        }
        writers.into_iter().map(|writer| Ok(writer.close()?)).collect()
    }

    fn encode(&self, buffers: ColumnBuffers, writers: &mut [ArrowColumnWriter]) -> Result<()> {
        let stages = buffers.actions.iter().map(|event| stage_of(*event as u8) as i8).collect();
        let columns: [ArrayRef; 8] = [
            Arc::new(TimestampMicrosecondArray::from(buffers.times).with_timezone("UTC")),
            user_column(self.ids, buffers.numbers, buffers.texts)?,
            dictionary_column(buffers.actions, &self.names.events)?,
            dictionary_column(stages, &self.names.stages)?,
            dictionary_column(buffers.plans, &self.names.plans)?,
            dictionary_column(buffers.deployments, &self.names.deployments)?,
            Arc::new(Int64Array::from(buffers.installations)),
            Arc::new(Int64Array::from(buffers.namespaces)),
        ];
        for ((field, column), writer) in self.schema.fields().iter().zip(&columns).zip(writers) {
            for leaf in compute_leaves(field, column)? {
                writer.write(&leaf)?;
            }
        }
        Ok(())
    }
}

/// One batch, column by column. Names are their positions.
#[derive(Default)]
struct ColumnBuffers {
    times: Vec<i64>,
    /// The user keys, when they are integers.
    numbers: Vec<i64>,
    /// The user keys one after another, when they are text.
    texts: Vec<u8>,
    actions: Vec<i8>,
    plans: Vec<i8>,
    deployments: Vec<i8>,
    installations: Vec<i64>,
    namespaces: Vec<i64>,
}

impl ColumnBuffers {
    fn push(&mut self, event: &Event, ids: Ids, key: u64) {
        self.times.push(event.time);
        match ids {
            Ids::Dense => self.numbers.push(event.account as i64),
            Ids::Random64 => self.numbers.push(random64(key, event.account)),
            Ids::Uuid => push_uuid(key, event.account, &mut self.texts),
        }
        self.actions.push(event.action as i8);
        self.plans.push(event.tenant.plan as i8);
        self.deployments.push(event.tenant.deployment as i8);
        self.installations.push(i64::from(event.tenant.installation));
        self.namespaces.push(i64::from(event.tenant.namespace));
    }
}

fn schema(ids: Ids) -> Schema {
    let name = || DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let user = match ids {
        Ids::Dense | Ids::Random64 => DataType::Int64,
        Ids::Uuid => DataType::Utf8,
    };
    Schema::new(vec![
        Field::new("ts", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        Field::new("user_id", user, false),
        Field::new("event", name(), false),
        Field::new("stage", name(), false),
        Field::new("plan", name(), false),
        Field::new("deployment", name(), false),
        Field::new("installation", DataType::Int64, false),
        Field::new("namespace", DataType::Int64, false),
    ])
}

/// Ordinary settings. A dictionary is pointless for the two columns that hardly repeat; trying one
/// first would only cost time.
fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_column_dictionary_enabled(ColumnPath::from("ts"), false)
        .set_column_dictionary_enabled(ColumnPath::from("user_id"), false)
        .build()
}

fn names(values: impl IntoIterator<Item = &'static str>) -> ArrayRef {
    Arc::new(StringArray::from_iter(values.into_iter().map(Some)))
}

fn dictionary_column(codes: Vec<i8>, names: &ArrayRef) -> Result<ArrayRef> {
    let codes = Int8Array::from(codes);
    Ok(Arc::new(DictionaryArray::<Int8Type>::try_new(codes, Arc::clone(names))?))
}

fn user_column(ids: Ids, numbers: Vec<i64>, texts: Vec<u8>) -> Result<ArrayRef> {
    Ok(match ids {
        Ids::Dense | Ids::Random64 => Arc::new(Int64Array::from(numbers)),
        Ids::Uuid => {
            let ends: ScalarBuffer<i32> =
                (0..=texts.len() / UUID_LEN).map(|row| (row * UUID_LEN) as i32).collect();
            let offsets = OffsetBuffer::new(ends);
            Arc::new(StringArray::try_new(offsets, Buffer::from_vec(texts), None)?)
        }
    })
}
