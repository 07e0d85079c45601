//! The columns of the tables.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

/// What a column holds.
#[derive(Clone, Copy)]
pub(super) enum Type {
    Text,
    Count,
    Share,
    Flag,
    Month,
    Instant,
    Texts,
    Bytes,
}

use Type::{Bytes, Count, Flag, Instant, Month, Share, Text, Texts};

/// The tables with their columns.
pub(super) const TABLES: [(&str, &[(&str, Type)]); 10] = [
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
        "ping_sketches",
        &[
            ("uuid", Text),
            ("hostname", Text),
            ("recorded_at", Instant),
            ("month", Month),
            ("key_path", Text),
            ("salt", Text),
            ("sketch", Bytes),
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
    (
        "ping_predictions",
        &[
            ("month", Month),
            ("key_path", Text),
            ("edition", Text),
            ("deployment", Text),
            ("scenario", Text),
            ("measure", Text),
            ("numerator", Count),
            ("denominator", Count),
            ("recorded", Count),
            ("predicted", Count),
        ],
    ),
    (
        "ping_estimate_subscriptions",
        &[
            ("month", Month),
            ("key_path", Text),
            ("edition", Text),
            ("deployment", Text),
            ("condition", Text),
            ("subscription_id", Text),
            ("seats", Count),
            ("counted", Flag),
            ("versions", Texts),
            ("why", Text),
        ],
    ),
];

impl Type {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Text => DataType::Utf8,
            Bytes => DataType::Binary,
            Count => DataType::Int64,
            Share => DataType::Float64,
            Flag => DataType::Boolean,
            Month => DataType::Date32,
            Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        }
    }
}
