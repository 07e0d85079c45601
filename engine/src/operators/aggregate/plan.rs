//! What is to be aggregated.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::aggregates::{AggregateExec, PhysicalGroupBy};

use super::codes::is_codable;
use crate::operators::exact::ExactDistinct;

/// The group columns and the aggregates of one query.
#[derive(Debug)]
pub(super) struct Aggregates {
    /// Columns of the rows that come in.
    pub(super) input: SchemaRef,
    pub(super) group_by: PhysicalGroupBy,
    /// Expressions whose different values are counted exactly, each once.
    pub(super) arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) exact: Vec<Exact>,
    pub(super) others: Vec<Other>,
    /// For each aggregate in the order of the query, whether it is the next exact count or the
    /// next other one.
    pub(super) order: Vec<bool>,
    /// Columns of the rows that come out: group columns, then aggregates.
    pub(super) schema: SchemaRef,
}

/// An exact count of different values.
#[derive(Debug)]
pub(super) struct Exact {
    /// Place in [`Aggregates::arguments`].
    pub(super) argument: usize,
    pub(super) filter: Option<Arc<dyn PhysicalExpr>>,
}

/// Any other aggregate, by DataFusion's accumulators.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) function: Arc<AggregateFunctionExpr>,
    pub(super) arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) filter: Option<Arc<dyn PhysicalExpr>>,
}

impl Aggregates {
    /// Takes over from an operator that reads raw rows, if it can be served; `schema` is that of
    /// the finished groups.
    pub(super) fn of(raw: &AggregateExec, schema: &SchemaRef) -> Option<Self> {
        let mut aggregates = Self {
            input: raw.input().schema(),
            group_by: raw.group_expr().clone(),
            arguments: Vec::new(),
            exact: Vec::new(),
            others: Vec::new(),
            order: Vec::new(),
            schema: Arc::clone(schema),
        };
        let columns = raw.group_expr().group_schema(&aggregates.input).ok()?;
        if !columns.fields().iter().all(|field| is_codable(field.data_type())) {
            return None;
        }
        for (function, filter) in raw.aggr_expr().iter().zip(raw.filter_expr()) {
            let (arguments, filter) = (function.expressions(), filter.clone());
            let exact = function.fun().inner().is::<ExactDistinct>();
            if let (true, [argument]) = (exact, arguments.as_slice()) {
                let known = aggregates.arguments.iter().position(|known| known == argument);
                let argument = known.unwrap_or_else(|| {
                    aggregates.arguments.push(Arc::clone(argument));
                    aggregates.arguments.len() - 1
                });
                aggregates.exact.push(Exact { argument, filter });
            } else if function.groups_accumulator_supported()
                && !function.is_distinct()
                && function.order_bys().is_empty()
            {
                let function = Arc::clone(function);
                aggregates.others.push(Other { function, arguments, filter });
            } else {
                return None;
            }
            aggregates.order.push(exact);
        }
        Some(aggregates)
    }
}
