//! A walk over the SQL in a statement.

use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::VisitorMut;

use crate::ast::visit_mut;

/// Visits the SQL in a statement.
pub(super) fn visit(statement: &mut Statement, visitor: &mut dyn VisitorMut<Break = ()>) {
    match statement {
        Statement::Statement(statement) => {
            let _ = visit_mut(statement, visitor);
        }
        Statement::Explain(explain) => visit(&mut explain.statement, visitor),
        Statement::CopyTo(copy) => {
            if let CopyToSource::Query(query) = &mut copy.source {
                let _ = visit_mut(query, visitor);
            }
        }
        _ => {}
    }
}
