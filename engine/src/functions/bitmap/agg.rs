//! `bitmap_agg(x)`: the set of the users of rows.
//!
//! It uses the sets and states of `exact_distinct`; only the result differs.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, BooleanArray, LargeBinaryBuilder};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{AggregateUDF, Documentation, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

use super::super::exact::ExactGroups;
use super::super::function::{Aggregate, arguments, names, unchanged_types};
use super::super::single_group::EvaluateGroup;
use super::column::{append, empty_bitmap};
use crate::datafusion_error::external;
use crate::functions::sections::SETS;
use crate::scan::{is_int, is_user};
use crate::users::{Bitmap, IdDictionary};

const NAME: &str = "bitmap_agg";

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SETS,
        "The set of all non-null values; the empty set if there are none. Integers become a \
         Roaring bitmap in the portable format, which other engines can read: 32-bit if all \
         values are from 0 to 4294967295, otherwise 64-bit, with negative integers in two's \
         complement. Text, UUIDs and binary become a set of keys in a format of Headcount's own. \
         A set of integers and a set of keys cannot be combined.",
        "bitmap_agg(expression)",
    )
    .with_argument("expression", "Users: integers, text, binary, or a dictionary of these.")
    .with_sql_example("SELECT bitmap_count(bitmap_agg(value)) FROM generate_series(1, 10);")
    .with_related_udf("bitmap_union")
    .with_related_udf("bitmap_count")
    .build()
});

pub(super) fn function() -> AggregateUDF {
    AggregateUDF::from(Aggregate {
        name: NAME,
        aliases: names(&["bitmap_build_agg", "rb_build_agg"]),
        signature: arguments(&[1]),
        documentation: &DOCUMENTATION,
        answers: |types| match types {
            [data_type] if is_user(data_type) => Ok(DataType::LargeBinary),
            [other] => plan_err!(
                "{NAME} cannot build a set of values of type {other}; it takes integers, text, \
                 binary, and dictionaries of these"
            ),
            _ => plan_err!("{NAME} takes one argument, not {}", types.len()),
        },
        coerce: unchanged_types,
        nothing: |args| {
            let integers =
                args.expr_fields.first().is_none_or(|field| holds_integers(field.data_type()));
            Ok(AggGroups { groups: ExactGroups::default(), integers })
        },
        default: |_| empty_bitmap().map_err(external),
        nullable: true,
    })
}

fn holds_integers(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => holds_integers(values),
        other => is_int(other) || *other == DataType::Null,
    }
}

/// The groups of one accumulator.
#[derive(Debug)]
struct AggGroups {
    groups: ExactGroups,
    /// Whether the column holds integers. Its type decides on the form, not what is in it: texts
    /// that happen to be integers in one group would not unite with those of the next one.
    integers: bool,
}

impl GroupsAccumulator for AggGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.update_batch(values, group_indices, opt_filter, total_num_groups)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.merge_batch(values, group_indices, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sets = self.groups.sets.take(emit_to);
        let mut answers = LargeBinaryBuilder::new();
        let keys = self.groups.sets.dictionary().map(IdDictionary::keys);
        for set in sets {
            let bitmap = Bitmap::of_ids(&set, keys.as_ref(), self.integers).map_err(external)?;
            append(&mut answers, Some(&bitmap)).map_err(external)?;
        }
        drop(keys);
        self.groups.sets.drop_unused_keys().map_err(external)?;
        Ok(Arc::new(answers.finish()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.groups.state(emit_to)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        self.groups.convert_to_state(values, opt_filter)
    }

    fn size(&self) -> usize {
        self.groups.size()
    }
}

impl EvaluateGroup for AggGroups {
    fn grow(&mut self, groups: usize) {
        self.groups.grow(groups);
    }

    fn evaluate_group(&self, group: usize) -> Result<ScalarValue> {
        let sets = &self.groups.sets;
        let Some(set) = sets.set(group) else { return empty_bitmap().map_err(external) };
        let keys = sets.dictionary().map(IdDictionary::keys);
        let bitmap = Bitmap::of_ids(set, keys.as_ref(), self.integers);
        let bytes = bitmap.and_then(|bitmap| bitmap.to_bytes());
        Ok(ScalarValue::LargeBinary(Some(bytes.map_err(external)?)))
    }
}
