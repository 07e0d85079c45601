//! Values that a client sends for `$1`, `$2` ...

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ParamValues;
use datafusion::logical_expr::LogicalPlan;
use datafusion_postgres::arrow_pg::datatypes::df::deserialize_parameters_with_server_types;
use engine::{Error, Result};
use pgwire::api::Type;
use pgwire::api::portal::Portal;
use pgwire::error::PgWireResult;

use crate::failure::of_statement;

/// The types of a plan's parameters by their numbers; `None` where nothing tells.
///
/// # Errors
/// When one parameter is used as two types.
pub(super) fn types(plan: &LogicalPlan) -> Result<Vec<Option<DataType>>> {
    let types = plan.get_parameter_types().map_err(|cause| of_statement(cause, None))?;
    let mut numbered: Vec<(usize, Option<DataType>)> = Vec::new();
    for (name, data_type) in types {
        let number = name.strip_prefix('$').and_then(|digits| digits.parse().ok());
        let number = number.ok_or_else(|| {
            Error::input(format!("`{name}` cannot be the name of a parameter"))
                .with("help", "write $1, $2 ...")
        })?;
        numbered.push((number, data_type));
    }
    numbered.sort_unstable_by_key(|(number, _)| *number);
    Ok(numbered.into_iter().map(|(_, data_type)| data_type).collect())
}

/// The values of a portal.
///
/// # Errors
/// When they are not of their types.
pub(super) fn values<S: Clone>(
    portal: &Portal<S>,
    types: &[Option<DataType>],
    wire: &[Type],
) -> PgWireResult<ParamValues> {
    let types: Vec<Option<&DataType>> = types.iter().map(Option::as_ref).collect();
    let wire: Vec<Option<&Type>> = wire.iter().map(Some).collect();
    deserialize_parameters_with_server_types(portal, &types, &wire)
}
