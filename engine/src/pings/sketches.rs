//! Sketches of pings: `"headcount_sketches": {"salt": ..., "by_key_path": {KEY_PATH: BASE64}}`.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json::{Invalid, Parser, Token, unescape};
use crate::users::{DEFAULT_PRECISION, Sketch};

/// The key of a ping's sketches.
pub const SKETCHES_KEY: &str = "headcount_sketches";
const SALT: &str = "salt";
const BY_KEY_PATH: &str = "by_key_path";
/// Digits of the fingerprint of a salt.
const SALT_DIGITS: usize = 16;

/// The sketches of a ping.
#[derive(Clone, Debug, Default)]
pub struct PingSketches {
    /// The fingerprint of their salt; only sketches of one salt can be united.
    pub salt: Option<String>,
    /// By key path, in any order; `None` for what is not a sketch of the default precision.
    pub list: Vec<(String, Option<Sketch>)>,
}

impl PingSketches {
    /// The sketches of a document; `None` if it has none. Of two with one key path the last counts.
    pub(super) fn of(text: &str) -> Option<Self> {
        let mut parser = Parser::new(text);
        let mut found = None;
        // The text has been parsed before.
        let _ = each_key(&mut parser, |parser, key| {
            if key != SKETCHES_KEY {
                return skip(parser);
            }
            let mut sketches = Self::default();
            each_key(parser, |parser, key| sketches.read(parser, key))?;
            found = Some(sketches);
            Ok(())
        });
        found
    }

    fn read(&mut self, parser: &mut Parser<'_>, key: &str) -> Result<(), Invalid> {
        match key {
            SALT => {
                let salt = text(parser)?;
                let is_fingerprint = |salt: &String| {
                    salt.len() == SALT_DIGITS && salt.bytes().all(|byte| byte.is_ascii_hexdigit())
                };
                self.salt = salt.filter(is_fingerprint);
                Ok(())
            }
            BY_KEY_PATH => {
                let mut sketches = HashMap::new();
                each_key(parser, |parser, key_path| {
                    let bytes = text(parser)?.and_then(|text| STANDARD.decode(text).ok());
                    let sketch = bytes.and_then(|bytes| Sketch::from_bytes(&bytes).ok());
                    let sketch = sketch.filter(|sketch| sketch.precision() == DEFAULT_PRECISION);
                    sketches.insert(key_path.to_owned(), sketch);
                    Ok(())
                })?;
                self.list = sketches.into_iter().collect();
                self.list.sort_by(|(a, _), (b, _)| a.cmp(b));
                Ok(())
            }
            _ => skip(parser),
        }
    }
}

/// Calls `each` with the keys of the object that follows; it must read the value. Anything else than
/// an object is skipped.
fn each_key(
    parser: &mut Parser<'_>,
    mut each: impl FnMut(&mut Parser<'_>, &str) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    match parser.next()? {
        Some(Token::BeginObject) => {}
        Some(Token::BeginArray) => return parser.skip_container(),
        _ => return Ok(()),
    }
    while let Some(Token::Key(key)) = parser.next()? {
        each(parser, &unescape(key))?;
    }
    Ok(())
}

/// The text that follows; anything else is skipped.
fn text(parser: &mut Parser<'_>) -> Result<Option<String>, Invalid> {
    match parser.next()? {
        Some(Token::String(text)) => Ok(Some(unescape(text).into_owned())),
        Some(Token::BeginObject | Token::BeginArray) => parser.skip_container().map(|()| None),
        _ => Ok(None),
    }
}

fn skip(parser: &mut Parser<'_>) -> Result<(), Invalid> {
    text(parser).map(|_| ())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::PingSketches;
    use crate::users::{Sketch, hash_int};

    fn sketch(precision: u8) -> String {
        let mut sketch = Sketch::new(precision).unwrap();
        (0..3).for_each(|user| sketch.insert(hash_int(user)));
        STANDARD.encode(sketch.to_bytes())
    }

    /// For each key path the users of the sketch.
    type Users = Vec<(String, Option<u64>)>;

    /// The salt, and the users.
    fn read(text: &str) -> Option<(Option<String>, Users)> {
        let PingSketches { salt, list } = PingSketches::of(text)?;
        let users = |sketch: Sketch| sketch.estimate().unwrap().users;
        let list = list.into_iter().map(|(key_path, sketch)| (key_path, sketch.map(users)));
        Some((salt, list.collect()))
    }

    #[test]
    fn what_is_no_sketch_is_none() {
        let (good, other) = (sketch(14), sketch(12));
        let escaped = good.replace('/', "\\/");
        let salt = "0123456789abcdef";
        let text = format!(
            r#"{{"a": [{{"headcount_sketches": 1}}], "headcount_sketches": 2, "headcount_sketches": {{
                "x": {{"salt": 1}}, "salt": "{salt}", "by_key_path": {{"a.b": "{escaped}",
                "a.c": "{other}", "a.d": "AAAA", "a.e": 5, "a.f": ["x"], "a.g": "{good}", "a.g": null}}}},
                "z": {{}}}}"#
        );
        let (found, list) = read(&text).unwrap();
        assert_eq!(found.as_deref(), Some(salt));
        let expected = [
            ("a.b", Some(3)),
            ("a.c", None),
            ("a.d", None),
            ("a.e", None),
            ("a.f", None),
            ("a.g", None),
        ];
        let expected = expected.map(|(key_path, users)| (key_path.to_owned(), users));
        assert_eq!(list, expected);
    }

    #[test]
    fn other_forms_have_no_sketches() {
        assert!(read(r#"{"a": {"headcount_sketches": {}}}"#).is_none());
        for text in ["1", "[]", "{}", r#"{"salt": "0123456789abcdeg", "by_key_path": []}"#] {
            let found = read(&format!(r#"{{"headcount_sketches": {text}}}"#)).unwrap();
            assert_eq!(found, (None, Vec::new()), "{text}");
        }
    }
}
