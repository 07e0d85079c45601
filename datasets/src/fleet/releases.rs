//! Releases of the product, one each month, and how installations upgrade.

use crate::calendar::{YearMonth, date};
use crate::random::below;

/// Releases before the first month.
pub(crate) const HISTORY: u32 = 18;
/// The day of its month on which a release comes out.
const RELEASE_DAY: i32 = 18;
/// Major version of the first release.
const FIRST_MAJOR: u32 = 15;
/// Releases of a major version.
const MINORS: u32 = 12;

/// The releases in order of time.
pub(crate) struct Releases {
    /// The day of each, from 1970-01-01.
    days: Vec<i32>,
}

/// A version that an installation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    /// Number of the release, from 0. A pre-release may be the first that has no day yet.
    pub(crate) release: u32,
    is_prerelease: bool,
    patch: u32,
}

/// How an installation upgrades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upgrades {
    /// It runs pre-releases of the next release.
    Development,
    /// It is always this many releases behind the newest.
    Behind(u32),
    /// It upgrades once in `months` months.
    Every { months: u32, phase: u32 },
    /// It stays with a release.
    Never(u32),
    /// Its version has no numbers.
    Unknown,
}

impl Releases {
    /// The releases before and during the months, and in the one after them.
    pub(crate) fn new(start: YearMonth, months: u32) -> Self {
        let before = YearMonth { year: start.year - 2, month: start.month };
        let count = HISTORY + months + 1;
        let first = 24 - HISTORY;
        let day = |at| before.plus(first + at).first_day() + RELEASE_DAY - 1;
        Self { days: (0..count).map(day).collect() }
    }

    /// Number of releases.
    pub(crate) fn count(&self) -> u32 {
        self.days.len() as u32
    }

    /// The version that runs on a day; `None` if it has no numbers.
    pub(crate) fn version(&self, upgrades: Upgrades, day: i32) -> Option<Version> {
        let newest = self.days.partition_point(|released| *released <= day) as u32 - 1;
        let (release, is_prerelease) = match upgrades {
            Upgrades::Development => (newest + 1, true),
            Upgrades::Behind(releases) => (newest.saturating_sub(releases), false),
            Upgrades::Every { months, phase } => {
                let since = (newest + phase) / months * months;
                (since.saturating_sub(phase).min(newest), false)
            }
            Upgrades::Never(release) => (release, false),
            Upgrades::Unknown => return None,
        };
        let patch = below(crate::random::mix(u64::from(release)), 6) as u32;
        Some(Version { release, is_prerelease, patch })
    }

    /// Whether the release is in the file of releases.
    pub(crate) fn is_listed(&self, release: u32) -> bool {
        release < self.count()
    }

    /// The file of releases.
    pub(crate) fn csv(&self) -> String {
        let mut text = "major_minor,released_on\n".to_owned();
        for (release, day) in (0..).zip(&self.days) {
            text += &format!("{},{}\n", major_dot_minor(release), date(*day));
        }
        text
    }
}

impl Version {
    /// (major * 100 + minor, pre-release).
    pub(crate) const fn number(self) -> (u32, bool) {
        let major_minor = (FIRST_MAJOR + self.release / MINORS) * 100 + self.release % MINORS;
        (major_minor, self.is_prerelease)
    }

    /// As an installation writes it.
    pub(crate) fn text(self, is_ce: bool) -> String {
        let name = major_dot_minor(self.release);
        match (self.is_prerelease, is_ce) {
            (true, _) => format!("{name}.0-pre"),
            (false, true) => format!("{name}.{}", self.patch),
            (false, false) => format!("{name}.{}-ee", self.patch),
        }
    }
}

/// The version of a release, as in `15.11`.
pub(crate) fn major_dot_minor(release: u32) -> String {
    format!("{}.{}", FIRST_MAJOR + release / MINORS, release % MINORS)
}

#[cfg(test)]
mod tests {
    use super::{Releases, Upgrades};
    use crate::calendar::YearMonth;

    #[test]
    fn versions_on_a_day() {
        let start = YearMonth { year: 2025, month: 1 };
        let releases = Releases::new(start, 3);
        assert!(releases.csv().starts_with("major_minor,released_on\n15.0,2023-07-18\n15.1,"));
        assert!(releases.csv().ends_with("\n16.8,2025-03-18\n16.9,2025-04-18\n"));
        let check = |upgrades, day, expected: &str| {
            let version = releases.version(upgrades, start.first_day() + day);
            let text = version.map_or_else(String::new, |version| {
                let (major_minor, is_prerelease) = version.number();
                format!("{major_minor} {is_prerelease}")
            });
            assert_eq!(text, expected, "{upgrades:?} on day {day}");
        };
        // 16.5 is the newest until 16.6 comes out on 18 January.
        check(Upgrades::Behind(0), 16, "1605 false");
        check(Upgrades::Behind(0), 17, "1606 false");
        check(Upgrades::Behind(7), 17, "1511 false");
        check(Upgrades::Behind(99), 17, "1500 false");
        check(Upgrades::Development, 17, "1607 true");
        check(Upgrades::Every { months: 6, phase: 0 }, 16, "1600 false");
        check(Upgrades::Every { months: 6, phase: 0 }, 17, "1606 false");
        check(Upgrades::Every { months: 6, phase: 1 }, 16, "1605 false");
        check(Upgrades::Never(3), 80, "1503 false");
        check(Upgrades::Unknown, 80, "");
    }
}
