//! Sets of groups against a `BTreeSet` per group: rows, states and states of single rows, filters,
//! groups that leave early, and the bytes in use.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, LargeBinaryArray};
use arrow::datatypes::Int64Type;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

use super::super::group_state::{GroupState, Output, StateAccumulator};
use super::super::single_group::EvaluateGroup;
use super::merge::{Intersection, Union};
use crate::users::Bitmap;

const GROUPS: usize = 4;

/// A row: its group, its set, whether a filter passes it.
type Row = (usize, Option<BTreeSet<u64>>, bool);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let set = proptest::collection::btree_set(0u64..60, 0..30);
    let row = (0..GROUPS, proptest::option::weighted(0.9, set), any::<bool>());
    proptest::collection::vec(row, 0..12)
}

fn columns(rows: &[Row]) -> ([ArrayRef; 1], Vec<usize>, BooleanArray) {
    let bytes = |set: &BTreeSet<u64>| Bitmap::from_iter(set.iter().copied()).to_bytes().unwrap();
    let sets: Vec<Option<Vec<u8>>> =
        rows.iter().map(|(_, set, _)| set.as_ref().map(bytes)).collect();
    let sets = LargeBinaryArray::from_iter(sets);
    let groups = rows.iter().map(|(group, ..)| *group).collect();
    ([Arc::new(sets)], groups, rows.iter().map(|(.., passes)| Some(*passes)).collect())
}

/// Steps that take rows in as they are, as states of a part, and as states of rows.
fn filled<P: GroupState>(
    groups: &dyn Fn() -> StateAccumulator<P>,
    steps: &[Vec<Row>],
) -> Vec<Option<u64>> {
    let mut combined = groups();
    for (at, rows) in steps.iter().enumerate() {
        let (values, indices, filter) = columns(rows);
        let all: Vec<usize> = (0..GROUPS).collect();
        match at % 3 {
            0 => combined.update_batch(&values, &indices, Some(&filter), GROUPS).unwrap(),
            1 => {
                let mut part = groups();
                part.update_batch(&values, &indices, Some(&filter), GROUPS).unwrap();
                let states = part.state(EmitTo::All).unwrap();
                assert_eq!(part.recount(), part.size());
                combined.merge_batch(&states, &all, GROUPS).unwrap();
            }
            _ => {
                let states = groups().convert_to_state(&values, Some(&filter)).unwrap();
                combined.merge_batch(&states, &indices, GROUPS).unwrap();
            }
        }
        assert_eq!(combined.recount(), combined.size());
    }
    combined.grow(GROUPS);
    let evaluated: Vec<_> =
        (0..GROUPS).map(|group| combined.evaluate_group(group).unwrap()).collect();
    let mut answers = Vec::new();
    for emit in [EmitTo::First(1), EmitTo::All] {
        let emitted = combined.evaluate(emit).unwrap();
        assert_eq!(combined.recount(), combined.size());
        for row in 0..emitted.len() {
            let evaluated = evaluated[answers.len()].to_array().unwrap();
            assert_eq!(evaluated.as_ref(), emitted.slice(row, 1).as_ref());
            answers.push(match emitted.as_primitive_opt::<Int64Type>() {
                Some(counts) => Some(counts.value(row) as u64),
                None => {
                    let sets = emitted.as_binary::<i64>();
                    let set = |row| Bitmap::from_bytes(sets.value(row)).unwrap().len();
                    sets.is_valid(row).then(|| set(row))
                }
            });
        }
    }
    answers
}

proptest! {
    #[test]
    fn sets_of_groups_are_those_of_a_btree_set(steps in proptest::collection::vec(rows(), 0..6)) {
        let counted = |group: usize| {
            let rows = steps.iter().flatten();
            rows.filter(move |row| row.0 == group && row.2).filter_map(|row| row.1.as_ref())
        };
        let union: Vec<Option<u64>> = (0..GROUPS)
            .map(|group| Some(counted(group).flatten().collect::<BTreeSet<_>>().len() as u64))
            .collect();
        let both: Vec<Option<u64>> = (0..GROUPS)
            .map(|group| {
                let sets = counted(group).cloned();
                sets.reduce(|a, b| &a & &b).map(|set| set.len() as u64)
            })
            .collect();
        let unions = |answer| move || StateAccumulator::merging("u", Union::default(), answer);
        prop_assert_eq!(filled(&unions(Output::Count), &steps), union.clone());
        prop_assert_eq!(filled(&unions(Output::Value), &steps), union);
        let intersections = || StateAccumulator::merging("i", Intersection::default(), Output::Value);
        prop_assert_eq!(filled(&intersections, &steps), both);
    }
}

#[test]
fn errors_name_the_function() {
    let broken: [ArrayRef; 1] = [Arc::new(LargeBinaryArray::from(vec![&b"no set"[..]]))];
    let mut groups = StateAccumulator::merging("bitmap_union", Union::default(), Output::Value);
    for error in [
        groups.update_batch(&broken, &[0], None, 1).unwrap_err(),
        groups.merge_batch(&broken, &[0], 1).unwrap_err(),
        groups.convert_to_state(&broken, None).unwrap_err(),
    ] {
        let error = error.to_string();
        assert!(
            error.contains("function: bitmap_union") && error.contains("invalid set of users"),
            "{error}"
        );
    }
}
