//! The operations on two sets.

/// What two sets are made into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Who is in both.
    And,
    /// Who is in one or both.
    Or,
    /// Who is in exactly one.
    Xor,
    /// Who is in the first and not in the second.
    AndNot,
}
