//! PostgreSQL functions that tools call and that datafusion-pg-catalog lacks.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use datafusion::scalar::ScalarValue;
use pgwire::error::{ErrorInfo, PgWireError};

use super::procedures::{self, Procedure, procedure};
use crate::server::postgres::settings::{Settings, VERSION};

/// Functions with a constant result.
fn constants() -> [(&'static str, ScalarValue); 26] {
    let null = ScalarValue::Utf8(None);
    let (yes, no) = (ScalarValue::from(true), ScalarValue::from(false));
    let (zero, unknown) = (ScalarValue::Int32(Some(0)), ScalarValue::Int64(None));
    [
        ("pg_database_size", unknown.clone()),
        ("pg_relation_size", unknown.clone()),
        ("pg_table_size", unknown.clone()),
        ("pg_tablespace_size", unknown),
        ("shobj_description", null.clone()),
        ("pg_get_function_sqlbody", null.clone()),
        ("pg_get_indexdef", null.clone()),
        ("pg_get_ruledef", null.clone()),
        ("pg_get_serial_sequence", null.clone()),
        ("pg_get_triggerdef", null.clone()),
        ("pg_tablespace_location", null.clone()),
        ("pg_advisory_unlock_all", null),
        ("pg_collation_is_visible", yes.clone()),
        ("pg_conversion_is_visible", yes.clone()),
        ("pg_function_is_visible", yes.clone()),
        ("pg_opclass_is_visible", yes.clone()),
        ("pg_operator_is_visible", yes.clone()),
        ("pg_opfamily_is_visible", yes.clone()),
        ("pg_type_is_visible", yes.clone()),
        ("has_column_privilege", yes.clone()),
        ("has_function_privilege", yes),
        ("pg_has_role", no.clone()),
        ("pg_is_in_recovery", no.clone()),
        ("pg_is_other_temp_schema", no),
        ("pg_my_temp_schema", zero.clone()),
        ("inet_server_port", zero),
    ]
}

/// All functions, for a connection's user and settings.
pub(super) fn functions(user: &str, settings: &Arc<Mutex<Settings>>) -> Vec<ScalarUDF> {
    let named = [
        ("session_user", ScalarValue::from(user)),
        ("user", ScalarValue::from(user)),
        ("version", ScalarValue::from(format!("PostgreSQL {VERSION}"))),
    ];
    let constant = |(name, value): (&'static str, ScalarValue)| FunctionSpec {
        name,
        arguments: TypeSignature::OneOf(vec![TypeSignature::VariadicAny, TypeSignature::Nullary]),
        returns: value.data_type(),
        volatility: Volatility::Stable,
        value: Arc::new(move |_: &[Option<String>]| Ok(value.clone())),
    };
    let texts = |count: usize| TypeSignature::Exact(vec![DataType::Utf8; count]);
    let with_flag = |count: usize| {
        let mut types = vec![DataType::Utf8; count];
        types.push(DataType::Boolean);
        TypeSignature::Exact(types)
    };
    let (read_settings, write_settings) = (Arc::clone(settings), Arc::clone(settings));
    let computed = [
        FunctionSpec {
            name: "current_setting",
            arguments: TypeSignature::OneOf(vec![texts(1), with_flag(1)]),
            returns: DataType::Utf8,
            volatility: Volatility::Stable,
            value: Arc::new(move |args: &[Option<String>]| {
                let Some(Some(name)) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
                let lenient = matches!(args.get(1), Some(Some(flag)) if flag == "true");
                match read_settings.lock().unwrap_or_else(PoisonError::into_inner).show(name) {
                    Ok(value) => Ok(ScalarValue::from(value)),
                    Err(_) if lenient => Ok(ScalarValue::Utf8(None)),
                    Err(error) => Err(to_configuration_error(error)),
                }
            }),
        },
        FunctionSpec {
            name: "set_config",
            arguments: with_flag(2),
            returns: DataType::Utf8,
            volatility: Volatility::Volatile,
            value: Arc::new(move |args: &[Option<String>]| {
                let [Some(name), Some(value), Some(local)] = args else {
                    return Ok(ScalarValue::Utf8(None));
                };
                let mut settings = write_settings.lock().unwrap_or_else(PoisonError::into_inner);
                let set = match local.as_str() {
                    "true" => settings.set_local(name, Some(value)),
                    _ => settings.set(name, Some(value)),
                };
                set.and_then(|()| settings.show(name))
                    .map(ScalarValue::from)
                    .map_err(to_configuration_error)
            }),
        },
        FunctionSpec {
            name: "like_escape",
            arguments: texts(2),
            returns: DataType::Utf8,
            volatility: Volatility::Immutable,
            value: Arc::new(|args: &[Option<String>]| {
                let [Some(pattern), Some(escape)] = args else {
                    return Ok(ScalarValue::Utf8(None));
                };
                like_escape(pattern, escape).map(ScalarValue::from)
            }),
        },
        FunctionSpec {
            name: "format",
            arguments: TypeSignature::VariadicAny,
            returns: DataType::Utf8,
            volatility: Volatility::Immutable,
            value: Arc::new(|args: &[Option<String>]| {
                let Some((Some(template), values)) = args.split_first() else {
                    return Ok(ScalarValue::Utf8(None));
                };
                format_values(template, values).map(ScalarValue::from)
            }),
        },
        FunctionSpec {
            name: "quote_literal",
            arguments: TypeSignature::Any(1),
            returns: DataType::Utf8,
            volatility: Volatility::Immutable,
            value: Arc::new(|args: &[Option<String>]| {
                Ok(ScalarValue::Utf8(args.first().cloned().flatten().map(|text| quoted(&text))))
            }),
        },
        FunctionSpec {
            name: "to_regtype",
            arguments: texts(1),
            returns: DataType::Int32,
            volatility: Volatility::Stable,
            value: Arc::new(|args: &[Option<String>]| {
                let name = args.first().cloned().flatten().unwrap_or_default().to_lowercase();
                let found = TYPES.iter().find(|(names, _)| names.contains(&name.as_str()));
                Ok(ScalarValue::Int32(found.map(|(_, oid)| *oid)))
            }),
        },
    ];
    let all = constants()
        .into_iter()
        .chain(named)
        .map(constant)
        .chain(computed)
        .chain(procedure_functions());
    all.map(ScalarUDF::from).collect()
}

/// Functions that describe the rows of `pg_proc`, by oid.
fn procedure_functions() -> impl Iterator<Item = FunctionSpec> {
    type Part = fn(&'static Procedure) -> &'static str;
    let parts: [(&'static str, Part); 4] = [
        ("pg_get_function_arguments", |procedure| &procedure.arguments),
        ("pg_get_function_identity_arguments", |procedure| &procedure.arguments),
        ("pg_get_function_result", |procedure| &procedure.result),
        ("obj_description", |procedure| &procedure.description),
    ];
    parts.into_iter().map(|(name, part)| FunctionSpec {
        name,
        arguments: TypeSignature::OneOf(vec![TypeSignature::Any(1), TypeSignature::Any(2)]),
        returns: DataType::Utf8,
        volatility: Volatility::Stable,
        value: Arc::new(move |args: &[Option<String>]| {
            let oid = args.first().and_then(|oid| oid.as_ref()?.parse().ok());
            let of_functions =
                !matches!(args.get(1), Some(class) if class.as_deref() != Some(procedures::TABLE));
            let found = oid.filter(|_| of_functions).and_then(procedure);
            Ok(ScalarValue::Utf8(found.map(|procedure| part(procedure).to_owned())))
        }),
    })
}

fn to_configuration_error(error: PgWireError) -> DataFusionError {
    DataFusionError::Configuration(ErrorInfo::from(error).message)
}

/// Converts a LIKE pattern with the given escape character (none if empty) to one with backslashes.
fn like_escape(pattern: &str, escape: &str) -> Result<String> {
    let mut letters = escape.chars();
    let (escape, more) = (letters.next(), letters.next());
    if more.is_some() {
        let message = "the escape string of LIKE must be empty or one character".to_owned();
        return Err(DataFusionError::Execution(message));
    }
    let mut converted = String::with_capacity(pattern.len());
    let mut escaped = false;
    for letter in pattern.chars() {
        if !escaped && Some(letter) == escape {
            escaped = true;
            continue;
        }
        if escaped || letter == '\\' {
            converted.push('\\');
        }
        converted.push(letter);
        escaped = false;
    }
    match escaped {
        true => {
            let message = "a LIKE pattern must not end with its escape character".to_owned();
            Err(DataFusionError::Execution(message))
        }
        false => Ok(converted),
    }
}

/// A text as a literal of SQL.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    match escaped.contains('\\') {
        true => format!("E'{}'", escaped.replace('\\', "\\\\")),
        false => format!("'{escaped}'"),
    }
}

/// Fills the places `%s`, `%I` (an identifier) and `%L` (a literal) of a template.
fn format_values(template: &str, values: &[Option<String>]) -> Result<String> {
    let wrong = |what: &str| Err(DataFusionError::Execution(format!("format(): {what}")));
    let (mut filled, mut letters, mut values) = (String::new(), template.chars(), values.iter());
    while let Some(letter) = letters.next() {
        if letter != '%' {
            filled.push(letter);
            continue;
        }
        let kind = letters.next();
        if kind == Some('%') {
            filled.push('%');
            continue;
        }
        let Some(value) = values.next() else { return wrong("too few arguments") };
        match (kind, value) {
            (Some('s'), value) => filled.push_str(value.as_deref().unwrap_or_default()),
            (Some('I'), Some(name)) => {
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
                match begins && name.chars().all(plain) {
                    true => filled.push_str(name),
                    false => filled.push_str(&format!("\"{}\"", name.replace('"', "\"\""))),
                }
            }
            (Some('I'), None) => {
                return wrong("null values cannot be formatted as an SQL identifier");
            }
            (Some('L'), None) => filled.push_str("NULL"),
            (Some('L'), Some(text)) => filled.push_str(&quoted(text)),
            _ => return wrong("only %s, %I, %L and %% are supported"),
        }
    }
    Ok(filled)
}

/// Type names and their oids.
const TYPES: [(&[&str], i32); 15] = [
    (&["bool", "boolean"], 16),
    (&["bytea"], 17),
    (&["int8", "bigint"], 20),
    (&["int2", "smallint"], 21),
    (&["int4", "int", "integer"], 23),
    (&["text"], 25),
    (&["oid"], 26),
    (&["json"], 114),
    (&["float4", "real"], 700),
    (&["float8", "double precision"], 701),
    (&["varchar", "character varying"], 1043),
    (&["date"], 1082),
    (&["timestamp", "timestamp without time zone"], 1114),
    (&["timestamptz", "timestamp with time zone"], 1184),
    (&["numeric", "decimal"], 1700),
];

/// Computes a function's value from its arguments as texts.
type Compute = Arc<dyn Fn(&[Option<String>]) -> Result<ScalarValue> + Send + Sync>;

struct FunctionSpec {
    name: &'static str,
    arguments: TypeSignature,
    returns: DataType,
    volatility: Volatility,
    value: Compute,
}

impl From<FunctionSpec> for ScalarUDF {
    fn from(function: FunctionSpec) -> Self {
        let signature = Signature::new(function.arguments.clone(), function.volatility);
        Self::new_from_impl(PgFunction { function, signature })
    }
}

/// A [`FunctionSpec`] as a DataFusion function.
struct PgFunction {
    function: FunctionSpec,
    signature: Signature,
}

impl fmt::Debug for PgFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgFunction").field("name", &self.function.name).finish_non_exhaustive()
    }
}

// Functions are identified by their names.
impl PartialEq for PgFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for PgFunction {}

impl Hash for PgFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for PgFunction {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.function.returns.clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let text = |value: &ScalarValue| (!value.is_null()).then(|| value.to_string());
        let all_one = arguments.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        if all_one || self.is_constant() {
            let texts = arguments.args.iter().map(|value| match value {
                ColumnarValue::Scalar(value) => text(value),
                ColumnarValue::Array(_) => None,
            });
            let value = (self.function.value)(&texts.collect::<Vec<_>>())?;
            return Ok(ColumnarValue::Scalar(value));
        }
        let columns = ColumnarValue::values_to_arrays(&arguments.args)?;
        let rows = (0..arguments.number_rows).map(|row| {
            let texts =
                columns.iter().map(|column| Ok(text(&ScalarValue::try_from_array(column, row)?)));
            (self.function.value)(&texts.collect::<Result<Vec<_>>>()?)
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(rows)?))
    }
}

impl PgFunction {
    /// Whether the result does not depend on the arguments.
    fn is_constant(&self) -> bool {
        match &self.function.arguments {
            TypeSignature::OneOf(ways) => ways.contains(&TypeSignature::VariadicAny),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use arrow::util::display::array_value_to_string;

    use super::functions;
    use crate::session::{Options, session};

    async fn ask(sql: &str) -> Result<String, String> {
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
            ("SELECT to_regtype('hstore')", ""),
            ("SELECT to_regtype(n) FROM (VALUES ('text'), ('x')) AS v(n)", "25,"),
            ("SELECT like_escape('a/%b//c\\d%', '/')", "a\\%b\\/c\\\\d%"),
            ("SELECT 'pg_x' LIKE like_escape('pg/_%', '/')", "true"),
            ("SELECT 'pgax' LIKE like_escape('pg/_%', '/')", "false"),
            ("SELECT 'a/' LIKE like_escape('_//', '/')", "true"),
            ("SELECT format('%s.%I=%L, 5%%', 'a', 'b c', 'it''s')", "a.\"b c\"='it''s', 5%"),
            ("SELECT format('%s', n) FROM (VALUES ('int8'), ('text')) AS v(n)", "int8,text"),
            ("SELECT quote_literal('it''s'), quote_literal(NULL)", "'it''s'"),
            ("SELECT pg_is_in_recovery()", "false"),
            ("SELECT obj_description(1, 'pg_class')", ""),
            ("SELECT pg_function_is_visible(n) FROM (VALUES (1), (2)) AS v(n)", "true,true"),
        ] {
            assert_eq!(ask(sql).await, Ok(expected.to_owned()), "{sql}");
        }
        assert!(ask("SELECT current_setting('unknown')").await.unwrap_err().contains("unrecog"));
    }

    #[test]
    fn every_function_has_its_own_name() {
        let all = functions("ada", &Default::default());
        let names: BTreeSet<&str> = all.iter().map(|function| function.name()).collect();
        assert_eq!(names.len(), all.len());
    }
}
