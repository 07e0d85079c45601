//! DataFusion's `approx_distinct` over 64-bit integers, as `GROUP BY` runs it; all rows belong to
//! one group.

use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::functions_aggregate::approx_distinct::approx_distinct_udaf;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::Column;
use engine::{Error, Result};

use crate::sample::BATCH;

/// The group of every row.
static GROUPS: [usize; BATCH] = [0; BATCH];

static APPROX_DISTINCT: LazyLock<DataFusionResult<AggregateFunctionExpr>> = LazyLock::new(|| {
    let schema = Schema::new(vec![Field::new("user", DataType::Int64, false)]);
    AggregateExprBuilder::new(approx_distinct_udaf(), vec![Arc::new(Column::new("user", 0))])
        .schema(Arc::new(schema))
        .alias("users")
        .build()
});

/// An accumulator with one group.
pub(crate) struct Accumulator(Box<dyn GroupsAccumulator>);

impl Accumulator {
    pub(crate) fn new() -> Result<Self> {
        match &*APPROX_DISTINCT {
            Ok(function) => Ok(Self(function.create_groups_accumulator().map_err(broken)?)),
            Err(error) => Err(Error::internal(error.to_string())),
        }
    }

    /// An accumulator that continues a state.
    pub(crate) fn of_state(state: &[ArrayRef]) -> Result<Self> {
        let mut accumulator = Self::new()?;
        accumulator.merge(state)?;
        Ok(accumulator)
    }

    /// Adds at most [`BATCH`] keys.
    pub(crate) fn update(&mut self, batch: &ArrayRef) -> Result<()> {
        let columns = std::slice::from_ref(batch);
        self.0.update_batch(columns, &GROUPS[..batch.len()], None, 1).map_err(broken)
    }

    pub(crate) fn merge(&mut self, state: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(state, &GROUPS[..1], 1).map_err(broken)
    }

    /// The state that a partial aggregation hands on.
    pub(crate) fn into_state(mut self) -> Result<Vec<ArrayRef>> {
        self.0.state(EmitTo::All).map_err(broken)
    }

    /// The column of estimates, which has one row.
    pub(crate) fn into_estimates(mut self) -> Result<ArrayRef> {
        self.0.evaluate(EmitTo::All).map_err(broken)
    }

    /// Bytes in memory.
    pub(crate) fn size(&self) -> usize {
        self.0.size()
    }
}

fn broken(cause: DataFusionError) -> Error {
    Error::internal("DataFusion's approx_distinct failed").caused_by(cause)
}
