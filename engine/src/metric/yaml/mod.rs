//! YAML with positions: a small tree in which every node has its line and every scalar keeps
//! the text it was written with (`8.10` stays `8.10`).
//!
//! [`load`] makes the tree, [`View`] reads it with typed getters that report what does not fit.
//! Several documents in a file, anchors, aliases and merge keys (`<<`) work; a key that stands
//! twice in a mapping is reported with both lines, and the first one counts.

mod node;
mod parse;
mod view;

pub use node::{Entry, Node, Value};
pub use parse::{load, parse};
pub use view::View;

#[cfg(test)]
mod tests;
