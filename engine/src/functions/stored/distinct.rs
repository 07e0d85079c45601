//! `rollup_distinct(users)`: the number of distinct users in rows of the store and of events,
//! exactly.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{AggregateUDF, Documentation, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

use super::super::function::{Aggregate, arguments, names, unchanged_types};
use super::super::group_sets::GroupSets;
use super::super::sections::COUNTING;
use super::super::single_group::EvaluateGroup;
use super::super::{exact_state, state};
use super::column::{RowUsers, UserColumn, stored_users_type};
use crate::datafusion_error::external;
use crate::scan::counted_rows;
use crate::users::{IdDictionary, Key};
use crate::{Error, Result as EngineResult};

const NAME: &str = "rollup_distinct";

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        COUNTING,
        "The exact number of distinct users in rows of the store and of events; counts of distinct \
         users are planned onto it where the store can answer.",
        "rollup_distinct(users)",
    )
    .build()
});

/// The aggregate function; its result is BIGINT and never null.
pub fn rollup_distinct() -> AggregateUDF {
    AggregateUDF::from(Aggregate {
        name: NAME,
        aliases: names(&[]),
        signature: arguments(&[1]),
        documentation: &DOCUMENTATION,
        answers: |types| match types {
            [users] if *users == stored_users_type() => Ok(DataType::Int64),
            _ => plan_err!("{NAME} only counts rows of the store"),
        },
        coerce: unchanged_types,
        nothing: |_| Ok(Groups::default()),
        default: |_| Ok(ScalarValue::Int64(Some(0))),
        nullable: false,
    })
}

/// The groups of one accumulator: keys that are their own numbers, and numbers that the store
/// assigned. These are disjoint users, so their counts add.
#[derive(Debug, Default)]
pub(in crate::functions) struct Groups {
    by_key: GroupSets,
    assigned: GroupSets,
}

impl Groups {
    fn add(
        &mut self,
        group: usize,
        (assigned, users_of_row): (bool, RowUsers<'_>),
    ) -> EngineResult<()> {
        let sets = if assigned { &mut self.assigned } else { &mut self.by_key };
        match users_of_row {
            RowUsers::Stored(set) => sets.insert_set(group, set),
            RowUsers::One(number) => sets.insert(group, Key::Int(i64::from(number))),
        }
    }

    /// Adds the state of a group: the length of the state of its own numbers in 8 bytes, that
    /// state, and the state of the others.
    fn merge(&mut self, group: usize, bytes: &[u8]) -> EngineResult<()> {
        let cut = || Error::input("it is truncated");
        let (length, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut())?;
        let (by_key, assigned) = rest.split_at_checked(length).ok_or_else(cut)?;
        exact_state::read(by_key, &mut self.by_key, group)?;
        exact_state::read(assigned, &mut self.assigned, group)
    }

    fn drop_unused_keys(&mut self) -> Result<()> {
        self.by_key
            .drop_unused_keys()
            .and_then(|()| self.assigned.drop_unused_keys())
            .map_err(external)
    }

    /// What `size` must be, counted from scratch.
    #[cfg(test)]
    pub(in crate::functions) fn recount(&self) -> usize {
        self.by_key.recount() + self.assigned.recount()
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let Some(array) = values.first() else { return Ok(()) };
        let people = UserColumn::of(array).map_err(external)?;
        let counted = counted_rows(array, opt_filter);
        for (row, group) in group_indices.iter().enumerate() {
            if counted.as_ref().is_none_or(|counted| counted.is_valid(row)) {
                self.add(*group, people.row(row)).map_err(external)?;
            }
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let states = state::column(NAME, values)?;
        for (row, group) in group_indices.iter().enumerate() {
            self.merge(*group, states.value(row))
                .map_err(|error| state::unreadable(NAME, error))?;
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (by_key, assigned) = (self.by_key.take(emit_to), self.assigned.take(emit_to));
        self.drop_unused_keys()?;
        let both = by_key
            .iter()
            .zip(&assigned)
            .map(|(by_key, assigned)| (by_key.len() + assigned.len()) as i64);
        Ok(Arc::new(both.collect::<Int64Array>()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (by_key, assigned) = (self.by_key.take(emit_to), self.assigned.take(emit_to));
        let keys =
            [&self.by_key, &self.assigned].map(|sets| sets.dictionary().map(IdDictionary::keys));
        let mut writer = state::Writer::new(by_key.len());
        for (by_key, assigned) in by_key.into_iter().zip(assigned) {
            let bytes = writer.bytes();
            let at = bytes.len();
            bytes.extend(0u64.to_le_bytes());
            exact_state::write(&by_key, keys[0].as_ref(), bytes).map_err(external)?;
            let length = (bytes.len() - at - size_of::<u64>()) as u64;
            bytes[at..at + size_of::<u64>()].copy_from_slice(&length.to_le_bytes());
            exact_state::write(&assigned, keys[1].as_ref(), bytes).map_err(external)?;
            writer.end();
        }
        drop(keys);
        self.drop_unused_keys()?;
        writer.finish()
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let mut rows = Self::default();
        let groups: Vec<usize> = (0..values.first().map_or(0, |array| array.len())).collect();
        rows.update_batch(values, &groups, opt_filter, groups.len())?;
        rows.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.by_key.size() + self.assigned.size()
    }
}

impl EvaluateGroup for Groups {
    fn grow(&mut self, groups: usize) {
        self.by_key.grow(groups);
        self.assigned.grow(groups);
    }

    fn evaluate_group(&self, group: usize) -> Result<ScalarValue> {
        let count = self.by_key.count(group) + self.assigned.count(group);
        Ok(ScalarValue::Int64(Some(count as i64)))
    }
}
