//! Arrays as text and in the binary format. arrow-pg gives empty ones a dimension in the binary format, and
//! formats elements of its own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, ListArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use engine::{Error, Result};
use pgwire::api::Type;
use pgwire::api::results::{FieldFormat, FieldInfo};
use pgwire::error::PgWireError;
use pgwire::messages::data::DataRow;

use super::text_encoding;
use super::types::column_type;

/// Replaces columns of arrays by what is sent for them, with the fields for it.
///
/// # Errors
/// When an element cannot be encoded.
pub(in crate::server::postgres) fn replace(
    batch: &RecordBatch,
    fields: &Arc<Vec<FieldInfo>>,
    zone: &str,
) -> Result<(RecordBatch, Arc<Vec<FieldInfo>>)> {
    let schema = batch.schema();
    let is_array = |field: &FieldRef| match field.data_type() {
        DataType::List(item) => !item.data_type().is_nested(),
        _ => false,
    };
    if !schema.fields().iter().any(is_array) {
        return Ok((batch.clone(), Arc::clone(fields)));
    }
    let mut sent = Vec::with_capacity(fields.len());
    let mut columns: Vec<(FieldRef, ArrayRef)> = Vec::with_capacity(fields.len());
    let all = schema.fields().iter().zip(batch.columns()).zip(fields.iter());
    for ((field, column), info) in all {
        if !is_array(field) {
            columns.push((Arc::clone(field), Arc::clone(column)));
            sent.push(info.clone());
            continue;
        }
        let format = info.format();
        let (kind, column): (Type, ArrayRef) = match format {
            FieldFormat::Text => (Type::TEXT, Arc::new(texts(column.as_list(), zone)?)),
            FieldFormat::Binary => (Type::BYTEA, Arc::new(binary(column.as_list(), zone)?)),
        };
        columns
            .push((Arc::new(Field::new(field.name(), column.data_type().clone(), true)), column));
        sent.push(FieldInfo::new(info.name().to_owned(), None, None, kind, format));
    }
    let (fields, columns): (Vec<FieldRef>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
    Ok((batch.map_err(Error::from)?, Arc::new(sent)))
}

/// The type of the elements, and each with its length, -1 for NULL, in front.
fn elements(lists: &ListArray, format: FieldFormat, zone: &str) -> Result<(Type, Vec<DataRow>)> {
    let to_error = |cause: PgWireError| Error::input(cause.to_string());
    let DataType::List(item) = lists.data_type() else { return Err(Error::internal("no list")) };
    let kind = column_type(item).map_err(to_error)?;
    let fields = vec![FieldInfo::new(item.name().clone(), None, None, kind.clone(), format)];
    let schema = Arc::new(Schema::new(vec![Field::clone(item).with_nullable(true)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::clone(lists.values())])?;
    // A row of one value.
    let rows = text_encoding::encode(&batch, &Arc::new(fields), zone)?;
    let rows = rows.collect::<std::result::Result<_, _>>().map_err(to_error)?;
    Ok((kind, rows))
}

/// The elements of each array; `None` for NULL.
fn ranges<'a>(
    lists: &'a ListArray,
    elements: &'a [DataRow],
) -> impl Iterator<Item = Option<&'a [DataRow]>> {
    lists.offsets().windows(2).enumerate().map(|(row, ends)| {
        let range = usize::try_from(ends[0]).ok()?..usize::try_from(ends[1]).ok()?;
        elements.get(range).filter(|_| lists.is_valid(row))
    })
}

fn is_null(element: &DataRow) -> bool {
    element.data.starts_with(&[0xff])
}

/// The number of dimensions, whether there are NULLs, the type of the elements, the length and the
/// first subscript of each dimension, and the elements with their lengths.
fn binary(lists: &ListArray, zone: &str) -> Result<BinaryArray> {
    let (kind, all) = elements(lists, FieldFormat::Binary, zone)?;
    let array = |elements: &[DataRow]| {
        let length = u32::try_from(elements.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::new();
        bytes.extend(u32::from(length > 0).to_be_bytes());
        bytes.extend(u32::from(elements.iter().any(is_null)).to_be_bytes());
        bytes.extend(kind.oid().to_be_bytes());
        if length > 0 {
            bytes.extend(length.to_be_bytes());
            bytes.extend(1_u32.to_be_bytes());
        }
        bytes.extend(elements.iter().flat_map(|element| element.data.iter().copied()));
        bytes
    };
    let arrays: Vec<Option<Vec<u8>>> =
        ranges(lists, &all).map(|elements| elements.map(array)).collect();
    Ok(arrays.iter().map(Option::as_deref).collect())
}

/// `{1,NULL,"b c"}`.
fn texts(lists: &ListArray, zone: &str) -> Result<StringArray> {
    let (_, all) = elements(lists, FieldFormat::Text, zone)?;
    let text = |element: &DataRow| match is_null(element) {
        true => "NULL".to_owned(),
        false => quoted(&String::from_utf8_lossy(element.data.get(4..).unwrap_or_default())),
    };
    let array = |elements: &[DataRow]| {
        let texts: Vec<String> = elements.iter().map(text).collect();
        format!("{{{}}}", texts.join(","))
    };
    Ok(ranges(lists, &all).map(|elements| elements.map(array)).collect())
}

/// An element, in quotes if it could be taken for something else.
fn quoted(text: &str) -> String {
    let is_special =
        |letter: char| matches!(letter, '{' | '}' | ',' | '"' | '\\' | ' ' | '\t'..='\r');
    if !text.is_empty() && !text.contains(is_special) && !text.eq_ignore_ascii_case("null") {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, ListArray, RecordBatch};
    use arrow::datatypes::Int32Type;
    use pgwire::api::Type;
    use pgwire::api::results::{FieldFormat, FieldInfo};

    use super::{quoted, replace};

    fn sent(format: FieldFormat) -> ArrayRef {
        let lists = [Some(vec![Some(7), None]), Some(vec![]), None];
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
        let batch = RecordBatch::try_from_iter([("a", lists)]).unwrap();
        let field = FieldInfo::new("a".to_owned(), None, None, Type::INT4_ARRAY, format);
        let (sent, fields) = replace(&batch, &Arc::new(vec![field]), "UTC").unwrap();
        assert_eq!(fields[0].format(), format);
        Arc::clone(sent.column(0))
    }

    #[test]
    fn empty_arrays_have_no_dimension() {
        let sent = sent(FieldFormat::Binary);
        let sent: Vec<Option<&[u8]>> = sent.as_binary::<i32>().iter().collect();
        let two = b"\0\0\0\x01\0\0\0\x01\0\0\0\x17\0\0\0\x02\0\0\0\x01\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff";
        assert_eq!(sent, [Some(&two[..]), Some(b"\0\0\0\0\0\0\0\0\0\0\0\x17"), None]);
    }

    #[test]
    fn elements_are_quoted_where_they_need_it() {
        let sent = sent(FieldFormat::Text);
        let sent: Vec<Option<&str>> = sent.as_string::<i32>().iter().collect();
        assert_eq!(sent, [Some("{7,NULL}"), Some("{}"), None]);
        for (text, expected) in [
            ("a", "a"),
            ("", "\"\""),
            ("null", "\"null\""),
            ("a b", "\"a b\""),
            ("\"\\", "\"\\\"\\\\\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
