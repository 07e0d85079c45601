//! All pings of a project: which upload of each counts, and which ping is the last of its month.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::flatten::{Field, Identity};
use super::identity::{Deployment, Edition, Tier, is_prerelease, major_minor};
use super::paths::KeyPaths;
use super::read::{Document, read};
use super::settings::PingSettings;
use super::upload::Reason;
use super::values::{Content, Values};
use crate::calendar::{Day, Window, Zone};
use crate::scan::EventFile;
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
    /// Key paths by code.
    pub(super) paths: Vec<String>,
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
    upload: usize,
    part: usize,
    document: Document,
}

impl Collection {
    /// Reads files, in parallel on the threads of the current pool.
    ///
    /// # Errors
    /// When a file cannot be read, or the job is cancelled or has no more memory.
    pub(super) fn load(
        root: &Path,
        settings: &PingSettings,
        files: &[EventFile],
        job: &JobContext<'_>,
    ) -> Result<Self> {
        let paths = KeyPaths::default();
        let read = read(files, &paths, job)?;
        let (mut uploads, mut candidates, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for (file, read) in files.iter().zip(read) {
            let name = name(root, &file.path);
            for part in read {
                for upload in part.uploads {
                    let file = match upload.line {
                        Some(line) => format!("{name}:{line}"),
                        None => name.clone(),
                    };
                    let outcome = match &upload.result {
                        Ok(_) => Outcome::Superseded,
                        Err(reason) => Outcome::Refused(*reason),
                    };
                    if let Ok(document) = upload.result {
                        let uuid = document.accepted.uuid.clone();
                        let hostname = document.identity.text("hostname").map(str::to_owned);
                        candidates.push(Candidate {
                            installation: Installation { uuid, hostname },
                            upload: uploads.len(),
                            part: parts.len(),
                            document,
                        });
                    }
                    uploads.push(UploadRow { file, outcome });
                }
                parts.push(part.values);
            }
        }
        let paths = paths.into_list();
        let (installations, pings) = (Vec::new(), Vec::new());
        let mut collection = Self { uploads, installations, pings, paths, parts };
        collection.choose(candidates, settings);
        Ok(collection)
    }

    /// Keeps the newest upload of each ping: that with the latest upload time (an unknown one is
    /// before all others), and of these the last by file and line.
    fn choose(&mut self, mut candidates: Vec<Candidate>, settings: &PingSettings) {
        candidates.sort_by(|a, b| {
            let key = |c: &Candidate| {
                (c.document.accepted.recorded_at, c.document.accepted.uploaded_at, c.upload)
            };
            a.installation.cmp(&b.installation).then_with(|| key(a).cmp(&key(b)))
        });
        let mut candidates = candidates.into_iter().peekable();
        while let Some(candidate) = candidates.next() {
            let recorded_at = candidate.document.accepted.recorded_at;
            let (mut is_superseded, mut is_last_of_month) = (false, true);
            let month = month_of(recorded_at);
            if let Some(next) = candidates.peek()
                && next.installation == candidate.installation
            {
                let next = next.document.accepted.recorded_at;
                is_superseded = next == recorded_at;
                is_last_of_month = month_of(next) != month;
            }
            if is_superseded {
                continue;
            }
            let upload = &mut self.uploads[candidate.upload];
            upload.outcome = Outcome::Accepted;
            if self.installations.last() != Some(&candidate.installation) {
                self.installations.push(candidate.installation.clone());
            }
            self.pings.push(Ping {
                installation: self.installations.len() - 1,
                file: upload.file.clone(),
                month,
                is_last_of_month,
                ..ping(candidate, settings)
            });
        }
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

    /// Codes of key paths and contents of a ping.
    pub(super) fn values(&self, ping: &Ping) -> impl Iterator<Item = (u32, Content)> {
        self.parts[ping.part].range(ping.values.clone())
    }

    /// The key path of a code.
    pub(super) fn path(&self, code: u32) -> &str {
        self.paths.get(code as usize).map_or("", String::as_str)
    }

    /// Whether a month has ended when the newest ping was recorded.
    pub(crate) fn is_complete(&self, month: Day) -> bool {
        let newest = self.pings.iter().map(|ping| ping.recorded_at).max();
        let end = Zone::utc().end_of(Window::Month.at(month).end);
        newest.is_some_and(|newest| end <= newest)
    }
}

/// A ping of an upload; what depends on others is not set.
fn ping(candidate: Candidate, settings: &PingSettings) -> Ping {
    let Document { accepted, identity, values } = candidate.document;
    let Installation { uuid, hostname } = &candidate.installation;
    let text = |key| identity.text(key).map(str::to_owned);
    let raw_edition = identity.text("edition");
    let is_dedicated = *identity.field("gitlab_dedicated") == Field::Bool(true);
    let recorded_at = accepted.recorded_at;
    Ping {
        installation: 0,
        file: String::new(),
        recorded_at,
        uploaded_at: accepted.uploaded_at,
        month: month_of(recorded_at),
        is_last_of_month: false,
        version: text("version"),
        raw_edition: text("edition"),
        edition: Edition::of(raw_edition),
        tier: Tier::of(raw_edition, identity.text("license_expires_at"), recorded_at),
        deployment: Deployment::of(settings, uuid, hostname.as_deref(), is_dedicated),
        subscription: subscription(&identity),
        licensed_users: match identity.field("license_user_count") {
            Field::Number(number) => number.parse().ok().filter(|users| *users >= 0),
            _ => None,
        },
        part: candidate.part,
        values,
    }
}

fn subscription(identity: &Identity) -> Option<String> {
    match identity.field("license_subscription_id") {
        Field::Text(text) | Field::Number(text) => Some(text.clone()),
        _ => None,
    }
}

/// The first day of the UTC month of an instant.
fn month_of(micros: i64) -> Day {
    Window::Month.at(Zone::utc().day_of(micros)).start
}

/// A path relative to the project, or an address.
pub(super) fn name(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
