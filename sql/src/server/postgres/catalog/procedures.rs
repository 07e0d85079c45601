//! The table `pg_proc` with our functions. DataFusion's functions are not listed, as `\df` does not
//! list PostgreSQL's built-in ones.
//!
//! A function has a row for every number of arguments. The argument types are found by trying which
//! types it accepts.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::{MemTable, ViewTable};
use datafusion::error::Result;
use datafusion::logical_expr::{
    AggregateUDF, Documentation, ReturnFieldArgs, ScalarUDF, Signature, TypeSignature, col, lit,
};
use datafusion::scalar::ScalarValue;
use datafusion_postgres::arrow_pg::datatypes::into_pg_type;
use pgwire::api::Type;

use super::base::scan;
use crate::catalog::table_functions;
use crate::server::postgres::values::types::sql_name;

/// The name of the table.
pub(super) const TABLE: &str = "pg_proc";

/// The oid of the first function, below the oids of a session's tables.
const FIRST_OID: i32 = 15_000;

/// Table functions that PostgreSQL also has as built-ins.
const STANDARD: [&str; 2] = ["generate_series", "range"];

/// Any type at all, as PostgreSQL calls it.
const ANY: &str = "\"any\"";

/// A function with a fixed number of arguments.
#[derive(Debug)]
pub(super) struct Procedure {
    oid: i32,
    name: String,
    /// As in `prokind`: `a` for an aggregate, `f` for any other.
    kind: &'static str,
    returns_rows: bool,
    arity: usize,
    result: Type,
    pub(super) arguments: String,
    pub(super) description: String,
}

impl Procedure {
    /// What it returns, in SQL.
    pub(super) fn result(&self) -> String {
        match self.returns_rows {
            true => format!("SETOF {}", name_of(&self.result)),
            false => name_of(&self.result),
        }
    }
}

/// The function with that oid.
pub(super) fn procedure(oid: i32) -> Option<&'static Procedure> {
    PROCEDURES.get(usize::try_from(oid.checked_sub(FIRST_OID)?).ok()?)
}

static PROCEDURES: LazyLock<Vec<Procedure>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for function in engine::functions::aggregates() {
        let names = names(function.name(), function.aliases());
        let returns = |values: &[ScalarValue]| aggregate_type(&function, values);
        all.extend(rows(&names, "a", function.signature(), function.documentation(), returns));
    }
    for function in engine::functions::scalars() {
        let names = names(function.name(), function.aliases());
        let returns = |values: &[ScalarValue]| scalar_type(&function, values);
        all.extend(rows(&names, "f", function.signature(), function.documentation(), returns));
    }
    let own = table_functions().into_iter().filter(|(name, _)| !STANDARD.contains(&name.as_str()));
    all.extend(own.map(|(name, documentation)| {
        let arguments: Vec<&str> =
            documentation.arguments.iter().flatten().map(|(name, _)| name.as_str()).collect();
        Procedure {
            oid: 0,
            name,
            kind: "f",
            returns_rows: true,
            arity: arguments.len(),
            result: Type::RECORD,
            arguments: arguments
                .iter()
                .map(|name| declared(name, ANY))
                .collect::<Vec<_>>()
                .join(", "),
            description: documentation.description,
        }
    }));
    for (procedure, oid) in all.iter_mut().zip(FIRST_OID..) {
        procedure.oid = oid;
    }
    all
});

fn names<'a>(name: &'a str, aliases: &'a [String]) -> Vec<&'a str> {
    [name].into_iter().chain(aliases.iter().map(String::as_str)).collect()
}

/// A row for every name and every number of arguments.
fn rows(
    names: &[&str],
    kind: &'static str,
    signature: &Signature,
    documentation: Option<&Documentation>,
    returns: impl Fn(&[ScalarValue]) -> Result<DataType>,
) -> Vec<Procedure> {
    let (arities, variadic) = arities(&signature.type_signature);
    let described = documentation.map(|documentation| documentation.description.clone());
    let arguments = documentation.and_then(|documentation| documentation.arguments.as_ref());
    let mut procedures = Vec::new();
    for arity in arities {
        let Some((result, types)) = types(arity, &returns) else { continue };
        let named =
            |at: usize| arguments.and_then(|all| all.get(at)).map(|(name, _)| name.as_str());
        let parts = types.iter().enumerate().map(|(at, data_type)| {
            let mode = if variadic && at + 1 == arity { "VARIADIC " } else { "" };
            let declared =
                named(at).map_or_else(|| data_type.clone(), |name| declared(name, data_type));
            format!("{mode}{declared}")
        });
        let parts = parts.collect::<Vec<_>>().join(", ");
        procedures.extend(names.iter().map(|name| Procedure {
            oid: 0,
            name: (*name).to_owned(),
            kind,
            returns_rows: false,
            arity,
            result: result.clone(),
            arguments: parts.clone(),
            description: described.clone().unwrap_or_default(),
        }));
    }
    procedures
}

/// An argument with its name, quoted where PostgreSQL would.
fn declared(name: &str, data_type: &str) -> String {
    let reserved = ["from", "to", "user", "window"];
    match reserved.contains(&name) {
        true => format!("\"{name}\" {data_type}"),
        false => format!("{name} {data_type}"),
    }
}

/// The numbers of arguments of a function, and whether the last one is variadic. A user-defined
/// signature stands for a set, a dimension and its values.
fn arities(signature: &TypeSignature) -> (Vec<usize>, bool) {
    match signature {
        TypeSignature::Any(count) => (vec![*count], false),
        TypeSignature::OneOf(each) => {
            (each.iter().flat_map(|signature| arities(signature).0).collect(), false)
        }
        _ => (vec![3], true),
    }
}

/// The types of the result and of the arguments; a pseudo-type if an argument accepts several
/// types.
fn types(
    arity: usize,
    returns: impl Fn(&[ScalarValue]) -> Result<DataType>,
) -> Option<(Type, Vec<String>)> {
    let integers = DataType::new_list(DataType::Int64, true);
    let texts = DataType::new_list(DataType::Utf8, true);
    let list = |data_type: &DataType| ScalarValue::try_from(data_type).ok();
    let candidates = [
        // As sigma and precision, all of which take 5 or 2.
        ScalarValue::Int64(Some(2)),
        ScalarValue::from("text"),
        ScalarValue::LargeBinary(Some(Vec::new())),
        list(&integers)?,
        list(&texts)?,
    ];
    let mut result = None;
    let mut accepted = vec![BTreeSet::new(); arity];
    for call in 0..candidates.len().pow(u32::try_from(arity).ok()?) {
        let of = |at: usize| call / candidates.len().pow(at as u32) % candidates.len();
        let values: Vec<ScalarValue> = (0..arity).map(|at| candidates[of(at)].clone()).collect();
        let Ok(data_type) = returns(&values) else { continue };
        result.get_or_insert_with(|| type_of(&data_type));
        accepted.iter_mut().enumerate().for_each(|(at, accepted)| {
            accepted.insert(of(at));
        });
    }
    let name = |accepted: &BTreeSet<usize>| match accepted.first() {
        Some(one) if accepted.len() == 1 => name_of(&type_of(&candidates[*one].data_type())),
        Some(3..) => "anyarray".to_owned(),
        _ => ANY.to_owned(),
    };
    Some((result?, accepted.iter().map(name).collect()))
}

fn aggregate_type(function: &AggregateUDF, values: &[ScalarValue]) -> Result<DataType> {
    let types: Vec<DataType> = values.iter().map(ScalarValue::data_type).collect();
    if function.signature().type_signature == TypeSignature::UserDefined {
        function.coerce_types(&types)?;
    }
    function.return_type(&types)
}

fn scalar_type(function: &ScalarUDF, values: &[ScalarValue]) -> Result<DataType> {
    let fields: Vec<_> =
        values.iter().map(|value| Arc::new(Field::new("", value.data_type(), true))).collect();
    let scalars: Vec<_> = values.iter().map(Some).collect();
    let arguments = ReturnFieldArgs { arg_fields: &fields, scalar_arguments: &scalars };
    function.return_field_from_args(arguments).map(|field| field.data_type().clone())
}

/// PostgreSQL's type for values of functions; `"any"` if there is none.
fn type_of(data_type: &DataType) -> Type {
    match data_type {
        DataType::Struct(_) => Type::RECORD,
        other if other.is_integer() => Type::INT8,
        other => into_pg_type(other).unwrap_or(Type::ANY),
    }
}

fn name_of(kind: &Type) -> String {
    if *kind == Type::ANY { ANY.to_owned() } else { sql_name(kind) }
}

/// `pg_proc` with these columns. Our functions are found without their schema, as tables in
/// `public` are: its number is that of the session.
pub(super) fn table(
    schema: &SchemaRef,
    namespaces: Arc<dyn TableProvider>,
) -> Result<Arc<dyn TableProvider>> {
    const NAMESPACE: &str = "pronamespace";
    let own = schema.fields().iter().filter(|field| field.name() != NAMESPACE);
    let own = own.map(|field| Field::new(field.name(), field.data_type().clone(), true));
    let own = Arc::new(Schema::new(own.collect::<Vec<_>>()));
    let columns = own.fields().iter().map(|field| column(field)).collect::<Result<Vec<_>>>()?;
    let batch = RecordBatch::try_new(Arc::clone(&own), columns)?;
    let own = Arc::new(MemTable::try_new(own, vec![vec![batch]])?);
    let public = scan("pg_namespace", namespaces)?
        .filter(col("nspname").eq(lit("public")))?
        .project([col("oid").alias(NAMESPACE)])?
        .build()?;
    let plan = scan(TABLE, own)?
        .cross_join(public)?
        .project(schema.fields().iter().map(|field| col(field.name())))?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

fn column(field: &Field) -> Result<ArrayRef> {
    let value = |procedure: &Procedure| {
        Some(match field.name().as_str() {
            "oid" => ScalarValue::from(procedure.oid),
            "proname" => ScalarValue::from(procedure.name.as_str()),
            "prokind" => ScalarValue::from(procedure.kind),
            "proretset" => ScalarValue::from(procedure.returns_rows),
            "pronargs" => ScalarValue::from(procedure.arity as i32),
            "prorettype" => ScalarValue::from(procedure.result.oid() as i32),
            "prosrc" => ScalarValue::from(procedure.name.as_str()),
            // The role that owns everything else, too.
            "proowner" => ScalarValue::from(10),
            "provolatile" => ScalarValue::from("i"),
            "proparallel" => ScalarValue::from("s"),
            "prosecdef" | "proisstrict" | "proleakproof" => ScalarValue::from(false),
            _ => return None,
        })
    };
    let values: Option<Vec<ScalarValue>> = PROCEDURES.iter().map(value).collect();
    match values {
        None => Ok(new_null_array(field.data_type(), PROCEDURES.len())),
        Some(values) => {
            let cast = values.into_iter().map(|value| value.cast_to(field.data_type()));
            ScalarValue::iter_to_array(cast.collect::<Result<Vec<_>>>()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_OID, PROCEDURES, procedure};

    #[test]
    fn functions_have_the_types_that_they_take() {
        let check = |name: &str, expected: &[(&str, &str)]| {
            let of = PROCEDURES.iter().filter(|procedure| procedure.name == name);
            let found: Vec<_> = of.map(|one| (one.arguments.clone(), one.result())).collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(arguments, result)| ((*arguments).to_owned(), (*result).to_owned()))
                .collect();
            assert_eq!(found, expected, "{name}");
        };
        check("exact_distinct", &[("expression \"any\"", "bigint")]);
        check("bitmap_count", &[("b bytea", "bigint")]);
        check("bitmap_contains", &[("b bytea, \"user\" \"any\"", "boolean")]);
        check("rb_contains", &[("b bytea, \"user\" \"any\"", "boolean")]);
        check("bitmap_from_array", &[("list anyarray", "bytea")]);
        check("hll_bounds", &[("h bytea", "record"), ("h bytea, sigma bigint", "record")]);
        for name in
            engine::functions::aggregates().iter().map(|function| function.name().to_owned())
        {
            assert!(PROCEDURES.iter().any(|one| one.name == name && one.kind == "a"), "{name}");
        }
        for name in engine::functions::scalars().iter().map(|function| function.name().to_owned()) {
            assert!(PROCEDURES.iter().any(|one| one.name == name && one.kind == "f"), "{name}");
        }
        for (at, one) in PROCEDURES.iter().enumerate() {
            let found = procedure(FIRST_OID + at as i32).unwrap();
            assert_eq!((found.oid, &found.name), (one.oid, &one.name));
        }
        assert!(procedure(0).is_none() && procedure(i32::MIN).is_none());
    }
}
