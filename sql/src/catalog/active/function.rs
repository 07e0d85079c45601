//! `active_users(...)`: any window, level, method and dimension.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::util::display::array_value_to_string;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::DFSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{DocSection, Documentation, Expr};
use engine::Error;
use engine::active::Question;

use super::context::ReportContext;
use super::table::ReportTable;
use crate::failure::external;
use crate::question::{PARAMETERS, set};

/// The name of the function.
pub(crate) const NAME: &str = "active_users";

/// The function's documentation.
pub(in crate::catalog) static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    let mut documentation = Documentation::builder(
        DocSection { include: true, label: "Counting users", description: None },
        "The rows of `headcount report` as a table: active users of every period, for any window, \
         level, method and dimension. Arguments are passed in this order, or by name in any \
         order. A filter on `period_start` reduces the events that are read.",
        "active_users(window, level, method, by, approx, from, to, as_of, tree, top)",
    )
    .with_alternative_syntax("active_users(name => value, ...)")
    .with_sql_example(
        "SELECT period_end, stage, users FROM active_users('trailing_28d', level => 'stage')\n\
         WHERE period_start >= DATE '2026-01-01';",
    );
    for (name, meaning) in PARAMETERS {
        documentation = documentation.with_argument(name, meaning);
    }
    documentation.build()
});

/// The table function.
#[derive(Debug)]
pub(in crate::catalog) struct ActiveUsers(pub(in crate::catalog) ReportContext);

impl TableFunctionImpl for ActiveUsers {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let question = question(args.exprs(), args.session())?;
        Ok(Arc::new(ReportTable::new(question, &self.0)))
    }
}

fn question(arguments: &[Expr], session: &dyn Session) -> Result<Question> {
    let mut question = Question::default();
    if arguments.len() > PARAMETERS.len() {
        let most = PARAMETERS.len();
        return Err(external(Error::input(format!("{NAME} takes at most {most} arguments"))));
    }
    for (argument, (name, _)) in arguments.iter().zip(PARAMETERS) {
        let words = words(argument, session)?;
        let Some(words) = words else { continue };
        set(&mut question, name, &words).map_err(|error| external(error.with("argument", name)))?;
    }
    Ok(question)
}

/// The value of a constant expression as texts: one, or those of a list; `None` for NULL.
fn words(argument: &Expr, session: &dyn Session) -> Result<Option<Vec<String>>> {
    let nothing = DFSchema::empty();
    let expression = session.create_physical_expr(argument.clone(), &nothing)?;
    let one_row = RecordBatch::try_new_with_options(
        Arc::new(nothing.as_arrow().clone()),
        Vec::new(),
        &RecordBatchOptions::new().with_row_count(Some(1)),
    )?;
    let value = expression.evaluate(&one_row)?.into_array(1)?;
    if *value.data_type() == DataType::Null || value.is_null(0) {
        return Ok(None);
    }
    let values: ArrayRef = match value.data_type() {
        DataType::List(_) => value.as_list::<i32>().value(0),
        DataType::Timestamp(..) => cast(&value, &DataType::Date32)?,
        _ => value,
    };
    let texts = (0..values.len()).map(|row| array_value_to_string(&values, row));
    Ok(Some(texts.collect::<Result<_, _>>().map_err(DataFusionError::from)?))
}
