//! Time zones: IANA names, and offsets of a connection's own zone.

use datafusion::common::exec_err;
use datafusion::error::{DataFusionError, Result};
use engine::calendar::Zone;

/// A time zone.
pub(super) enum LocalZone {
    Named(Zone),
    /// Microseconds east of UTC.
    Offset(i64),
}

impl LocalZone {
    /// The connection's zone, which may be an offset such as `+02:00`.
    ///
    /// # Errors
    /// When there is no such zone.
    pub(super) fn of_session(name: &str) -> Result<Self> {
        if let Some(offset) = super::input::offset(name) {
            return Ok(Self::Offset(offset));
        }
        Self::named(name)
    }

    /// The zone of AT TIME ZONE. PostgreSQL takes offsets there as POSIX does, with the opposite sign,
    /// and abbreviations such as `CET` as fixed offsets, so both are refused.
    ///
    /// # Errors
    /// When there is no such zone, or the name is an offset or an abbreviation.
    pub(super) fn of_expression(name: &str) -> Result<Self> {
        let is_name = name.contains('/') || ["UTC", "GMT"].contains(&name.to_uppercase().as_str());
        match is_name {
            true => Self::named(name),
            false => exec_err!(
                "time zone \"{name}\" is not supported: use UTC or a name such as Europe/Berlin"
            ),
        }
    }

    fn named(name: &str) -> Result<Self> {
        Zone::get(name)
            .map(Self::Named)
            .map_err(|error| DataFusionError::Execution(error.to_string()))
    }

    /// Microseconds east of UTC at an instant.
    pub(super) fn offset(&self, instant: i64) -> i64 {
        match self {
            Self::Named(zone) => zone.offset(instant),
            Self::Offset(offset) => *offset,
        }
    }

    /// What the zone's clocks show at an instant, in microseconds as if it were UTC.
    pub(super) fn local(&self, instant: i64) -> i64 {
        instant.saturating_add(self.offset(instant))
    }

    /// The instant at which the zone's clocks show a civil time: a time that was skipped is read with
    /// the offset before the jump, one that came twice is the second one.
    pub(super) fn instant(&self, local: i64) -> i64 {
        match self {
            Self::Named(zone) => zone.last_instant_of_local(local),
            Self::Offset(offset) => local.saturating_sub(*offset),
        }
    }
}
