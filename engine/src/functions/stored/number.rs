//! `store_number(user)`: the id of an event's user in the store.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::column::{UserColumn, stored_users_type};
use crate::Result as EngineResult;
use crate::datafusion_error::external;
use crate::scan::UserKeys;
use crate::store::{Store, StoredIds, UserId};

const NAME: &str = "store_number";

/// The scalar function over one version of a store. A user who is not in the store gets an id
/// for as long as the function lives.
pub fn store_number(store: Arc<Store>) -> ScalarUDF {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::from(StoreNumber {
        signature,
        store,
        loading: Mutex::default(),
        ids: OnceLock::new(),
    })
}

struct StoreNumber {
    signature: Signature,
    store: Arc<Store>,
    loading: Mutex<()>,
    /// The ids of the store, read when the first key needs one.
    ids: OnceLock<StoredIds>,
}

impl StoreNumber {
    fn ids(&self) -> EngineResult<&StoredIds> {
        let _one = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ids) = self.ids.get() {
            return Ok(ids);
        }
        let ids = self.store.stored_ids()?;
        Ok(self.ids.get_or_init(|| ids))
    }

    fn numbers(&self, users: &ArrayRef) -> EngineResult<ArrayRef> {
        let nulls = users.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let wanted = |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let mut found = vec![UserId::default(); users.len()];
        let mut is_complete = true;
        UserKeys::of(users)?.for_each(wanted, |row, key| {
            match UserId::of_key(0, key) {
                Some(id) => found[row] = id,
                None => is_complete = false,
            }
            Ok(())
        })?;
        if !is_complete {
            self.ids()?.find(users, nulls.as_ref(), &mut found)?;
        }
        let numbers = found.iter().map(|id| id.number).collect();
        let assigned: BooleanBuffer = found.iter().map(|id| id.assigned).collect();
        let assigned = BooleanArray::new(assigned, None);
        UserColumn::of_numbers(assigned, numbers, nulls)
    }
}

impl ScalarUDFImpl for StoreNumber {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [user] if UserKeys::form(user).is_some() => Ok(stored_users_type()),
            _ => plan_err!("{NAME} takes a user key"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(users) = columns.first() else { return plan_err!("{NAME} takes one argument") };
        self.numbers(users).map(ColumnarValue::Array).map_err(external)
    }
}

impl fmt::Debug for StoreNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.store.version();
        f.debug_struct("StoreNumber").field("version", &version).finish_non_exhaustive()
    }
}

impl PartialEq for StoreNumber {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.store, &other.store)
    }
}

impl Eq for StoreNumber {}

impl Hash for StoreNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.store).hash(state);
    }
}
