//! What datafusion-postgres rewrites in a statement, but for one rule: that one puts NULL, or one
//! row of several, in the place of a query that stands for a value.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::datafusion_pg_catalog::sql::rules::{
    AliasDuplicatedProjectionRewrite, CurrentUserVariableToSessionUserFunctionCall,
    FixArrayLiteral, FixVersionColumnName, PrependUnqualifiedPgTableName,
    ResolveUnqualifiedIdentifier, RewriteArrayAnyAllOperation, RewritePgCatalogOperator,
    RewriteRegCastToSubquery, SqlStatementRewriteRule, StripCallableQualifier, StripCollate,
};

/// The rules, in their order.
pub(super) struct Rules(Vec<Arc<dyn SqlStatementRewriteRule>>);

impl Rules {
    pub(super) fn new() -> Self {
        Self(vec![
            Arc::new(AliasDuplicatedProjectionRewrite),
            Arc::new(ResolveUnqualifiedIdentifier),
            Arc::new(RewriteArrayAnyAllOperation),
            Arc::new(PrependUnqualifiedPgTableName),
            Arc::new(StripCallableQualifier),
            Arc::new(FixArrayLiteral),
            Arc::new(CurrentUserVariableToSessionUserFunctionCall),
            Arc::new(StripCollate),
            Arc::new(RewritePgCatalogOperator),
            Arc::new(RewriteRegCastToSubquery::new()),
            Arc::new(FixVersionColumnName),
        ])
    }

    pub(super) fn apply(&self, statement: Statement) -> Statement {
        self.0.iter().fold(statement, |statement, rule| rule.rewrite(statement))
    }
}
