//! The columns of the tables of pings.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

/// The columns of `ping_values`, in their order.
pub(super) const VALUE_COLUMNS: [&str; 4] = ["key_path", "upload", "value", "kind"];

/// Columns of the table.
pub(super) fn uploads() -> Schema {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let columns = [
        ("upload", DataType::Int64),
        ("hash", DataType::Utf8),
        ("line", DataType::Int64),
        ("reason", DataType::Utf8),
        ("uuid", DataType::Utf8),
        ("hostname", DataType::Utf8),
        ("recorded_at", time()),
        ("uploaded_at", time()),
        ("version", DataType::Utf8),
        ("edition", DataType::Utf8),
        ("gitlab_dedicated", DataType::Boolean),
        ("license_expires_at", DataType::Date32),
        ("license_subscription_id", DataType::Utf8),
        ("license_user_count", DataType::Int64),
    ];
    Schema::new(columns.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec())
}

/// Columns of the table.
pub(super) fn values() -> Schema {
    let types = [DataType::Utf8, DataType::Int64, DataType::Int64, DataType::Utf8];
    let fields = VALUE_COLUMNS.into_iter().zip(types);
    Schema::new(fields.map(|(name, kind)| Field::new(name, kind, true)).collect::<Vec<_>>())
}
