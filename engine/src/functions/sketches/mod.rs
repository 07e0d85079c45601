//! Sketches of Apache DataSketches: the same bytes that Spark, Druid, Java, C++ and Python read and
//! write, so values are hashed as these do, and not as our own sketches hash them: integers as 64
//! bits, texts as their UTF-8, empty texts skipped. `42` and `'42'` are two values here.
//!
//! | functions | do | in |
//! |---|---|---|
//! | `hll_sketch_agg`, `hll_sketch_union_agg`, `hll_sketch_estimate`, `hll_sketch_bounds` | count | [`hll`] |
//! | `theta_sketch_agg`, `theta_sketch_union_agg`, `theta_sketch_estimate`, `theta_sketch_bounds` | count | [`theta`] |
//! | `theta_union`, `theta_intersection`, `theta_difference` | two sketches of a row | [`algebra`] |
//!
//! What is written depends only on the set of values, not on their order or on how a query was cut
//! into parts. What is read is checked first ([`check_hll`]): the crate trusts what it reads.

mod algebra;
mod arguments;
mod check_hll;
mod hll;
mod theta;
mod update;

#[cfg(test)]
mod tests;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub(super) fn aggregates() -> Vec<AggregateUDF> {
    vec![hll::agg(), hll::union(), theta::agg(), theta::union()]
}

pub(super) fn scalars() -> Vec<ScalarUDF> {
    let mut all = vec![hll::estimate(), hll::bounds(), theta::estimate(), theta::bounds()];
    all.extend(algebra::functions());
    all
}
