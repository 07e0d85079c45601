//! All pings of a project: which upload of each counts, and which ping is the last of its month.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::documents::{Part, Upload};
use super::identity::{Deployment, Edition, Tier, is_prerelease, major_minor};
use super::inputs::{Inputs, Origin};
use super::paths::KeyPaths;
use super::read::read_all;
use super::settings::PingSettings;
use super::stored::{read_uploads, read_values};
use super::upload::Reason;
use super::values::Values;
use crate::calendar::{Day, Window, Zone};
use crate::store::{Content, PingHeader};
use crate::{JobContext, Result};

/// What became of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its ping counts.
    Accepted,
    /// A newer upload of the same ping counts.
    Superseded,
    /// It was refused.
    Refused(Reason),
}

/// One document that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRow {
    /// Its file, with its line if the file has several documents.
    pub file: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// Refused uploads by reason: how many, and the file of the first.
pub type Refused = BTreeMap<Reason, (u64, String)>;

/// Somebody who sends pings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Installation {
    /// Its `uuid`.
    pub uuid: String,
    /// Its `hostname`, if it sends one.
    pub hostname: Option<String>,
}

/// One ping: the newest upload of an installation and an instant. Instants are microseconds since
/// 1970.
#[derive(Clone, Debug)]
pub struct Ping {
    /// Index of its installation in [`Collection::installations`].
    pub installation: usize,
    /// Where it was found, as in [`UploadRow::file`].
    pub file: String,
    /// When it was recorded.
    pub recorded_at: i64,
    /// When it was uploaded, if that is known.
    pub uploaded_at: Option<i64>,
    /// The first day of the UTC month of `recorded_at`.
    pub month: Day,
    /// Whether the installation has no later ping in this month.
    pub is_last_of_month: bool,
    /// The version as sent.
    pub version: Option<String>,
    /// The edition as sent.
    pub raw_edition: Option<String>,
    /// Its edition.
    pub edition: Edition,
    /// Its tier.
    pub tier: Tier,
    /// Its deployment.
    pub deployment: Deployment,
    /// `license_subscription_id`.
    pub subscription: Option<String>,
    /// `license_user_count`, if it is an integer from 0 to 2^63 - 1.
    pub licensed_users: Option<i64>,
    part: usize,
    values: Range<usize>,
}

/// All uploads and pings.
#[derive(Debug)]
pub struct Collection {
    /// The uploads, by file and line.
    pub uploads: Vec<UploadRow>,
    /// The installations, by uuid and hostname.
    pub installations: Vec<Installation>,
    /// The pings, by installation and time.
    pub pings: Vec<Ping>,
    /// When the data ends: with the newest ping, or the day that was asked for.
    end: Option<i64>,
    /// Key paths by code.
    pub(super) paths: Vec<String>,
    /// The place of each key path in the order of texts, by code.
    ranks: Vec<u32>,
    parts: Vec<Values>,
}

impl Ping {
    /// major * 100 + minor.
    pub fn major_minor(&self) -> Option<i64> {
        self.version.as_deref().and_then(major_minor)
    }

    /// Whether its version is a pre-release.
    pub fn is_prerelease(&self) -> bool {
        self.version.as_deref().is_some_and(is_prerelease)
    }
}

/// An accepted upload that may be superseded.
struct Candidate {
    installation: Installation,
    header: PingHeader,
    upload: usize,
    values: Place,
}

/// Where the values of an upload are.
enum Place {
    /// In a part that was read from a file.
    Part(usize, Range<usize>),
    /// In the store, under this number.
    Store(u64),
}

impl Collection {
    /// Reads files and the store, in parallel on the threads of the current pool; with `key_paths`
    /// only the values of these.
    ///
    /// # Errors
    /// When a file or the store cannot be read, or the job is cancelled or has no more memory.
    pub(super) fn load(
        inputs: &Inputs,
        settings: &PingSettings,
        key_paths: Option<&BTreeSet<String>>,
        job: &JobContext<'_>,
    ) -> Result<Self> {
        let paths = KeyPaths::new(key_paths);
        let mut read = read_all(inputs, &paths, job)?.into_iter();
        let stored = read_uploads(inputs, job)?;
        let mut uploads = Uploads::default();
        let mut parts = Vec::new();
        for file in &inputs.pings {
            match &file.origin {
                Origin::File(_) => {
                    for part in read.next().unwrap_or_default() {
                        uploads.add_part(&file.name, part, &mut parts);
                    }
                }
                Origin::Store(digest) => {
                    for (upload, line, outcome) in stored.get(digest).into_iter().flatten() {
                        let outcome = outcome.clone().map(|header| (header, Place::Store(*upload)));
                        uploads.add(&file.name, *line, outcome);
                    }
                }
            }
        }
        let as_of = inputs.as_of.map(|day| Zone::utc().end_of(day));
        if let Some(end) = as_of {
            uploads.candidates.retain(|candidate| candidate.header.recorded_at < end);
        }
        let (mut pings, installations, places) = uploads.choose(settings);
        let end = as_of.or(pings.iter().map(|ping| ping.recorded_at).max());
        let mut numbers = Vec::new();
        for (at, (ping, place)) in pings.iter_mut().zip(places).enumerate() {
            match place {
                Place::Part(part, values) => (ping.part, ping.values) = (part, values),
                Place::Store(number) => numbers.push((number, at)),
            }
        }
        if let Some(store) = &inputs.store {
            let (values, ranges) = read_values(&store.0, &numbers, &paths, key_paths, job)?;
            for ((_, at), range) in numbers.into_iter().zip(ranges) {
                (pings[at].part, pings[at].values) = (parts.len(), range);
            }
            parts.push(values);
        }
        let (paths, uploads) = (paths.into_list(), uploads.rows);
        let mut order: Vec<u32> = (0..paths.len() as u32).collect();
        order.sort_unstable_by_key(|code| &paths[*code as usize]);
        let mut ranks = vec![0; paths.len()];
        for (rank, code) in (0..).zip(order) {
            ranks[code as usize] = rank;
        }
        Ok(Self { uploads, installations, pings, end, paths, ranks, parts })
    }

    /// How many uploads were refused for each reason, and the file of the first of them.
    pub fn refused(&self) -> Refused {
        let mut refused = Refused::new();
        for upload in &self.uploads {
            if let Outcome::Refused(reason) = upload.outcome {
                refused.entry(reason).or_insert_with(|| (0, upload.file.clone())).0 += 1;
            }
        }
        refused
    }

    /// The last pings of months with their indexes, by installation and month.
    pub(super) fn last_pings(&self) -> impl Iterator<Item = (usize, &Ping)> {
        self.pings.iter().enumerate().filter(|(_, ping)| ping.is_last_of_month)
    }

    /// Codes of key paths and contents of a ping, in any order.
    pub(super) fn values(&self, ping: &Ping) -> impl Iterator<Item = (u32, Content)> {
        self.parts[ping.part].range(ping.values.clone())
    }

    /// The same for some key paths, in the order of their texts: codes are given as threads meet paths.
    pub(super) fn sorted_values(
        &self,
        ping: &Ping,
        is_selected: impl Fn(u32) -> bool,
    ) -> Vec<(u32, Content)> {
        let mut values: Vec<(u32, Content)> =
            self.values(ping).filter(|(code, _)| is_selected(*code)).collect();
        values.sort_unstable_by_key(|(code, _)| self.ranks[*code as usize]);
        values
    }

    /// The key path of a code.
    pub(super) fn path(&self, code: u32) -> &str {
        self.paths.get(code as usize).map_or("", String::as_str)
    }

    /// Whether a month has ended when the data ends.
    pub(crate) fn is_complete(&self, month: Day) -> bool {
        let month_end = Zone::utc().end_of(Window::Month.at(month).end);
        self.end.is_some_and(|end| month_end <= end)
    }
}

/// All uploads, by file and line, and those that may count.
#[derive(Default)]
struct Uploads {
    rows: Vec<UploadRow>,
    candidates: Vec<Candidate>,
}

impl Uploads {
    fn add(
        &mut self,
        file: &str,
        line: Option<u64>,
        outcome: std::result::Result<(PingHeader, Place), Reason>,
    ) {
        let file = match line {
            Some(line) => format!("{file}:{line}"),
            None => file.to_owned(),
        };
        let outcome = match outcome {
            Ok((header, values)) => {
                let (uuid, hostname) = (header.uuid.clone(), header.hostname.clone());
                let installation = Installation { uuid, hostname };
                let upload = self.rows.len();
                self.candidates.push(Candidate { installation, header, upload, values });
                Outcome::Superseded
            }
            Err(reason) => Outcome::Refused(reason),
        };
        self.rows.push(UploadRow { file, outcome });
    }

    /// Adds what was read of a file together.
    fn add_part(&mut self, file: &str, part: Part, parts: &mut Vec<Values>) {
        for Upload { line, result } in part.uploads {
            let place = |values| Place::Part(parts.len(), values);
            self.add(file, line, result.map(|(header, values)| (header, place(values))));
        }
        parts.push(part.values);
    }

    /// The newest upload of each ping: that with the latest upload time (an unknown one is before all
    /// others), and of these the last by file and line. Pings are by installation and time.
    fn choose(&mut self, settings: &PingSettings) -> (Vec<Ping>, Vec<Installation>, Vec<Place>) {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.sort_by(|a, b| {
            let key = |c: &Candidate| (c.header.recorded_at, c.header.uploaded_at, c.upload);
            a.installation.cmp(&b.installation).then_with(|| key(a).cmp(&key(b)))
        });
        let (mut pings, mut installations, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let mut candidates = candidates.into_iter().peekable();
        while let Some(candidate) = candidates.next() {
            let Candidate { installation, header, upload, values } = candidate;
            let (mut is_superseded, mut is_last_of_month) = (false, true);
            let month = month_of(header.recorded_at);
            if let Some(next) = candidates.peek()
                && next.installation == installation
            {
                is_superseded = next.header.recorded_at == header.recorded_at;
                is_last_of_month = month_of(next.header.recorded_at) != month;
            }
            if is_superseded {
                continue;
            }
            let upload = &mut self.rows[upload];
            upload.outcome = Outcome::Accepted;
            if installations.last() != Some(&installation) {
                installations.push(installation);
            }
            pings.push(Ping {
                installation: installations.len() - 1,
                file: upload.file.clone(),
                is_last_of_month,
                ..ping(header, month, settings)
            });
            places.push(values);
        }
        (pings, installations, places)
    }
}

/// A ping of an upload; what depends on others is not set.
fn ping(header: PingHeader, month: Day, settings: &PingSettings) -> Ping {
    let PingHeader { uuid, hostname, recorded_at, is_dedicated, license_expires_at, .. } = header;
    let raw_edition = header.edition;
    Ping {
        installation: 0,
        file: String::new(),
        recorded_at,
        uploaded_at: header.uploaded_at,
        month,
        is_last_of_month: false,
        version: header.version,
        edition: Edition::of(raw_edition.as_deref()),
        tier: Tier::of(raw_edition.as_deref(), license_expires_at, recorded_at),
        deployment: Deployment::of(settings, &uuid, hostname.as_deref(), is_dedicated),
        raw_edition,
        subscription: header.subscription,
        licensed_users: header.licensed_users,
        part: 0,
        values: 0..0,
    }
}

/// The first day of the UTC month of an instant.
fn month_of(micros: i64) -> Day {
    Window::Month.at(Zone::utc().day_of(micros)).start
}
