//! How many bytes the values of a call take, at most.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    TimeUnit,
};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

/// Bytes of all values that a call makes for some rows, at most.
pub(super) type Length = fn(&Arguments) -> f64;

/// Bytes of an element of a list, at least.
const ELEMENT: f64 = 8.0;
/// Bytes of a text as a view, besides its own.
const VIEW: f64 = 16.0;
/// Bytes of an element as text, at most, if it is no text itself.
const WRITTEN: f64 = 40.0;

/// The functions of SQL whose values may take far more than their arguments.
pub(super) const LENGTHS: [(&str, Length); 24] = [
    ("repeat", |call| call.each(|row| row.bytes(0) * row.number(1))),
    ("lpad", |call| call.each(|row| row.number(1))),
    ("rpad", |call| call.each(|row| row.number(1))),
    ("replace", |call| {
        call.each(|row| {
            let found = row.bytes(0) / row.bytes(1).max(1.0) + 1.0;
            row.bytes(0) + found * row.bytes(2)
        })
    }),
    // A replacement may name what was found, again and again.
    ("regexp_replace", |call| {
        call.each(|row| row.bytes(0) + (2.0 * row.bytes(0) + 1.0) * row.bytes(2))
    }),
    ("overlay", sum),
    // Two letters for each byte; calls within calls double again and again.
    ("encode", |call| call.each(|row| 2.0 * row.bytes(0))),
    // A pattern of two letters stands for up to 35.
    ("to_char", |call| call.each(|row| 18.0 * row.bytes(1))),
    ("string_to_array", |call| call.each(|row| row.bytes(0) * (1.0 + VIEW))),
    ("concat", sum),
    ("concat_ws", |call| {
        call.each(|row| (0..row.count()).map(|at| row.bytes(0) + row.bytes(at)).sum())
    }),
    (super::JOINED, sum),
    ("make_array", sum),
    ("array_concat", sum),
    ("array_append", sum),
    ("array_prepend", sum),
    ("array_repeat", |call| call.each(|row| row.element(0) * row.number(1))),
    ("array_resize", |call| call.each(|row| row.element(2) * row.number(1))),
    ("array_replace", sum),
    ("array_replace_n", replaced),
    ("array_replace_all", replaced),
    ("array_to_string", |call| {
        call.each(|row| {
            let each = row.bytes(1) + row.bytes(2) + WRITTEN;
            row.bytes(0) + row.elements(0) * each
        })
    }),
    ("range", series),
    ("generate_series", series),
];

fn sum(call: &Arguments) -> f64 {
    let bytes = |column: &ArrayRef| {
        // A scalar stands for all rows.
        let times = if column.len() == call.rows { 1.0 } else { call.rows as f64 };
        bytes(column) * times
    };
    call.columns.iter().map(bytes).sum()
}

fn replaced(call: &Arguments) -> f64 {
    call.each(|row| row.bytes(0) + row.elements(0) * row.element(2))
}

fn series(call: &Arguments) -> f64 {
    call.each(|row| row.series())
}

/// The arguments of a call, scalars as one row.
pub(super) struct Arguments {
    columns: Vec<ArrayRef>,
    rows: usize,
}

impl Arguments {
    /// The arguments of a call that is about to be made.
    ///
    /// # Errors
    /// When a scalar is no value of an array.
    pub(super) fn of(call: &ScalarFunctionArgs) -> Result<Self> {
        let is_one = |argument: &ColumnarValue| matches!(argument, ColumnarValue::Scalar(_));
        // Values that are the same in every row are made once.
        let rows = if call.args.iter().all(is_one) { 1 } else { call.number_rows };
        let columns = call.args.iter().map(|argument| {
            argument.to_array_of_size(match argument {
                ColumnarValue::Scalar(_) => 1,
                ColumnarValue::Array(_) => rows,
            })
        });
        Ok(Self { columns: columns.collect::<Result<_>>()?, rows })
    }

    fn each(&self, length: impl Fn(Row<'_>) -> f64) -> f64 {
        (0..self.rows).map(|row| length(Row { call: self, row })).sum()
    }
}

/// The arguments in one row.
#[derive(Clone, Copy)]
struct Row<'a> {
    call: &'a Arguments,
    row: usize,
}

impl Row<'_> {
    fn count(self) -> usize {
        self.call.columns.len()
    }

    /// An argument as an array of this row alone; `None` for NULL and for what was left out.
    fn value(self, at: usize) -> Option<ArrayRef> {
        let column = self.call.columns.get(at)?;
        let row = if column.len() == self.call.rows { self.row } else { 0 };
        column.is_valid(row).then(|| column.slice(row, 1))
    }

    fn bytes(self, at: usize) -> f64 {
        self.value(at).map_or(0.0, |value| bytes(&value))
    }

    /// The same of a value that becomes an element of a list.
    fn element(self, at: usize) -> f64 {
        self.bytes(at).max(ELEMENT)
    }

    /// How many elements there are in a list and in the lists in it.
    fn elements(self, at: usize) -> f64 {
        self.value(at).map_or(0.0, |value| elements(&value))
    }

    /// A number, of elements or bytes; 0 for NULL and below it.
    fn number(self, at: usize) -> f64 {
        let float = self.value(at).and_then(|value| cast(&value, &DataType::Float64).ok());
        float.map_or(0.0, |float| float.as_primitive::<Float64Type>().value(0)).max(0.0)
    }

    /// From a start to an end by steps: of integers, or of instants by an interval.
    fn series(self) -> f64 {
        if self.count() == 1 {
            return ELEMENT * self.number(0);
        }
        let Some(first) = self.value(0) else { return 0.0 };
        let kind = match first.data_type() {
            kind if kind.is_temporal() => DataType::Timestamp(TimeUnit::Microsecond, None),
            _ => DataType::Int64,
        };
        let place = |at: usize| {
            let place = cast(&cast(&self.value(at)?, &kind).ok()?, &DataType::Int64).ok()?;
            place.is_valid(0).then(|| place.as_primitive::<Int64Type>().value(0) as f64)
        };
        let (Some(from), Some(to)) = (place(0), place(1)) else { return 0.0 };
        let step = match self.value(2) {
            Some(step) if kind.is_temporal() => microseconds(&step),
            Some(_) => place(2).unwrap_or(1.0),
            None => 1.0,
        };
        if step == 0.0 { 0.0 } else { ELEMENT * ((to - from) / step).max(0.0) }
    }
}

fn microseconds(step: &ArrayRef) -> f64 {
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    let Ok(step) = cast(step, &interval) else { return 1.0 };
    let IntervalMonthDayNano { months, days, nanoseconds } =
        step.as_primitive::<IntervalMonthDayNanoType>().value(0);
    const DAY: f64 = 86_400e6;
    f64::from(months) * 28.0 * DAY + f64::from(days) * DAY + nanoseconds as f64 / 1e3
}

/// Whether values of a type may be of any length.
pub(super) fn is_long(data_type: &DataType) -> bool {
    !(data_type.is_primitive()
        || matches!(data_type, DataType::Null | DataType::Boolean | DataType::FixedSizeBinary(_)))
}

/// Bytes of all values of a batch, without those that a slice leaves out.
pub(super) fn bytes_of(batch: &RecordBatch) -> f64 {
    batch.columns().iter().map(bytes).sum()
}

/// Bytes of the longest value of an array.
pub(super) fn longest(array: &ArrayRef) -> f64 {
    fn widest<T: Copy + Into<i64>>(offsets: &[T]) -> f64 {
        let lengths = offsets.windows(2).map(|ends| ends[1].into() - ends[0].into());
        lengths.max().unwrap_or(0) as f64
    }
    let of_views = |views: &[u128]| views.iter().map(|view| *view as u32).max().unwrap_or(0);
    match array.data_type() {
        DataType::Utf8View => f64::from(of_views(array.as_string_view().views())),
        DataType::BinaryView => f64::from(of_views(array.as_binary_view().views())),
        DataType::Utf8 => widest(array.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => widest(array.as_string::<i64>().value_offsets()),
        DataType::Binary => widest(array.as_binary::<i32>().value_offsets()),
        DataType::LargeBinary => widest(array.as_binary::<i64>().value_offsets()),
        other => match other.primitive_width() {
            Some(width) => width as f64,
            None => {
                let lengths = (0..array.len()).map(|at| bytes(&array.slice(at, 1)));
                lengths.fold(0.0, f64::max)
            }
        },
    }
}

/// Bytes of all values of an array, without those that a slice leaves out.
pub(super) fn bytes(array: &ArrayRef) -> f64 {
    let of_views = |views: &[u128]| views.iter().map(|view| f64::from(*view as u32)).sum();
    match array.data_type() {
        DataType::Utf8View => of_views(array.as_string_view().views()),
        DataType::BinaryView => of_views(array.as_binary_view().views()),
        DataType::Utf8 => between(array.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => between(array.as_string::<i64>().value_offsets()),
        DataType::Binary => between(array.as_binary::<i32>().value_offsets()),
        DataType::LargeBinary => between(array.as_binary::<i64>().value_offsets()),
        DataType::Struct(_) => array.as_struct().columns().iter().map(bytes).sum(),
        DataType::Dictionary(_, values) => match cast(array, values) {
            Ok(values) => bytes(&values),
            Err(_) => array.get_array_memory_size() as f64,
        },
        other => match (inside(array), other.primitive_width()) {
            (Some(values), _) => bytes(&values) + ELEMENT * array.len() as f64,
            (_, Some(width)) => (width * array.len()) as f64,
            _ => array.get_array_memory_size() as f64,
        },
    }
}

/// How many elements there are in lists and in the lists in them; values that are no lists count
/// themselves.
pub(super) fn elements(array: &ArrayRef) -> f64 {
    inside(array).map_or(array.len() as f64, |values| elements(&values))
}

/// The elements of lists.
fn inside(lists: &ArrayRef) -> Option<ArrayRef> {
    let part = |values: &ArrayRef, from: usize, to: usize| values.slice(from, to - from);
    if let Some(lists) = lists.as_list_opt::<i32>() {
        let offsets = lists.value_offsets();
        return Some(part(lists.values(), offsets[0] as usize, offsets[lists.len()] as usize));
    }
    if let Some(lists) = lists.as_list_opt::<i64>() {
        let offsets = lists.value_offsets();
        return Some(part(lists.values(), offsets[0] as usize, offsets[lists.len()] as usize));
    }
    let lists = lists.as_fixed_size_list_opt()?;
    let (from, to) = (lists.value_offset(0), lists.value_offset(lists.len()));
    Some(part(lists.values(), from as usize, to as usize))
}

fn between<T: Copy + Into<i64>>(offsets: &[T]) -> f64 {
    let end = |offset: Option<&T>| offset.map_or(0, |offset| (*offset).into());
    (end(offsets.last()) - end(offsets.first())) as f64
}
