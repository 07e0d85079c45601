//! The parts of DataFusion's function traits that are the same for every function.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, ColumnarValue, Documentation, GroupsAccumulator,
    ReturnFieldArgs, ReversedUDAF, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::single_group::{EvaluateGroup, SingleGroup};
use super::state;
use crate::datafusion_error::external;
use crate::{Error, Result as EngineResult};

/// An aggregate function with groups of type `G`.
pub(super) struct Aggregate<G> {
    pub(super) name: &'static str,
    pub(super) aliases: Vec<String>,
    pub(super) signature: Signature,
    pub(super) documentation: &'static LazyLock<Documentation>,
    /// The type of the answer, or an error for arguments that it cannot have.
    pub(super) answers: fn(&[DataType]) -> Result<DataType>,
    /// The types that the arguments are cast to, where the signature leaves them to the function.
    pub(super) coerce: fn(&[DataType]) -> Result<Vec<DataType>>,
    /// What is there without a group and without a row.
    pub(super) nothing: fn(&AccumulatorArgs<'_>) -> Result<G>,
    /// The answer of that.
    pub(super) default: fn(&DataType) -> Result<ScalarValue>,
    /// Whether an answer can be NULL.
    pub(super) nullable: bool,
}

impl<G> fmt::Debug for Aggregate<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregate").field("name", &self.name).finish_non_exhaustive()
    }
}

// A name says everything about a function.
impl<G> PartialEq for Aggregate<G> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<G> Eq for Aggregate<G> {}

impl<G> Hash for Aggregate<G> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl<G: EvaluateGroup + fmt::Debug + Sync + 'static> AggregateUDFImpl for Aggregate<G> {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        (self.answers)(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        (self.coerce)(arguments)
    }

    fn is_nullable(&self) -> bool {
        self.nullable
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        (self.default)(data_type)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(state::fields(&args))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let mut groups = (self.nothing)(&args)?;
        groups.grow(1);
        Ok(Box::new(SingleGroup::new(groups)))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new((self.nothing)(&args)?))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(self.documentation)
    }
}

/// A function of the values of a row. It is NULL where an argument is.
pub(super) struct Scalar {
    pub(super) name: &'static str,
    pub(super) aliases: Vec<String>,
    pub(super) signature: Signature,
    pub(super) documentation: &'static LazyLock<Documentation>,
    /// The type of the answer, or an error for arguments that it cannot have.
    pub(super) answers: fn(&ReturnFieldArgs<'_>) -> Result<DataType>,
    /// The answers of as many rows as the columns have.
    pub(super) answer: fn(&[ArrayRef]) -> EngineResult<ArrayRef>,
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scalar").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Scalar {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let fields = arguments.iter().map(|argument| Field::new("", argument.clone(), true));
        let fields: Vec<FieldRef> = fields.map(Arc::new).collect();
        let scalars = vec![None; fields.len()];
        (self.answers)(&ReturnFieldArgs { arg_fields: &fields, scalar_arguments: &scalars })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name, (self.answers)(&args)?, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let answers =
            (self.answer)(&columns).map_err(|error| external(error.with("function", self.name)))?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answers, 0)?));
        }
        Ok(ColumnarValue::Array(answers))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(self.documentation)
    }
}

/// A signature of these numbers of arguments, of types that the function looks at itself.
pub(super) fn arguments(counts: &[usize]) -> Signature {
    use datafusion::logical_expr::TypeSignature;
    let each = counts.iter().map(|count| TypeSignature::Any(*count)).collect();
    Signature::one_of(each, Volatility::Immutable)
}

/// The error of a call with other columns than were planned.
pub(super) fn other_columns() -> Error {
    Error::internal("the arguments of a function differ from those it was planned with")
}

/// Other names.
pub(super) fn names(aliases: &[&str]) -> Vec<String> {
    aliases.iter().map(|alias| (*alias).to_owned()).collect()
}

/// Arguments as they are.
pub(super) fn unchanged_types(arguments: &[DataType]) -> Result<Vec<DataType>> {
    Ok(arguments.to_vec())
}
