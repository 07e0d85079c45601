//! Where functions stand in the reference.

use datafusion::logical_expr::DocSection;

/// Counts of distinct values.
pub(super) const COUNTING: DocSection = section("Counting users");
/// Exact sets as values.
pub(super) const SETS: DocSection = section("Exact sets of users");
/// Sketches as values.
pub(super) const SKETCHES: DocSection = section("Sketches of users");
/// Sketches that other engines read.
pub(super) const EXCHANGE: DocSection = section("Sketches of Apache DataSketches");

const fn section(label: &'static str) -> DocSection {
    DocSection { include: true, label, description: None }
}
