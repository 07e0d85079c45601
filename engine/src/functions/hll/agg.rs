//! `hll_agg(x [, precision])`: a sketch of the users of rows.
//!
//! It is `approx_count_distinct` with the sketch as the result instead of the number.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, BooleanArray, LargeBinaryBuilder};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{AggregateUDF, Documentation, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

use super::super::approx::{ApproxGroups, counts_users, precision};
use super::super::function::{Aggregate, arguments, names, unchanged_types};
use super::super::single_group::EvaluateGroup;
use crate::functions::sections::SKETCHES;

const NAME: &str = "hll_agg";

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SKETCHES,
        "A HyperLogLog++ sketch of all non-null values. `hll_count` estimates the number of \
         distinct values, with a standard error of 1.04 / sqrt(2^precision); `hll_union` merges \
         sketches. Small sets are stored as lists of hashes and counted exactly. The same values \
         give the same bytes in any order.",
        "hll_agg(expression [, precision])",
    )
    .with_argument("expression", "Users: integers, text, binary, or a dictionary of these.")
    .with_argument(
        "precision",
        "A constant from 4 to 18; the default is 14: 13 KiB per group, standard error 0.81 %. \
         Sketches of different precisions cannot be merged.",
    )
    .with_sql_example("SELECT hll_count(hll_agg(value, 12)) FROM generate_series(1, 10);")
    .with_related_udf("hll_union")
    .with_related_udf("approx_count_distinct")
    .build()
});

pub(super) fn function() -> AggregateUDF {
    AggregateUDF::from(Aggregate {
        name: NAME,
        aliases: names(&["hll_add_agg"]),
        signature: arguments(&[1, 2]),
        documentation: &DOCUMENTATION,
        answers: |types| match types {
            [_] | [_, _] => counts_users(NAME, types).map(|()| DataType::LargeBinary),
            _ => plan_err!("{NAME} takes one or two arguments, not {}", types.len()),
        },
        coerce: unchanged_types,
        nothing: |args| Ok(AggGroups(ApproxGroups::new(precision(NAME, args.exprs)?)?)),
        // The precision of an empty sketch is only in the arguments.
        default: |_| Ok(ScalarValue::LargeBinary(None)),
        nullable: true,
    })
}

/// The groups of one accumulator.
#[derive(Debug)]
struct AggGroups(ApproxGroups);

impl GroupsAccumulator for AggGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.0.update_batch(values, group_indices, opt_filter, total_num_groups)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.0.merge_batch(values, group_indices, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let mut answers = LargeBinaryBuilder::new();
        for sketch in self.0.take(emit_to) {
            answers.append_value(sketch.to_bytes());
        }
        Ok(Arc::new(answers.finish()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.0.state(emit_to)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        self.0.convert_to_state(values, opt_filter)
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

impl EvaluateGroup for AggGroups {
    fn grow(&mut self, groups: usize) {
        self.0.grow(groups);
    }

    fn evaluate_group(&self, group: usize) -> Result<ScalarValue> {
        let bytes = self.0.sketch(group).to_bytes();
        Ok(ScalarValue::LargeBinary(Some(bytes)))
    }
}
