//! What the project file says of columns, as expressions: names, paths into columns of objects, and
//! SQL.
//!
//! DataFusion plans them, so they mean what they mean in a query. Two things differ: names of columns
//! are written as in the files, since names such as `userId` would need quotes otherwise; and functions
//! whose result depends on when they run are refused, since a report must be repeatable.

use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::functions::core::expr_ext::FieldAccessor;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::utils::reassign_expr_columns;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::prelude::SessionConfig;

use super::Value;
use crate::{Error, Result};

/// The path to a value: a column, and the keys below it.
pub(super) type Path = Vec<String>;

/// An expression over the columns of a file.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    expr: Arc<dyn PhysicalExpr>,
    /// Names of its columns.
    inputs: Vec<String>,
    paths: Vec<Path>,
    data_type: DataType,
}

impl Expression {
    /// The values of a part of a source.
    ///
    /// # Errors
    /// When a column is missing, or the SQL is invalid.
    pub fn of(value: &Value, schema: &Schema) -> Result<Self> {
        Self::new(value.text(), plan(value, schema)?, schema)
    }

    /// An SQL condition.
    ///
    /// # Errors
    /// When a column is missing, the SQL is invalid, or no condition.
    pub fn condition(text: &str, schema: &Schema) -> Result<Self> {
        let condition = Self::of(&Value::Sql(text.to_owned()), schema)?;
        match condition.data_type {
            DataType::Boolean => Ok(condition),
            other => Err(Error::input(format!(
                "the expression is no condition, but of type {other}"
            ))
            .with(
                "help",
                "compare values, as in `is_bot = 'false'`; columns of CSV and NDJSON are texts",
            )),
        }
    }

    fn new(text: &str, expr: Expr, schema: &Schema) -> Result<Self> {
        let expr = match expr {
            Expr::Column(_) => expr,
            other => simplified(other, schema).map_err(|cause| invalid(&cause))?,
        };
        let mut paths = Vec::new();
        collect_paths(&expr, schema, &mut paths)?;
        let fields = schema.fields().iter();
        let fields = fields.filter(|field| paths.iter().any(|path| path[0] == *field.name()));
        let fields: Vec<Field> = fields.map(|field| field.as_ref().clone()).collect();
        let inputs = fields.iter().map(|field| field.name().clone()).collect();
        let schema = DFSchema::try_from(Schema::new(fields)).map_err(|cause| invalid(&cause))?;
        let expr = PLANNER.create_physical_expr(expr, &schema);
        let expr = expr.map_err(|cause| invalid(&cause))?;
        let data_type = expr.data_type(schema.as_arrow()).map_err(|cause| invalid(&cause))?;
        Ok(Self { text: text.to_owned(), expr, inputs, paths, data_type })
    }

    /// The columns that it is computed from.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.inputs.iter().map(String::as_str)
    }

    /// It as an expression over a plan's columns, which include its own.
    ///
    /// # Errors
    /// When they do not.
    pub fn over(&self, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(reassign_expr_columns(Arc::clone(&self.expr), schema)?)
    }

    /// The column that it is, if it is nothing but a column.
    pub fn as_column(&self) -> Option<&str> {
        match (self.paths.as_slice(), self.inputs.as_slice()) {
            ([path], [column]) if path.len() == 1 && self.is_plain() => Some(column),
            _ => None,
        }
    }

    fn is_plain(&self) -> bool {
        self.expr.downcast_ref::<datafusion::physical_expr::expressions::Column>().is_some()
    }

    /// The type of its values.
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// The values that it is computed from.
    pub(super) fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Its values for the rows of a batch that has its columns, or those parts of them that it reads.
    ///
    /// # Errors
    /// When it cannot be computed.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let column = |name: &String| {
            batch
                .schema_ref()
                .index_of(name)
                .map_err(|_| Error::internal(format!("a batch without the column `{name}`")))
        };
        let places = self.inputs.iter().map(column).collect::<Result<Vec<_>>>()?;
        if self.is_plain()
            && let [place] = *places
        {
            return Ok(Arc::clone(batch.column(place)));
        }
        let schema = Arc::new(batch.schema_ref().project(&places)?);
        let columns = places.iter().map(|place| Arc::clone(batch.column(*place))).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let input = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let values = self.expr.evaluate(&input);
        let values = values.and_then(|values| values.into_array(batch.num_rows()));
        values.map_err(|cause| {
            Error::input(format!("the expression cannot be computed: {}", reason(&cause)))
                .with("sql", &self.text)
        })
    }
}

static PLANNER: LazyLock<SessionState> = LazyLock::new(|| {
    let mut config = SessionConfig::new();
    config.options_mut().sql_parser.enable_ident_normalization = false;
    SessionStateBuilder::new().with_config(config).with_default_features().build()
});

/// An expression in the form in which it can be computed: some functions, such as `coalesce`, have no
/// other implementation than their rewriting.
fn simplified(expr: Expr, schema: &Schema) -> datafusion::error::Result<Expr> {
    let schema = DFSchema::try_from(schema.clone())?;
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(PLANNER.config_options()))
        .build();
    let simplifier = ExprSimplifier::new(context);
    simplifier.simplify(simplifier.coerce(expr, &schema)?)
}

/// The logical expression of a part of a source.
fn plan(value: &Value, schema: &Schema) -> Result<Expr> {
    match value {
        Value::Const(text) => Ok(datafusion::logical_expr::lit(text.as_str())),
        Value::AnyTime => Ok(Expr::Column(Column::from_name(time_column(schema)?))),
        Value::Column(name) if schema.field_with_name(name).is_ok() => {
            Ok(Expr::Column(Column::from_name(name)))
        }
        Value::Column(name) => path_expr(name, schema).ok_or_else(|| missing(name, schema)),
        Value::Sql(text) => {
            let df_schema = DFSchema::try_from(schema.clone());
            let expr = df_schema
                .and_then(|schema| PLANNER.create_logical_expr(text, &schema))
                .map_err(|cause| invalid(&cause))?;
            check(&expr)?;
            Ok(expr.unalias())
        }
    }
}

/// The only column that holds times: of a type of times, or else with a name that says so.
fn time_column(schema: &Schema) -> Result<&str> {
    let named = |is: &dyn Fn(&Field) -> bool| -> Vec<&str> {
        let fields = schema.fields().iter().filter(|field| is(field));
        fields.map(|field| field.name().as_str()).collect()
    };
    let is_time = |field: &Field| {
        matches!(field.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
    };
    let typed = named(&is_time);
    let found = if typed.is_empty() { named(&|field| says_time(field.name())) } else { typed };
    match found.as_slice() {
        [column] => Ok(column),
        [] => Err(Error::input("no column is recognised as a time")
            .with("help", "name it: `time: {column: ..., unit: auto}`")),
        several => {
            Err(Error::input(format!("several columns may be the time: {}", several.join(", ")))
                .with("help", "name the right one: `time: {column: ..., unit: auto}`"))
        }
    }
}

/// Whether the name of a column says that it holds times.
pub fn says_time(name: &str) -> bool {
    let name = name.to_lowercase();
    let words = ["time", "timestamp", "ts", "date", "datetime", "day"];
    let ends = ["_time", "_at", "_ts", "_tstamp", "_date", "timestamp", "datetime"];
    // Camel case: `receivedAt`, `eventTime`.
    words.contains(&name.as_str()) || ends.iter().any(|end| name.ends_with(end))
}

/// A path into columns of objects; `None` if it leads nowhere.
fn path_expr(path: &str, schema: &Schema) -> Option<Expr> {
    let (column, mut rest) = split(path, schema.fields())?;
    let mut expr = Expr::Column(Column::from_name(column.name()));
    let mut data_type = column.data_type();
    while let Some(path) = rest {
        let DataType::Struct(fields) = data_type else { return None };
        let (field, left) = split(path, fields)?;
        expr = expr.field(field.name().as_str());
        (data_type, rest) = (field.data_type(), left);
    }
    Some(expr)
}

/// The field with which a path begins, and the rest of the path. Names may contain dots.
fn split<'f, 'p>(
    path: &'p str,
    fields: &'f arrow::datatypes::Fields,
) -> Option<(&'f Field, Option<&'p str>)> {
    if let Some(field) = fields.iter().find(|field| field.name() == path) {
        return Some((field, None));
    }
    fields.iter().find_map(|field| {
        let rest = path.strip_prefix(field.name().as_str())?.strip_prefix('.')?;
        Some((field.as_ref(), Some(rest)))
    })
}

fn missing(name: &str, schema: &Schema) -> Error {
    // What the path could have been, level by level.
    let (mut fields, mut before) = (schema.fields(), String::new());
    let mut rest = name;
    while let Some((field, Some(left))) = split(rest, fields)
        && let DataType::Struct(inner) = field.data_type()
    {
        before = format!("{before}{}.", field.name());
        (fields, rest) = (inner, left);
    }
    let names: Vec<String> =
        fields.iter().map(|field| format!("{before}{}", field.name())).collect();
    let error = Error::input(format!("the column `{name}` is missing"));
    match names.is_empty() {
        true => error,
        false => error.with("help", format!("the columns of the file are: {}", names.join(", "))),
    }
}

/// Refuses what is no function of a single row.
fn check(expr: &Expr) -> Result<()> {
    let mut found = None;
    let walked = expr.apply(|part| {
        found = match part {
            Expr::AggregateFunction(_) => Some("an aggregate function".to_owned()),
            Expr::WindowFunction(_) => Some("a window function".to_owned()),
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => {
                Some("a subquery".to_owned())
            }
            Expr::Placeholder(_) | Expr::ScalarVariable(..) => Some("a parameter".to_owned()),
            Expr::ScalarFunction(call)
                if call.func.signature().volatility != Volatility::Immutable =>
            {
                Some(format!("`{}()`, whose result is not always the same", call.name()))
            }
            _ => None,
        };
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    match (walked, found) {
        (Err(cause), _) => Err(Error::input(reason(&cause))),
        (Ok(_), Some(found)) => Err(Error::input(format!("the expression has {found}"))
            .with("help", "use functions of the columns of one row")),
        (Ok(_), None) => Ok(()),
    }
}

/// The values of which an expression is made.
fn collect_paths(expr: &Expr, schema: &Schema, paths: &mut Vec<Path>) -> Result<()> {
    let mut add = |path: Path| {
        if !paths.contains(&path) {
            paths.push(path);
        }
    };
    let walked = expr.apply(|part| {
        let Some(mut path) = path_of(part) else { return Ok(TreeNodeRecursion::Continue) };
        // Keys of maps are no columns.
        let field = schema.field_with_name(&path[0])?;
        let (mut data_type, mut known) = (field.data_type(), 1);
        while let (DataType::Struct(fields), Some(name)) = (data_type, path.get(known))
            && let Some((_, field)) = fields.find(name)
        {
            (data_type, known) = (field.data_type(), known + 1);
        }
        path.truncate(known);
        add(path);
        Ok(TreeNodeRecursion::Jump)
    });
    walked.map(drop).map_err(|cause| Error::input(reason(&cause)))
}

/// A column, or fields of a column.
fn path_of(expr: &Expr) -> Option<Path> {
    match expr {
        Expr::Column(column) => Some(vec![column.name.clone()]),
        Expr::ScalarFunction(call) if call.name() == "get_field" => {
            let (column, names) = call.args.split_first()?;
            let mut path = path_of(column)?;
            for name in names {
                let Expr::Literal(name, _) = name else { return None };
                path.push(name.try_as_str()??.to_owned());
            }
            Some(path)
        }
        _ => None,
    }
}

fn invalid(cause: &DataFusionError) -> Error {
    Error::input(format!("invalid SQL expression: {}", reason(cause)))
}

fn reason(cause: &DataFusionError) -> String {
    cause.find_root().strip_backtrace()
}
