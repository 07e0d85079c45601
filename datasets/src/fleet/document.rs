//! Writes the document of a ping.

use std::io::Write as _;

use super::content::{Value, filler};
use super::form::{Leaf, Part};
use super::installations::{Installation, LicenseEnd};
use super::model::Fleet;
use super::uploads::{Fault, Outcome, Upload};
use super::weeks::{DAY, instant};
use crate::calendar::date;

/// Numbers that are added to those of a document that does not count.
const WRONG_BY: u64 = 1_000;
/// Seconds that a wrong clock is ahead of the upload.
const CLOCK_AHEAD: i64 = 40 * DAY;

impl Fleet {
    /// Appends the document of an upload of the ping of a week.
    pub(crate) fn document(
        &self,
        of: &Installation,
        week: u32,
        upload: &Upload,
        out: &mut Vec<u8>,
    ) {
        let fault = match upload.outcome {
            Outcome::Refused(fault) => Some(fault),
            Outcome::Accepted | Outcome::Superseded => None,
        };
        if fault == Some(Fault::Empty) {
            return out.extend_from_slice(b" \n");
        }
        let form = Self::form(of, week);
        if fault == Some(Fault::NotAnObject) {
            out.push(b'[');
        }
        let start = out.len();
        let mut object = ObjectWriter { out, is_pretty: of.by_hand, depth: 0 };
        object.open("{");
        self.identity(of, week, upload, fault, &mut object);
        self.body(of, week, upload.is_wrong, &mut object);
        object.close();
        match fault {
            Some(Fault::NotAnObject) => out.push(b']'),
            Some(Fault::InvalidJson) if form.is_multiple_of(2) && !of.by_hand => {
                // The second letter, of the first key.
                out[start + 2] = 0xFF;
            }
            Some(Fault::InvalidJson) => out.truncate(start + (out.len() - start) * 2 / 3),
            _ => {}
        }
    }

    /// Appends what identifies the installation and its licence.
    fn identity(
        &self,
        of: &Installation,
        week: u32,
        upload: &Upload,
        fault: Option<Fault>,
        object: &mut ObjectWriter<'_>,
    ) {
        let form = Self::form(of, week) as usize;
        let recorded_at = of.recorded_at(&self.weeks, week);
        let at = instant(recorded_at, of.offset);
        match fault {
            Some(Fault::MissingUuid) => {
                object.raw("uuid", ["null", "\"\"", "12"][form % 3]);
            }
            _ => object.text("uuid", &of.uuid),
        }
        match &of.hostname {
            Some(hostname) => object.text("hostname", hostname),
            None => object.raw("hostname", "null"),
        }
        match fault {
            Some(Fault::MissingRecordedAt) if form.is_multiple_of(2) => {}
            Some(Fault::MissingRecordedAt) => object.raw("recorded_at", "null"),
            Some(Fault::BadRecordedAt) => {
                object.text("recorded_at", [&at[..10], &at[..19], "last week"][form % 3]);
            }
            Some(Fault::FutureClock) => {
                let ahead = self.weeks.end(upload.arrival) + CLOCK_AHEAD;
                object.text("recorded_at", &instant(ahead, of.offset));
            }
            _ => object.text("recorded_at", &at),
        }
        if let Some(before) = upload.uploaded_before {
            object.text("uploaded_at", &instant(self.weeks.end(week) - before, 0));
        }
        let is_ce = of.is_ce(week);
        let version = match self.version(of, week) {
            _ if fault == Some(Fault::PlaceholderVersion) => "VERSION-ee".to_owned(),
            Some(version) => version.text(is_ce),
            None => "nightly".to_owned(),
        };
        object.text("version", &version);
        if let Some(edition) = of.edition(week) {
            object.text("edition", edition);
        }
        if of.says_dedicated {
            object.raw("gitlab_dedicated", "true");
        }
        object.text("installation_type", "omnibus-gitlab");
        object.raw("active_user_count", &of.users.to_string());
        if let Some(subscription) = self.subscription_of[of.number] {
            let subscription = &self.subscriptions[subscription];
            if of.names_subscription {
                object.text("license_subscription_id", &subscription.id);
                object.raw("license_user_count", &subscription.seats.to_string());
            }
            object.raw("licensee", "{\"Name\":\"A Person\",\"Email\":\"person@example.com\"}");
            object.text("license_plan", "premium");
            object.raw("license_trial", "false");
        }
        match of.license_end {
            Some(LicenseEnd::Day(day)) => object.text("license_expires_at", &date(day)),
            Some(LicenseEnd::FarAway) => object.text("license_expires_at", "22026-01-01"),
            None => object.raw("license_expires_at", "null"),
        }
    }

    /// Appends the values at all key paths.
    fn body(&self, of: &Installation, week: u32, is_wrong: bool, object: &mut ObjectWriter<'_>) {
        let values = self.values(of, week);
        for part in &self.form.0 {
            match part {
                Part::Open(text) => object.open(text),
                Part::Close => object.close(),
                Part::Leaf(name, leaf) => match *leaf {
                    Leaf::Fact(fact) => object.named(name, fact.as_bytes()),
                    Leaf::Filler(path) => object.number(name, filler(of, week, path)),
                    Leaf::Metric(at) => match values[at] {
                        Value::Absent => {}
                        Value::Unusable(text) => object.named(name, text.as_bytes()),
                        Value::Number(number) => {
                            let number = number + if is_wrong { WRONG_BY } else { 0 };
                            object.number(name, number as i64);
                        }
                    },
                },
            }
        }
    }
}

/// Appends to a JSON object.
struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Whether each field of the document has a line of its own.
    is_pretty: bool,
    depth: usize,
}

impl ObjectWriter<'_> {
    fn separate(&mut self) {
        if !matches!(self.out.last(), Some(b'{') | Some(b'[') | None) && self.depth > 0 {
            self.out.push(b',');
        }
        if self.is_pretty && self.depth == 1 {
            self.out.extend_from_slice(b"\n  ");
        }
    }

    fn open(&mut self, text: &str) {
        self.separate();
        self.out.extend_from_slice(text.as_bytes());
        self.depth += 1;
    }

    fn close(&mut self) {
        self.out.push(b'}');
        self.depth -= 1;
    }

    /// A field; `name` has its quotes and colon.
    fn named(&mut self, name: &str, value: &[u8]) {
        self.separate();
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(value);
    }

    fn number(&mut self, name: &str, value: i64) {
        self.named(name, b"");
        // Writing to memory does not fail.
        let _ = write!(self.out, "{value}");
    }

    fn raw(&mut self, key: &str, value: &str) {
        self.named(&format!("\"{key}\":"), value.as_bytes());
    }

    fn text(&mut self, key: &str, value: &str) {
        self.raw(key, &format!("\"{value}\""));
    }
}
