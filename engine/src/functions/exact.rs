//! `exact_distinct(x)`: the number of distinct values, exactly.
//!
//! The result is that of `COUNT(DISTINCT x)`, computed with sets made to be filled fast
//! ([`GroupSets`]) instead of hash sets of values.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, BooleanArray, Int64Array};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{AggregateUDF, Documentation, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

use super::function::{Aggregate, arguments, names, unchanged_types};
use super::group_sets::GroupSets;
use super::sections::COUNTING;
use super::single_group::EvaluateGroup;
use super::{exact_state, state};
use crate::datafusion_error::external;
use crate::scan::{any_keys, for_each_key, is_countable};
use crate::users::IdDictionary;

const NAME: &str = "exact_distinct";

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        COUNTING,
        "The exact number of distinct non-null values; 0 if there are none.",
        "exact_distinct(expression)",
    )
    .with_argument(
        "expression",
        "The values to count: integers, text, binary, dates and times, booleans, or a dictionary \
         of these.",
    )
    .with_sql_example("SELECT exact_distinct(user_id) FROM events;")
    .with_related_udf("approx_count_distinct")
    .build()
});

/// The aggregate function `exact_distinct(x)`; its result is BIGINT and never null.
pub fn exact_distinct() -> AggregateUDF {
    AggregateUDF::from(Aggregate {
        name: NAME,
        aliases: names(&[]),
        signature: arguments(&[1]),
        documentation: &DOCUMENTATION,
        answers: |types| match types {
            [data_type] if is_countable(data_type) => Ok(DataType::Int64),
            [other] => plan_err!(
                "{NAME} cannot count values of type {other}; it counts integers, text, binary, \
                 dates and times, booleans, and dictionaries of these"
            ),
            _ => plan_err!("{NAME} takes one argument, not {}", types.len()),
        },
        coerce: unchanged_types,
        nothing: |_| Ok(ExactGroups::default()),
        default: |_| Ok(ScalarValue::Int64(Some(0))),
        nullable: false,
    })
}

/// Whether a function is [`exact_distinct`].
pub(crate) fn is_exact_distinct(function: &AggregateUDF) -> bool {
    function.inner().is::<Aggregate<ExactGroups>>()
}

/// The groups of one accumulator.
#[derive(Debug, Default)]
pub(super) struct ExactGroups {
    pub(super) sets: GroupSets,
}

impl GroupsAccumulator for ExactGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.sets.grow(total_num_groups);
        for_each_key(values, opt_filter, any_keys, |row, key| {
            self.sets.insert(group_indices[row], key)
        })
        .map_err(external)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.sets.grow(total_num_groups);
        let states = state::column(NAME, values)?;
        for (row, group) in group_indices.iter().enumerate() {
            exact_state::read(states.value(row), &mut self.sets, *group)
                .map_err(|error| state::unreadable(NAME, error))?;
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sets = self.sets.take(emit_to);
        self.sets.drop_unused_keys().map_err(external)?;
        Ok(Arc::new(sets.iter().map(|set| set.len() as i64).collect::<Int64Array>()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sets = self.sets.take(emit_to);
        let keys = self.sets.dictionary().map(IdDictionary::keys);
        let mut writer = state::Writer::new(sets.len());
        // Each set is let go as soon as it is written: both forms of all would take twice as much.
        for set in sets {
            exact_state::write(&set, keys.as_ref(), writer.bytes()).map_err(external)?;
            writer.end();
        }
        drop(keys);
        self.sets.drop_unused_keys().map_err(external)?;
        writer.finish()
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let empty_state = exact_state::EMPTY_STATE;
        state::of_rows(values, opt_filter, any_keys, empty_state, |key, bytes| key.write(bytes))
    }

    fn size(&self) -> usize {
        self.sets.size()
    }
}

#[cfg(test)]
impl ExactGroups {
    /// What `size` must be, counted from scratch.
    pub(super) fn recount(&self) -> usize {
        self.sets.recount()
    }
}

impl EvaluateGroup for ExactGroups {
    fn grow(&mut self, groups: usize) {
        self.sets.grow(groups);
    }

    fn evaluate_group(&self, group: usize) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(self.sets.count(group) as i64)))
    }
}
