//! What a ping says about its installation: edition, tier, version, deployment.

use std::fmt;

use super::settings::PingSettings;
use crate::calendar::{Day, Zone};

/// The edition of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edition {
    /// Community Edition.
    Ce,
    /// Everything else.
    Ee,
}

/// The tier of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// CE, EE Free, or a licence that has expired.
    Free,
    /// EE and EES.
    Starter,
    /// EEP.
    Premium,
    /// EEU.
    Ultimate,
    /// An edition that is none of these.
    Unknown,
}

/// Who runs an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deployment {
    /// The vendor, for everyone.
    Saas,
    /// The vendor, for one customer.
    Dedicated,
    /// The customer.
    SelfManaged,
}

impl Edition {
    /// The edition by its raw name: `CE`, or everything else.
    pub fn of(raw: Option<&str>) -> Self {
        if raw == Some("CE") { Self::Ce } else { Self::Ee }
    }
}

impl Tier {
    /// The tier by the raw edition and the day at whose beginning the licence ends, at an instant in
    /// microseconds.
    pub fn of(raw_edition: Option<&str>, license_expires_at: Option<Day>, at: i64) -> Self {
        let end = license_expires_at.map(|day| Zone::utc().start_of(day));
        let is_expired = end.is_some_and(|end| end < at);
        match raw_edition {
            _ if is_expired => Self::Free,
            Some("CE" | "EE Free") => Self::Free,
            Some("EE" | "EES") => Self::Starter,
            Some("EEP") => Self::Premium,
            Some("EEU") => Self::Ultimate,
            _ => Self::Unknown,
        }
    }
}

impl Deployment {
    /// The deployment of an installation; `is_dedicated` is what its ping says.
    pub fn of(
        settings: &PingSettings,
        uuid: &str,
        hostname: Option<&str>,
        is_dedicated: bool,
    ) -> Self {
        if settings.is_saas(uuid, hostname) {
            Self::Saas
        } else if is_dedicated || settings.is_dedicated_host(hostname) {
            Self::Dedicated
        } else {
            Self::SelfManaged
        }
    }
}

/// The date that a text begins with. Years above 9999 are the end of 9999; `None` if the text does
/// not begin with a date.
pub(super) fn license_day(text: &str) -> Option<Day> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (year, rest) = text.split_once('-')?;
    if year.len() < 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year = year.trim_start_matches('0');
    let date = match (year.len() > 4, rest.get(..5)?) {
        (true, month_and_day) => {
            // Only its form matters.
            format!("2000-{month_and_day}").parse::<Day>().ok()?;
            Day::MAX
        }
        (false, month_and_day) => format!("{year:0>4}-{month_and_day}").parse().ok()?,
    };
    let has_more_digits = rest.as_bytes().get(5).is_some_and(u8::is_ascii_digit);
    (!has_more_digits).then_some(date)
}

/// The version as one number: major * 100 + minor, so 13.10 is 1310. `None` if it does not begin
/// with two numbers.
pub(super) fn major_minor(version: &str) -> Option<i64> {
    let (major, rest) = version.split_once('.')?;
    let minor = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { text.parse::<u32>().ok() } else { None }
    };
    Some(i64::from(number(major)?) * 100 + i64::from(number(minor)?))
}

/// Whether a version is a pre-release.
pub(super) fn is_prerelease(version: &str) -> bool {
    version.ends_with("-pre")
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ce => "CE",
            Self::Ee => "EE",
        })
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Free => "Free",
            Self::Starter => "Starter",
            Self::Premium => "Premium",
            Self::Ultimate => "Ultimate",
            Self::Unknown => "Unknown",
        })
    }
}

impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Saas => "saas",
            Self::Dedicated => "dedicated",
            Self::SelfManaged => "self_managed",
        })
    }
}
