//! The types of columns as they go over the wire: those that every client can read.
//!
//! Dictionaries and views are ways to store a text; some drivers know neither. Both become plain
//! texts and bytes here, also inside of lists, structs and maps.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::record_batch::RecordBatchOptions;
use engine::{Error, Result};

/// The schema as clients see it.
pub(super) fn plain(schema: &Schema) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(plain_field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn plain_field(field: &FieldRef) -> FieldRef {
    let (before, after) = (field.data_type(), plain_type(field.data_type()));
    match *before == after {
        true => Arc::clone(field),
        false => Arc::new(Field::clone(field).with_data_type(after)),
    }
}

fn plain_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(field) | DataType::ListView(field) => DataType::List(plain_field(field)),
        DataType::LargeList(field) | DataType::LargeListView(field) => {
            DataType::LargeList(plain_field(field))
        }
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(plain_field(field), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        DataType::Map(field, sorted) => DataType::Map(plain_field(field), *sorted),
        other => other.clone(),
    }
}

/// Rows in the types of a plain schema.
///
/// # Errors
/// When the texts of a column are too many for one batch of plain ones.
pub(super) fn batch(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = rows.columns().iter().zip(schema.fields()).map(|(column, field)| {
        match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast(column, field.data_type()),
        }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(Error::from)?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, ListArray, StringArray, StringViewArray, StructArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::compute::cast;
    use arrow::datatypes::{DataType, Field, Int32Type};
    use arrow::record_batch::RecordBatch;

    use super::{batch, plain};

    #[test]
    fn every_text_becomes_a_plain_one() {
        let words: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some("b")]));
        let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8View));
        let coded = cast(
            &words,
            &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        )
        .unwrap();
        assert_eq!(super::plain_type(&kind), DataType::Utf8);
        let item = Arc::new(Field::new_list_field(DataType::Utf8View, true));
        let lists =
            ListArray::new(item, OffsetBuffer::from_lengths([2, 0, 1]), Arc::clone(&words), None);
        let part = Arc::new(Field::new("word", DataType::Utf8View, true));
        let parts = StructArray::new(vec![part].into(), vec![Arc::clone(&words)], None);
        let rows = RecordBatch::try_from_iter([
            ("words", words),
            ("coded", coded),
            ("lists", Arc::new(lists) as ArrayRef),
            ("parts", Arc::new(parts)),
        ])
        .unwrap();
        let schema = plain(&rows.schema());
        let sent = batch(&rows, &schema).unwrap();
        let expected = StringArray::from(vec![Some("a"), None, Some("b")]);
        assert_eq!(sent.column(0).as_string::<i32>(), &expected);
        assert_eq!(sent.column(1).as_string::<i32>(), &expected);
        assert_eq!(sent.column(2).as_list::<i32>().values().as_string::<i32>(), &expected);
        assert_eq!(sent.column(3).as_struct().column(0).as_string::<i32>(), &expected);
        assert!(rows.column(1).as_any_dictionary_opt().is_some());
        let _ = rows.column(1).as_dictionary::<Int32Type>();
    }
}
