//! Functions that PostgreSQL's tools call, and that its catalog here lacks.

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
use super::settings::Settings;
use super::startup::VERSION;

/// Functions with the same result for all arguments: nothing has an owner's comment, everything can
/// be seen.
fn constants() -> [(&'static str, ScalarValue); 29] {
    let null = ScalarValue::Utf8(None);
    let (yes, no) = (ScalarValue::from(true), ScalarValue::from(false));
    let (nothing, unknown) = (ScalarValue::Int32(Some(0)), ScalarValue::Int64(None));
    [
        ("pg_database_size", unknown.clone()),
        ("pg_relation_size", unknown.clone()),
        ("pg_table_size", unknown.clone()),
        ("pg_tablespace_size", unknown),
        ("pg_size_pretty", null.clone()),
        ("col_description", null.clone()),
        ("shobj_description", null.clone()),
        ("pg_get_function_sqlbody", null.clone()),
        ("pg_get_indexdef", null.clone()),
        ("pg_get_ruledef", null.clone()),
        ("pg_get_serial_sequence", null.clone()),
        ("pg_get_triggerdef", null.clone()),
        ("pg_get_viewdef", null.clone()),
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
        ("pg_my_temp_schema", nothing.clone()),
        ("inet_server_port", nothing),
    ]
}

/// All of them, for a user and the settings of the connection.
pub(super) fn functions(user: &str, settings: &Arc<Mutex<Settings>>) -> Vec<ScalarUDF> {
    let named = [
        ("session_user", ScalarValue::from(user)),
        ("version", ScalarValue::from(format!("PostgreSQL {VERSION}"))),
    ];
    let constant = |(name, value): (&'static str, ScalarValue)| Function {
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
    let (shown, changed) = (Arc::clone(settings), Arc::clone(settings));
    let own = [
        Function {
            name: "current_setting",
            arguments: TypeSignature::OneOf(vec![texts(1), with_flag(1)]),
            returns: DataType::Utf8,
            volatility: Volatility::Volatile,
            value: Arc::new(move |words: &[Option<String>]| {
                let Some(Some(name)) = words.first() else { return Ok(ScalarValue::Utf8(None)) };
                let lenient = matches!(words.get(1), Some(Some(flag)) if flag == "true");
                match shown.lock().unwrap_or_else(PoisonError::into_inner).show(name) {
                    Ok(value) => Ok(ScalarValue::from(value)),
                    Err(_) if lenient => Ok(ScalarValue::Utf8(None)),
                    Err(error) => Err(told(error)),
                }
            }),
        },
        Function {
            name: "set_config",
            arguments: with_flag(2),
            returns: DataType::Utf8,
            volatility: Volatility::Volatile,
            value: Arc::new(move |words: &[Option<String>]| {
                let [Some(name), Some(value), Some(local)] = words else {
                    return Ok(ScalarValue::Utf8(None));
                };
                let mut settings = changed.lock().unwrap_or_else(PoisonError::into_inner);
                let set = match local.as_str() {
                    "true" => settings.set_local(name, Some(value)),
                    _ => settings.set(name, Some(value)),
                };
                set.and_then(|()| settings.show(name)).map(ScalarValue::from).map_err(told)
            }),
        },
        Function {
            name: "like_escape",
            arguments: texts(2),
            returns: DataType::Utf8,
            volatility: Volatility::Immutable,
            value: Arc::new(|words: &[Option<String>]| {
                let [Some(pattern), Some(escape)] = words else {
                    return Ok(ScalarValue::Utf8(None));
                };
                like_escape(pattern, escape).map(ScalarValue::from)
            }),
        },
        Function {
            name: "to_regtype",
            arguments: texts(1),
            returns: DataType::Int32,
            volatility: Volatility::Stable,
            value: Arc::new(|words: &[Option<String>]| {
                let name = words.first().cloned().flatten().unwrap_or_default().to_lowercase();
                let found = TYPES.iter().find(|(names, _)| names.contains(&name.as_str()));
                Ok(ScalarValue::Int32(found.map(|(_, oid)| *oid)))
            }),
        },
    ];
    let all = constants().into_iter().chain(named).map(constant).chain(own).chain(described());
    all.map(ScalarUDF::from).collect()
}

/// Functions about the rows of `pg_proc`, by their numbers; only these have comments.
fn described() -> impl Iterator<Item = Function> {
    type Part = fn(&'static Procedure) -> &'static str;
    let parts: [(&'static str, Part); 4] = [
        ("pg_get_function_arguments", |procedure| &procedure.arguments),
        ("pg_get_function_identity_arguments", |procedure| &procedure.arguments),
        ("pg_get_function_result", |procedure| &procedure.result),
        ("obj_description", |procedure| &procedure.description),
    ];
    parts.into_iter().map(|(name, part)| Function {
        name,
        arguments: TypeSignature::OneOf(vec![TypeSignature::Any(1), TypeSignature::Any(2)]),
        returns: DataType::Utf8,
        volatility: Volatility::Stable,
        value: Arc::new(move |words: &[Option<String>]| {
            let oid = words.first().and_then(|oid| oid.as_ref()?.parse().ok());
            let of_functions =
                !matches!(words.get(1), Some(class) if class.as_deref() != Some(procedures::TABLE));
            let found = oid.filter(|_| of_functions).and_then(procedure);
            Ok(ScalarValue::Utf8(found.map(|procedure| part(procedure).to_owned())))
        }),
    })
}

fn told(error: PgWireError) -> DataFusionError {
    DataFusionError::Configuration(ErrorInfo::from(error).message)
}

/// A pattern whose special characters are marked by `escape`, or by none if that is empty, with
/// backslashes as marks.
fn like_escape(pattern: &str, escape: &str) -> Result<String> {
    let mut letters = escape.chars();
    let (escape, more) = (letters.next(), letters.next());
    if more.is_some() {
        let told = "the escape string of LIKE must be empty or one character".to_owned();
        return Err(DataFusionError::Execution(told));
    }
    let mut made = String::with_capacity(pattern.len());
    let mut marked = false;
    for letter in pattern.chars() {
        if !marked && Some(letter) == escape {
            marked = true;
            continue;
        }
        if marked || letter == '\\' {
            made.push('\\');
        }
        made.push(letter);
        marked = false;
    }
    match marked {
        true => {
            let told = "a LIKE pattern must not end with its escape character".to_owned();
            Err(DataFusionError::Execution(told))
        }
        false => Ok(made),
    }
}

/// Types that there are, by all their names.
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

/// What a function answers for its arguments as texts.
type Value = Arc<dyn Fn(&[Option<String>]) -> Result<ScalarValue> + Send + Sync>;

struct Function {
    name: &'static str,
    arguments: TypeSignature,
    returns: DataType,
    volatility: Volatility,
    value: Value,
}

impl From<Function> for ScalarUDF {
    fn from(function: Function) -> Self {
        let signature = Signature::new(function.arguments.clone(), function.volatility);
        Self::new_from_impl(Told { function, signature })
    }
}

/// A function as DataFusion sees it.
struct Told {
    function: Function,
    signature: Signature,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").field("name", &self.function.name).finish_non_exhaustive()
    }
}

// A name says everything about a function.
impl PartialEq for Told {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Told {}

impl Hash for Told {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Told {
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
        let word = |value: &ScalarValue| (!value.is_null()).then(|| value.to_string());
        let all_one = arguments.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        if all_one || self.is_constant() {
            let words = arguments.args.iter().map(|value| match value {
                ColumnarValue::Scalar(value) => word(value),
                ColumnarValue::Array(_) => None,
            });
            let value = (self.function.value)(&words.collect::<Vec<_>>())?;
            return Ok(ColumnarValue::Scalar(value));
        }
        let columns = ColumnarValue::values_to_arrays(&arguments.args)?;
        let rows = (0..arguments.number_rows).map(|row| {
            let words =
                columns.iter().map(|column| Ok(word(&ScalarValue::try_from_array(column, row)?)));
            (self.function.value)(&words.collect::<Result<Vec<_>>>()?)
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(rows)?))
    }
}

impl Told {
    /// Whether the arguments do not matter.
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
    async fn tools_get_their_answers() {
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
            ("SELECT pg_size_pretty(pg_table_size(1))", ""),
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
