//! What PostgreSQL's clients look for besides tables: `pg_catalog`, and a few functions.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::setup_pg_catalog;
use engine::Result;

use super::startup::VERSION;
use crate::failure::of_statement;

/// The catalog that sessions have; clients call it a database.
const CATALOG: &str = "datafusion";

/// Adds them to a session.
///
/// # Errors
/// When the session has no catalog.
pub(super) fn add(session: &SessionContext) -> Result<()> {
    setup_pg_catalog(session, CATALOG, EmptyContextProvider)
        .map_err(|cause| of_statement(*cause, None))?;
    session.register_udf(constant("version", format!("PostgreSQL {VERSION}")));
    Ok(())
}

fn constant(name: &str, text: String) -> ScalarUDF {
    let value = ScalarValue::Utf8(Some(text));
    let function = Arc::new(move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(value.clone())));
    create_udf(name, Vec::new(), DataType::Utf8, Volatility::Immutable, function)
}
