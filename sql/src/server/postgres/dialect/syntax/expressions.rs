//! Operators, casts, constants and special syntax.

use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, CharacterLength, DataType, ExactNumberInfo, Expr, FunctionArguments,
    Interval, UnaryOperator, Value, ValueWithSpan,
};
use engine::Error;

use super::calls::{is_name, local_timestamp, typed_name};
use super::rewriter::{Rewrite, interval};
use crate::ast::{argument_mut, call, cast, null, number, take, text, text_of};
use crate::server::postgres::dialect::input;
use crate::server::postgres::dialect::regex::similar_to;
use crate::server::postgres::values::text::elements;

impl Rewrite {
    pub(super) fn expression(&mut self, expr: &mut Expr) {
        let taken = |expr: &mut Box<Expr>| take(expr);
        let replaced = match expr {
            Expr::Extract { field, expr, .. } => {
                call("extract", [text(&field.to_string()), taken(expr)])
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                call("timezone", [taken(time_zone), taken(timestamp)])
            }
            Expr::SimilarTo { negated, expr, pattern, escape_char } => {
                let escape = match escape_char.as_ref().map(|escape| &escape.value) {
                    None => Some('\\'),
                    Some(Value::SingleQuotedString(escape)) if escape.is_empty() => None,
                    Some(Value::SingleQuotedString(escape)) => escape.chars().next(),
                    Some(_) => Some('\\'),
                };
                let regex = text_of(pattern).map(|pattern| similar_to(pattern, escape));
                let Some(Ok(regex)) = regex else {
                    return self
                        .refuse("SIMILAR TO with this pattern", "use a constant pattern, or `~`");
                };
                let op = match negated {
                    true => BinaryOperator::PGRegexNotMatch,
                    false => BinaryOperator::PGRegexMatch,
                };
                Expr::BinaryOp { left: Box::new(taken(expr)), op, right: Box::new(text(&regex)) }
            }
            Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
                if let Some(ValueWithSpan { value: Value::SingleQuotedString(escape), .. }) =
                    escape_char.as_ref()
                    && escape != "\\"
                {
                    **pattern = call("like_escape", [taken(pattern), text(escape)]);
                    *escape_char = None;
                }
                return;
            }
            Expr::UnaryOp { op, expr } => match op {
                UnaryOperator::Minus => {
                    let Expr::Interval(Interval { value, .. }) = &**expr else { return };
                    let span = text_of(value).and_then(input::interval);
                    match span.and_then(input::Span::negated) {
                        Some(span) => interval(span),
                        None => return,
                    }
                }
                UnaryOperator::PGSquareRoot => call("sqrt", [taken(expr)]),
                UnaryOperator::PGCubeRoot => call("cbrt", [taken(expr)]),
                UnaryOperator::PGAbs => call("abs", [taken(expr)]),
                UnaryOperator::BitwiseNot => Expr::Nested(Box::new(Expr::BinaryOp {
                    left: Box::new(taken(expr)),
                    op: BinaryOperator::PGBitwiseXor,
                    right: Box::new(number("-1")),
                })),
                _ => return,
            },
            Expr::Cast { expr: inner, data_type, .. } => match data_type {
                // A name is a text of another type.
                DataType::Text if is_name(inner) => {
                    let Expr::Function(function) = &mut **inner else { return };
                    let FunctionArguments::List(list) = &mut function.args else { return };
                    let name = list.args.iter_mut().find_map(argument_mut).map(take);
                    cast(name.unwrap_or_else(null), DataType::Text)
                }
                DataType::JSON => call("json", [taken(inner)]),
                DataType::JSONB => return self.refuse("the type jsonb", "use json"),
                DataType::Uuid => call("uuid_in", [taken(inner)]),
                DataType::Float(ExactNumberInfo::None) => {
                    cast(taken(inner), DataType::DoublePrecision)
                }
                DataType::Numeric(ExactNumberInfo::None)
                | DataType::Decimal(ExactNumberInfo::None)
                | DataType::Dec(ExactNumberInfo::None) => call("numeric", [taken(inner)]),
                DataType::Varchar(Some(CharacterLength::IntegerLength { length, .. }))
                | DataType::CharacterVarying(Some(CharacterLength::IntegerLength {
                    length, ..
                }))
                | DataType::CharVarying(Some(CharacterLength::IntegerLength { length, .. })) => {
                    let length = number(&length.to_string());
                    let plain = cast(taken(inner), DataType::Text);
                    call("varchar", [call("left", [plain, length])])
                }
                DataType::Varchar(None)
                | DataType::CharacterVarying(None)
                | DataType::CharVarying(None) => {
                    call("varchar", [cast(taken(inner), DataType::Text)])
                }
                DataType::Char(_) | DataType::Character(_) => {
                    return self.refuse("the type char(n)", "use varchar(n) or rpad");
                }
                DataType::Array(_) => {
                    if let Some(elements) = text_of(inner).and_then(array_elements) {
                        **inner = elements;
                    }
                    return;
                }
                DataType::Interval { .. } => match text_of(inner).map(input::interval) {
                    Some(Some(span)) => interval(span),
                    _ => return,
                },
                _ => return,
            },
            Expr::Interval(Interval { value, leading_field, last_field: None, .. }) => {
                let Some(written) = text_of(value) else { return };
                let unit = leading_field.as_ref().map(ToString::to_string).unwrap_or_default();
                match input::interval(&format!("{written} {unit}")) {
                    Some(span) => interval(span),
                    None => {
                        let message =
                            format!("invalid input syntax for type interval: \"{written}\"");
                        self.error.get_or_insert(Error::input(message));
                        return;
                    }
                }
            }
            Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. })
                if digits.contains(['e', 'E']) =>
            {
                scientific(digits)
            }
            Expr::Substring { expr, substring_from: Some(from), substring_for: None, .. }
                if text_of(from).is_some() =>
            {
                let found = call("regexp_match", [taken(expr), taken(from)]);
                call("array_element", [found, number("1")])
            }
            Expr::Value(ValueWithSpan {
                value: Value::HexStringLiteral(_) | Value::SingleQuotedByteStringLiteral(_),
                ..
            }) => {
                return self.refuse("a bit string", "write bytes as '\\x1f'::bytea");
            }
            Expr::Collate { expr, collation } => {
                let name = collation.to_string();
                if !["\"C\"", "\"POSIX\"", "\"default\""].contains(&name.as_str()) {
                    return self.refuse(&format!("the collation {name}"), "use COLLATE \"C\"");
                }
                *std::mem::replace(expr, Box::new(null()))
            }
            Expr::Identifier(name) if name.quote_style.is_none() => {
                match name.value.to_lowercase().as_str() {
                    "localtimestamp" => local_timestamp(),
                    "current_role" | "current_user" | "session_user" => typed_name("session_user"),
                    "current_catalog" => typed_name("current_database"),
                    "current_schema" => typed_name("current_schema"),
                    _ => return,
                }
            }
            Expr::Function(function) => {
                return self.function(function).into_iter().for_each(|replaced| *expr = replaced);
            }
            _ => return,
        };
        *expr = replaced;
    }
}

/// The elements of an array literal such as `{a,"b c",NULL}`; `None` if it is none.
fn array_elements(literal: &str) -> Option<Expr> {
    let texts = elements(literal)?;
    let element = |value: Option<String>| value.map_or_else(null, |value| text(&value));
    Some(Expr::Array(Array { elem: texts.into_iter().map(element).collect(), named: true }))
}

/// A number with an exponent: exact if it has few digits, else a float.
fn scientific(digits: &str) -> Expr {
    let exponent =
        digits.split(['e', 'E']).nth(1).and_then(|exponent| exponent.parse::<i32>().ok());
    match exponent {
        Some(exponent) if (-20..=20).contains(&exponent) => call("numeric", [text(digits)]),
        _ => cast(text(digits), DataType::DoublePrecision),
    }
}
