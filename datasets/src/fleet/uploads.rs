//! How pings arrive: in time, late, repeated, corrected, or so that they are refused.

use crate::random::{RandomStream, below, key, mix, unit};

use super::installations::{Deployment, Installation, Reporting};
use super::model::Fleet;

/// Share of pings that installations which send some of them do send.
const SOMETIMES_SENT: f64 = 0.4;
/// Weeks after which the last uploads arrive.
pub(crate) const MAX_DELAY: u32 = 3;

/// Why an upload is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Empty,
    InvalidJson,
    NotAnObject,
    MissingUuid,
    MissingRecordedAt,
    BadRecordedAt,
    PlaceholderVersion,
    FutureClock,
}

/// What becomes of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Accepted,
    Superseded,
    Refused(Fault),
}

/// One upload of the ping of a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Upload {
    /// The week in which it arrives.
    pub(crate) arrival: u32,
    pub(crate) outcome: Outcome,
    /// Seconds before the end of the week of the ping that its document names as the time of the
    /// upload.
    pub(crate) uploaded_before: Option<i64>,
    /// Whether its numbers are not those that count.
    pub(crate) is_wrong: bool,
}

impl Fault {
    pub(crate) const ALL: [Self; 8] = [
        Self::Empty,
        Self::InvalidJson,
        Self::NotAnObject,
        Self::MissingUuid,
        Self::MissingRecordedAt,
        Self::BadRecordedAt,
        Self::PlaceholderVersion,
        Self::FutureClock,
    ];

    /// The reason for which it is refused.
    pub(crate) const fn reason(self) -> &'static str {
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

impl Upload {
    const fn at(arrival: u32, outcome: Outcome) -> Self {
        Self { arrival, outcome, uploaded_before: None, is_wrong: false }
    }

    const fn wrong(arrival: u32) -> Self {
        Self { is_wrong: true, ..Self::at(arrival, Outcome::Superseded) }
    }
}

impl Fleet {
    /// The uploads of the ping of a week, in the order in which they arrive. At most one is
    /// accepted.
    pub(crate) fn uploads(&self, of: &Installation, week: u32) -> Vec<Upload> {
        let mut random = RandomStream::at(key(of.key, 3), u64::from(week));
        let is_sent = match of.reporting {
            Reporting::Always => true,
            Reporting::Sometimes => unit(random.next()) < SOMETIMES_SENT,
            Reporting::Never => false,
        };
        if !is_sent || !of.weeks.contains(&week) {
            return Vec::new();
        }
        let accepted = Upload::at(week, Outcome::Accepted);
        if of.deployment == Deployment::Saas {
            return vec![accepted];
        }
        let later = week + 1 + below(random.next(), u64::from(MAX_DELAY)) as u32;
        let fault = Fault::ALL[below(random.next(), 8) as usize];
        let refused = Upload::at(week, Outcome::Refused(fault));
        match below(random.next(), 1_000) {
            0..12 => vec![refused],
            12..22 => vec![Upload { arrival: later, ..accepted }],
            // Corrected later.
            22..37 => vec![Upload::wrong(week), Upload { arrival: later, ..accepted }],
            // The one that arrives later is older.
            37..44 => {
                let older = Upload { uploaded_before: Some(3_600), ..Upload::wrong(later) };
                vec![accepted, older]
            }
            // Of two at the same time the last counts.
            44..52 => vec![Upload::wrong(week), accepted],
            // A refused upload never counts, also when it is the newest.
            52..56 => vec![refused, Upload { arrival: later, ..accepted }],
            56..60 => vec![accepted, Upload { arrival: later, ..refused }],
            60..160 => vec![Upload { uploaded_before: Some(60), ..accepted }],
            _ => vec![accepted],
        }
    }

    /// Whether the ping of a week counts.
    pub(crate) fn is_accepted(&self, of: &Installation, week: u32) -> bool {
        self.uploads(of, week).iter().any(|upload| upload.outcome == Outcome::Accepted)
    }

    /// A number that tells uploads of a ping apart, for the choice among several faulty forms.
    pub(crate) fn form(of: &Installation, week: u32) -> u64 {
        mix(of.key ^ u64::from(week))
    }
}
