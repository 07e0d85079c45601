//! PostgreSQL's grammar for the parser.
//!
//! The parser's own tries each argument of a function twice, first as `name => value` whose name may be
//! any expression, so the time for nested calls doubled with each level. Here such a name is one word.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};

const PG: PostgreSqlDialect = PostgreSqlDialect {};

/// The grammar.
#[derive(Debug)]
pub(super) struct Grammar;

macro_rules! as_in_postgresql {
    ($($feature:ident)*) => {
        $(fn $feature(&self) -> bool {
            PG.$feature()
        })*
    };
}

impl Dialect for Grammar {
    fn dialect(&self) -> TypeId {
        PG.dialect()
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        PG.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, letter: char) -> bool {
        PG.is_delimited_identifier_start(letter)
    }

    fn is_identifier_start(&self, letter: char) -> bool {
        PG.is_identifier_start(letter)
    }

    fn is_identifier_part(&self, letter: char) -> bool {
        PG.is_identifier_part(letter)
    }

    fn is_custom_operator_part(&self, letter: char) -> bool {
        PG.is_custom_operator_part(letter)
    }

    fn is_reserved_for_identifier(&self, word: Keyword) -> bool {
        PG.is_reserved_for_identifier(word)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        PG.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        PG.prec_value(precedence)
    }

    as_in_postgresql! {
        allow_extract_custom
        allow_extract_single_quotes
        supports_alter_column_type_using
        supports_array_typedef_with_brackets
        supports_bitwise_shift_operators
        supports_comma_separated_trim
        supports_comment_on
        supports_comment_optimizer_hint
        supports_create_index_with_clause
        supports_create_table_like_parenthesized
        supports_empty_projections
        supports_explain_with_utility_options
        supports_factorial_operator
        supports_filter_during_aggregation
        supports_geometric_types
        supports_group_by_expr
        supports_insert_table_alias
        supports_interval_options
        supports_listen_notify
        supports_load_extension
        supports_named_fn_args_with_colon_operator
        supports_nested_comments
        supports_notnull_operator
        supports_numeric_literal_underscores
        supports_select_wildcard_with_alias
        supports_set_names
        supports_string_escape_constant
        supports_unicode_string_literal
        supports_xml_expressions
    }
}

/// Parses a query.
///
/// # Errors
/// When it is not one.
pub(in crate::server::postgres) fn query(sql: &str) -> Result<Box<Query>, ParserError> {
    Parser::new(&Grammar).try_with_sql(sql)?.parse_query()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::parser::{Parser, ParserError};

    use super::{Grammar, PG};

    fn texts(parsed: Result<Vec<Statement>, ParserError>) -> Result<Vec<String>, ParserError> {
        parsed.map(|statements| statements.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn statements_are_parsed_as_by_the_parsers_own_grammar() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/postgres");
        for file in fs::read_dir(folder).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            for sql in text.split(";\n") {
                let (own, other) = (Parser::parse_sql(&Grammar, sql), Parser::parse_sql(&PG, sql));
                match sql.contains("=>") {
                    // Names of arguments are words instead of expressions.
                    true => assert_eq!(texts(own), texts(other)),
                    false => assert_eq!(own, other, "{sql}"),
                }
            }
        }
    }

    #[test]
    fn deeply_nested_calls_are_parsed() {
        let sql = format!("SELECT {}1{}", "f(a, level => ".repeat(40), ")".repeat(40));
        assert_eq!(Parser::parse_sql(&Grammar, &sql).unwrap()[0].to_string(), sql);
    }
}
