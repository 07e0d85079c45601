//! Each rule as a table of cases.
