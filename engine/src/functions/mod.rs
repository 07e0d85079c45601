//! The functions that SQL gets from us: one operator, one file, one name.
//!
//! | function | answers | in |
//! |---|---|---|
//! | `exact_distinct(x)` | how many different values, exactly | [`exact_distinct`] |
//! | `approx_count_distinct(x [, precision])` | how many, by a sketch | [`approx_count_distinct`] |
//! | `bitmap_agg(x)` and others | exact sets as values | [`bitmap`] |
//! | `hll_agg(x)` and others | sketches as values | [`hll`] |
//! | `hll_sketch_agg(x)`, `theta_sketch_agg(x)` and others | sketches that other engines read | [`sketches`] |
//!
//! An operator is written once, for many groups at a time; `single_group.rs` makes the same code answer
//! queries without groups, and windows. Between the two halves of an aggregation a group travels
//! as one value of a `LargeBinary` column (`state.rs`): offsets of 32 bits would end at 2 GiB for
//! all groups together. A state that cannot be read is an error, never skipped.

mod approx;
mod bitmap;
mod bounds;
mod exact;
mod exact_state;
mod function;
mod group_sets;
mod group_state;
mod hll;
mod planning;
mod sections;
mod single_group;
mod sketches;
mod state;
mod stored;
mod values;

#[cfg(test)]
mod tests;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub use approx::approx_count_distinct;
pub(crate) use approx::{is_approx_count_distinct, precision};
pub use exact::exact_distinct;
pub(crate) use exact::is_exact_distinct;
pub use planning::Planning;
pub use stored::{rollup_distinct, store_number, stored_users, stored_users_type};

/// Every aggregate function, for a session to register: the one list of them.
pub fn aggregates() -> Vec<AggregateUDF> {
    let mut all = vec![exact_distinct(), approx_count_distinct()];
    all.extend(bitmap::aggregates());
    all.extend(hll::aggregates());
    all.extend(sketches::aggregates());
    all
}

/// Every scalar function, for a session to register.
pub fn scalars() -> Vec<ScalarUDF> {
    let mut all = bitmap::scalars();
    all.extend(hll::scalars());
    all.extend(sketches::scalars());
    all
}
