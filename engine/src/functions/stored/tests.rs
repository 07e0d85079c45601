//! People against a `HashSet` per group: stored sets and single numbers, given ones and keys,
//! filters, parts of a query that come together, and groups that leave early.

use std::collections::HashSet;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, Int32Array, UInt32Array,
};
use arrow::compute::concat;
use arrow::datatypes::Int64Type;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use proptest::collection::{btree_set, vec};
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

use super::column::{UserColumn, stored_users};
use super::distinct::Groups;
use crate::users::portable::encode;
use crate::users::{FIRST_ASSIGNED_SHARD, shard_of};

/// A row: its group, whether a filter lets it through, whether the store gave the numbers, who is
/// in it, and whether they come as a stored set.
type Row = (usize, Option<bool>, bool, Vec<u32>, bool);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let thin = btree_set(0..200_000u32, 1..6).prop_map(Vec::from_iter);
    let full = (1..7u32).prop_map(|step| (0..65_536).step_by(step as usize).collect());
    // Far apart: where there are many of these, numbers are given anew.
    let far = vec(any::<u32>(), 1..60).prop_map(|mut numbers| {
        numbers.sort_unstable();
        let shard = shard_of(numbers[0], false);
        numbers.retain(|number| shard_of(*number, false) == shard);
        numbers.dedup();
        numbers
    });
    let users_of_row = proptest::prop_oneof![4 => thin, 1 => full, 4 => far];
    vec((0usize..5, any::<Option<bool>>(), any::<bool>(), users_of_row, any::<bool>()), 0..40)
}

fn people(rows: &[Row]) -> ArrayRef {
    let mut parts: Vec<ArrayRef> = Vec::new();
    for (_, _, assigned, users_of_row, stored) in rows {
        let first = if *assigned { FIRST_ASSIGNED_SHARD } else { 0 };
        parts.push(if *stored {
            let set = encode(users_of_row).unwrap();
            let shards = Int32Array::from(vec![first as i32]);
            stored_users(&shards, &BinaryViewArray::from_iter_values([set])).unwrap()
        } else {
            let numbers = UInt32Array::from(vec![users_of_row[0]]);
            UserColumn::of_numbers(BooleanArray::from(vec![*assigned]), numbers, None).unwrap()
        });
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    if parts.is_empty() {
        let empty_state = BinaryViewArray::from_iter_values(Vec::<Vec<u8>>::new());
        return stored_users(&Int32Array::from(Vec::<i32>::new()), &empty_state).unwrap();
    }
    concat(&parts).unwrap()
}

/// The rows as an accumulator takes them.
fn taken(rows: &[Row]) -> (ArrayRef, Vec<usize>, BooleanArray) {
    let groups = rows.iter().map(|row| row.0).collect();
    (people(rows), groups, rows.iter().map(|row| row.1).collect())
}

fn counts(groups: &mut Groups, emit: EmitTo) -> Vec<i64> {
    groups.evaluate(emit).unwrap().as_primitive::<Int64Type>().values().to_vec()
}

proptest! {
    #[test]
    fn every_user_is_counted_once(parts in vec(rows(), 1..4), filtered in any::<bool>(), skip in any::<bool>()) {
        let mut expected = vec![HashSet::new(); 5];
        let mut combined = Groups::default();
        for part in &parts {
            for (group, passes, assigned, users_of_row, stored) in part {
                if !filtered || *passes == Some(true) {
                    let users_of_row = if *stored { &users_of_row[..] } else { &users_of_row[..1] };
                    expected[*group].extend(users_of_row.iter().map(|number| (*assigned, *number)));
                }
            }
            let (array, groups, filter) = taken(part);
            let filter = filtered.then_some(&filter);
            let mut partial = Groups::default();
            let states = if skip {
                partial.convert_to_state(&[array], filter).unwrap()
            } else {
                partial.update_batch(&[array], &groups, filter, 5).unwrap();
                prop_assert_eq!(partial.size(), partial.recount());
                partial.state(EmitTo::All).unwrap()
            };
            let places = if skip { groups } else { (0..5).collect() };
            combined.merge_batch(&states, &places, 5).unwrap();
            prop_assert_eq!(combined.size(), combined.recount());
        }
        let expected: Vec<i64> = expected.iter().map(|set| set.len() as i64).collect();
        let mut found = counts(&mut combined, EmitTo::First(2));
        prop_assert_eq!(combined.size(), combined.recount());
        found.extend(counts(&mut combined, EmitTo::All));
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn many_groups_of_sparse_users_get_new_ids() {
    let mut groups = Groups::default();
    let mut expected = Vec::new();
    for group in 0..400usize {
        let mut users_of_row: Vec<u32> = (0..30u32)
            .map(|at| 0xfff0_0000 | ((at * 7_919 + group as u32 * 31) & 0xf_ffff))
            .collect();
        users_of_row.sort_unstable();
        users_of_row.dedup();
        expected.push(users_of_row.len() as i64);
        let rows = [(group, None, group % 2 == 0, users_of_row, true)];
        let (array, places, _) = taken(&rows);
        groups.update_batch(&[array], &places, None, group + 1).unwrap();
    }
    assert_eq!(groups.size(), groups.recount());
    // A set of numbers that far apart takes a megabyte and a half as it is.
    assert!(groups.size() < 64 << 20, "{}", groups.size());
    assert_eq!(counts(&mut groups, EmitTo::All), expected);
}

#[test]
fn broken_sets_and_states_are_errors() {
    let shards = Int32Array::from(vec![0]);
    let array = stored_users(&shards, &BinaryViewArray::from_iter_values([b"nothing"])).unwrap();
    let error = Groups::default().update_batch(&[array], &[0], None, 1).unwrap_err().to_string();
    assert!(error.contains("a set of users is truncated or corrupt"), "{error}");
    let state: ArrayRef =
        std::sync::Arc::new(arrow::array::LargeBinaryArray::from_iter_values([&[9u8; 9][..]]));
    let error = Groups::default().merge_batch(&[state], &[0], 1).unwrap_err().to_string();
    assert!(error.contains("rollup_distinct"), "{error}");
}
