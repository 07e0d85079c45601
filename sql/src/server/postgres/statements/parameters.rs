//! Types and values of parameters of prepared statements.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, ParamValues};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
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

use crate::failure::statement_error;
use crate::server::postgres::errors;
use crate::server::postgres::values::rows::check;
use crate::server::postgres::values::types::arrow_type;
use crate::server::postgres::values::{binary, text};

/// Most parameters of a statement; the protocol counts them in 16 bits.
const MAX_PARAMETERS: usize = 65_535;

/// The type of one parameter, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(in crate::server::postgres) struct Parameter {
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
        if let LogicalPlan::Limit(limit) = node {
            for rows in [&limit.skip, &limit.fetch].into_iter().flatten() {
                record_type(rows, &DataType::Int64, &mut found);
            }
        }
        for expression in node.expressions() {
            expression.apply(|expression| {
                record_types(expression, &node.inputs(), &mut found);
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(to_error)?;
    let last = found.keys().next_back().copied().unwrap_or(0);
    Ok((1..=last).map(|at| found.remove(&at).unwrap_or_default()).collect())
}

/// Adds parameters that were found elsewhere in the statement.
pub(in crate::server::postgres) fn add(parameters: &mut Vec<Parameter>, more: Vec<Parameter>) {
    if parameters.len() < more.len() {
        parameters.resize(more.len(), Parameter::default());
    }
    for (parameter, other) in parameters.iter_mut().zip(more) {
        parameter.data_type = parameter.data_type.take().or(other.data_type);
        parameter.alias = parameter.alias.take().or(other.alias);
    }
}

/// Records the types that casts, catalog columns and `= ANY($1)` imply for parameters.
fn record_types(
    expression: &Expr,
    inputs: &[&LogicalPlan],
    found: &mut BTreeMap<usize, Parameter>,
) {
    match expression {
        Expr::Placeholder(placeholder) => {
            if let Some(at) = number(&placeholder.id)
                && let Some(alias) = placeholder.field.as_deref().and_then(alias)
            {
                found.entry(at).or_default().alias = Some(alias);
            }
        }
        Expr::Cast(cast) => record_type(&cast.expr, cast.field.data_type(), found),
        Expr::ScalarFunction(call) if call.name() == "array_has" => {
            if let [list, element] = call.args.as_slice()
                && let Some((_, field)) =
                    inputs.iter().find_map(|input| element.to_field(input.schema()).ok())
            {
                record_type(list, &DataType::new_list(field.data_type().clone(), true), found);
                if let Expr::Placeholder(placeholder) = list
                    && let Some(at) = number(&placeholder.id)
                    && alias(&field) == Some(Type::OID)
                {
                    found.entry(at).or_default().alias = Some(Type::OID_ARRAY);
                }
            }
        }
        _ => {}
    }
}

/// Records the type of an expression, if it is a parameter of unknown type.
fn record_type(expression: &Expr, kind: &DataType, found: &mut BTreeMap<usize, Parameter>) {
    if let Expr::Placeholder(placeholder) = expression
        && let Some(at) = number(&placeholder.id)
    {
        found.entry(at).or_default().data_type.get_or_insert_with(|| kind.clone());
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
pub(in crate::server::postgres) fn coerced_schema(
    plan: &LogicalPlan,
    types: &[Type],
) -> Result<DFSchemaRef> {
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

/// The number of the parameter `$1`, `$2` ...
pub(in crate::server::postgres) fn number(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse().ok().filter(|at| (1..=MAX_PARAMETERS).contains(at))
}

/// The bound values, in the types that the client declared. DataFusion coerces them where needed.
///
/// # Errors
/// When the number of values is wrong, or one is not of its type.
pub(in crate::server::postgres) fn values<S: Clone>(
    portal: &Portal<S>,
    parameters: &[Parameter],
    zone: &str,
) -> PgWireResult<Vec<ScalarValue>> {
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
            false => text::value(kind, bytes, zone).ok_or_else(|| {
                let message =
                    format!("invalid input syntax for type {name} in bind parameter {number}");
                errors::error("22P02", message)
            }),
        }
    });
    values.collect()
}

/// Puts the values into a plan.
///
/// # Errors
/// When a value does not fit.
pub(in crate::server::postgres) fn replace(
    plan: LogicalPlan,
    values: Vec<ScalarValue>,
) -> PgWireResult<LogicalPlan> {
    if values.is_empty() {
        return Ok(plan);
    }
    let plan = plan.replace_params_with_values(&ParamValues::from(values));
    plan.map_err(|cause| errors::from_error(statement_error(cause, None)))
}

/// The parameter types: those that the client declared, else the reported ones.
///
/// # Errors
/// When a type is not supported for parameters.
pub(in crate::server::postgres) fn types(
    parameters: &[Parameter],
    given: &[Option<Type>],
) -> PgWireResult<Vec<Type>> {
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
