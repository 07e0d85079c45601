//! Types and values of parameters of prepared statements.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, ParamValues};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::scalar::ScalarValue;
use datafusion_postgres::arrow_pg::datatypes::{
    PG_OID_ALIAS_KEY, into_pg_type, pg_type_for_alias_kind,
};
use engine::{Error, Result};
use pgwire::api::Type;
use pgwire::api::portal::Portal;
use pgwire::error::PgWireResult;

use super::rows::check;
use super::{binary, errors, text};
use crate::failure::statement_error;

/// Most parameters of a statement; the protocol counts them in 16 bits.
const MAX_PARAMETERS: usize = 65_535;

/// The type of one parameter, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameter {
    /// In the plan; `None` if it is unknown.
    data_type: Option<DataType>,
    /// On the wire, if it is not derived from `data_type`.
    alias: Option<Type>,
}

impl Parameter {
    /// The type that is reported to clients; text if it is unknown.
    pub(super) fn wire_type(&self) -> PgWireResult<Type> {
        match (&self.alias, &self.data_type) {
            (Some(alias), _) => Ok(alias.clone()),
            // PostgreSQL has no unsigned integers.
            (None, Some(DataType::UInt8)) => Ok(Type::INT2),
            (None, Some(DataType::UInt64)) => Ok(Type::INT8),
            (None, Some(DataType::Null) | None) => Ok(Type::TEXT),
            (None, Some(data)) => into_pg_type(data),
        }
    }
}

/// The parameters of a plan, `$1` first.
///
/// # Errors
/// When a parameter's name is not a number from 1 to [`MAX_PARAMETERS`].
pub(super) fn of_plan(plan: &LogicalPlan) -> Result<Vec<Parameter>> {
    let mut found: BTreeMap<usize, Parameter> = BTreeMap::new();
    let mut wrong = None;
    let to_error = |cause| statement_error(cause, None);
    for (name, data_type) in plan.get_parameter_types().map_err(to_error)? {
        match number(&name) {
            Some(at) => {
                found.entry(at).or_default().data_type = data_type;
            }
            None => wrong = Some(name),
        }
    }
    if let Some(name) = wrong {
        return Err(
            Error::input(format!("`{name}` is not a parameter")).with("help", "write $1, $2 ...")
        );
    }
    plan.apply_with_subqueries(|node| {
        for expression in node.expressions() {
            expression.apply(|expression| {
                record_type(expression, &mut found);
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(to_error)?;
    let last = found.keys().next_back().copied().unwrap_or(0);
    Ok((1..=last).map(|at| found.remove(&at).unwrap_or_default()).collect())
}

/// Records the type that a cast or a catalog column implies for a parameter.
fn record_type(expression: &Expr, found: &mut BTreeMap<usize, Parameter>) {
    let (placeholder, cast) = match expression {
        Expr::Placeholder(placeholder) => (placeholder, None),
        Expr::Cast(cast) => match &*cast.expr {
            Expr::Placeholder(placeholder) => (placeholder, Some(cast.field.data_type().clone())),
            _ => return,
        },
        _ => return,
    };
    let Some(at) = number(&placeholder.id) else { return };
    let parameter = found.entry(at).or_default();
    if parameter.data_type.is_none() {
        parameter.data_type = cast;
    }
    if let Some(alias) = placeholder.field.as_deref().and_then(alias) {
        parameter.alias = Some(alias);
    }
}

fn alias(field: &Field) -> Option<Type> {
    let kind = field.metadata().get(PG_OID_ALIAS_KEY)?;
    (*field.data_type() == DataType::Int32).then(|| pg_type_for_alias_kind(kind)).flatten()
}

/// The schema of a plan after type coercion. Parameters without values have the given types.
///
/// # Errors
/// When the types cannot be coerced.
pub(super) fn coerced_schema(plan: &LogicalPlan, types: &[Type]) -> Result<DFSchemaRef> {
    let mut plan = plan.clone();
    if !types.is_empty() {
        let nulls = types.iter().map(null).collect::<Option<Vec<_>>>();
        let nulls = nulls.ok_or_else(|| Error::internal("a parameter without a type"))?;
        let bound = plan.replace_params_with_values(&ParamValues::from(nulls));
        plan = bound.map_err(|cause| statement_error(cause, None))?;
    }
    let coerced = TypeCoercion::new().analyze(plan, &ConfigOptions::default());
    let coerced = coerced.map_err(|cause| statement_error(cause, None))?;
    Ok(Arc::clone(coerced.schema()))
}

fn number(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse().ok().filter(|at| (1..=MAX_PARAMETERS).contains(at))
}

/// The bound values, in the types that the client declared. DataFusion coerces them where needed.
///
/// # Errors
/// When the number of values is wrong, or one is not of its type.
pub(super) fn values<S: Clone>(
    portal: &Portal<S>,
    parameters: &[Parameter],
) -> PgWireResult<ParamValues> {
    let (given, expected) = (portal.parameter_len(), parameters.len());
    if given != expected {
        return Err(errors::error(
            "08P01",
            format!("the statement has {expected} parameters, but {given} were supplied"),
        ));
    }
    check(&portal.parameter_format, given, "parameter")?;
    let types = types(parameters, &portal.statement.parameter_types)?;
    let values = types.iter().zip(&portal.parameters).enumerate();
    let values = values.map(|(at, (kind, bytes))| {
        let Some(bytes) = bytes else {
            let no_null = || errors::error("0A000", format!("invalid NULL {}", kind.name()));
            return null(kind).ok_or_else(no_null);
        };
        let (binary, number, name) = (portal.parameter_format.is_binary(at), at + 1, kind.name());
        match binary {
            true => binary::value(kind, bytes).ok_or_else(|| {
                let message = format!("incorrect binary data format in bind parameter {number}");
                errors::error("22P03", message)
            }),
            false => text::value(kind, bytes).ok_or_else(|| {
                let message =
                    format!("invalid input syntax for type {name} in bind parameter {number}");
                errors::error("22P02", message)
            }),
        }
    });
    Ok(ParamValues::from(values.collect::<PgWireResult<Vec<_>>>()?))
}

/// The parameter types: those that the client declared, else the reported ones.
///
/// # Errors
/// When a type is not supported for parameters.
pub(super) fn types(parameters: &[Parameter], given: &[Option<Type>]) -> PgWireResult<Vec<Type>> {
    let one = |(at, parameter): (usize, &Parameter)| {
        let named = given.get(at).cloned().flatten().filter(|kind| *kind != Type::UNKNOWN);
        let kind = named.map_or_else(|| parameter.wire_type(), Ok)?;
        match arrow_type(&kind) {
            Some(_) => Ok(kind),
            None => {
                let message = format!("parameter ${} cannot be of type {}", at + 1, kind.name());
                Err(errors::error("0A000", message))
            }
        }
    };
    parameters.iter().enumerate().map(one).collect()
}

fn null(kind: &Type) -> Option<ScalarValue> {
    ScalarValue::try_from(&arrow_type(kind)?).ok()
}

/// The Arrow type for values of a PostgreSQL type; `None` if it is not supported.
pub(super) fn arrow_type(kind: &Type) -> Option<DataType> {
    let list = |item: &Type| {
        Some(DataType::List(Arc::new(Field::new_list_field(arrow_type(item)?, true))))
    };
    Some(match *kind {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        // Object ids are Int32 columns in the catalog.
        Type::INT4 | Type::OID | Type::REGCLASS | Type::REGTYPE | Type::REGPROC => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::CHAR
        | Type::UUID
        | Type::JSON => DataType::Utf8,
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        Type::BOOL_ARRAY => return list(&Type::BOOL),
        Type::INT2_ARRAY => return list(&Type::INT2),
        Type::INT4_ARRAY => return list(&Type::INT4),
        Type::INT8_ARRAY => return list(&Type::INT8),
        Type::FLOAT4_ARRAY => return list(&Type::FLOAT4),
        Type::FLOAT8_ARRAY => return list(&Type::FLOAT8),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY => return list(&Type::TEXT),
        Type::DATE_ARRAY => return list(&Type::DATE),
        Type::TIMESTAMP_ARRAY => return list(&Type::TIMESTAMP),
        Type::TIMESTAMPTZ_ARRAY => return list(&Type::TIMESTAMPTZ),
        _ => return None,
    })
}
