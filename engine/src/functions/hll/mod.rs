//! Sketches as values: the ones behind `approx_count_distinct`.
//!
//! | function | does | in |
//! |---|---|---|
//! | `hll_agg(x [, precision])` | make a sketch of the users of rows | [`agg`] |
//! | `hll_union(h)` | make one sketch of the sketches of rows | [`union`] |
//! | `hll_count(h)`, `hll_bounds(h [, sigma])` | return the estimate || [`read`] |
//!
//! The value and its bytes are [`Sketch`](crate::users::Sketch). Sketches that other engines read
//! are in [`sketches`](super::sketches).

mod agg;
mod read;
mod union;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub(super) fn aggregates() -> Vec<AggregateUDF> {
    vec![agg::function(), union::function()]
}

pub(super) fn scalars() -> Vec<ScalarUDF> {
    vec![read::count(), read::bounds()]
}
