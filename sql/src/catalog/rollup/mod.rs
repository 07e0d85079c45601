//! `COUNT(DISTINCT user)` over a source, answered from the roll-up.
//!
//! A rule looks for aggregations that count nothing but users of a source, and that cannot tell
//! the events of a day apart. It puts rows of the roll-up in the place of the source's: the same
//! columns, the time being the beginning of the day, with [people](engine::operators::stored_users_type)
//! instead of users. Everything between, and every other expression, stays as it is.
//!
//! What the roll-up does not have comes as rows of events beside it: new files, and the parts of
//! days at either end of a range of instants.
//!
//! | file | |
//! |---|---|
//! | `columns` | what expressions are to a roll-up by day |
//! | `range` | the instants that are asked for |
//! | `table` | the rows of the roll-up |

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
use engine::operators::{Planning, rollup_distinct, store_number};
use engine::rollup::{StoreCoverage, StoredColumn, may_be_empty};

use self::columns::{Columns, Role};
use self::range::Range;
use self::table::RollupTable;
use super::source::SourceTable;
use crate::failure::external;

/// Answers from the roll-up what it can answer. It must come before the rule that turns
/// `COUNT(DISTINCT x)` into something else.
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
            Ok(match self.answered(aggregate, &plan, config)? {
                Some(answered) => Transformed::yes(answered),
                None => Transformed::no(plan),
            })
        })?;
        Ok(plan.data)
    }
}

impl RollupRule {
    /// The aggregation over rows of the roll-up, if these can answer it.
    fn answered(
        &self,
        aggregate: &Aggregate,
        plan: &LogicalPlan,
        config: &ConfigOptions,
    ) -> Result<Option<LogicalPlan>> {
        if aggregate.aggr_expr.is_empty() || !aggregate.aggr_expr.iter().all(counts_distinct) {
            return Ok(None);
        }
        let Some((steps, scan)) = way(&aggregate.input) else { return Ok(None) };
        let provider = source_as_provider(&scan.source)?;
        let Some(table) = provider.downcast_ref::<SourceTable>() else { return Ok(None) };
        let Some(kept) = table.kept().map_err(external)? else { return Ok(None) };
        let mut question = Question::new(table, scan, kept, plan, &steps)?;

        // Upwards: what each step makes of the columns.
        let config = Arc::new(config.clone());
        let mut columns = question.columns(scan, &config);
        let mut rewritten = Vec::new();
        for step in steps.iter().rev() {
            match step {
                LogicalPlan::Filter(filter) => {
                    let Some(left) = question.narrow(filter, &columns)? else { return Ok(None) };
                    rewritten.push(Step::Filter(left));
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
                    rewritten.push(Step::Projection(expressions));
                    columns = columns.projected(&projection.expr, &projection.schema)?;
                }
                LogicalPlan::SubqueryAlias(alias) => {
                    rewritten.push(Step::Alias(alias));
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
        let Some(mut input) = question.rows()? else { return Ok(None) };
        for step in rewritten {
            input = step.over(input)?;
        }
        let aggregate = Aggregate::try_new(Arc::new(input), aggregate.group_expr.clone(), counts)?;
        Ok(Some(LogicalPlan::Aggregate(aggregate)))
    }

    /// A count of users as one of people.
    fn count(&self, expr: &Expr, columns: &Columns) -> Result<Option<Expr>> {
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

/// The steps from an aggregation down to a scan of a whole table.
fn way(mut plan: &LogicalPlan) -> Option<(Vec<&LogicalPlan>, &TableScan)> {
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

/// A step of the new plan.
enum Step<'a> {
    Filter(Vec<Expr>),
    Projection(Vec<Expr>),
    Alias(&'a SubqueryAlias),
}

impl Step<'_> {
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

/// What is asked of a source.
struct Question<'a> {
    table: &'a SourceTable,
    scan: &'a TableScan,
    kept: Arc<StoreCoverage>,
    /// The columns of the scan: what the roll-up has for each, if anything.
    parts: Vec<Option<StoredColumn>>,
    range: Range,
}

impl<'a> Question<'a> {
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
            let mut part = StoredColumn::of(source, &kept.store, name, data_type)
                .filter(|_| used.contains(name));
            // Neither events without a name nor users without a key are in the store.
            if let Some(StoredColumn::Text(stored)) = &part
                && stored != "event"
                && is_text(data_type)
                && may_be_empty(&kept.known, name).map_err(external)?
            {
                part = None;
            }
            parts.push(part);
        }
        Ok(Self { table, scan, kept: Arc::new(kept), parts, range: Range::ALL })
    }

    fn columns(&self, scan: &TableScan, config: &Arc<ConfigOptions>) -> Columns {
        let fields = scan.projected_schema.fields().iter();
        let roles = self.parts.iter().zip(fields).map(|(part, field)| match part {
            None => Role::Other,
            Some(StoredColumn::Day) if *field.data_type() == DataType::Date32 => Role::Known,
            Some(StoredColumn::Day) => Role::Time,
            Some(StoredColumn::Users) => Role::User,
            Some(StoredColumn::Text(_)) => Role::Known,
        });
        Columns::new(&scan.projected_schema, roles.collect(), config)
    }

    /// Narrows the range by a filter; what is left of its conditions, if the roll-up can tell.
    fn narrow(&mut self, filter: &Filter, columns: &Columns) -> Result<Option<Vec<Expr>>> {
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

    /// The rows: of the roll-up, of days that are cut, of new files. `None` if the roll-up has no
    /// whole day of it.
    fn rows(&self) -> Result<Option<LogicalPlan>> {
        let had = Range::of_days(self.kept.days);
        let Some((days, cut)) = self.range.and(had).days() else { return Ok(None) };
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

    /// Rows of events in these ranges, with people instead of users.
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
        let source = self.table.source();
        let data_type = self.table.schema().field_with_name(&source.time)?.data_type().clone();
        let time = column(&source.time);
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
