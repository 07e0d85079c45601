//! PostgreSQL's types: their names, and what they are in Arrow.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use datafusion_postgres::arrow_pg::datatypes::field_into_pg_type;
use pgwire::api::Type;
use pgwire::error::PgWireResult;

/// Names of types in SQL, and the internal names; of several names for a type the first is shown.
const NAMES: [(&str, &str); 17] = [
    ("boolean", "bool"),
    ("smallint", "int2"),
    ("integer", "int4"),
    ("int", "int4"),
    ("bigint", "int8"),
    ("real", "float4"),
    ("double precision", "float8"),
    ("double", "float8"),
    ("float", "float8"),
    ("numeric", "numeric"),
    ("decimal", "numeric"),
    ("dec", "numeric"),
    ("character varying", "varchar"),
    ("char varying", "varchar"),
    ("timestamp without time zone", "timestamp"),
    ("timestamp with time zone", "timestamptz"),
    ("time without time zone", "time"),
];

/// Types that are found by their names.
const NAMED: [Type; 15] = [
    Type::BOOL,
    Type::BYTEA,
    Type::DATE,
    Type::FLOAT4,
    Type::FLOAT8,
    Type::INT2,
    Type::INT4,
    Type::INT8,
    Type::JSON,
    Type::NUMERIC,
    Type::OID,
    Type::TEXT,
    Type::TIMESTAMP,
    Type::TIMESTAMPTZ,
    Type::VARCHAR,
];

/// The key, in a field's metadata, of the type that a text has in PostgreSQL.
pub(in crate::server::postgres) const TEXT_TYPE: &str = "headcount.text_type";

/// PostgreSQL's type of a column.
pub(super) fn column_type(field: &FieldRef) -> PgWireResult<Type> {
    let written = field.metadata().get(TEXT_TYPE).map(String::as_str);
    match (written, field.data_type()) {
        (Some("json"), _) => Ok(Type::JSON),
        (Some("varchar"), _) => Ok(Type::VARCHAR),
        (Some("name"), _) => Ok(Type::NAME),
        (_, DataType::Decimal256(..)) => Ok(Type::NUMERIC),
        // A NULL of no type is a text.
        (_, DataType::Null) => Ok(Type::TEXT),
        _ => field_into_pg_type(field),
    }
}

/// PostgreSQL's internal name of a type.
pub(in crate::server::postgres) fn internal_name(name: &str) -> &str {
    NAMES.iter().find(|(known, _)| *known == name).map_or(name, |(_, internal)| internal)
}

/// The type of a name.
pub(in crate::server::postgres) fn by_name(name: &str) -> Option<Type> {
    let internal = internal_name(name);
    NAMED.into_iter().find(|kind| kind.name() == internal)
}

/// The name that SQL has for a type.
pub(in crate::server::postgres) fn sql_name(kind: &Type) -> String {
    let (name, array) = match kind.name().strip_prefix('_') {
        Some(element) => (element, "[]"),
        None => (kind.name(), ""),
    };
    let known = NAMES.iter().find(|(_, internal)| *internal == name);
    format!("{}{array}", known.map_or(name, |(name, _)| name))
}

/// The Arrow type for values of a PostgreSQL type; `None` if it is not supported.
pub(in crate::server::postgres) fn arrow_type(kind: &Type) -> Option<DataType> {
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
