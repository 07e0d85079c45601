//! Bytes of sketches: every form is read back, and no change of them stops the program.

use datasketches::hll::{HllSketch, HllType};
use datasketches::theta::ThetaSketchBuilder;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::super::group_state::GroupState;
use super::hll::Registers;
use super::theta::Hashes;
use super::update::{Update, Value};
use super::{check_hll, hll, theta};

const TYPES: [HllType; 3] = [HllType::Hll4, HllType::Hll6, HllType::Hll8];

fn of_type(kind: HllType, lg_k: u8, values: u64) -> Vec<u8> {
    let mut sketch = HllSketch::new(lg_k, kind).unwrap();
    (0..values).for_each(|value| sketch.update(value));
    sketch.serialize()
}

fn hlls() -> impl Strategy<Value = Vec<u8>> {
    let few = prop_oneof![Just(HllType::Hll4), Just(HllType::Hll6), Just(HllType::Hll8)];
    (few, 4u8..=9, prop_oneof![0..9u64, 0..60u64, 0..3_000u64])
        .prop_map(|(kind, lg_k, values)| of_type(kind, lg_k, values))
}

fn thetas() -> impl Strategy<Value = Vec<u8>> {
    (5u8..=7, 0..600u64, any::<bool>(), any::<bool>()).prop_map(
        |(lg_k, values, ordered, packed)| {
            let mut sketch = ThetaSketchBuilder::default().lg_k(lg_k).build().unwrap();
            (0..values).for_each(|value| sketch.update(value));
            let sketch = sketch.compact(ordered);
            if packed { sketch.serialize_compressed() } else { sketch.serialize() }
        },
    )
}

/// Everything that is done with a sketch that could be read.
fn use_hll(bytes: &[u8]) -> crate::Result<()> {
    let sketch = hll::read(bytes)?;
    let around = hll::within(&sketch, 2);
    assert!(around.low <= around.users && around.users <= around.high, "{around:?}");
    let mut union = Registers::default();
    union.merge(bytes)?;
    union.merge(&of_type(HllType::Hll8, sketch.lg_config_k(), 500))?;
    union.update(Value::Int(3))?;
    union.write(&mut Vec::new())
}

fn use_theta(bytes: &[u8]) -> crate::Result<()> {
    let sketch = theta::read(bytes)?;
    let around = theta::within(&sketch, 2);
    assert!(around.low <= around.users && around.users <= around.high, "{around:?}");
    let mut union = Hashes::new(5);
    union.update(Value::Int(3))?;
    union.merge(bytes)?;
    union.write(&mut Vec::new())
}

proptest! {
    #[test]
    fn changed_sketches_never_panic(
        hll in hlls(), theta in thetas(), at in any::<usize>(), to in any::<u8>(), cut in any::<usize>(),
    ) {
        prop_assert_eq!(use_hll(&hll).map_err(|error| error.to_string()), Ok(()));
        prop_assert_eq!(use_theta(&theta).map_err(|error| error.to_string()), Ok(()));
        for (bytes, used) in [(hll, use_hll as fn(&[u8]) -> _), (theta, use_theta)] {
            let mut changed = bytes.clone();
            changed[at % bytes.len()] = to;
            let _ = used(&changed);
            // The preamble decides on everything else.
            let mut changed = bytes.clone();
            changed[at % bytes.len().min(40)] = to;
            let _ = used(&changed);
            prop_assert!(used(&bytes[..cut % bytes.len()]).is_err());
            let longer: Vec<u8> = bytes.iter().copied().chain([to]).collect();
            prop_assert!(used(&longer).is_err());
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120), start in
        prop_oneof![Just(&[][..]), Just(&[2, 1, 7, 4, 3, 8][..]), Just(&[3, 1, 7, 9, 5, 8][..]),
            Just(&[10, 1, 7, 4, 0, 0][..]), Just(&[3, 3, 3, 0, 0, 26][..]), Just(&[2, 4, 3][..])]
    ) {
        let bytes = [start, &bytes].concat();
        let _ = (use_hll(&bytes), use_theta(&bytes));
    }

    #[test]
    fn the_order_of_values_leaves_nothing_in_the_bytes(
        values in proptest::collection::vec(any::<i64>(), 0..400), turn in any::<usize>(), lg_k in 5u8..=10,
    ) {
        let mut turned = values.clone();
        turned.rotate_left(turn % values.len().max(1));
        let (first, second) = turned.split_at(turn % (values.len() + 1));
        let filled = |values: &[i64]| {
            let mut parts = (Registers::open(lg_k).unwrap(), Hashes::new(lg_k));
            for value in values {
                parts.0.update(Value::Int(*value)).unwrap();
                parts.1.update(Value::Int(*value)).unwrap();
            }
            parts
        };
        let written = |parts: &(Registers, Hashes)| {
            let mut bytes = (Vec::new(), Vec::new());
            parts.0.write(&mut bytes.0).unwrap();
            parts.1.write(&mut bytes.1).unwrap();
            bytes
        };
        let combined = written(&filled(&values));
        prop_assert_eq!(&written(&filled(&turned)), &combined);
        let mut merged = filled(first);
        let other = written(&filled(second));
        merged.0.merge(&other.0).unwrap();
        merged.1.merge(&other.1).unwrap();
        prop_assert_eq!(written(&merged), combined);
    }
}

#[test]
fn sums_that_are_not_those_of_the_registers_are_errors() {
    for kind in TYPES {
        let good = of_type(kind, 6, 2_000);
        check_hll::check(&good).unwrap();
        for (at, part) in [(8, "estimate"), (16, "sums"), (24, "sums"), (32, "sums")] {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&[0xff; 4]);
            bytes[at + 4..at + 8].copy_from_slice(if at < 32 { &[0xff; 4] } else { &[0; 4] });
            let error = check_hll::check(&bytes).unwrap_err().to_string();
            assert!(error.contains(part), "{kind:?} {at}: {error}");
        }
    }
}
