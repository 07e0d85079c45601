//! `headcount publish`: what is published of a report, for dbt and other programs.
//!
//! `rows` puts the rows of several windows into one table; `dbt` describes the table for dbt, so that the
//! folder is a dbt package: a source, a model, and a semantic model whose numbers cannot be added.

mod dbt;
mod rows;

pub(crate) use dbt::Package;
pub(crate) use rows::{TABLE, TableRows};
