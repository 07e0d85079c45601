//! What is written is read, and broken bytes are errors.

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use roaring::RoaringBitmap;

use super::{decode, encode, numbers, union};

/// Thin arrays, bitsets and runs, in one or several containers.
fn sets() -> impl Strategy<Value = Vec<u32>> {
    let thin = proptest::collection::btree_set(any::<u32>(), 0..50);
    let dense = (0..3u32, 1..9u32).prop_map(|(page, step)| {
        (0..65_536).step_by(step as usize).map(|low| page << 16 | low).collect()
    });
    let few = proptest::collection::btree_set(0..300_000u32, 0..2_000);
    prop_oneof![thin, dense, few].prop_map(|set| set.into_iter().collect())
}

proptest! {
    #[test]
    fn what_is_written_is_read(set in sets()) {
        let bytes = encode(&set).unwrap();
        let mut read = Vec::new();
        numbers(&bytes, |number| read.push(number)).unwrap();
        prop_assert_eq!(&read, &set);
        prop_assert_eq!(union([bytes.as_slice(), bytes.as_slice()]).unwrap(), set.clone());
        let other = RoaringBitmap::deserialize_from(bytes.as_slice()).unwrap();
        prop_assert!(other.iter().eq(set.iter().copied()));
        prop_assert_eq!(decode(&bytes).unwrap(), other);
    }

    #[test]
    fn broken_bytes_never_panic(set in sets(), cut in any::<usize>(), flip in any::<usize>()) {
        let mut bytes = encode(&set).unwrap();
        let at = flip % bytes.len();
        bytes[at] ^= 1 << (flip >> 32 & 7);
        let _ = numbers(&bytes, |_| ());
        prop_assert!(!decode(&bytes).is_ok_and(|found| found.iter().eq(set.iter().copied())));
        bytes.truncate(cut % bytes.len());
        prop_assert!(decode(&bytes).is_err());
        prop_assert!(numbers(&bytes, |_| ()).is_err());
    }
}

#[test]
fn unsorted_numbers_are_refused() {
    assert!(encode(&[3, 2]).is_err());
    assert!(encode(&[]).is_ok_and(|bytes| bytes.len() == 8));
}
