//! The exact set of a group.

use arrow::array::ArrayRef;
use arrow::buffer::NullBuffer;

use super::counts::GroupSet;
use super::numbers::Numbers;
use crate::Result;
use crate::users::SetBuilder;

/// Room in a list that gets its first integer.
const FIRST: usize = 4;
/// The longest list of integers without numbers: to sort it takes less time than to number it.
const LIST: usize = 2048;
/// A longer list, of integers that wait for their numbers, takes at most this part of what the
/// numbers take.
const PART: usize = 8;

/// An exact set of integers.
///
/// Those that [are numbers](Numbers::known) go where numbers are. Others are a list, which tells
/// how many there are without a look at the table of numbers, larger than any cache. Only in a
/// group that has more of them than a list should, they get numbers, many at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct ExactSet {
    numbers: SetBuilder,
    /// Integers that are no numbers; some may be there twice.
    others: Vec<i64>,
    /// Whether such integers get numbers in this group.
    numbered: bool,
}

impl ExactSet {
    #[cold]
    fn make_room(&mut self, numbers: &Numbers, heap: &mut usize) -> Result<()> {
        let before = self.others.capacity();
        let room = (before * 2).max(FIRST);
        if !self.numbered {
            self.sort();
            // A quarter of free room is worth the sorting; twice the room would be mostly free.
            if self.others.len() * 4 < before * 3 {
                return Ok(());
            }
            self.numbered = before >= LIST;
        }
        if self.numbered {
            self.number(numbers, heap)?;
        }
        if !self.numbered || room * size_of::<i64>() <= self.numbers.size() / PART {
            self.others.reserve_exact(room - self.others.len());
            *heap += (self.others.capacity() - before) * size_of::<i64>();
        }
        Ok(())
    }

    fn sort(&mut self) {
        self.others.sort_unstable();
        self.others.dedup();
    }

    /// Gives every integer its number.
    fn number(&mut self, numbers: &Numbers, heap: &mut usize) -> Result<()> {
        numbers.give(&self.others, |number| self.numbers.push(number, heap))?;
        self.others.clear();
        Ok(())
    }
}

impl GroupSet for ExactSet {
    type Id = i64;
    type Shared = Numbers;

    fn find(
        numbers: &Numbers,
        values: &ArrayRef,
        rows: Option<&NullBuffer>,
        found: &mut Vec<i64>,
    ) -> Result<()> {
        numbers.find(values, rows, found)
    }

    #[inline]
    fn push(&mut self, int: i64, numbers: &Numbers, heap: &mut usize) -> Result<()> {
        if let Some(number) = numbers.known(int) {
            self.numbers.push(number, heap);
            return Ok(());
        }
        if self.others.len() == self.others.capacity() {
            self.make_room(numbers, heap)?;
        }
        self.others.push(int);
        Ok(())
    }

    fn absorb(&mut self, mut other: Self, numbers: &Numbers) -> Result<()> {
        if self.others.capacity() < other.others.capacity() {
            std::mem::swap(&mut self.others, &mut other.others);
        }
        self.numbers.absorb(other.numbers);
        self.numbered |= other.numbered;
        other.others.into_iter().try_for_each(|int| self.push(int, numbers, &mut 0))
    }

    fn count(mut self, numbers: &Numbers) -> Result<u64> {
        if self.numbered {
            self.number(numbers, &mut 0)?;
        } else {
            self.sort();
        }
        Ok(self.others.len() as u64 + self.numbers.finish().len())
    }

    #[cfg(test)]
    fn size(&self) -> usize {
        self.numbers.size() + self.others.capacity() * size_of::<i64>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use arrow::datatypes::DataType;
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::{ExactSet, GroupSet, LIST, Numbers};

    /// None, few and many; small, large, negative and mixed; with doubles and without.
    fn ints() -> impl Strategy<Value = Vec<i64>> {
        let spread = |int: i64| int.wrapping_mul(0x5851_f42d_4c95_7f2d);
        prop_oneof![
            proptest::collection::vec(-3..3i64, 0..20),
            proptest::collection::vec(any::<i64>(), 0..100),
            proptest::collection::vec((0..200i64).prop_map(spread), 0..10_000),
            proptest::collection::vec((-5_000..5_000i64).prop_map(spread), 0..20_000),
            proptest::collection::vec(-5_000..5_000i64, 0..20_000),
        ]
    }

    fn filled(ints: &[i64], numbers: &Numbers) -> ExactSet {
        let (mut set, mut heap) = (ExactSet::default(), 0);
        ints.iter().for_each(|int| set.push(*int, numbers, &mut heap).unwrap());
        assert_eq!(heap, set.size());
        set
    }

    proptest! {
        #[test]
        fn different_integers_are_counted(a in ints(), b in ints()) {
            let numbers = Numbers::new(&DataType::Int64);
            let different = |ints: &[i64]| ints.iter().collect::<BTreeSet<_>>().len() as u64;
            prop_assert_eq!(filled(&a, &numbers).count(&numbers).unwrap(), different(&a));
            let both = different(&[a.clone(), b.clone()].concat());
            for (ours, theirs) in [(&a, &b), (&b, &a)] {
                let mut ours = filled(ours, &numbers);
                ours.absorb(filled(theirs, &numbers), &numbers).unwrap();
                prop_assert!(ours.numbered || ours.others.capacity() <= LIST);
                prop_assert_eq!(ours.count(&numbers).unwrap(), both);
            }
        }
    }

    #[test]
    fn a_list_needs_no_numbers() {
        let numbers = Numbers::new(&DataType::Int64);
        let nothing = numbers.size();
        let ints: Vec<i64> = (0..3 * LIST as i64).map(|int| -1 - int % 1_000).collect();
        assert_eq!(filled(&ints, &numbers).count(&numbers).unwrap(), 1_000);
        assert_eq!(numbers.size(), nothing);
        let set = filled(&[-1, i64::MAX, -1, 1 << 40], &numbers);
        assert!(size_of::<ExactSet>() + set.size() <= 112, "{}", set.size());
    }
}
