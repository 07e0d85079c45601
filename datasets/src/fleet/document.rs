//! Writes the document of a ping.

use std::io::Write as _;

use crate::product::{STAGES, events};

use super::Fleet;
use super::content::{Value, filler};
use super::installations::{Installation, LicenseEnd};
use super::paths::MetricPath;
use super::uploads::{Fault, Outcome, Upload};
use super::weeks::{DAY, instant};
use crate::calendar::date;

/// What pings say besides numbers, as JSON.
const FACTS: [(&str, &str); 16] = [
    ("container_registry_enabled", "true"),
    ("container_registry_server.vendor", "\"gitlab\""),
    ("container_registry_server.version", "\"2.13.0-gitlab\""),
    ("database.adapter", "\"postgresql\""),
    ("database.pg_system_id", "6842684531675334351"),
    ("database.version", "\"13.11\""),
    ("elasticsearch_enabled", "false"),
    ("git.version.major", "2"),
    ("git.version.minor", "43"),
    ("gitaly.filesystems", "[\"EXT_2_3_4\"]"),
    ("gitlab_pages.enabled", "true"),
    ("mail.smtp_server", "\"localhost\""),
    ("object_store.artifacts.enabled", "false"),
    ("settings.collected_data_categories", "[\"standard\",\"operational\"]"),
    ("topology.duration_s", "0.013885"),
    ("topology.nodes", "[{\"node_memory_total_bytes\":16777216000,\"node_cpus\":8}]"),
];
/// Numbers that are added to those of a document that does not count.
const WRONG_BY: u64 = 1_000;
/// Seconds that a wrong clock is ahead of the upload.
const CLOCK_AHEAD: i64 = 40 * DAY;

/// A part of every document, in their order.
enum Part {
    /// `"name":{`
    Open(String),
    Close,
    /// `"name":` and what the value is.
    Leaf(String, Leaf),
}

/// The value at a key path.
#[derive(Clone, Copy)]
enum Leaf {
    /// The metric at this position.
    Metric(usize),
    Fact(&'static str),
    Filler(u32),
}

/// The form of all documents: the tree of their key paths.
pub(crate) struct Form(Vec<Part>);

impl Form {
    /// With about as many key paths as `keys`.
    pub(crate) fn new(metrics: &[MetricPath], keys: u32) -> Self {
        let fillers = (keys as usize).saturating_sub(metrics.len() + FACTS.len()) as u32;
        let metrics = metrics.iter().enumerate();
        let mut leaves: Vec<(String, Leaf)> =
            metrics.map(|(at, metric)| (metric.key_path.clone(), Leaf::Metric(at))).collect();
        leaves.extend(FACTS.map(|(path, fact)| (path.to_owned(), Leaf::Fact(fact))));
        leaves.extend((0..fillers).map(|number| (filler_path(number), Leaf::Filler(number))));
        leaves.sort_by(|a, b| a.0.split('.').cmp(b.0.split('.')));
        let mut parts = Vec::new();
        let mut open: Vec<&str> = Vec::new();
        for (path, leaf) in &leaves {
            let mut keys: Vec<&str> = path.split('.').collect();
            let name = keys.pop().unwrap_or_default();
            let common = open.iter().zip(&keys).take_while(|(a, b)| a == b).count();
            parts.extend((common..open.len()).map(|_| Part::Close));
            parts.extend(keys[common..].iter().map(|key| Part::Open(format!("\"{key}\":{{"))));
            parts.push(Part::Leaf(format!("\"{name}\":"), *leaf));
            open = keys;
        }
        parts.extend(open.iter().map(|_| Part::Close));
        Self(parts)
    }

    /// The key paths in their order.
    #[cfg(test)]
    pub(super) fn key_paths(&self) -> Vec<String> {
        let name = |text: &str| text.split('"').nth(1).unwrap_or_default().to_owned();
        let (mut paths, mut open) = (Vec::new(), Vec::new());
        for part in &self.0 {
            match part {
                Part::Open(text) => open.push(name(text)),
                Part::Close => {
                    open.pop();
                }
                Part::Leaf(text, _) => {
                    paths.push([&open[..], &[name(text)]].concat().join("."));
                }
            }
        }
        paths
    }
}

/// A key path of no metric, as in real pings: counts of all kinds for each event.
fn filler_path(number: u32) -> String {
    let names: Vec<(&str, &str)> = STAGES
        .iter()
        .flat_map(|stage| stage.groups.iter().map(move |group| (stage.key, group)))
        .flat_map(|(stage, group)| group.events.iter().map(move |event| (stage, event.0)))
        .collect();
    debug_assert_eq!(names.len(), events().count());
    let (kind, rest) = (number % 6, number as usize / 6);
    let ((stage, event), round) = (names[rest % names.len()], rest / names.len());
    let event = match round {
        0 => event.to_owned(),
        1 => format!("{event}_by_projects"),
        2 => format!("{event}_by_groups"),
        _ => format!("{event}_of_kind_{round}"),
    };
    match kind {
        0 => format!("counts.{event}_in_all"),
        1 => format!("usage_activity_by_stage.{stage}.{event}"),
        2 => format!("redis_hll_counters.{stage}.{event}_weekly"),
        3 => format!("redis_hll_counters.{stage}.{event}_monthly"),
        4 => format!("counts_monthly.{event}"),
        _ => format!("counts_weekly.aggregated_metrics.{event}"),
    }
}

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
