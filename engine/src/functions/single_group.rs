//! One group as DataFusion's plain accumulator: queries without GROUP BY, and windows.

use std::fmt::Debug;

use arrow::array::ArrayRef;
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

/// An accumulator that can evaluate a group without consuming it.
pub(super) trait EvaluateGroup: GroupsAccumulator {
    /// Makes room for groups `0..groups`.
    fn grow(&mut self, groups: usize);

    /// The answer of a group, which stays as it is: a window asks once per row.
    fn evaluate_group(&self, group: usize) -> Result<ScalarValue>;
}

/// An operator with the one group 0.
#[derive(Debug)]
pub(super) struct SingleGroup<G> {
    groups: G,
    /// The group of each row: zeros.
    zeros: Vec<usize>,
}

impl<G: EvaluateGroup> SingleGroup<G> {
    /// `groups` must hold group 0 and no other.
    pub(super) fn new(groups: G) -> Self {
        Self { groups, zeros: Vec::new() }
    }
}

impl<G: EvaluateGroup + Debug + Sync> Accumulator for SingleGroup<G> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.zeros.resize(values.first().map_or(0, |values| values.len()), 0);
        self.groups.update_batch(values, &self.zeros, None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.zeros.resize(states.first().map_or(0, |states| states.len()), 0);
        self.groups.merge_batch(states, &self.zeros, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.groups.evaluate_group(0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let states = self.groups.state(EmitTo::All)?;
        states.iter().map(|state| ScalarValue::try_from_array(state, 0)).collect()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.groups.size() + self.zeros.capacity() * size_of::<usize>()
    }
}
