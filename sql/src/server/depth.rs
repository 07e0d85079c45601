//! How deep a statement may be.
//!
//! The parser bounds what stands in parentheses. Chains (`a + b + c`, `a OR b OR c`, one UNION after
//! the other) it builds in a loop, each link around the one before, and whoever walks or frees such
//! a tree goes down by a call per link: a chain that is long enough ends the process. So chains are
//! counted before anything is built, and the threads for statements have stacks that the longest fits
//! into many times.
//!
//! Words such as CASE, CAST and POSITION can begin an expression of their own or be a name. The parser
//! tries both, and where the text is wrong it tries both at every level: two, for POSITION five times
//! the work for each, without an end at twenty levels. So these are bounded too.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use engine::{Error, Kind, Result};
use tokio::runtime::{Builder, Runtime};

/// Most links of chains in one statement.
const LINKS: usize = 1_500;
/// Most tables, joins and set operations in one statement: planning them takes time by the cube of
/// their number, and no single step of it can be stopped.
const RELATIONS: usize = 100;
/// Planning a chain takes time by the square of its links, for the same reason the squares of all
/// chains in a statement are no more than that of this one. AND and OR take no such time.
const CHAIN: usize = 400;
/// A link that may become a call around the chain before counts for so many: planning calls within
/// calls takes time by the cube of their number.
const NESTED: usize = 4;
/// Most levels of words that the parser tries twice: what is wrong below is told within a second.
const LEVELS: usize = 12;
/// Bytes of the stack of a thread for statements; only what is used is ever taken.
const STACK: usize = 64 << 20;

/// Refuses a text whose plan could be too deep, or take too long.
///
/// # Errors
/// With what there is too much of.
pub fn check(sql: &str) -> Result<()> {
    // What cannot be cut into tokens cannot be parsed, which the parser tells better.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Ok(()) };
    let Chains { links, relations, longest, squares } = Chains::of(&tokens);
    if links > LINKS {
        let limit = format!("the statement has {links} operators, more than the limit of {LINKS}");
        return Err(Error::limit(limit)
            .with("help", "use IN (...) or a table of values for long lists, or split the query"));
    }
    if squares > CHAIN * CHAIN {
        let limit = format!(
            "the chains of operators in the statement are too long in total (the longest has \
             {longest} operators; a single one may have {CHAIN})"
        );
        return Err(
            Error::limit(limit).with("help", "name parts of them in a WITH, or split the query")
        );
    }
    if relations > RELATIONS {
        let limit = format!(
            "the statement has {relations} tables, joins and set operations, more than the limit \
             of \
             {RELATIONS}"
        );
        return Err(Error::limit(limit).with("help", "use a table of values, or split the query"));
    }
    let levels = levels(&tokens);
    if levels > LEVELS {
        let limit = format!(
            "CASE, CAST and similar expressions are nested {levels} levels deep, more than the \
             limit of {LEVELS}"
        );
        return Err(Error::limit(limit).with("help", "use WITH for the parts"));
    }
    Ok(())
}

/// What takes time to plan.
#[derive(Debug, Default)]
struct Chains {
    links: usize,
    relations: usize,
    /// Links of the longest chain.
    longest: usize,
    /// Of the links of each chain.
    squares: usize,
}

/// What is open in the text: the whole, or parentheses.
#[derive(Debug, Default)]
struct Open {
    /// Links of the chain so far, with those in parentheses that are part of it.
    chain: usize,
    /// The longest chain before it.
    longest: usize,
    /// Whether commas part tables.
    from: bool,
}

impl Chains {
    fn of(tokens: &[Token]) -> Self {
        let mut chains = Self::default();
        let mut open = vec![Open::default()];
        for token in tokens {
            match token {
                Token::Whitespace(_) => {}
                Token::LParen | Token::LBracket => open.push(Open::default()),
                Token::RParen | Token::RBracket if open.len() > 1 => {
                    let mut closed = open.pop().unwrap_or_default();
                    chains.end(&mut closed);
                    if let Some(around) = open.last_mut() {
                        around.chain += closed.longest;
                    }
                }
                _ => {}
            }
            let Some(now) = open.last_mut() else { break };
            let keyword = match token {
                Token::Word(word) => word.keyword,
                _ => Keyword::NoKeyword,
            };
            let ends = *token == Token::Comma || ends_a_chain(keyword);
            if ends {
                chains.end(now);
            }
            let link = usize::from(is_link(token));
            chains.links += link;
            if !ends {
                now.chain += if may_be_a_call(token) { NESTED * link } else { link };
            }
            let is_table = is_relation(keyword) || (now.from && *token == Token::Comma);
            chains.relations += usize::from(is_table);
            now.from = keyword == Keyword::FROM || (now.from && !is_clause(keyword));
        }
        for mut left in open {
            chains.end(&mut left);
        }
        chains
    }

    fn end(&mut self, open: &mut Open) {
        let chain = std::mem::take(&mut open.chain);
        open.longest = open.longest.max(chain);
        self.longest = self.longest.max(chain);
        self.squares += chain * chain;
    }
}

/// Whether it stands for a function: of lists, of their elements.
fn may_be_a_call(token: &Token) -> bool {
    matches!(token, Token::StringConcat | Token::LBracket)
}

/// Whether what follows is no part of the chain before.
fn ends_a_chain(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::AND | Keyword::OR | Keyword::FROM | Keyword::ON)
        || is_clause(keyword)
}

/// Whether a list of tables is over.
fn is_clause(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::SELECT
            | Keyword::WHERE
            | Keyword::GROUP
            | Keyword::HAVING
            | Keyword::WINDOW
            | Keyword::ORDER
            | Keyword::LIMIT
            | Keyword::UNION
            | Keyword::EXCEPT
            | Keyword::INTERSECT
    )
}

/// How deep words that are tried twice stand in each other.
fn levels(tokens: &[Token]) -> usize {
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

fn is_relation(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::JOIN | Keyword::FROM
    )
}

fn is_link(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::XOR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::IN
                | Keyword::BETWEEN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::COLLATE
                | Keyword::AT
        ),
        // Lists of any length are flat, and so are the names and the values in them.
        Token::Whitespace(_)
        | Token::Comma
        | Token::Period
        | Token::LParen
        | Token::RParen
        | Token::SemiColon
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Placeholder(_) => false,
        _ => true,
    }
}

/// Threads that statements can be read, rewritten and run on.
///
/// # Errors
/// When the system gives none.
pub fn threads(name: &str, count: usize) -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).thread_name(name).thread_stack_size(STACK).enable_all();
    builder.build().map_err(|cause| Error::new(Kind::Io, format!("cannot start threads: {cause}")))
}

#[cfg(test)]
mod tests {
    use super::{CHAIN, LEVELS, LINKS, NESTED, RELATIONS, check};

    #[test]
    fn chains_are_bounded_and_lists_are_not() {
        let bounds = [
            (LINKS, "limit of 1500", [" OR x", " AND NOT x", " OR a IS NULL"].as_slice()),
            (CHAIN, "may have 400", &[" + 1", "::int", " + (1 + 1)", " = CASE WHEN a THEN 1 END"]),
            (CHAIN / NESTED, "may have 400", &["[1]", " || 'a'", " + a[1]", " = [1, 2]"]),
            (RELATIONS, "limit of 100", &[" UNION SELECT 1", " JOIN t", " FROM t, u WHERE a"]),
        ];
        for (most, limit, links) in bounds {
            for link in links {
                let error = check(&format!("SELECT 1{}", link.repeat(most + 1))).unwrap_err();
                assert!(error.to_string().contains(limit), "{link}: {error}");
                check(&format!("SELECT 1{}", link.repeat(most / 3))).unwrap();
            }
        }
        let short = format!("{} + 1", ", a + b - c".repeat(400));
        check(&format!("SELECT 1{short} FROM t WHERE a + b > 1")).unwrap();
        for list in [", 1", ", 'a'", ", t.a", ", (1, 2)", " -- +\n", " WHEN 1 THEN NULL"] {
            check(&format!("SELECT 1{}", list.repeat(9_999))).unwrap();
        }
        check("SELECT 'no end").unwrap();
    }

    #[test]
    fn words_that_are_tried_twice_are_bounded_and_calls_are_not() {
        for word in ["CASE WHEN true THEN ", "position(", "CAST (", "ARRAY[", "substring(a("] {
            let error = check(&format!("SELECT {}", word.repeat(LEVELS + 1))).unwrap_err();
            assert!(error.to_string().contains("limit of 12"), "{word}: {error}");
            check(&format!("SELECT {}", word.repeat(LEVELS))).unwrap();
        }
        for flat in ["CASE WHEN a THEN 1 END + ", "CAST(a AS INT) + ", "ARRAY[1] || ", "a(", "("] {
            check(&format!("SELECT {}", flat.repeat(40))).unwrap();
        }
    }
}
