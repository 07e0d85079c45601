//! Which uploads are accepted, and when they were made.

use std::fmt;
use std::path::Path;

use super::flatten::{Field, Identity, Unusable};
use crate::calendar::{Zone, parse_instant, parse_instant_with_offset};

/// How far a clock may be ahead of the upload, in microseconds: 24 hours.
const CLOCK_TOLERANCE: i64 = 24 * 3_600 * 1_000_000;
/// What stands in versions that a build has not filled in.
pub(super) const PLACEHOLDER: &str = "VERSION";

/// Why an upload was refused: the first of these that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// There is nothing but white space.
    Empty,
    /// It is not JSON: also text that is not UTF-8, and files that cannot be decompressed.
    InvalidJson,
    /// It is JSON, but not an object.
    NotAnObject,
    /// `uuid` is missing, or not a text.
    MissingUuid,
    /// `recorded_at` is missing.
    MissingRecordedAt,
    /// `recorded_at` is not an ISO 8601 instant with a zone.
    BadRecordedAt,
    /// The version contains `VERSION`.
    PlaceholderVersion,
    /// It was recorded more than 24 hours after it was uploaded.
    FutureClock,
}

impl Reason {
    /// As in the tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::InvalidJson => "invalid_json",
            Self::NotAnObject => "not_an_object",
            Self::MissingUuid => "missing_uuid",
            Self::MissingRecordedAt => "missing_recorded_at",
            Self::BadRecordedAt => "bad_recorded_at",
            Self::PlaceholderVersion => "placeholder_version",
            Self::FutureClock => "future_clock",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<Unusable> for Reason {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Empty => Self::Empty,
            Unusable::InvalidJson => Self::InvalidJson,
            Unusable::NotAnObject => Self::NotAnObject,
        }
    }
}

/// What identifies an accepted upload. Instants are microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) uuid: String,
    pub(super) recorded_at: i64,
    pub(super) uploaded_at: Option<i64>,
}

/// Accepts or refuses a document; `file_time` is the upload time in the name of its file.
pub(super) fn accept(identity: &Identity, file_time: Option<i64>) -> Result<Accepted, Reason> {
    let uuid = identity.text("uuid").ok_or(Reason::MissingUuid)?;
    let recorded_at = match identity.field("recorded_at") {
        Field::Missing => return Err(Reason::MissingRecordedAt),
        Field::Text(text) => parse_instant_with_offset(text).ok_or(Reason::BadRecordedAt)?,
        _ => return Err(Reason::BadRecordedAt),
    };
    if identity.text("version").is_some_and(|version| version.contains(PLACEHOLDER)) {
        return Err(Reason::PlaceholderVersion);
    }
    let in_document = identity.text("uploaded_at").and_then(parse_instant_with_offset);
    let uploaded_at = in_document.or(file_time);
    if uploaded_at.is_some_and(|uploaded| recorded_at > uploaded.saturating_add(CLOCK_TOLERANCE)) {
        return Err(Reason::FutureClock);
    }
    Ok(Accepted { uuid: uuid.to_owned(), recorded_at, uploaded_at })
}

/// The upload time that a file name begins with: `20260315T102030Z`.
pub(super) fn time_of_name(path: &Path) -> Option<i64> {
    let prefix = path.file_name()?.to_str()?.get(..16)?;
    let shape = prefix.bytes().enumerate().all(|(at, byte)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    });
    if shape { parse_instant(prefix, &Zone::utc()) } else { None }
}
