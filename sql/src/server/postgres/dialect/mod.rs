//! PostgreSQL's meaning for syntax and functions to which DataFusion gives another one, or none.
//!
//! | step | what it changes |
//! |---|---|
//! | [`rewrite`], before planning | syntax that DataFusion cannot plan, ignores, or plans as something else |
//! | [`operators`], while planning | operators, by the types of their operands |
//! | [`rewrite_plan`], after planning | casts, and other expressions whose meaning depends on types |
//! | functions | those of DataFusion with the same name are replaced |
//! | [`ColumnNames`] | the names of result columns |
//!
//! What cannot have PostgreSQL's meaning is refused. `docs/postgresql.md` lists what is the same, what
//! differs in its type, and what is refused; a test compares all of it with a PostgreSQL server.

mod arithmetic;
mod extract;
mod from_text;
mod input;
mod intervals;
mod json;
mod lists;
mod literals;
mod matching;
mod names;
mod number_format;
mod numeric;
mod numeric_aggregates;
mod operators;
mod plan;
mod quotes;
mod regex;
mod syntax;
mod template;
mod temporal;
mod text;
mod to_char;

use std::sync::{Arc, Mutex};

use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use datafusion_pg_functions::{datetime, numeric as pg_numeric};
use engine::Result;

use super::settings::Settings;
use crate::failure::statement_error;

pub(super) use literals::constant;
pub(super) use names::{ColumnNames, column_name};
pub(super) use plan::rewrite as rewrite_plan;
pub(super) use syntax::rewrite;

/// Adds the operators and functions to a session.
///
/// # Errors
/// When the session takes no further operators.
pub(super) fn register(session: &SessionContext, settings: &Arc<Mutex<Settings>>) -> Result<()> {
    let to_error = |cause| statement_error(cause, None);
    let state = session.state_ref();
    let mut state = state.write();
    // A literal such as 0.1 is an exact number.
    state.config_mut().options_mut().sql_parser.parse_float_as_decimal = true;
    datafusion::execution::FunctionRegistry::register_expr_planner(
        &mut *state,
        Arc::new(operators::Operators(Arc::clone(settings))),
    )
    .map_err(to_error)?;
    drop(state);
    for function in functions() {
        session.register_udf(function);
    }
    for aggregate in numeric_aggregates::functions() {
        session.register_udaf(aggregate);
    }
    Ok(())
}

fn functions() -> Vec<ScalarUDF> {
    let own = [
        to_char::TO_CHAR,
        from_text::TO_DATE,
        from_text::TO_TIMESTAMP,
        json::JSON,
        json::JSON_OF_LIST,
        lists::PERCENTILE_OF,
        lists::ANY_OF,
    ];
    let mut all: Vec<ScalarUDF> = own.into_iter().map(ScalarUDF::from).collect();
    all.extend(arithmetic::functions());
    all.extend(extract::functions());
    all.extend(temporal::functions());
    all.extend(text::functions());
    all.extend(quotes::functions());
    all.extend(numeric::functions());
    all.extend([
        datetime::age::create_age_udf(),
        datetime::justify_days::create_justify_days_udf(),
        datetime::justify_hours::create_justify_hours_udf(),
        datetime::justify_interval::create_justify_interval_udf(),
        pg_numeric::aliases::create_sign_udf(),
    ]);
    all
}
