//! What a ping says at the key paths of metrics: numbers, or values that cannot be used.

use crate::random::{RandomStream, below, key, mix};

use super::installations::{Deployment, Installation};
use super::model::Fleet;
use super::numbers::Numbers;
use super::releases::Version;

/// Installations above this number of users have more timeouts.
const SLOW_ABOVE: u64 = 200;

/// The value at a key path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    Absent,
    Number(u64),
    /// Another value, as JSON.
    Unusable(&'static str),
}

impl Value {
    /// The number, if it is one.
    pub(crate) const fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Absent | Self::Unusable(_) => None,
        }
    }
}

impl Fleet {
    /// The version that an installation runs when it records the ping of a week.
    pub(crate) fn version(&self, of: &Installation, week: u32) -> Option<Version> {
        self.releases.version(of.upgrades, self.weeks.day(week, of.weekday))
    }

    /// The values of the ping of a week, in the order of the key paths.
    pub(crate) fn values(&self, of: &Installation, week: u32) -> Vec<Value> {
        let numbers = Numbers::new(of, week);
        let is_ce = of.is_ce(week);
        // A development build without a version number is the newest.
        let release = self.version(of, week).map_or(u32::MAX - 3, |version| version.release);
        let mut random = RandomStream::at(key(of.key, 4), u64::from(week));
        let mut value = |path: &super::paths::MetricPath| {
            let bits = random.next();
            if !path.is_in(release, is_ce) || (of.only_operational && !path.is_operational) {
                return Value::Absent;
            }
            if path.removed.is_some_and(|removed| removed <= release) {
                return Value::Unusable("-1000");
            }
            unusable(of, bits).unwrap_or_else(|| Value::Number(numbers.known(path.count)))
        };
        self.paths.iter().map(&mut value).collect()
    }
}

/// A value that cannot be used, in place of about 1 in 70 numbers.
fn unusable(of: &Installation, bits: u64) -> Option<Value> {
    if of.deployment == Deployment::Saas {
        return None;
    }
    let timeouts = if of.users > SLOW_ABOVE { 30 } else { 8 };
    let others = [
        "-2",
        "-2",
        "-5",
        "2.0",
        "1e2",
        "\"12\"",
        "null",
        "true",
        "9223372036854775808",
        "[7]",
        "{\"-1\": -1}",
    ];
    let draw = below(bits, 2_000);
    let other = || others.get((draw - timeouts) as usize).copied();
    let text = if draw < timeouts { Some("-1") } else { other() };
    text.map(Value::Unusable)
}

/// The number at a key path that is no metric's; most are small.
pub(crate) fn filler(of: &Installation, week: u32, path: u32) -> i64 {
    let bits = mix(of.key ^ mix(u64::from(path) << 32 | u64::from(week / 4)));
    match bits & 0xFF {
        0 => -1,
        1..128 => 0,
        128..240 => below(mix(bits), of.users) as i64,
        _ => below(mix(bits), of.users * 1_000) as i64,
    }
}
