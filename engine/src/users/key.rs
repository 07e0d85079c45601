//! User keys in their one canonical form, and the fixed hash that sketches use.
//!
//! The same person may be `42` in a Parquet file and `"42"` in a CSV file, or a 16-byte UUID here
//! and its text there. A key is therefore read into a canonical form first. The mapping loses
//! nothing: only the one text that an integer or a UUID prints as becomes that integer or UUID,
//! so `"042"`, `"+42"` and an upper-case UUID stay the texts they are.

use twox_hash::XxHash3_64;

/// A user key: identifies a user within one identity space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key<'a> {
    /// An integer of any width and sign that fits 64 bits signed.
    Int(i64),
    /// A UUID, or any other 16 bytes, in the order in which they are printed.
    Wide(u128),
    /// Everything else, by its bytes.
    Text(&'a [u8]),
}

impl<'a> Key<'a> {
    /// The canonical form of a text.
    pub fn of_text(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        if let Some(wide) = parse_uuid(bytes) {
            return Self::Wide(wide);
        }
        parse_int(bytes).map_or(Self::Text(bytes), Self::Int)
    }

    /// The canonical form of binary: 16 bytes are a UUID, other lengths stay bytes.
    pub fn of_binary(bytes: &'a [u8]) -> Self {
        match <[u8; 16]>::try_from(bytes) {
            Ok(wide) => Self::Wide(u128::from_be_bytes(wide)),
            Err(_) => Self::Text(bytes),
        }
    }

    /// The 64-bit hash that every sketch uses: equal keys hash equally on every machine, for ever.
    #[inline]
    pub fn hash(&self) -> u64 {
        match self {
            Self::Int(int) => hash_int(*int),
            Self::Wide(wide) => hash_wide(*wide),
            Self::Text(bytes) => hash_bytes(bytes),
        }
    }

    /// The hash that every sketch uses of a key within a scope, by [`hash_scope`] of that one.
    #[inline]
    pub fn hash_in(&self, scope: u64) -> u64 {
        hash_int((scope.rotate_left(17) ^ self.hash()) as i64)
    }

    /// Appends the key: 0 and 8 bytes of an integer, 1 and 16 bytes of a UUID, or 2, 4 bytes of
    /// length and the bytes of anything else. All little-endian.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Int(int) => {
                bytes.push(INT);
                bytes.extend(int.to_le_bytes());
            }
            Self::Wide(wide) => {
                bytes.push(WIDE);
                bytes.extend(wide.to_le_bytes());
            }
            Self::Text(text) => {
                bytes.push(TEXT);
                bytes.extend((text.len() as u32).to_le_bytes()); // it came out of a view of 32 bits
                bytes.extend(*text);
            }
        }
    }

    /// The [written](Self::write) key that the bytes begin with, and what is behind it.
    pub fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (kind, rest) = bytes.split_first()?;
        match *kind {
            INT => {
                let (int, rest) = rest.split_first_chunk()?;
                Some((Self::Int(i64::from_le_bytes(*int)), rest))
            }
            WIDE => {
                let (wide, rest) = rest.split_first_chunk()?;
                Some((Self::Wide(u128::from_le_bytes(*wide)), rest))
            }
            TEXT => {
                let (length, rest) = rest.split_first_chunk()?;
                let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
                Some((Self::Text(text), rest))
            }
            _ => None,
        }
    }
}

/// What a written key begins with.
const INT: u8 = 0;
const WIDE: u8 = 1;
const TEXT: u8 = 2;

const SEED: u64 = 0x6865_6164_636f_756e; // "headcoun"

/// Hash of an integer: the finalizer of MurmurHash3 over the seeded value; a bijection, so
/// different integers never collide.
#[inline]
pub fn hash_int(int: i64) -> u64 {
    let mut x = (int as u64) ^ SEED;
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// The integer whose [`hash_int`] is `hash`: its steps undone from the last to the first, the
/// factors being the inverses modulo 2^64.
pub fn int_of_hash(hash: u64) -> i64 {
    let mut x = (hash ^ (hash >> 33)).wrapping_mul(0x9cb4_b2f8_1293_37db);
    x = (x ^ (x >> 33)).wrapping_mul(0x4f74_430c_22a5_4005);
    (x ^ (x >> 33) ^ SEED) as i64
}

/// Hash of 16 bytes: both halves through [`hash_int`], one after the other.
#[inline]
pub fn hash_wide(wide: u128) -> u64 {
    let high = hash_int((wide >> 64) as u64 as i64);
    hash_int((high.rotate_left(32) ^ (wide as u64)) as i64)
}

/// Hash of any bytes: XXH3 with a fixed seed.
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(SEED, bytes)
}

/// Hash of a scope, by its name, for [`Key::hash_in`].
pub fn hash_scope(name: &str) -> u64 {
    hash_bytes(name.as_bytes())
}

/// The integer that prints as exactly these bytes.
fn parse_int(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value = 0i64;
    for byte in digits {
        let digit = i64::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        // Counted downwards: the negative side holds one value more.
        value = value.checked_mul(10)?.checked_sub(digit)?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// The UUID that prints as exactly these bytes: 36 characters, lower case.
#[inline]
fn parse_uuid(bytes: &[u8]) -> Option<u128> {
    let bytes: &[u8; 36] = bytes.try_into().ok()?;
    if bytes[8] != b'-' || bytes[13] != b'-' || bytes[18] != b'-' || bytes[23] != b'-' {
        return None;
    }
    let four = |at: usize| {
        u64::from(u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
    };
    let (mut wide, mut wrong) = (0, 0);
    for (first, second) in [(0, 4), (9, 14), (19, 24), (28, 32)] {
        let (value, bad) = hex(four(first) << 32 | four(second));
        wide = wide << 32 | u128::from(value);
        wrong |= bad;
    }
    (wrong == 0).then_some(wide)
}

/// The value of eight lower-case hexadecimal digits, a byte of a word each, and what is wrong with
/// them: 0 if nothing is.
#[inline]
fn hex(digits: u64) -> (u32, u64) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // 0x30 to 0x39 are figures, 0x61 to 0x66 letters.
    let letters = digits >> 6 & ONES;
    let low = digits & (ONES * 0x0f);
    let kinds = (digits & (ONES * 0xf0)) ^ (ONES * 0x30 + letters * 0x30);
    let values = low + letters * 9;
    // What carries into the upper half of its byte: a figure above 9, a letter above f, and any
    // letter but the one before a.
    let above = (values + (ONES - letters) * 6) & (ONES * 0xf0);
    let before = ((low + letters * 0x0f) ^ (letters * 0x10)) & (ONES * 0x10);
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    ((fours | fours >> 16) as u32, kinds | above | before)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{Key, hash_int, int_of_hash};

    proptest! {
        #[test]
        fn an_integer_can_be_found_from_its_hash(int in any::<i64>()) {
            prop_assert_eq!(int_of_hash(hash_int(int)), int);
        }
    }

    #[test]
    fn only_the_printed_form_of_a_number_is_that_number() {
        for (text, int) in [
            ("0", Some(0)),
            ("42", Some(42)),
            ("-7", Some(-7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-0", None),
            ("00", None),
            ("042", None),
            ("+42", None),
            ("4 2", None),
            ("", None),
            ("-", None),
        ] {
            let expected = int.map_or(Key::Text(text.as_bytes()), Key::Int);
            assert_eq!(Key::of_text(text), expected, "{text}");
        }
    }

    /// Sketches in stores and files hold these for ever.
    #[test]
    fn hashes_stay() {
        let scope = super::hash_scope("installation 7");
        let keys = [Key::Int(42), Key::Wide(7 << 70), Key::Text(b"somebody")];
        let hashes = keys.map(|key| (key.hash(), key.hash_in(scope)));
        let expected = [
            (14_950_967_663_401_744_141, 1_093_341_210_764_985_397),
            (8_597_726_190_775_055_354, 18_417_766_783_242_733_740),
            (15_733_216_238_794_699_173, 3_565_499_432_646_851_872),
        ];
        assert_eq!(hashes, expected);
    }

    #[test]
    fn a_uuid_and_its_sixteen_bytes_are_one_user() {
        let bytes: Vec<u8> = (0..16).map(|i| i * 17).collect();
        let text = "00112233-4455-6677-8899-aabbccddeeff";
        assert_eq!(Key::of_text(text), Key::of_binary(&bytes));
        let upper = text.to_uppercase();
        assert_eq!(Key::of_text(&upper), Key::Text(upper.as_bytes()));
        let broken = text.replace('b', "g");
        assert_eq!(Key::of_text(&broken), Key::Text(broken.as_bytes()));
    }

    #[test]
    fn every_byte_is_a_digit_or_none() {
        for at in 0..36 {
            for byte in 0..=u8::MAX {
                let mut bytes = *b"01234567-89ab-cdef-0f1e-d2c3b4a59687";
                bytes[at] = byte;
                let dashes = [8, 13, 18, 23].iter().all(|at| bytes[*at] == b'-');
                let digits: String =
                    bytes.iter().filter(|byte| **byte != b'-').map(|b| char::from(*b)).collect();
                let is_lower = !digits.bytes().any(|byte| byte.is_ascii_uppercase());
                let value = u128::from_str_radix(&digits, 16).ok();
                let expected = value.filter(|_| dashes && is_lower && digits.len() == 32);
                // A sign is none of these.
                let expected = expected.filter(|_| !digits.contains('+'));
                assert_eq!(super::parse_uuid(&bytes), expected, "{byte} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn uuids_are_read_as_they_are_printed(wide in any::<u128>()) {
            let hex = format!("{wide:032x}");
            let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
            let text = parts.join("-");
            prop_assert_eq!(Key::of_text(&text), Key::Wide(wide));
        }

        #[test]
        fn canonical_form_loses_nothing(a in "[-+]?[0-9]{0,21}", b in "[-+]?[0-9]{0,21}") {
            prop_assert_eq!(Key::of_text(&a) == Key::of_text(&b), a == b);
        }

        #[test]
        fn integers_and_their_text_agree(int in any::<i64>()) {
            let text = int.to_string();
            prop_assert_eq!(Key::of_text(&text), Key::Int(int));
        }
    }
}
