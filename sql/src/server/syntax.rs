//! Limits of the syntax of a statement: how large its tree may be, how deep it may nest, and how
//! many tables it may name.
//!
//! The parser bounds what is in parentheses, and recursion in parser and planner grows the stack as
//! needed. Three things remain:
//!
//! * A syntax tree takes up to a thousand times the memory of its text.
//! * A chain such as `a + b + c` is as deep as it is long. Planning it takes time and memory by the
//!   square of its length, and freeing it recurses on the thread's own stack.
//! * Words such as CASE, CAST and POSITION can begin an expression of their own or be a name. Where
//!   the text is wrong, the parser tries both at every level: at 40 levels for years, without a
//!   point at which it could be cancelled.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, SetExpr, Statement, TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use engine::{Error, Result};

/// Most bytes of a statement's text: the syntax tree of a longer one could be too deep to be freed.
const MAX_TEXT: usize = 1 << 20;
/// Most levels of a syntax tree. Planning that many takes a second or two.
const MAX_DEPTH: usize = 1_500;
/// Levels that a call around a chain counts for.
const CALL: usize = 8;
/// Most tables, subqueries and set operations. Planning takes time by the cube of their number.
const MAX_RELATIONS: usize = 200;
/// Most levels of words that the parser tries twice: an error below them takes it a second.
const MAX_RETRIED: usize = 10;

/// Refuses a text that cannot be parsed within the memory of a statement and in reasonable time.
///
/// # Errors
/// With the limit that it exceeds.
pub(super) fn check_text(sql: &str, memory: usize) -> Result<()> {
    if sql.len() > MAX_TEXT {
        return Err(Error::limit(format!("the text is longer than {MAX_TEXT} bytes")));
    }
    // The parser reports better what cannot be cut into tokens.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Ok(()) };
    let bytes = tree_bytes(&tokens);
    if bytes > memory {
        let limit = format!(
            "parsing and planning the text needs about {bytes} bytes, and a statement may use \
             {memory}"
        );
        let help = "send fewer statements, subqueries or values at a time, or raise \
                    `--statement-memory`";
        return Err(Error::limit(limit).with("help", help));
    }
    let levels = retried_levels(&tokens);
    if levels > MAX_RETRIED {
        let limit = format!(
            "CASE, CAST and similar expressions are nested {levels} levels deep, more than the \
             limit of {MAX_RETRIED}"
        );
        return Err(Error::limit(limit).with("help", "use WITH for the parts"));
    }
    Ok(())
}

/// Refuses a statement that cannot be planned in reasonable time.
///
/// # Errors
/// With the limit that it exceeds.
pub(super) fn check(statement: &Statement) -> Result<()> {
    let mut size = Size::default();
    match statement.visit(&mut size) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(limit) => {
            let help = "use IN (...) or VALUES for long lists, or split the query";
            Err(Error::limit(limit).with("help", help))
        }
    }
}

/// As [`check`], for a statement as DataFusion parses it.
///
/// # Errors
/// With the limit that it exceeds.
pub(super) fn check_parsed(statement: &Parsed) -> Result<()> {
    match statement {
        Parsed::Statement(statement) => check(statement),
        Parsed::Explain(explain) => check_parsed(&explain.statement),
        // Refused because they write, or flat.
        Parsed::CreateExternalTable(_) | Parsed::CopyTo(_) | Parsed::Reset(_) => Ok(()),
    }
}

/// The depth and the relations of a syntax tree.
#[derive(Debug, Default)]
struct Size {
    depth: usize,
    relations: usize,
    /// What `relations` was where the queries around this place begin.
    begun: Vec<usize>,
    /// The relations of each query so far, by its address.
    queries: HashMap<usize, usize>,
    /// The queries that WITH gives names to. Planning repeats them for each use.
    named: HashMap<String, usize>,
}

impl Size {
    fn add_relations(&mut self, count: usize) -> ControlFlow<String> {
        self.relations += count;
        if self.relations > MAX_RELATIONS {
            return ControlFlow::Break(format!(
                "the statement has more than {MAX_RELATIONS} tables, subqueries and set operations"
            ));
        }
        ControlFlow::Continue(())
    }
}

impl Visitor for Size {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        let (mut count, mut operands) = (0, vec![&*query.body]);
        while let Some(operand) = operands.pop() {
            if let SetExpr::SetOperation { left, right, .. } = operand {
                operands.extend([&**left, &**right]);
                count += 1;
            }
        }
        for named in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.named.insert(named.alias.name.value.to_lowercase(), address(&named.query));
        }
        self.begun.push(self.relations);
        self.add_relations(count)
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        let begun = self.begun.pop().unwrap_or_default();
        self.queries.insert(address(query), self.relations - begun);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
        let name = match factor {
            TableFactor::Table { name, .. } => name.to_string().replace('"', "").to_lowercase(),
            _ => String::new(),
        };
        let query = self.named.get(&name).and_then(|query| self.queries.get(query));
        self.add_relations(1 + query.copied().unwrap_or_default())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        self.depth += levels(expr);
        if self.depth > MAX_DEPTH {
            return ControlFlow::Break(format!(
                "an expression is nested more than {MAX_DEPTH} levels deep; a chain such as \
                 `a + b + c` has a level for each operator"
            ));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        self.depth -= levels(expr);
        ControlFlow::Continue(())
    }
}

fn address(query: &Query) -> usize {
    std::ptr::from_ref(query) as usize
}

/// The levels that an expression adds to its plan.
fn levels(expr: &Expr) -> usize {
    match expr {
        // They can become nested calls, and planning takes time by the cube of those.
        Expr::CompoundFieldAccess { access_chain, .. } => CALL * access_chain.len(),
        Expr::BinaryOp { op: BinaryOperator::StringConcat, .. } => CALL,
        _ => 1,
    }
}

/// The bytes of the syntax tree and of its first plans, from measurements.
fn tree_bytes(tokens: &[Token]) -> usize {
    let of_token = |token: &Token| match token {
        Token::Whitespace(_) => 0,
        Token::Word(word) if word.keyword == Keyword::SELECT => 16 << 10,
        Token::SemiColon => 8 << 10,
        _ => 512,
    };
    tokens.iter().map(of_token).sum()
}

/// How deep words that are tried twice are nested.
fn retried_levels(tokens: &[Token]) -> usize {
    // What is open, and whether it is tried twice.
    let mut open: Vec<bool> = Vec::new();
    let (mut now, mut most, mut after_such_a_word) = (0_usize, 0, false);
    for token in tokens {
        let opened = match token {
            Token::Whitespace(_) => continue,
            Token::Word(word) if word.keyword == Keyword::CASE => Some(true),
            Token::LParen | Token::LBracket | Token::LBrace => Some(after_such_a_word),
            _ => None,
        };
        let closes = match token {
            Token::RParen | Token::RBracket | Token::RBrace => true,
            Token::Word(word) => word.keyword == Keyword::END,
            _ => false,
        };
        if let Some(twice) = opened {
            open.push(twice);
            now += usize::from(twice);
            most = most.max(now);
        }
        if closes && open.pop() == Some(true) {
            now -= 1;
        }
        after_such_a_word = is_tried_twice(token);
    }
    most
}

fn is_tried_twice(token: &Token) -> bool {
    let Token::Word(word) = token else { return false };
    matches!(
        word.keyword,
        Keyword::ARRAY
            | Keyword::CAST
            | Keyword::CEIL
            | Keyword::CONVERT
            | Keyword::EXISTS
            | Keyword::EXTRACT
            | Keyword::FLOOR
            | Keyword::MAP
            | Keyword::OVERLAY
            | Keyword::POSITION
            | Keyword::SAFE_CAST
            | Keyword::STRUCT
            | Keyword::SUBSTR
            | Keyword::SUBSTRING
            | Keyword::TRIM
            | Keyword::TRY_CAST
            | Keyword::TRY_CONVERT
    )
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::{CALL, MAX_DEPTH, MAX_RELATIONS, MAX_RETRIED, MAX_TEXT, check, check_text};
    use crate::server::threads::threads;

    const MEMORY: usize = 1 << 30;

    fn checked(sql: &str) -> Result<(), String> {
        let parsed = Parser::parse_sql(&PostgreSqlDialect {}, sql);
        parsed.map_err(|error| error.to_string())?.iter().try_for_each(|statement| {
            check_text(sql, MEMORY)
                .and_then(|()| check(statement))
                .map_err(|error| error.to_string())
        })
    }

    #[test]
    fn chains_and_relations_are_limited_and_lists_are_not() {
        for (most, limit, links) in [
            (MAX_DEPTH, "levels deep", &[" + 1", " OR x", "::int", " AND NOT x"][..]),
            (MAX_DEPTH / CALL, "levels deep", &[" || 'a'", "[1]"]),
            (
                MAX_RELATIONS,
                "set operations",
                &[" UNION SELECT 1", ", (SELECT 1) t", " EXCEPT (SELECT 1)"],
            ),
        ] {
            for link in links {
                let from = if link.starts_with(',') { "SELECT 1 FROM t" } else { "SELECT x" };
                let error = checked(&format!("{from}{}", link.repeat(most + 1))).unwrap_err();
                assert!(error.contains(limit), "{link}: {error}");
                checked(&format!("{from}{}", link.repeat(most / 3))).unwrap();
            }
        }
        let doubled = |times: usize| {
            let double = |n| format!(", a{n} AS (SELECT 1 FROM a{0} x, a{0} y)", n - 1);
            let doubled: String = (1..=times).map(double).collect();
            format!("WITH a0 AS (SELECT 1){doubled} SELECT count(*) FROM a{times}")
        };
        checked(&doubled(5)).unwrap();
        assert!(checked(&doubled(30)).unwrap_err().contains("set operations"));
        for list in [", 1", ", 'a'", ", t.a", ", (1, 2)", " -- +\n", ", a + b"] {
            checked(&format!("SELECT 1{}", list.repeat(9_999))).unwrap();
        }
    }

    #[test]
    fn words_that_are_tried_twice_are_limited_and_calls_are_not() {
        for word in ["CASE WHEN true THEN ", "position(", "CAST (", "ARRAY[", "substring(a("] {
            let error = check_text(&format!("SELECT {}", word.repeat(MAX_RETRIED + 1)), MEMORY);
            assert!(error.unwrap_err().to_string().contains("limit of 10"), "{word}");
            check_text(&format!("SELECT {}", word.repeat(MAX_RETRIED)), MEMORY).unwrap();
        }
        for flat in ["CASE WHEN a THEN 1 END + ", "CAST(a AS INT) + ", "ARRAY[1] || ", "a(", "("] {
            check_text(&format!("SELECT {}", flat.repeat(40)), MEMORY).unwrap();
        }
        check_text("SELECT 'no end", MEMORY).unwrap();
    }

    #[test]
    fn syntax_trees_are_limited_by_their_memory() {
        for text in ["SELECT 1 UNION ", "BEGIN;", "SELECT 1;", "((", "1,"] {
            let text = |times: usize| text.repeat(times);
            let many = 1_000_000 / text(1).len();
            let error = check_text(&text(many), 64 << 20).unwrap_err().to_string();
            assert!(error.contains("a statement may use 67108864"), "{error}");
            check_text(&text(1_000), 64 << 20).unwrap();
        }
    }

    #[test]
    fn the_longest_texts_fit_into_the_stack() {
        let threads = threads("test", 1).unwrap();
        for (begin, link) in [
            ("SELECT 1", "+1"),
            ("SELECT 1", " OR 1"),
            ("SELECT a", "[1]"),
            ("SELECT 1", "::int"),
            ("SELECT 1", " UNION SELECT 1"),
        ] {
            let sql = format!("{begin}{}", link.repeat((MAX_TEXT - begin.len()) / link.len()));
            let refused = threads.block_on(threads.spawn(async move { checked(&sql) })).unwrap();
            assert!(refused.is_err(), "{link}");
        }
    }
}
