//! Exact sets as values: build them, put them together, ask them.
//!
//! | functions | do | in |
//! |---|---|---|
//! | `bitmap_agg` | make a set of the users of rows | [`agg`] |
//! | `bitmap_union`, `bitmap_intersect`, `bitmap_union_count` | make one set of the sets of rows | [`merge`] |
//! | `intersect_count` | count who is in the sets of several values of a column | [`intersect`] |
//! | `bitmap_and` ..., `bitmap_and_count` ..., `bitmap_has_any` ... | two sets of a row | [`algebra`] |
//! | `bitmap_count`, `bitmap_contains`, `bitmap_to_array`, `bitmap_from_array` | one set of a row | [`read`], [`arrays`] |
//! | `bitmap_of_store` | make a set of what a store holds | [`stored`] |
//!
//! The value and its bytes are [`Bitmap`]. What comes out is `LargeBinary`: the sets of many groups
//! leave an aggregate in one array, which offsets of 32 bits would end at 2 GiB.

mod agg;
mod algebra;
mod arrays;
mod column;
mod intersect;
mod merge;
mod read;
mod stored;

#[cfg(test)]
mod tests;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub(super) fn aggregates() -> Vec<AggregateUDF> {
    let [union, intersection, union_count] = merge::functions();
    vec![agg::function(), union, intersection, union_count, intersect::function()]
}

pub(super) fn scalars() -> Vec<ScalarUDF> {
    let mut functions = vec![
        read::count(),
        read::contains(),
        arrays::to_array(),
        arrays::from_array(),
        stored::function(),
    ];
    functions.extend(algebra::functions());
    functions
}
