//! Encodes group columns: every value of a column gets a code when it is first seen.
//!
//! Grouping by codes is cheap. Texts are looked up by the 16 bytes of their view, a dictionary's
//! values once per dictionary, and a calendar period (`date_trunc`) once per run of rows in it,
//! mostly once per batch.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, UInt32Array, new_empty_array, new_null_array,
};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Int32Type};
use arrow::row::{RowConverter, SortField};
use datafusion::common::internal_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::PhysicalExpr;
use hashbrown::HashTable;

use super::codes::Codes;
use super::periods::Periods;
use crate::datafusion_error::external;
use crate::scan::UserKeys;
use crate::scan::{any_keys, is_int};
use crate::users::{hash_bytes, hash_int};

/// Integers from 0 up to this are looked up by index in a table.
const MAX_DIRECT: i64 = 1 << 20;
/// No code yet.
const NONE: u32 = u32::MAX;
/// Views that are remembered with their codes.
const CACHED_VIEWS: usize = 256;

/// Whether values of a type are equal exactly if their bytes are. Floats are not (0.0 and -0.0 are
/// one group), and what may hold floats is left alone with them.
pub(super) fn is_encodable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_encodable(values),
        DataType::Null
        | DataType::FixedSizeBinary(_)
        | DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Decimal128(_, _)
        | DataType::Decimal256(_, _) => true,
        other => is_int(other) || other.is_string() || other.is_binary(),
    }
}

/// Codes of one group column.
#[derive(Debug)]
pub(super) struct ColumnEncoder {
    expr: Arc<dyn PhysicalExpr>,
    data_type: DataType,
    periods: Option<Periods>,
    interner: ValueInterner,
    /// The code of NULL, if there was one.
    null: Option<u32>,
    /// Values in the order of their codes, in parts; dictionaries are unpacked.
    chunks: Vec<ArrayRef>,
    next: u32,
    size: usize,
    /// The last dictionary, and the codes of its values.
    dictionary: Option<(ArrayRef, Vec<u32>)>,
}

impl ColumnEncoder {
    /// A coder for an expression over batches; `data_type` is the type of its values.
    ///
    /// # Errors
    /// When values of the type cannot be grouped.
    pub(super) fn new(expr: &Arc<dyn PhysicalExpr>, data_type: &DataType) -> Result<Self> {
        let values = match data_type {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        Ok(Self {
            expr: Arc::clone(expr),
            data_type: data_type.clone(),
            periods: Periods::of(expr, data_type),
            interner: ValueInterner::new(values)?,
            null: None,
            chunks: Vec::new(),
            next: 0,
            size: 0,
            dictionary: None,
        })
    }

    /// The code of the expression in every row.
    ///
    /// # Errors
    /// When the expression cannot be evaluated.
    pub(super) fn codes(&mut self, batch: &RecordBatch) -> Result<Codes<u32>> {
        if batch.num_rows() > 0
            && let Some(periods) = &mut self.periods
            && let Some(runs) = periods.runs(batch)?
        {
            // Runs come with the row they start at: a period's value is made from its first row.
            let code = |encoder: &mut Self, row: usize, period: i64| {
                if let Some(code) = encoder.periods.as_ref().and_then(|known| known.code(period)) {
                    return Ok(code);
                }
                let value = encoder.expr.evaluate(&batch.slice(row, 1))?.into_array(1)?;
                let code = encoder.codes_of(&value)?[0];
                if let Some(periods) = &mut encoder.periods {
                    periods.insert(period, code);
                }
                Ok::<_, DataFusionError>(code)
            };
            if let [(_, period)] = runs.as_slice() {
                return Ok(Codes::All(code(self, 0, *period)?));
            }
            let mut codes = Vec::with_capacity(batch.num_rows());
            for (at, (row, period)) in runs.iter().enumerate() {
                let end = runs.get(at + 1).map_or(batch.num_rows(), |next| next.0);
                codes.resize(end, code(self, *row, *period)?);
            }
            return Ok(Codes::Rows(codes));
        }
        let values = self.expr.evaluate(batch)?.into_array(batch.num_rows())?;
        if is_constant(&values) {
            return Ok(Codes::All(self.codes_of(&values.slice(0, 1))?[0]));
        }
        Ok(Codes::Rows(self.codes_of(&values)?))
    }

    /// The code of every value of an array of the column's type.
    ///
    /// # Errors
    /// When the values are of another type.
    pub(super) fn codes_of(&mut self, values: &ArrayRef) -> Result<Vec<u32>> {
        let DataType::Dictionary(_, _) = values.data_type() else {
            return self.encode(values);
        };
        let dictionary = values.as_any_dictionary();
        let known = match self.dictionary.take() {
            Some((last, codes)) if Arc::ptr_eq(&last, dictionary.values()) => codes,
            _ => self.encode(dictionary.values())?,
        };
        // Without values there are no keys either, only nulls.
        let mut codes: Vec<u32> = match known.is_empty() {
            true => vec![NONE; values.len()],
            false => dictionary.normalized_keys().iter().map(|key| known[*key]).collect(),
        };
        if let Some(nulls) = dictionary.nulls().filter(|nulls| nulls.null_count() > 0) {
            let null = self.null()?;
            for (row, code) in codes.iter_mut().enumerate() {
                if nulls.is_null(row) {
                    *code = null;
                }
            }
        }
        self.dictionary = Some((Arc::clone(dictionary.values()), known));
        Ok(codes)
    }

    fn encode(&mut self, values: &ArrayRef) -> Result<Vec<u32>> {
        let mut codes = vec![NONE; values.len()];
        let mut new = Vec::new();
        let nulls = values.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        if let Some(nulls) = &nulls {
            let null = self.null()?;
            for (row, code) in codes.iter_mut().enumerate() {
                if nulls.is_null(row) {
                    *code = null;
                }
            }
        }
        self.interner.find(values, &mut self.next, &mut codes, &mut new)?;
        if !new.is_empty() {
            self.store_values(&take(values, &UInt32Array::from(new), None)?)?;
        }
        Ok(codes)
    }

    /// The code of NULL.
    fn null(&mut self) -> Result<u32> {
        if let Some(null) = self.null {
            return Ok(null);
        }
        self.store_values(&new_null_array(&DataType::Null, 1))?;
        self.null = Some(self.next);
        self.next += 1;
        Ok(self.next - 1)
    }

    /// Keeps values for the codes that come next. Texts may come in another form than the
    /// column's.
    fn store_values(&mut self, values: &ArrayRef) -> Result<()> {
        let form = match &self.data_type {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        let values = cast(values, form)?;
        self.size += values.get_array_memory_size();
        self.chunks.push(values);
        Ok(())
    }

    /// The values of some codes.
    ///
    /// # Errors
    /// When there are too many bytes for the column's type.
    pub(super) fn values(&self, codes: &UInt32Array) -> Result<ArrayRef> {
        let chunks: Vec<&dyn Array> = self.chunks.iter().map(AsRef::as_ref).collect();
        let all = match chunks.as_slice() {
            [] => return Ok(new_empty_array(&self.data_type)),
            [chunk] => chunk.slice(0, chunk.len()),
            chunks => concat(chunks)?,
        };
        Ok(cast(&take(&all, codes, None)?, &self.data_type)?)
    }

    /// Heap bytes in use.
    pub(super) fn size(&self) -> usize {
        self.size + self.interner.size()
    }
}

/// From values to codes.
#[derive(Debug)]
enum ValueInterner {
    /// Integers, and what is an integer inside.
    Ints { direct: Vec<u32>, table: HashTable<(i64, u32)> },
    /// Texts and binary.
    Bytes(Box<BytesInterner>),
    /// Everything else.
    Rows { converter: RowConverter, table: HashTable<(Box<[u8]>, u32)>, size: usize },
}

#[derive(Debug)]
struct BytesInterner {
    /// Views met lately, by a few of their bits.
    views: Vec<(u128, u32)>,
    table: HashTable<(u64, Box<[u8]>, u32)>,
    size: usize,
}

impl ValueInterner {
    fn new(data_type: &DataType) -> Result<Self> {
        Ok(match data_type {
            other if is_int(other) => Self::Ints { direct: Vec::new(), table: HashTable::new() },
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView => Self::Bytes(Box::new(BytesInterner {
                views: vec![(0, NONE); CACHED_VIEWS],
                table: HashTable::new(),
                size: 0,
            })),
            other => Self::Rows {
                converter: RowConverter::new(vec![SortField::new(other.clone())])?,
                table: HashTable::new(),
                size: 0,
            },
        })
    }

    /// Fills in the codes that are [`NONE`] of all values that are not null; the rows of values
    /// that are new, and got the codes from `next` on, are added to `new`.
    fn find(
        &mut self,
        values: &ArrayRef,
        next: &mut u32,
        codes: &mut [u32],
        new: &mut Vec<u32>,
    ) -> Result<()> {
        let nulls = values.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let mut fresh = |row: usize| {
            new.push(row as u32);
            *next += 1;
            *next - 1
        };
        match self {
            Self::Ints { direct, table } => {
                let ints = int_values(values)?;
                for (row, (int, code)) in ints.iter().zip(codes).enumerate() {
                    if !valid(row) {
                        continue;
                    }
                    let int = *int;
                    if (0..MAX_DIRECT).contains(&int) {
                        let at = int as usize;
                        if at >= direct.len() {
                            direct.resize((at + 1).next_power_of_two(), NONE);
                        }
                        if direct[at] == NONE {
                            direct[at] = fresh(row);
                        }
                        *code = direct[at];
                    } else {
                        let hash = hash_int(int);
                        let entry = table.entry(hash, |e| e.0 == int, |e| hash_int(e.0));
                        *code = entry.or_insert_with(|| (int, fresh(row))).get().1;
                    }
                }
            }
            Self::Bytes(bytes) => match UserKeys::of(values).map_err(external)? {
                UserKeys::Text(texts) => {
                    bytes.clear_views(!texts.data_buffers().is_empty());
                    let views = texts.views();
                    for (row, code) in codes.iter_mut().enumerate().filter(|(row, _)| valid(*row)) {
                        *code =
                            bytes.code(views[row], || texts.value(row).as_bytes(), || fresh(row));
                    }
                }
                UserKeys::Binary(binary) => {
                    bytes.clear_views(!binary.data_buffers().is_empty());
                    let views = binary.views();
                    for (row, code) in codes.iter_mut().enumerate().filter(|(row, _)| valid(*row)) {
                        *code = bytes.code(views[row], || binary.value(row), || fresh(row));
                    }
                }
                UserKeys::Ints(_) => {
                    return internal_err!("text was read as integers");
                }
            },
            Self::Rows { converter, table, size } => {
                let rows = converter.convert_columns(std::slice::from_ref(values))?;
                for (row, code) in codes.iter_mut().enumerate().filter(|(row, _)| valid(*row)) {
                    let key = rows.row(row);
                    let key = key.as_ref();
                    let same = |e: &(Box<[u8]>, u32)| *e.0 == *key;
                    let entry = table.entry(hash_bytes(key), same, |e| hash_bytes(&e.0));
                    let entry = entry.or_insert_with(|| {
                        *size += key.len();
                        (key.into(), fresh(row))
                    });
                    *code = entry.get().1;
                }
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        match self {
            Self::Ints { direct, table } => {
                direct.capacity() * size_of::<u32>() + table.allocation_size()
            }
            Self::Bytes(bytes) => {
                bytes.views.capacity() * size_of::<(u128, u32)>()
                    + bytes.table.allocation_size()
                    + bytes.size
            }
            Self::Rows { table, size, .. } => table.allocation_size() + size,
        }
    }
}

impl BytesInterner {
    /// A view of more than 12 bytes has the offset of its bytes, which the next array may reuse.
    fn clear_views(&mut self, long: bool) {
        if long {
            self.views.fill((0, NONE));
        }
    }

    #[inline]
    fn code<'a>(
        &mut self,
        view: u128,
        bytes: impl FnOnce() -> &'a [u8],
        fresh: impl FnOnce() -> u32,
    ) -> u32 {
        let mixed = (view as u64 ^ (view >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slot = (mixed >> 56) as usize;
        let (known, code) = self.views[slot];
        if known == view && code != NONE {
            return code;
        }
        let bytes = bytes();
        let hash = hash_bytes(bytes);
        let same = |e: &(u64, Box<[u8]>, u32)| e.0 == hash && *e.1 == *bytes;
        let entry = self.table.entry(hash, same, |e| e.0);
        let size = &mut self.size;
        let code = entry
            .or_insert_with(|| {
                *size += bytes.len();
                (hash, bytes.into(), fresh())
            })
            .get()
            .2;
        self.views[slot] = (view, code);
        code
    }
}

/// Whether all values are known to be the same, without a look at text.
fn is_constant(values: &ArrayRef) -> bool {
    let ints = match values.as_dictionary_opt::<Int32Type>() {
        Some(dictionary) => dictionary.keys(),
        None => match values.as_primitive_opt::<Int32Type>() {
            Some(ints) => ints,
            None => return false,
        },
    };
    let (Some(first), 0) = (ints.values().first(), ints.null_count()) else { return false };
    ints.values().iter().all(|int| int == first)
}

/// The values as 64-bit integers; unsigned ones by their bits.
fn int_values(values: &ArrayRef) -> Result<ScalarBuffer<i64>> {
    match any_keys(values).map_err(external)? {
        UserKeys::Ints(ints) => Ok(ints),
        _ => internal_err!("integers were read as {}", values.data_type()),
    }
}
