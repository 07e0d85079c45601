//! The forms that a user key can have.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::random::mix;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The form of the user keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ids {
    /// 64-bit integers `1..=users`, handed out in order of sign-up.
    #[default]
    Dense,
    /// 64-bit integers from anywhere in the range of the type, negative ones too.
    Random64,
    /// UUIDs of version 4 as text: 36 characters, lower case.
    Uuid,
}

impl Ids {
    /// All forms.
    pub const ALL: [Self; 3] = [Self::Dense, Self::Random64, Self::Uuid];

    /// The name used in settings: `dense`, `random64` or `uuid`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Random64 => "random64",
            Self::Uuid => "uuid",
        }
    }
}

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Ids {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|ids| ids.name() == text).ok_or_else(|| Error::Setting {
            name: "ids",
            value: text.to_owned(),
            expected: "dense, random64 or uuid",
        })
    }
}

/// The integer key of the account with this number. Different accounts have different keys.
pub(crate) const fn random64(key: u64, account: u64) -> i64 {
    mix(account ^ key) as i64
}

/// Appends the text key of the account with this number, 36 bytes. Different accounts have
/// different keys, because 64 of the 122 free bits are a bijection of the number.
pub(crate) fn push_uuid(key: u64, account: u64, out: &mut Vec<u8>) {
    let unique = mix(account ^ key);
    let filler = mix(unique ^ key.rotate_left(32));
    // The version (4) and the variant (binary 10) have fixed places between the free bits.
    let high = (unique & !0xFFFF) | 0x4000 | ((unique >> 4) & 0x0FFF);
    let low = (1 << 63) | ((unique & 0xF) << 58) | (filler >> 6);
    let bits = (u128::from(high) << 64) | u128::from(low);
    for (at, byte) in bits.to_be_bytes().into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 0xF)]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Ids, push_uuid, random64};

    #[test]
    fn names_can_be_read_back() {
        for ids in Ids::ALL {
            assert_eq!(ids.name().parse::<Ids>().unwrap(), ids);
        }
        let error = "serial".parse::<Ids>().unwrap_err();
        assert_eq!(error.to_string(), "ids is serial, expected dense, random64 or uuid");
    }

    #[test]
    fn keys_are_well_formed_and_all_different() {
        let mut numbers = HashSet::new();
        let mut texts = HashSet::new();
        for account in 1..=100_000 {
            let mut text = Vec::new();
            push_uuid(9, account, &mut text);
            let text = String::from_utf8(text).unwrap();
            let fields: Vec<&str> = text.split('-').collect();
            assert_eq!(fields.iter().map(|f| f.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
            assert!(text.bytes().all(|b| b == b'-' || HEX_DIGITS.contains(&b)), "{text}");
            assert!(fields[2].starts_with('4') && fields[3].starts_with(['8', '9', 'a', 'b']));
            texts.insert(text);
            numbers.insert(random64(9, account));
        }
        assert_eq!((numbers.len(), texts.len()), (100_000, 100_000));
        let negative = numbers.iter().filter(|n| **n < 0).count();
        assert!((45_000..55_000).contains(&negative), "{negative} negative keys");
    }

    const HEX_DIGITS: &[u8] = b"0123456789abcdef";
}
