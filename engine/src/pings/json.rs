//! A pull parser for JSON (RFC 8259) that needs no recursion, so documents of any depth can be read
//! or skipped. It is strict: comments, trailing commas, leading zeros, `NaN` and text after the
//! document are errors. Nothing is copied: strings and numbers are slices of the text.

use std::borrow::Cow;

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// A part of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    BeginObject,
    EndObject,
    BeginArray,
    EndArray,
    /// A key of an object, between its quotes; its value follows.
    Key(&'a str),
    /// A string, between its quotes.
    String(&'a str),
    /// A number as written.
    Number(&'a str),
    Bool(bool),
    Null,
}

/// What may stand next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    CommaOrEnd,
    Nothing,
}

/// Reads one document.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// The open containers, outermost first; `true` for objects.
    open: Vec<bool>,
    expected: Expected,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, open: Vec::new(), expected: Expected::Value }
    }

    /// The next part; `None` after the end of the document.
    ///
    /// # Errors
    /// When the text is not JSON. Then the parser must not be used again.
    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, Invalid> {
        loop {
            self.skip_space();
            let Some(byte) = self.peek() else {
                return if self.expected == Expected::Nothing { Ok(None) } else { Err(Invalid) };
            };
            let token = match (self.expected, byte) {
                (Expected::CommaOrEnd, b',') => {
                    self.at += 1;
                    let in_object = self.open.last() == Some(&true);
                    self.expected = if in_object { Expected::Key } else { Expected::Value };
                    continue;
                }
                (Expected::CommaOrEnd | Expected::KeyOrEnd, b'}') => self.close(true)?,
                (Expected::CommaOrEnd | Expected::ValueOrEnd, b']') => self.close(false)?,
                (Expected::Key | Expected::KeyOrEnd, b'"') => self.key()?,
                (Expected::Value | Expected::ValueOrEnd, _) => self.value(byte)?,
                _ => return Err(Invalid),
            };
            return Ok(Some(token));
        }
    }

    /// Passes over the next key if it is this one, written without spaces: a quick way past keys that
    /// come in a known order. The key must not need escapes.
    pub(super) fn skip_key(&mut self, key: &str) -> bool {
        let start = match self.expected {
            Expected::KeyOrEnd => self.at,
            Expected::CommaOrEnd if self.peek() == Some(b',') => self.at + 1,
            _ => return false,
        };
        let rest = self.text.as_bytes()[start..].strip_prefix(b"\"");
        let rest = rest.and_then(|rest| rest.strip_prefix(key.as_bytes()));
        let is_next =
            self.open.last() == Some(&true) && rest.is_some_and(|rest| rest.starts_with(b"\":"));
        if is_next {
            self.at = start + key.len() + 3;
            self.expected = Expected::Value;
        }
        is_next
    }

    /// Skips the rest of the innermost open container.
    pub(super) fn skip_container(&mut self) -> Result<(), Invalid> {
        let depth = self.open.len();
        while self.open.len() >= depth {
            self.next()?.ok_or(Invalid)?;
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, first: u8) -> Result<Token<'a>, Invalid> {
        let token = match first {
            b'{' => {
                self.open(true, Expected::KeyOrEnd);
                return Ok(Token::BeginObject);
            }
            b'[' => {
                self.open(false, Expected::ValueOrEnd);
                return Ok(Token::BeginArray);
            }
            b'"' => Token::String(self.string()?),
            b't' => self.word("true", Token::Bool(true))?,
            b'f' => self.word("false", Token::Bool(false))?,
            b'n' => self.word("null", Token::Null)?,
            _ => Token::Number(self.number()?),
        };
        self.end_value();
        Ok(token)
    }

    fn open(&mut self, is_object: bool, expected: Expected) {
        self.at += 1;
        self.open.push(is_object);
        self.expected = expected;
    }

    fn close(&mut self, is_object: bool) -> Result<Token<'a>, Invalid> {
        if self.open.pop() != Some(is_object) {
            return Err(Invalid);
        }
        self.at += 1;
        self.end_value();
        Ok(if is_object { Token::EndObject } else { Token::EndArray })
    }

    fn end_value(&mut self) {
        let is_end = self.open.is_empty();
        self.expected = if is_end { Expected::Nothing } else { Expected::CommaOrEnd };
    }

    fn key(&mut self) -> Result<Token<'a>, Invalid> {
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(Invalid);
        }
        self.at += 1;
        self.expected = Expected::Value;
        Ok(Token::Key(key))
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> Result<Token<'a>, Invalid> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(Invalid);
        }
        self.at += word.len();
        Ok(token)
    }

    /// A string, from its opening quote.
    fn string(&mut self) -> Result<&'a str, Invalid> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut at = start;
        loop {
            match *bytes.get(at).ok_or(Invalid)? {
                b'"' => break,
                b'\\' => at += escape_length(&bytes[at..])?,
                ..0x20 => return Err(Invalid),
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Ok(&self.text[start..at])
    }

    fn number(&mut self) -> Result<&'a str, Invalid> {
        let bytes = self.text.as_bytes();
        let digits =
            |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut at = self.at + usize::from(bytes[self.at] == b'-');
        let whole = digits(at);
        if whole == 0 || (whole > 1 && bytes[at] == b'0') {
            return Err(Invalid);
        }
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            if fraction == 0 {
                return Err(Invalid);
            }
            at += 1 + fraction;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            at += 1;
            at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
            let exponent = digits(at);
            if exponent == 0 {
                return Err(Invalid);
            }
            at += exponent;
        }
        let number = &self.text[self.at..at];
        self.at = at;
        Ok(number)
    }
}

/// Bytes of the escape sequence at the start.
fn escape_length(bytes: &[u8]) -> Result<usize, Invalid> {
    match bytes.get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') => {
            let digits = bytes.get(2..6).ok_or(Invalid)?;
            if digits.iter().all(u8::is_ascii_hexdigit) { Ok(6) } else { Err(Invalid) }
        }
        _ => Err(Invalid),
    }
}

/// The content of a string or key without escapes. A surrogate without its other half becomes
/// U+FFFD.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find('\\') else { return Cow::Borrowed(text) };
    let mut plain = text[..first].to_owned();
    let mut rest = &text[first..];
    while let Some(escaped) = rest.strip_prefix('\\') {
        let letter = escaped.chars().next().unwrap_or('\\');
        rest = escaped.get(letter.len_utf8()..).unwrap_or_default();
        match letter {
            'b' => plain.push('\u{8}'),
            'f' => plain.push('\u{c}'),
            'n' => plain.push('\n'),
            'r' => plain.push('\r'),
            't' => plain.push('\t'),
            'u' => {
                let (first, second) = (unit(rest), rest.get(4..).and_then(after_escape));
                let pair = first.into_iter().chain(second.and_then(unit));
                let (character, units) = match char::decode_utf16(pair).next() {
                    Some(Ok(character)) => (character, character.len_utf16()),
                    _ => (char::REPLACEMENT_CHARACTER, 1),
                };
                plain.push(character);
                rest = rest.get(if units == 2 { 10 } else { 4 }..).unwrap_or_default();
            }
            other => plain.push(other),
        }
        let next = rest.find('\\').unwrap_or(rest.len());
        plain.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(plain)
}

/// The text after `\u`.
fn after_escape(text: &str) -> Option<&str> {
    text.strip_prefix("\\u")
}

/// The UTF-16 unit of four hexadecimal digits.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{Invalid, Parser, Token, unescape};

    fn tokens(text: &str) -> Result<Vec<Token<'_>>, Invalid> {
        let mut parser = Parser::new(text);
        let mut tokens = Vec::new();
        while let Some(token) = parser.next()? {
            tokens.push(token);
        }
        Ok(tokens)
    }

    /// Whether the text is JSON to `serde_json`.
    fn is_json(text: &str) -> bool {
        serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    }

    #[test]
    fn documents_have_tokens() {
        let text = r#" { "a" : [ 1 , -2.5e+3 , "x\"y" ] , "b" : { } , "c" : null, "d": true } "#;
        let expected = [
            Token::BeginObject,
            Token::Key("a"),
            Token::BeginArray,
            Token::Number("1"),
            Token::Number("-2.5e+3"),
            Token::String("x\\\"y"),
            Token::EndArray,
            Token::Key("b"),
            Token::BeginObject,
            Token::EndObject,
            Token::Key("c"),
            Token::Null,
            Token::Key("d"),
            Token::Bool(true),
            Token::EndObject,
        ];
        assert_eq!(tokens(text), Ok(expected.to_vec()));
    }

    #[test]
    fn what_is_json_is_what_serde_json_takes() {
        for text in [
            "",
            " ",
            "1",
            "-1",
            "-",
            "+1",
            "01",
            "-0",
            "1.",
            ".5",
            "1.5",
            "1e",
            "1e5",
            "1E-5",
            "1e+",
            "NaN",
            "Infinity",
            "tru",
            "true",
            "truex",
            "null",
            "nul",
            "{}",
            "[]",
            "[",
            "{",
            "]",
            "}",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1,2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{1:2}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":1}}",
            "{\"a\":1} {}",
            "{\"a\":[}]",
            "'a'",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\u1234\"",
            "\"\t\"",
            "\"\u{7f}\"",
            "/*a*/1",
            "\u{feff}1",
            "\"\\\"",
            "\"\\\\\"",
            "[[[]]]",
            "[{}]",
            "{\"a\":{\"b\":[{}]}}",
            "1,",
            ":",
            "\u{a0}1",
        ] {
            assert_eq!(tokens(text).is_ok(), is_json(text), "{text}");
        }
    }

    #[test]
    fn known_keys_are_skipped() {
        let mut parser = Parser::new(r#"{"a":1,"b":{"a":[2]},"bc" :3, "d":4}"#);
        assert!(!parser.skip_key("a"));
        parser.next().unwrap();
        assert!(!parser.skip_key("b") && parser.skip_key("a") && !parser.skip_key("a"));
        assert_eq!(parser.next(), Ok(Some(Token::Number("1"))));
        assert!(!parser.skip_key("bc") && parser.skip_key("b"));
        assert_eq!(parser.next(), Ok(Some(Token::BeginObject)));
        assert!(parser.skip_key("a"));
        assert_eq!(parser.next(), Ok(Some(Token::BeginArray)));
        assert!(!parser.skip_key("a"));
        parser.skip_container().unwrap();
        assert!(!parser.skip_key("bc"));
        assert_eq!(parser.next(), Ok(Some(Token::EndObject)));
        // With a space the key is read as any other.
        assert!(!parser.skip_key("bc"));
        assert_eq!(parser.next(), Ok(Some(Token::Key("bc"))));
        assert_eq!(parser.next(), Ok(Some(Token::Number("3"))));
        assert!(!parser.skip_key("d"));
        assert_eq!(parser.next(), Ok(Some(Token::Key("d"))));
    }

    #[test]
    fn depth_is_not_limited() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        let mut parser = Parser::new(&deep);
        parser.next().unwrap();
        parser.skip_container().unwrap();
        assert_eq!(parser.next(), Ok(None));
        assert_eq!(tokens(&"[".repeat(1_000_000)), Err(Invalid));
    }

    #[test]
    fn strings_lose_their_escapes() {
        for (text, plain) in [
            ("", ""),
            ("a\\u0062c\\n\\/\\\\u", "abc\n/\\u"),
            ("\\ud83d\\ude00!", "😀!"),
            ("\\ud83dx\\ude00", "\u{fffd}x\u{fffd}"),
            ("\\ud83d\\u0041", "\u{fffd}A"),
        ] {
            assert_eq!(unescape(text), plain, "{text}");
        }
    }

    proptest! {
        #[test]
        fn damaged_documents_are_judged_as_serde_json_does(at in any::<usize>(), by in any::<char>()) {
            let text = r#"{"a": [1, -2.5e3, "x\n", true, {"b": null}], "c": {"d": 0.1, "e": []}}"#;
            let at = at % text.len();
            for tail in [at, at + 1] {
                let damaged = format!("{}{by}{}", &text[..at], &text[tail..]);
                prop_assert_eq!(tokens(&damaged).is_ok(), is_json(&damaged));
            }
        }
    }
}
