//! Scalar functions that are made of plain functions.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};
use datafusion::scalar::ScalarValue;

use crate::server::postgres::values::types::TEXT_TYPE;

/// Functions that return texts of another type than `text`.
const TEXT_TYPES: [(&str, &str); 10] = [
    ("json", "json"),
    ("json_build_array", "json"),
    ("json_build_object", "json"),
    ("json_extract_path", "json"),
    ("json_get", "json"),
    ("json_of_list", "json"),
    ("json_path", "json"),
    ("name", "name"),
    ("to_json", "json"),
    ("varchar", "varchar"),
];

/// A scalar function.
pub(super) struct Function<C = fn(&Call<'_>) -> Result<ArrayRef>> {
    pub(super) name: &'static str,
    /// How many arguments it takes.
    pub(super) arguments: RangeInclusive<usize>,
    /// Its type, by those of the arguments.
    pub(super) returns: fn(&Types<'_>) -> Result<DataType>,
    /// Computes a value for each row.
    pub(super) compute: C,
}

impl Function {
    /// A call of the function.
    pub(super) fn call(self, arguments: Vec<Expr>) -> Expr {
        ScalarUDF::from(self).call(arguments)
    }
}

impl<C> Function<C>
where
    C: Fn(&Call<'_>) -> Result<ArrayRef> + Send + Sync + 'static,
{
    /// The function for DataFusion.
    pub(super) fn udf(self, volatility: Volatility) -> ScalarUDF {
        let counts = self.arguments.clone().map(|count| match count {
            0 => TypeSignature::Nullary,
            count => TypeSignature::Any(count),
        });
        let signature = Signature::one_of(counts.collect(), volatility);
        ScalarUDF::new_from_impl(PgFunction { function: self, signature })
    }
}

impl From<Function> for ScalarUDF {
    fn from(function: Function) -> Self {
        function.udf(Volatility::Immutable)
    }
}

/// The types of a call's arguments.
pub(super) struct Types<'a> {
    function: &'static str,
    arguments: &'a ReturnFieldArgs<'a>,
}

impl Types<'_> {
    /// The name of the function.
    pub(super) fn function(&self) -> &str {
        self.function
    }

    /// The type of an argument; NULL if it is left out.
    pub(super) fn of(&self, at: usize) -> &DataType {
        self.arguments.arg_fields.get(at).map_or(&DataType::Null, |field| field.data_type())
    }

    /// A constant text argument.
    pub(super) fn text(&self, at: usize) -> Option<&str> {
        self.arguments.scalar_arguments.get(at).copied().flatten()?.try_as_str().flatten()
    }

    /// A constant integer argument.
    pub(super) fn integer(&self, at: usize) -> Option<i64> {
        let value = self.arguments.scalar_arguments.get(at).copied().flatten()?;
        match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(value)) => value,
            _ => None,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.arguments.arg_fields.len()
    }
}

/// The arguments of a call.
pub(super) struct Call<'a> {
    pub(super) arguments: &'a ScalarFunctionArgs,
    rows: usize,
}

impl Call<'_> {
    /// The number of values to compute.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn count(&self) -> usize {
        self.arguments.args.len()
    }

    /// An argument's values, one for each row.
    pub(super) fn column(&self, at: usize) -> Result<ArrayRef> {
        match self.arguments.args.get(at) {
            Some(value) => value.to_array_of_size(self.rows),
            None => exec_err!("{} needs more arguments", self.arguments.return_field.name()),
        }
    }

    /// An argument's values in another type.
    pub(super) fn cast(&self, at: usize, to: &DataType) -> Result<ArrayRef> {
        cast_checked(&self.column(at)?, to)
    }

    /// An argument's values as texts.
    pub(super) fn texts(&self, at: usize) -> Result<StringArray> {
        Ok(self.cast(at, &DataType::Utf8)?.as_string::<i32>().clone())
    }

    /// A constant text; `None` if it is not constant or NULL.
    pub(super) fn constant(&self, at: usize) -> Option<&str> {
        match self.arguments.args.get(at)? {
            ColumnarValue::Scalar(value) => value.try_as_str().flatten(),
            ColumnarValue::Array(_) => None,
        }
    }

    /// The type of the result.
    pub(super) fn returns(&self) -> &DataType {
        self.arguments.return_field.data_type()
    }

    /// The name of the session's time zone.
    pub(super) fn zone(&self) -> &str {
        self.arguments.config_options.execution.time_zone.as_deref().unwrap_or("UTC")
    }
}

/// Casts, with an error for values that the type does not have.
pub(super) fn cast_checked(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(arrow::compute::cast_with_options(values, to, &options)?)
}

/// Values computed row by row; a NULL among the inputs makes a NULL.
pub(super) fn map_rows<T>(
    rows: usize,
    inputs: &[&dyn Array],
    mut of_row: impl FnMut(usize) -> Result<T>,
) -> Result<Vec<Option<T>>> {
    let mut values = Vec::with_capacity(rows);
    for row in 0..rows {
        let is_null = inputs.iter().any(|input| input.is_null(row));
        values.push(if is_null { None } else { Some(of_row(row)?) });
    }
    Ok(values)
}

struct PgFunction<C> {
    function: Function<C>,
    signature: Signature,
}

impl<C> fmt::Debug for PgFunction<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgFunction").field("name", &self.function.name).finish_non_exhaustive()
    }
}

// Functions are identified by their names.
impl<C> PartialEq for PgFunction<C> {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl<C> Eq for PgFunction<C> {}

impl<C> Hash for PgFunction<C> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl<C> ScalarUDFImpl for PgFunction<C>
where
    C: Fn(&Call<'_>) -> Result<ArrayRef> + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!("the type of {} depends on its arguments", self.function.name)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let returns = (self.function.returns)(&Types {
            function: self.function.name,
            arguments: &arguments,
        })?;
        let field = Field::new(self.function.name, returns, true);
        let text_type = TEXT_TYPES.iter().find(|(name, _)| *name == self.function.name);
        let metadata = text_type.map(|(_, kind)| (TEXT_TYPE.to_owned(), (*kind).to_owned()));
        Ok(Arc::new(field.with_metadata(metadata.into_iter().collect())))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_one = arguments.args.iter().all(|one| matches!(one, ColumnarValue::Scalar(_)));
        let rows = if is_one { 1 } else { arguments.number_rows };
        let values = (self.function.compute)(&Call { arguments: &arguments, rows })?;
        if values.data_type() != arguments.return_field.data_type() {
            return Err(DataFusionError::Internal(format!(
                "{} returned {}",
                self.function.name,
                values.data_type()
            )));
        }
        Ok(match is_one {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?),
            false => ColumnarValue::Array(values),
        })
    }
}
