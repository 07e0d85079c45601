//! `COUNT(DISTINCT user)` over a source, answered from the roll-up.
//!
//! A rule finds aggregations that only count distinct users of a source, and whose other
//! expressions have one value for all events of a day, event and dimensions. It replaces the scan
//! of the source by a scan of the roll-up: the same columns, with the start of the day as the time
//! and [people](engine::functions::stored_users_type) instead of users. The nodes between scan and
//! aggregation stay.
//!
//! Events that the roll-up lacks are added by a union: new files, and partial days at the ends of a
//! time range.
//!
//! | file | |
//! |---|---|
//! | `columns` | which expressions a roll-up by day can evaluate |
//! | `range` | the queried time range |
//! | `table` | scans of the roll-up |

mod columns;
mod range;
mod table;

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::catalog::TableProvider;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, TableReference};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::functions_aggregate::count::Count;
use datafusion::logical_expr::expr::{AggregateFunction, NullTreatment};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{
    Aggregate, Filter, Projection, SubqueryAlias, TableScan, TableScanBuilder, Union,
};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{AggregateUDF, Expr, LogicalPlan, ScalarUDF};
use datafusion::optimizer::AnalyzerRule;
use engine::functions::{Planning, rollup_distinct, store_number};
use engine::rollup::{StoreCoverage, StoredColumn, may_be_empty};

use self::columns::{ColumnRoles, Role};
use self::range::Range;
use self::table::RollupTable;
use super::source::SourceTable;
use crate::failure::external;

/// Rewrites aggregations to the roll-up. It must run before the rule that replaces
/// `COUNT(DISTINCT x)`.
#[derive(Debug)]
pub struct RollupRule {
    count: Arc<AggregateUDF>,
}

impl Default for RollupRule {
    fn default() -> Self {
        Self { count: Arc::new(rollup_distinct()) }
    }
}

impl AnalyzerRule for RollupRule {
    fn name(&self) -> &'static str {
        "count_distinct_users_from_rollup"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        if !Planning::of(config).rollup {
            return Ok(plan);
        }
        let plan = plan.transform_up_with_subqueries(|plan| {
            let LogicalPlan::Aggregate(aggregate) = &plan else { return Ok(Transformed::no(plan)) };
            Ok(match self.rewrite(aggregate, &plan, config)? {
                Some(rewrite) => Transformed::yes(rewrite),
                None => Transformed::no(plan),
            })
        })?;
        Ok(plan.data)
    }
}

impl RollupRule {
    /// The aggregation over the roll-up, if the result is the same.
    fn rewrite(
        &self,
        aggregate: &Aggregate,
        plan: &LogicalPlan,
        config: &ConfigOptions,
    ) -> Result<Option<LogicalPlan>> {
        if aggregate.aggr_expr.is_empty() || !aggregate.aggr_expr.iter().all(counts_distinct) {
            return Ok(None);
        }
        let Some((steps, scan)) = linear_input(&aggregate.input) else { return Ok(None) };
        let provider = source_as_provider(&scan.source)?;
        let Some(table) = provider.downcast_ref::<SourceTable>() else { return Ok(None) };
        let Some(kept) = table.kept().map_err(external)? else { return Ok(None) };
        let mut query = RollupQuery::new(table, scan, kept, plan, &steps)?;

        // From the scan upwards, track the roles of the columns.
        let config = Arc::new(config.clone());
        let mut columns = query.columns(scan, &config);
        let mut rewritten = Vec::new();
        for step in steps.iter().rev() {
            match step {
                LogicalPlan::Filter(filter) => {
                    let Some(left) = query.narrow(filter, &columns)? else { return Ok(None) };
                    rewritten.push(RewriteStep::Filter(left));
                }
                LogicalPlan::Projection(projection) => {
                    let mut expressions = Vec::new();
                    for expr in &projection.expr {
                        match columns.role(expr)? {
                            Role::Other => {}
                            Role::User => expressions.extend(columns.people(expr)?),
                            Role::Time | Role::Known => expressions.push(expr.clone()),
                        }
                    }
                    rewritten.push(RewriteStep::Projection(expressions));
                    columns = columns.projected(&projection.expr, &projection.schema)?;
                }
                LogicalPlan::SubqueryAlias(alias) => {
                    rewritten.push(RewriteStep::Alias(alias));
                    columns = columns.renamed(&alias.schema);
                }
                _ => return Ok(None),
            }
        }
        for expr in &aggregate.group_expr {
            if !columns.is_known(expr)? {
                return Ok(None);
            }
        }
        let names = NamePreserver::new(plan);
        let mut counts = Vec::new();
        for expr in &aggregate.aggr_expr {
            let Some(count) = self.count(expr, &columns)? else { return Ok(None) };
            counts.push(names.save(expr).restore(count));
        }
        let Some(mut input) = query.rows()? else { return Ok(None) };
        for step in rewritten {
            input = step.over(input)?;
        }
        let aggregate = Aggregate::try_new(Arc::new(input), aggregate.group_expr.clone(), counts)?;
        Ok(Some(LogicalPlan::Aggregate(aggregate)))
    }

    /// Converts a count of users to a count of people.
    fn count(&self, expr: &Expr, columns: &ColumnRoles) -> Result<Option<Expr>> {
        let Some(call) = call(expr) else { return Ok(None) };
        if let Some(filter) = &call.params.filter
            && !columns.is_known(filter)?
        {
            return Ok(None);
        }
        let [argument] = call.params.args.as_slice() else { return Ok(None) };
        let Some(people) = columns.people(argument)? else { return Ok(None) };
        let mut count = call.clone();
        count.func = Arc::clone(&self.count);
        count.params.args = vec![people];
        count.params.distinct = false;
        count.params.null_treatment = None;
        Ok(Some(Expr::AggregateFunction(count)))
    }
}

fn call(expr: &Expr) -> Option<&AggregateFunction> {
    match expr {
        Expr::AggregateFunction(call) => Some(call),
        Expr::Alias(alias) => call(&alias.expr),
        _ => None,
    }
}

fn counts_distinct(expr: &Expr) -> bool {
    call(expr).is_some_and(|AggregateFunction { func, params }| {
        func.inner().is::<Count>()
            && params.distinct
            && params.order_by.is_empty()
            && params.null_treatment != Some(NullTreatment::RespectNulls)
    })
}

fn is_text(data_type: &DataType) -> bool {
    data_type.is_string()
        || matches!(data_type, DataType::Dictionary(_, values) if values.is_string())
}

/// The nodes from an aggregation's input down to a scan of a whole table.
fn linear_input(mut plan: &LogicalPlan) -> Option<(Vec<&LogicalPlan>, &TableScan)> {
    let mut steps = Vec::new();
    loop {
        let below = match plan {
            LogicalPlan::Filter(filter) => &filter.input,
            LogicalPlan::Projection(projection) => &projection.input,
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            LogicalPlan::TableScan(scan) => {
                let is_whole = scan.filters.is_empty() && scan.fetch.is_none();
                return is_whole.then_some((steps, scan));
            }
            _ => return None,
        };
        steps.push(plan);
        plan = below;
    }
}

/// A node of the rewritten plan.
enum RewriteStep<'a> {
    Filter(Vec<Expr>),
    Projection(Vec<Expr>),
    Alias(&'a SubqueryAlias),
}

impl RewriteStep<'_> {
    fn over(self, input: LogicalPlan) -> Result<LogicalPlan> {
        let below = Arc::new(input);
        Ok(match self {
            Self::Filter(conditions) => match conjunction(conditions) {
                Some(condition) => LogicalPlan::Filter(Filter::try_new(condition, below)?),
                None => Arc::unwrap_or_clone(below),
            },
            Self::Projection(expressions) => {
                LogicalPlan::Projection(Projection::try_new(expressions, below)?)
            }
            Self::Alias(alias) => {
                LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(below, alias.alias.clone())?)
            }
        })
    }
}

/// A query of a source, which the roll-up may answer.
struct RollupQuery<'a> {
    table: &'a SourceTable,
    scan: &'a TableScan,
    kept: Arc<StoreCoverage>,
    /// The roll-up's part for each column of the scan, if it has one.
    parts: Vec<Option<StoredColumn>>,
    range: Range,
}

impl<'a> RollupQuery<'a> {
    fn new(
        table: &'a SourceTable,
        scan: &'a TableScan,
        kept: StoreCoverage,
        plan: &LogicalPlan,
        steps: &[&LogicalPlan],
    ) -> Result<Self> {
        let mut used: HashSet<String> = HashSet::new();
        for step in steps.iter().copied().chain([plan]) {
            for expr in step.expressions() {
                used.extend(expr.column_refs().into_iter().map(|column| column.name.clone()));
            }
        }
        let source = table.source();
        let mut parts = Vec::new();
        for field in scan.projected_schema.fields() {
            let (name, data_type) = (field.name(), field.data_type());
            let value = table.derived().value_of(name);
            let mut part = StoredColumn::of(source, &kept.store, &value, data_type)
                .filter(|_| used.contains(name));
            // The store has neither events without a name nor users without a key.
            if let Some(StoredColumn::Text(stored)) = &part
                && stored != "event"
                && is_text(data_type)
                && (table.derived().is_derived(name)
                    || may_be_empty(&kept.known, name).map_err(external)?)
            {
                part = None;
            }
            parts.push(part);
        }
        Ok(Self { table, scan, kept: Arc::new(kept), parts, range: Range::ALL })
    }

    fn columns(&self, scan: &TableScan, config: &Arc<ConfigOptions>) -> ColumnRoles {
        let fields = scan.projected_schema.fields().iter();
        let roles = self.parts.iter().zip(fields).map(|(part, field)| match part {
            None => Role::Other,
            Some(StoredColumn::Day) if *field.data_type() == DataType::Date32 => Role::Known,
            Some(StoredColumn::Day) => Role::Time,
            Some(StoredColumn::Users) => Role::User,
            Some(StoredColumn::Text(_)) => Role::Known,
        });
        ColumnRoles::new(&scan.projected_schema, roles.collect(), config)
    }

    /// Intersects the range with a filter and returns the remaining conditions; `None` if the
    /// roll-up cannot evaluate one of them.
    fn narrow(&mut self, filter: &Filter, columns: &ColumnRoles) -> Result<Option<Vec<Expr>>> {
        let mut left = Vec::new();
        for condition in split_conjunction_owned(columns.simplified(filter.predicate.clone())?) {
            let time = |expr: &Expr| matches!(expr, Expr::Column(_)) && columns.is_time(expr);
            if let Some(range) = Range::of(&condition, time) {
                self.range = self.range.and(range);
            } else if columns.is_known(&condition)? {
                left.push(condition);
            } else {
                return Ok(None);
            }
        }
        Ok(Some(left))
    }

    /// The rows of the roll-up, of partial days and of new files. `None` if the roll-up has no
    /// whole day of the range.
    fn rows(&self) -> Result<Option<LogicalPlan>> {
        let stored = Range::of_days(self.kept.days);
        let Some((days, cut)) = self.range.and(stored).days() else { return Ok(None) };
        let name = &self.table.source().name;
        let count = days.1.number() - days.0.number() + 1;
        let version = self.kept.store.version();
        let rollup = RollupTable::new(&self.kept, name, self.fields(), days);
        let title = format!("{name} (roll-up of {count} days, store version {version})");
        let scan = TableScanBuilder::new(
            TableReference::bare(title),
            provider_as_source(Arc::new(rollup)),
        );
        let mut inputs = vec![Arc::new(LogicalPlan::TableScan(scan.build()?))];

        let number = Arc::new(store_number(Arc::clone(&self.kept.store)));
        let cut: Vec<Range> = cut.into_iter().filter(|range| !range.is_empty()).collect();
        if !cut.is_empty() {
            let files = self.table.of_files(&self.kept.known).map_err(external)?;
            inputs.push(self.events(
                format!("{name} (events of cut days)"),
                files,
                &cut,
                &number,
            )?);
        }
        if !self.kept.new.is_empty() {
            let files = self.table.of_files(&self.kept.new).map_err(external)?;
            let title = format!("{name} (events of {} new files)", self.kept.new.len());
            inputs.push(self.events(title, files, &[self.range], &number)?);
        }
        let rows = match inputs.as_slice() {
            [_] => inputs.swap_remove(0),
            _ => Arc::new(LogicalPlan::Union(Union::try_new(inputs)?)),
        };
        let alias = SubqueryAlias::try_new(rows, self.scan.table_name.clone())?;
        Ok(Some(LogicalPlan::SubqueryAlias(alias)))
    }

    /// Events in the given ranges, with people instead of users.
    fn events(
        &self,
        title: String,
        files: Arc<dyn TableProvider>,
        ranges: &[Range],
        number: &Arc<ScalarUDF>,
    ) -> Result<Arc<LogicalPlan>> {
        let title = TableReference::bare(title);
        let scan = TableScanBuilder::new(title.clone(), provider_as_source(files)).build()?;
        let mut plan = Arc::new(LogicalPlan::TableScan(scan));
        let column = |name: &str| Column::new(Some(title.clone()), name);
        let time = self.table.derived().column_of(&self.table.source().time);
        let data_type = self.table.schema().field_with_name(time)?.data_type().clone();
        let time = column(time);
        let conditions = ranges.iter().filter_map(|range| range.condition(&time, &data_type));
        if let Some(condition) = conditions.reduce(Expr::or) {
            plan = Arc::new(LogicalPlan::Filter(Filter::try_new(condition, plan)?));
        }
        let expressions = self.fields().into_iter().map(|(part, field)| {
            let value = Expr::Column(column(field.name()));
            match part {
                StoredColumn::Users => number.call(vec![value]).alias(field.name()),
                StoredColumn::Day | StoredColumn::Text(_) => value,
            }
        });
        Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(expressions.collect(), plan)?)))
    }

    /// The columns that the roll-up has.
    fn fields(&self) -> Vec<(StoredColumn, FieldRef)> {
        let fields = self.parts.iter().zip(self.scan.projected_schema.fields());
        fields.filter_map(|(part, field)| Some((part.clone()?, Arc::clone(field)))).collect()
    }
}
