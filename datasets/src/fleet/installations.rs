//! Who exists: installations with their size, edition, version, and whether they send pings.

use std::ops::Range;

use crate::random::{RandomStream, below, key, mix, unit};

use super::releases::{HISTORY, Upgrades};
use super::settings::{FleetSettings, Nonresponse};
use super::weeks::Weeks;

/// The SaaS installation.
pub(crate) const SAAS_UUID: &str = "ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f";
/// Its host.
pub(crate) const SAAS_HOSTNAME: &str = "gitlab.com";
/// Users of the SaaS installation.
const SAAS_USERS: u64 = 400_000;
/// Users of the smallest installations, and most of any but the SaaS installation.
const USERS: Range<u64> = 20..4_000;
/// Dedicated installations have this many times the users of others.
const DEDICATED_FACTOR: u64 = 4;
/// Shares of installations that never send pings, and of those that send some of them.
const NEVER: f64 = 0.30;
const SOMETIMES: f64 = 0.15;

/// Who runs an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deployment {
    Dedicated,
    Saas,
    SelfManaged,
}

/// Which of its pings an installation sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reporting {
    Always,
    Sometimes,
    Never,
}

/// How an installation is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contract {
    /// It is free.
    None,
    /// A subscription of its own, known to billing.
    Own,
    /// The subscription of an earlier installation.
    Shared,
    /// A subscription that billing does not know.
    Unlisted,
}

/// When a licence ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LicenseEnd {
    /// On a day from 1970-01-01.
    Day(i32),
    /// In a year that has five digits.
    FarAway,
}

/// One installation. Weeks are those of [`Weeks`].
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    pub(crate) number: usize,
    /// Chooses its random numbers.
    pub(crate) key: u64,
    pub(crate) uuid: String,
    pub(crate) hostname: Option<String>,
    pub(crate) deployment: Deployment,
    /// Whether its pings say that it is dedicated.
    pub(crate) says_dedicated: bool,
    /// The edition as sent, and from a week on another one.
    edition: Option<&'static str>,
    later_edition: Option<(u32, &'static str)>,
    pub(crate) contract: Contract,
    /// Whether its pings name its subscription.
    pub(crate) names_subscription: bool,
    pub(crate) license_end: Option<LicenseEnd>,
    /// Its users when it has all of them.
    pub(crate) users: u64,
    /// When it exists.
    pub(crate) weeks: Range<u32>,
    /// Day of the week and second of the day of its pings, and the hours that its clock is before UTC.
    pub(crate) weekday: u32,
    pub(crate) second: u32,
    pub(crate) offset: i64,
    pub(crate) reporting: Reporting,
    /// Whether it sends no optional metrics.
    pub(crate) only_operational: bool,
    /// Whether somebody uploads its pings, each as a file.
    pub(crate) by_hand: bool,
    pub(crate) upgrades: Upgrades,
    /// The week in which its counters start again.
    pub(crate) reset: Option<u32>,
}

impl Installation {
    /// The edition as sent in a week.
    pub(crate) fn edition(&self, week: u32) -> Option<&'static str> {
        match self.later_edition {
            Some((from, edition)) if from <= week => Some(edition),
            _ => self.edition,
        }
    }

    /// Whether this is Community Edition in a week.
    pub(crate) fn is_ce(&self, week: u32) -> bool {
        self.edition(week) == Some("CE")
    }

    /// The tier in a week, at an instant in seconds from 1970-01-01.
    pub(crate) fn tier(&self, week: u32, at: i64) -> &'static str {
        let is_expired = match self.license_end {
            Some(LicenseEnd::Day(day)) => i64::from(day) * super::weeks::DAY < at,
            Some(LicenseEnd::FarAway) | None => false,
        };
        match self.edition(week) {
            _ if is_expired => "Free",
            Some("CE" | "EE Free") => "Free",
            Some("EE" | "EES") => "Starter",
            Some("EEP") => "Premium",
            Some("EEU") => "Ultimate",
            _ => "Unknown",
        }
    }

    /// When its ping of a week is recorded, in seconds from 1970-01-01.
    pub(crate) fn recorded_at(&self, weeks: &Weeks, week: u32) -> i64 {
        i64::from(weeks.day(week, self.weekday)) * super::weeks::DAY + i64::from(self.second)
    }
}

/// The installations of a fleet. The first one is the SaaS installation.
pub(crate) fn installations(settings: &FleetSettings, weeks: &Weeks) -> Vec<Installation> {
    let family = key(settings.seed, 16);
    let mut made: Vec<Installation> = Vec::with_capacity(settings.installations as usize);
    for number in 0..settings.installations as usize {
        let mut random = RandomStream::at(family, number as u64);
        let mut next = installation(number, &mut random, settings, weeks);
        // A copied installation keeps its uuid.
        if number > 1 && next.hostname.is_some() && below(random.next(), 60) == 0 {
            next.uuid.clone_from(&made[number - 1].uuid);
        }
        made.push(next);
    }
    made
}

fn installation(
    number: usize,
    random: &mut RandomStream,
    settings: &FleetSettings,
    weeks: &Weeks,
) -> Installation {
    let is_saas = number == 0;
    let key = random.next();
    let (deployment, contract, edition) = kind(is_saas, random);
    // The share of installations that are smaller.
    let rank = unit(random.next());
    let one_in = |random: &mut RandomStream, n: u64| below(random.next(), n) == 0;
    let is_dedicated = deployment == Deployment::Dedicated;
    let says_dedicated = is_dedicated && one_in(random, 2);
    let hostname = match (one_in(random, 100) && !is_dedicated, is_dedicated && !says_dedicated) {
        (true, _) => None,
        (_, true) => Some(format!("tenant-{number}.gitlab-dedicated.com")),
        _ => Some(format!("git-{number}.example.com")),
    };
    let paid = [Contract::Own, Contract::Shared, Contract::Unlisted].contains(&contract);
    let converts = !paid && !is_saas && one_in(random, 20);
    let week = |random: &mut RandomStream| below(random.next(), u64::from(weeks.count)) as u32;
    let later_edition = (week(random), ["EE Free", "EEP"][below(random.next(), 2) as usize]);
    let from = if one_in(random, 7) { week(random) } else { 0 };
    let to = if one_in(random, 20) { week(random).max(from + 1) } else { weeks.count };
    let reset = week(random);
    let mut made = Installation {
        number,
        key,
        uuid: uuid(key),
        hostname,
        deployment,
        says_dedicated,
        edition,
        later_edition: converts.then_some(later_edition),
        contract,
        names_subscription: !one_in(random, 5) || contract == Contract::Unlisted,
        license_end: if paid { license_end(random, weeks) } else { None },
        users: users(rank) * if is_dedicated { DEDICATED_FACTOR } else { 1 },
        weeks: from..to,
        weekday: below(random.next(), 7) as u32,
        second: below(random.next(), 86_400) as u32,
        offset: [0, 0, 0, 0, 0, 0, 0, 2, -5, 12][below(random.next(), 10) as usize],
        reporting: reporting(settings.nonresponse, rank, random),
        only_operational: one_in(random, 10),
        by_hand: one_in(random, 50),
        upgrades: upgrades(random),
        reset: one_in(random, 6).then_some(reset),
    };
    if is_saas {
        made.uuid = SAAS_UUID.to_owned();
        made.hostname = Some(SAAS_HOSTNAME.to_owned());
        made.users = SAAS_USERS;
        (made.weeks, made.upgrades) = (0..weeks.count, Upgrades::Development);
        (made.reporting, made.only_operational, made.by_hand) = (Reporting::Always, false, false);
    }
    made
}

/// Deployment, contract and edition.
fn kind(is_saas: bool, random: &mut RandomStream) -> (Deployment, Contract, Option<&'static str>) {
    use Deployment::{Dedicated, Saas, SelfManaged};
    let (kind, plan) = (below(random.next(), 100), below(random.next(), 20) as usize);
    let paid = match plan {
        0 => "EE",
        1 => "EES",
        2..13 => "EEP",
        _ => "EEU",
    };
    if is_saas {
        return (Saas, Contract::None, Some("EEU"));
    }
    match kind {
        0..7 => (Dedicated, Contract::Own, Some("EEU")),
        7..55 => (SelfManaged, Contract::Own, Some(paid)),
        55..62 => (SelfManaged, Contract::Shared, Some(paid)),
        62..67 => (SelfManaged, Contract::Unlisted, Some(paid)),
        67..72 => (SelfManaged, Contract::None, Some("EE Free")),
        72 => (SelfManaged, Contract::None, Some("FOSS")),
        73 => (SelfManaged, Contract::None, None),
        _ => (SelfManaged, Contract::None, Some("CE")),
    }
}

/// Users by the share of installations that are smaller: a Pareto distribution with exponent 1.6.
fn users(rank: f64) -> u64 {
    let larger = 1.0 - rank;
    let divisor = larger.sqrt() * larger.sqrt().sqrt().sqrt();
    ((USERS.start as f64 / divisor) as u64).min(USERS.end)
}

fn reporting(nonresponse: Nonresponse, rank: f64, random: &mut RandomStream) -> Reporting {
    let never = match nonresponse {
        Nonresponse::Random => NEVER,
        // The mean of the squares of evenly spread ranks is a third.
        Nonresponse::Biased => 3.0 * NEVER * rank * rank,
    };
    let draw = unit(random.next());
    if draw < never {
        Reporting::Never
    } else if draw < never + SOMETIMES {
        Reporting::Sometimes
    } else {
        Reporting::Always
    }
}

fn upgrades(random: &mut RandomStream) -> Upgrades {
    let (kind, bits) = (below(random.next(), 200), random.next());
    match kind {
        0 => Upgrades::Unknown,
        1..11 => Upgrades::Development,
        11..80 => Upgrades::Behind(0),
        80..120 => Upgrades::Behind(1 + below(bits, 4) as u32),
        120..170 => {
            let months = 2 + below(bits, 8) as u32;
            Upgrades::Every { months, phase: (bits as u32 >> 8) % months }
        }
        _ => Upgrades::Never(below(bits, u64::from(HISTORY)) as u32),
    }
}

fn license_end(random: &mut RandomStream, weeks: &Weeks) -> Option<LicenseEnd> {
    let (kind, bits) = (below(random.next(), 40), random.next());
    let day = |from: i32, days: u64| weeks.day(0, 0) + from + below(bits, days) as i32;
    match kind {
        0 => None,
        1 => Some(LicenseEnd::FarAway),
        // Before the first month, or during the months.
        2 => Some(LicenseEnd::Day(day(-400, 400))),
        3 => Some(LicenseEnd::Day(day(0, 7 * u64::from(weeks.count)))),
        _ => Some(LicenseEnd::Day(day(7 * weeks.count as i32, 700))),
    }
}

/// A UUID of version 4 from 64 bits; different bits have different UUIDs.
fn uuid(bits: u64) -> String {
    let mut text = Vec::with_capacity(36);
    crate::ids::push_uuid(mix(0), bits, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}
