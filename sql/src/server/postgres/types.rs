//! Types of parameters.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use pgwire::api::Type;

/// The Arrow type for values of a PostgreSQL type; `None` if it is not supported.
pub(super) fn arrow_type(kind: &Type) -> Option<DataType> {
    let list = |item: &Type| {
        Some(DataType::List(Arc::new(Field::new_list_field(arrow_type(item)?, true))))
    };
    Some(match *kind {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        // Object ids are Int32 columns in the catalog.
        Type::INT4 | Type::OID | Type::REGCLASS | Type::REGTYPE | Type::REGPROC => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::CHAR
        | Type::UUID
        | Type::JSON => DataType::Utf8,
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        Type::BOOL_ARRAY => return list(&Type::BOOL),
        Type::INT2_ARRAY => return list(&Type::INT2),
        Type::INT4_ARRAY => return list(&Type::INT4),
        Type::OID_ARRAY => return list(&Type::OID),
        Type::INT8_ARRAY => return list(&Type::INT8),
        Type::FLOAT4_ARRAY => return list(&Type::FLOAT4),
        Type::FLOAT8_ARRAY => return list(&Type::FLOAT8),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY => return list(&Type::TEXT),
        Type::DATE_ARRAY => return list(&Type::DATE),
        Type::TIMESTAMP_ARRAY => return list(&Type::TIMESTAMP),
        Type::TIMESTAMPTZ_ARRAY => return list(&Type::TIMESTAMPTZ),
        _ => return None,
    })
}
