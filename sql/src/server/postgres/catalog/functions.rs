//! PostgreSQL functions that tools call and that datafusion-pg-catalog lacks or answers wrongly.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int32Array, StringArray};
use arrow::datatypes::{DataType, Int32Type};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ScalarUDF, Volatility};
use datafusion::scalar::ScalarValue;
use pgwire::error::{ErrorInfo, PgWireError};

use super::procedures::{self, Procedure, procedure};
use crate::server::postgres::function::{Call, Function, Types, map_rows};
use crate::server::postgres::settings::{Settings, VERSION};
use crate::server::postgres::values::types;

type ReturnType = fn(&Types<'_>) -> Result<DataType>;
const BOOLEAN: ReturnType = |_| Ok(DataType::Boolean);
const INTEGER: ReturnType = |_| Ok(DataType::Int32);
const BIGINT: ReturnType = |_| Ok(DataType::Int64);
const TEXT: ReturnType = |_| Ok(DataType::Utf8);

/// All functions, for a connection's user and settings.
pub(super) fn functions(user: &str, settings: &Arc<Mutex<Settings>>) -> Vec<ScalarUDF> {
    let (yes, no) = (ScalarValue::from(true), ScalarValue::from(false));
    let (none, unknown) = (ScalarValue::Utf8(None), ScalarValue::Int64(None));
    let constants = [
        ("session_user", TEXT, ScalarValue::from(user)),
        ("user", TEXT, ScalarValue::from(user)),
        ("version", TEXT, ScalarValue::from(format!("PostgreSQL {VERSION}"))),
        // psql
        ("pg_function_is_visible", BOOLEAN, yes.clone()),
        ("pg_get_function_sqlbody", TEXT, none.clone()),
        ("shobj_description", TEXT, none.clone()),
        ("pg_database_size", BIGINT, unknown.clone()),
        ("pg_relation_size", BIGINT, unknown.clone()),
        ("pg_table_size", BIGINT, unknown.clone()),
        ("pg_total_relation_size", BIGINT, unknown),
        // SQLAlchemy, asyncpg, libpq, dbt, ADBC
        ("pg_collation_is_visible", BOOLEAN, yes.clone()),
        ("pg_type_is_visible", BOOLEAN, yes),
        ("pg_advisory_unlock_all", TEXT, none),
        ("pg_is_in_recovery", BOOLEAN, no.clone()),
        ("pg_is_other_temp_schema", BOOLEAN, no),
        ("pg_my_temp_schema", INTEGER, ScalarValue::from(0_i32)),
    ];
    let constants = constants.map(|(name, returns, value)| {
        let compute = move |call: &Call<'_>| value.to_array_of_size(call.rows());
        Function { name, arguments: 0..=2, returns, compute }.udf(Volatility::Stable)
    });
    let (shown, changed) = (Arc::clone(settings), Arc::clone(settings));
    let of_settings = [
        Function {
            name: "current_setting",
            arguments: 1..=2,
            returns: TEXT,
            compute: move |call: &Call<'_>| current_setting(call, &shown),
        }
        .udf(Volatility::Stable),
        Function {
            name: "set_config",
            arguments: 3..=3,
            returns: TEXT,
            compute: move |call: &Call<'_>| set_config(call, &changed),
        }
        .udf(Volatility::Volatile),
    ];
    let to_regtype =
        Function { name: "to_regtype", arguments: 1..=1, returns: INTEGER, compute: to_regtype };
    let mut all = Vec::from(constants);
    all.extend(of_settings);
    all.push(to_regtype.udf(Volatility::Stable));
    all.extend(privilege_functions());
    all.extend(procedure_functions());
    all
}

/// Whether a user has one of the privileges that the last argument names: all users can read everything.
fn privilege_functions() -> impl Iterator<Item = ScalarUDF> {
    const NAMES: [&str; 5] = [
        "has_any_column_privilege",
        "has_column_privilege",
        "has_database_privilege",
        "has_schema_privilege",
        "has_table_privilege",
    ];
    const READING: [&str; 3] = ["select", "usage", "connect"];
    let compute = |call: &Call<'_>| -> Result<ArrayRef> {
        let privileges = call.texts(call.count() - 1)?;
        let has_one = |privileges: &str| {
            let mut all = privileges.split(',').map(|one| one.trim().to_lowercase());
            all.any(|one| READING.contains(&one.as_str()))
        };
        let values = privileges.iter().map(|privileges| privileges.map(has_one));
        Ok(Arc::new(values.collect::<BooleanArray>()))
    };
    NAMES.into_iter().map(move |name| {
        Function { name, arguments: 2..=4, returns: BOOLEAN, compute }.udf(Volatility::Stable)
    })
}

/// `current_setting(name [, whether an unknown name is NULL])`.
fn current_setting(call: &Call<'_>, settings: &Mutex<Settings>) -> Result<ArrayRef> {
    let names = call.texts(0)?;
    let lenient = match call.count() {
        2 => Some(call.cast(1, &DataType::Boolean)?),
        _ => None,
    };
    let lenient = lenient.as_ref().map(|flags| flags.as_boolean());
    let settings = settings.lock().unwrap_or_else(PoisonError::into_inner);
    let values = map_rows(call.rows(), &[&names], |row| match settings.show(names.value(row)) {
        Ok(value) => Ok(Some(value)),
        Err(_) if lenient.is_some_and(|flags| flags.value(row)) => Ok(None),
        Err(error) => Err(to_configuration_error(error)),
    })?;
    Ok(Arc::new(values.into_iter().map(Option::flatten).collect::<StringArray>()))
}

/// `set_config(name, value, whether until the end of the transaction)`.
fn set_config(call: &Call<'_>, settings: &Mutex<Settings>) -> Result<ArrayRef> {
    let (names, values) = (call.texts(0)?, call.texts(1)?);
    let local = call.cast(2, &DataType::Boolean)?;
    let local = local.as_boolean();
    let mut settings = settings.lock().unwrap_or_else(PoisonError::into_inner);
    let shown = map_rows(call.rows(), &[&names, &values, local], |row| {
        let (name, value) = (names.value(row), Some(values.value(row)));
        let set = match local.value(row) {
            true => settings.set_local(name, value),
            false => settings.set(name, value),
        };
        set.and_then(|()| settings.show(name)).map_err(to_configuration_error)
    })?;
    Ok(Arc::new(StringArray::from(shown)))
}

fn to_configuration_error(error: PgWireError) -> DataFusionError {
    DataFusionError::Configuration(ErrorInfo::from(error).message)
}

/// The oid of a type; NULL for an unknown name.
fn to_regtype(call: &Call<'_>) -> Result<ArrayRef> {
    let names = call.texts(0)?;
    let oids = map_rows(call.rows(), &[&names], |row| {
        let kind = types::by_name(&names.value(row).to_lowercase());
        Ok(kind.and_then(|kind| i32::try_from(kind.oid()).ok()))
    })?;
    Ok(Arc::new(oids.into_iter().map(Option::flatten).collect::<Int32Array>()))
}

/// Functions that describe the rows of `pg_proc`, by oid.
fn procedure_functions() -> impl Iterator<Item = ScalarUDF> {
    type Part = fn(&Procedure) -> String;
    let parts: [(&'static str, Part); 3] = [
        ("pg_get_function_arguments", |procedure| procedure.arguments.clone()),
        ("pg_get_function_result", Procedure::result),
        ("obj_description", |procedure| procedure.description.clone()),
    ];
    parts.into_iter().map(|(name, part)| {
        let compute = move |call: &Call<'_>| -> Result<ArrayRef> {
            let oids = call.cast(0, &DataType::Int32)?;
            let oids = oids.as_primitive::<Int32Type>();
            // The catalog of the described object.
            let catalogs = if call.count() == 2 { Some(call.texts(1)?) } else { None };
            let parts = map_rows(call.rows(), &[oids], |row| {
                let is_function = catalogs
                    .as_ref()
                    .is_none_or(|catalogs| catalogs.value(row) == procedures::TABLE);
                let oid = Some(oids.value(row)).filter(|_| is_function);
                Ok(oid.and_then(procedure).map(part))
            })?;
            Ok(Arc::new(parts.into_iter().map(Option::flatten).collect::<StringArray>()))
        };
        Function { name, arguments: 1..=2, returns: TEXT, compute }.udf(Volatility::Stable)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use arrow::util::display::array_value_to_string;

    use super::functions;
    use crate::session::{Options, session};

    async fn value(sql: &str) -> Result<String, String> {
        let session = session(&Options::default()).unwrap();
        let settings = Default::default();
        for function in functions("ada", &settings) {
            session.register_udf(function);
        }
        let frame = session.sql(sql).await.map_err(|error| error.to_string())?;
        let batches = frame.collect().await.map_err(|error| error.to_string())?;
        let column = batches[0].column(0);
        let rows = (0..column.len()).map(|row| array_value_to_string(column, row).unwrap());
        Ok(rows.collect::<Vec<_>>().join(","))
    }

    #[tokio::test]
    async fn functions_return_expected_values() {
        for (sql, expected) in [
            ("SELECT current_setting('server_encoding')", "UTF8"),
            ("SELECT current_setting('unknown', true)", ""),
            ("SELECT set_config('application_name', 'x', false)", "x"),
            ("SELECT set_config('application_name', 'x', true)", ""),
            ("SELECT to_regtype('INT4')", "23"),
            ("SELECT to_regtype('double precision')", "701"),
            ("SELECT to_regtype('hstore')", ""),
            ("SELECT to_regtype(n) FROM (VALUES ('text'), ('x')) AS v(n)", "25,"),
            ("SELECT pg_is_in_recovery()", "false"),
            ("SELECT has_table_privilege('ada', 'visits', 'Select, INSERT')", "true"),
            ("SELECT has_any_column_privilege('visits', 'update')", "false"),
            ("SELECT obj_description(1, 'pg_class')", ""),
            ("SELECT pg_get_function_result(n) FROM (VALUES (0), (NULL)) AS v(n)", ","),
            ("SELECT pg_function_is_visible(n) FROM (VALUES (1), (2)) AS v(n)", "true,true"),
        ] {
            assert_eq!(value(sql).await, Ok(expected.to_owned()), "{sql}");
        }
        assert!(value("SELECT current_setting('unknown')").await.unwrap_err().contains("unrecog"));
    }

    #[test]
    fn every_function_has_its_own_name() {
        let all = functions("ada", &Default::default());
        let names: BTreeSet<&str> = all.iter().map(|function| function.name()).collect();
        assert_eq!(names.len(), all.len());
    }
}
