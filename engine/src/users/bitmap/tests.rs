//! The laws of sets against `BTreeSet`, and bytes that must be read, or refused, whatever they are.

use std::collections::BTreeSet;

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use roaring::{RoaringBitmap, RoaringTreemap};

use super::{Bitmap, FIRST_STORE_ID, Operation, Space};
use crate::users::Key;

const OPERATIONS: [Operation; 4] =
    [Operation::And, Operation::Or, Operation::Xor, Operation::AndNot];
const STORE_ID: Space = Space([7; 16]);

fn expected<T: Ord + Clone>(op: Operation, a: &BTreeSet<T>, b: &BTreeSet<T>) -> BTreeSet<T> {
    match op {
        Operation::And => a & b,
        Operation::Or => a | b,
        Operation::Xor => a ^ b,
        Operation::AndNot => a - b,
    }
}

/// Thin and dense, with runs and without, small and beyond 32 bits.
fn integers() -> impl Strategy<Value = BTreeSet<u64>> {
    let far = proptest::collection::btree_set(any::<u64>(), 0..30);
    let near = proptest::collection::btree_set(0..300_000u64, 0..600);
    let border = proptest::collection::btree_set(FIRST_STORE_ID - 40..FIRST_STORE_ID + 40, 0..40);
    let dense = (0..FIRST_STORE_ID * 2, 1..9u64)
        .prop_map(|(first, step)| (0..20_000).map(|at| first + at * step).collect());
    prop_oneof![far, near, border, dense]
}

/// Texts that are integers, UUIDs and neither.
fn texts() -> impl Strategy<Value = BTreeSet<String>> {
    let text = prop_oneof![
        (0..40u32).prop_map(|n| n.to_string()),
        (0..40u32).prop_map(|n| format!("00000000-0000-0000-0000-{n:012}")),
        "[a-c]{0,3}",
    ];
    proptest::collection::btree_set(text, 0..40)
}

fn of_integers(set: &BTreeSet<u64>) -> Bitmap {
    set.iter().copied().collect()
}

fn of_texts(set: &BTreeSet<String>) -> Bitmap {
    Bitmap::of_keys(set.iter().map(|text| Key::of_text(text)))
}

fn given(numbers: impl IntoIterator<Item = u32>) -> Bitmap {
    Bitmap::of_store_ids(STORE_ID, numbers.into_iter().collect())
}

fn there_and_back(set: &Bitmap) -> Bitmap {
    let bytes = set.to_bytes().unwrap();
    let back = Bitmap::from_bytes(&bytes).unwrap();
    assert_eq!(back.to_bytes().unwrap(), bytes);
    back
}

fn error(result: crate::Result<impl std::fmt::Debug>) -> String {
    result.unwrap_err().to_string()
}

proptest! {
    #[test]
    fn integers_behave_as_a_btree_set(a in integers(), b in integers()) {
        let (x, y) = (there_and_back(&of_integers(&a)), there_and_back(&of_integers(&b)));
        prop_assert_eq!(x.len() as usize, a.len());
        prop_assert!(x.integers().unwrap().into_iter().eq(a.iter().map(|bits| *bits as i64)));
        for operation in OPERATIONS {
            let set = expected(operation, &a, &b);
            prop_assert_eq!(x.count(operation, &y).unwrap() as usize, set.len());
            let made = x.clone().apply(operation, y.clone()).unwrap();
            prop_assert_eq!(made.to_bytes().unwrap(), of_integers(&set).to_bytes().unwrap());
        }
        for bits in b.iter().take(20) {
            prop_assert_eq!(x.contains(Key::Int(*bits as i64)).unwrap(), a.contains(bits));
        }
    }

    #[test]
    fn keys_behave_as_a_btree_set(a in texts(), b in texts()) {
        let (x, y) = (there_and_back(&of_texts(&a)), there_and_back(&of_texts(&b)));
        prop_assert_eq!(x.texts().unwrap().into_iter().collect::<BTreeSet<_>>(), a.clone());
        for operation in OPERATIONS {
            let set = expected(operation, &a, &b);
            prop_assert_eq!(x.count(operation, &y).unwrap() as usize, set.len());
            let made = x.clone().apply(operation, y.clone()).unwrap();
            prop_assert_eq!(made.size(), of_texts(&set).size());
            prop_assert_eq!(made.to_bytes().unwrap(), of_texts(&set).to_bytes().unwrap());
        }
        for text in &b {
            prop_assert_eq!(x.contains(Key::of_text(text)).unwrap(), a.contains(text));
        }
    }

    #[test]
    fn ids_of_a_store_are_not_integers(
        a in proptest::collection::btree_set(0..200u32, 0..50),
        b in proptest::collection::btree_set(0..200u32, 0..50),
        small in proptest::collection::btree_set(0..200u64, 0..50),
    ) {
        let (x, y) = (there_and_back(&given(a.clone())), there_and_back(&given(b.clone())));
        for operation in OPERATIONS {
            let set = expected(operation, &a, &b);
            prop_assert_eq!(x.count(operation, &y).unwrap() as usize, set.len());
            prop_assert_eq!(x.clone().apply(operation, y.clone()).unwrap(), given(set));
        }
        let mixed = x.clone().apply(Operation::Or, of_integers(&small)).unwrap();
        let mixed = there_and_back(&mixed);
        prop_assert_eq!(mixed.len() as usize, a.len() + small.len());
        // Without numbers of the store it is a set of integers again, also in its bytes.
        let rest = mixed.apply(Operation::AndNot, x).unwrap();
        prop_assert_eq!(rest.to_bytes().unwrap(), of_integers(&small).to_bytes().unwrap());
    }

    #[test]
    fn changed_bytes_never_panic(
        set in prop_oneof![
            integers().prop_map(|set| of_integers(&set)),
            texts().prop_map(|set| of_texts(&set)),
            proptest::collection::btree_set(any::<u32>(), 0..50).prop_map(given),
        ],
        at in any::<usize>(), bit in 0..8u8, cut in any::<usize>(), more in any::<u8>(),
    ) {
        let good = set.to_bytes().unwrap();
        let mut bytes = good.clone();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        // Some changes make another set of it; none makes the same one.
        prop_assert!(Bitmap::from_bytes(&bytes).map_or(true, |other| other != set || set.is_empty()));
        prop_assert!(Bitmap::from_bytes(&good[..cut % good.len()]).map_or(true, |other| other != set));
        let longer: Vec<u8> = good.iter().copied().chain([more]).collect();
        prop_assert!(Bitmap::from_bytes(&longer).is_err());
    }

    #[test]
    fn random_bytes_are_no_set(bytes in proptest::collection::vec(any::<u8>(), 0..200), start in
        prop_oneof![Just(&b""[..]), Just(&b"HCB\x01"[..]), Just(&b"HCK\x01"[..]),
            Just(&b"\x3a\x30\0\0"[..]), Just(&b"\x3b\x30\x01\0"[..]), Just(&b"\x01\0\0\0\0\0\0\0"[..])]
    ) {
        let _ = Bitmap::from_bytes(&[start, &bytes].concat());
    }
}

#[test]
fn other_programs_read_and_write_the_portable_forms() {
    let small: RoaringBitmap = (5..70_000).step_by(3).collect();
    let wide: RoaringTreemap = [0, 7, FIRST_STORE_ID * 3 + 1, u64::MAX].into_iter().collect();
    let (mut narrow, mut large) = (Vec::new(), Vec::new());
    small.serialize_into(&mut narrow).unwrap();
    wide.serialize_into(&mut large).unwrap();
    let read = Bitmap::from_bytes(&narrow).unwrap();
    assert_eq!((read.len(), read.to_bytes().unwrap()), (small.len(), narrow));
    let read = Bitmap::from_bytes(&large).unwrap();
    assert_eq!(read.integers().unwrap(), [0, 7, (FIRST_STORE_ID * 3 + 1) as i64, -1]);
    assert_eq!(read.to_bytes().unwrap(), large);
    // A 64-bit bitmap of small numbers is the set that the 32-bit one is.
    let mut large = Vec::new();
    RoaringTreemap::from_iter([1, 2]).serialize_into(&mut large).unwrap();
    assert_eq!(Bitmap::from_bytes(&large).unwrap(), Bitmap::from_iter([1, 2]));
}

#[test]
fn spaces_do_not_mix() {
    let (one, far) = (given([1]), Bitmap::from_iter([FIRST_STORE_ID]));
    let other = Bitmap::of_store_ids(Space([9; 16]), [1].into_iter().collect());
    let keys = Bitmap::of_keys([Key::Text(b"ann"), Key::Int(3)]);
    let small = Bitmap::from_iter([3]);
    for operation in OPERATIONS {
        for (a, b, part) in [
            (&one, &other, "two different stores"),
            (&one, &far, "above 4294967295"),
            (&far, &one, "above 4294967295"),
            (&one, &keys, "a set of integers and a set of keys"),
            (&keys, &small, "a set of integers and a set of keys"),
        ] {
            assert!(error(a.clone().apply(operation, b.clone())).contains(part));
            assert!(error(a.count(operation, b)).contains(part));
        }
        // Nobody belongs everywhere.
        for set in [&one, &far, &keys] {
            for empty in [Bitmap::default(), Bitmap::of_keys([]), given([])] {
                let expected = if operation == Operation::And { 0 } else { set.len() };
                let made = set.clone().apply(operation, empty.clone()).unwrap();
                assert_eq!(
                    (made.len(), set.count(operation, &empty).unwrap()),
                    (expected, expected)
                );
                assert_eq!(empty.to_bytes().unwrap(), Bitmap::default().to_bytes().unwrap());
            }
        }
    }
    for part in ["ids assigned by a store", "07070707", "the table `users`"] {
        assert!(error(one.integers()).contains(part) && error(one.texts()).contains(part));
        assert!(error(one.contains(Key::Text(b"x"))).contains(part));
    }
    assert!(error(keys.integers()).contains("not integers"));
    assert!(error(Bitmap::of_keys([Key::Text(b"\xff")]).texts()).contains("UTF-8"));
    assert!(!small.contains(Key::Text(b"x")).unwrap());
}

#[test]
fn broken_bytes_say_what_is_wrong() {
    let numbered = given([1, 2]).to_bytes().unwrap();
    let keys = Bitmap::of_keys([Key::Int(1), Key::Int(2)]).to_bytes().unwrap();
    let change = |bytes: &[u8], at: usize, to: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = to;
        bytes
    };
    let mut unordered = keys.clone();
    unordered[4..].rotate_left(9);
    for (bytes, part) in [
        (Vec::new(), "not a Roaring bitmap"),
        (b"hello, world".to_vec(), "not a Roaring bitmap"),
        (b"HCB".to_vec(), "truncated"),
        (change(&numbered, 3, 2), "unknown version 2"),
        (numbered[..10].to_vec(), "the store id is truncated"),
        (numbered[..numbered.len() - 1].to_vec(), "truncated or corrupt"),
        (change(&numbered, 28, 2), "truncated or corrupt"),
        (change(&keys, 3, 9), "unknown version 9"),
        (change(&keys, 4, 3), "a key is truncated"),
        (unordered, "not in ascending order"),
        (keys[..keys.len() - 1].to_vec(), "a key is truncated"),
    ] {
        let error = error(Bitmap::from_bytes(&bytes));
        assert!(error.contains(part), "{error}: {part}");
    }
    // Offsets and lengths that nobody needs must be right all the same.
    let mut bytes = Vec::new();
    RoaringBitmap::from_iter([1, 70_000]).serialize_into(&mut bytes).unwrap();
    for at in 16..24 {
        assert!(Bitmap::from_bytes(&change(&bytes, at, 0xee)).is_err(), "{at}");
    }
}
