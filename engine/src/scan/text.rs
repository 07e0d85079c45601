//! CSV and NDJSON files: every value is read as text, so that nothing is guessed about types.

use std::io::BufReader;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json;
use arrow::record_batch::RecordBatch;

use super::csv::CsvFile;
use super::files::{BATCH_ROWS, EventFile, Format};
use super::json_shape::JsonShape;
use super::numbers::JsonNumberReader;
use crate::{Error, Result};

/// Rows of an NDJSON file that are searched for the names of its columns before all are.
const SAMPLE_ROWS: usize = 1_000;

/// Batches of a text file.
pub type Batches<'a> = Box<dyn Iterator<Item = Result<RecordBatch>> + 'a>;

/// The columns of a text file: those of the header of a CSV file, the keys in an NDJSON file. All are
/// texts, or objects and lists of texts.
///
/// The keys are those of the first thousand lines, if these `suffice`, otherwise those of all lines.
///
/// # Errors
/// When the file cannot be read.
pub fn schema(file: &EventFile, suffice: &dyn Fn(&Schema) -> bool) -> Result<SchemaRef> {
    if file.format == Format::Csv {
        let names = CsvFile::open(file)?.names;
        let fields = names.iter().map(|name| Field::new(name, DataType::Utf8, true));
        return Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())));
    }
    let first = json_schema(file, SAMPLE_ROWS)?;
    // A key may be rare: before it is called missing the whole file is searched.
    let schema = if suffice(&first) { first } else { json_schema(file, usize::MAX)? };
    Ok(Arc::new(schema))
}

/// The keys of the first lines of an NDJSON file.
fn json_schema(file: &EventFile, rows: usize) -> Result<Schema> {
    let reader = BufReader::with_capacity(1 << 16, file.open_text()?);
    let objects = serde_json::Deserializer::from_reader(reader).into_iter();
    let mut shape = JsonShape::default();
    for (row, object) in objects.take(rows).enumerate() {
        let object = object.map_err(|cause| file.broken(&cause))?;
        if !shape.add(&object) {
            return Err(Error::input("invalid file: a value that is no JSON object")
                .with("file", file.path.display())
                .with("row", row + 1)
                .with("help", "write one JSON object per line"));
        }
    }
    Ok(shape.schema())
}

/// Reads some columns of a text file, from its beginning to its end, in the types of
/// [their schema](schema), of which parts of objects may be left out. JSON numbers come in their plain
/// form: `2.0` as `2`.
///
/// Columns of a CSV file come in the order of the file, and only those that it has.
///
/// # Errors
/// When the file cannot be opened; broken content is an error of the batch it stands in.
pub fn read<'a>(file: &'a EventFile, schema: &SchemaRef) -> Result<Batches<'a>> {
    if file.format == Format::Csv {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        return Ok(Box::new(CsvFile::open(file)?.batches(&names)));
    }
    let reader = json::ReaderBuilder::new(Arc::clone(schema))
        .with_coerce_primitive(true)
        .with_batch_size(BATCH_ROWS)
        .build(JsonNumberReader::new(file.open_text()?))
        .map_err(|cause| file.broken(&cause))?;
    Ok(Box::new(reader.map(move |batch| batch.map_err(|cause| file.broken(&cause)))))
}
