//! Flattens a document into its identity and its values by key path.
//!
//! Of the texts of a document only those of [`Identity`] are kept; all other texts are counted by
//! kind. The object of [sketches](super::sketches) is dropped, too: it is read only where it is needed.
//! A key that names a person's datum (`licensee`) or is one (an e-mail or IP address) is dropped with
//! everything below it, and so are very long key paths. What stands in an array is not a value.
//!
//! A key path is the keys joined by dots; the empty path is none. If a key occurs twice in an object, the last one counts,
//! as with most JSON readers; the same holds for two ways to write one path.

use super::json::{Invalid, Parser, Token, unescape};
use super::key_tree::{KeyTree, ROOT};
use super::paths::KeyPaths;
use super::values::Values;
use crate::store::Content;

/// The keys at the top of a document that say who sent it and when.
pub(super) const IDENTITY_KEYS: [&str; 10] = [
    "uuid",
    "hostname",
    "recorded_at",
    "uploaded_at",
    "version",
    "edition",
    "gitlab_dedicated",
    "license_expires_at",
    "license_subscription_id",
    "license_user_count",
];

/// The value of a key of the identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Field {
    /// Not there, null, or an empty text.
    #[default]
    Missing,
    Text(String),
    /// A number as written.
    Number(String),
    Bool(bool),
    /// An object or array.
    Other,
}

/// What a document says about its sender, by [`IDENTITY_KEYS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity([Field; IDENTITY_KEYS.len()]);

impl Identity {
    pub(super) fn field(&self, key: &str) -> &Field {
        let at = IDENTITY_KEYS.iter().position(|known| *known == key);
        at.map_or(&Field::Missing, |at| &self.0[at])
    }

    /// The text of a field.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.field(key) {
            Field::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Why a document has no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    Empty,
    InvalidJson,
    NotAnObject,
}

impl From<Invalid> for Unusable {
    fn from(_: Invalid) -> Self {
        Self::InvalidJson
    }
}

/// An open object.
struct Level {
    node: u32,
    object: u64,
    /// The key before.
    previous: Option<u32>,
}

/// Flattens documents one after the other, and remembers their keys.
pub(super) struct Flattener<'a> {
    pub(super) keys: KeyTree<'a>,
    /// Objects opened so far.
    objects: u64,
    levels: Vec<Level>,
}

impl<'a> Flattener<'a> {
    /// `paths` gives codes to key paths; it may be shared.
    pub(super) fn new(paths: &'a KeyPaths<'a>) -> Self {
        Self { keys: KeyTree::new(paths, &IDENTITY_KEYS), objects: 0, levels: Vec::new() }
    }

    /// Adds the values of a document to `out`.
    ///
    /// # Errors
    /// When there is no object; then `out` is unchanged.
    pub(super) fn flatten(&mut self, text: &str, out: &mut Values) -> Result<Identity, Unusable> {
        self.keys.limit();
        let start = out.len();
        let identity = self.read(text, start, out);
        if identity.is_err() {
            out.truncate(start);
        }
        identity
    }

    fn read(&mut self, text: &str, start: usize, out: &mut Values) -> Result<Identity, Unusable> {
        if text.bytes().all(|byte| byte.is_ascii_whitespace()) {
            return Err(Unusable::Empty);
        }
        let mut parser = Parser::new(text);
        if parser.next()? != Some(Token::BeginObject) {
            while parser.next()?.is_some() {}
            return Err(Unusable::NotAnObject);
        }
        let mut identity = Identity::default();
        let (mut is_doubled, mut has_dots) = (false, false);
        self.levels.clear();
        self.open(ROOT);
        while let Some(level) = self.levels.last() {
            let object = level.object;
            let Some(number) = self.next_key(&mut parser)? else {
                if let Some(level) = self.levels.pop() {
                    self.keys.node_mut(level.node).values.end = out.len();
                }
                continue;
            };
            let node = self.keys.node_mut(number);
            has_dots |= node.has_dot;
            if node.object == object {
                out.remove(node.values.clone());
                is_doubled = true;
            }
            let begin = out.len();
            let token = parser.next()?.ok_or(Invalid)?;
            if let Some(path) = node.path {
                out.push(path, content(token));
            }
            (node.object, node.values) = (object, begin..out.len());
            let is_kept = node.is_kept;
            if self.levels.len() == 1 && (1..=IDENTITY_KEYS.len()).contains(&(number as usize)) {
                identity.0[number as usize - 1] = field(token);
            }
            match token {
                Token::BeginObject if is_kept => self.open(number),
                Token::BeginObject | Token::BeginArray => parser.skip_container()?,
                _ => {}
            }
        }
        if parser.next()?.is_some() {
            return Err(Unusable::InvalidJson);
        }
        if is_doubled || has_dots {
            out.keep_last(start);
        }
        Ok(identity)
    }

    fn open(&mut self, node: u32) {
        self.objects += 1;
        self.levels.push(Level { node, object: self.objects, previous: None });
    }

    /// The node of the next key of the innermost object; `None` at its end.
    fn next_key(&mut self, parser: &mut Parser<'_>) -> Result<Option<u32>, Invalid> {
        let Some(level) = self.levels.last_mut() else { return Err(Invalid) };
        let (parent, previous) = (level.node, level.previous);
        let guess = match previous {
            Some(previous) => self.keys.node(previous).next,
            None => self.keys.node(parent).first,
        };
        let guessed = self.keys.node(guess);
        if guess != ROOT
            && guessed.parent == parent
            && guessed.is_plain
            && parser.skip_key(&guessed.key)
        {
            level.previous = Some(guess);
            return Ok(Some(guess));
        }
        let node = match parser.next()? {
            Some(Token::Key(key)) => self.keys.child(parent, &unescape(key)),
            Some(Token::EndObject) => return Ok(None),
            _ => return Err(Invalid),
        };
        match previous {
            Some(previous) => self.keys.node_mut(previous).next = node,
            None => self.keys.node_mut(parent).first = node,
        }
        if let Some(level) = self.levels.last_mut() {
            level.previous = Some(node);
        }
        Ok(Some(node))
    }
}

/// What a value is, from its first token.
fn content(token: Token<'_>) -> Content {
    match token {
        Token::BeginObject | Token::EndObject | Token::Key(_) => Content::Object,
        Token::BeginArray | Token::EndArray => Content::Array,
        Token::String(_) => Content::String,
        Token::Number(number) => Content::of_number(number),
        Token::Bool(_) => Content::Boolean,
        Token::Null => Content::Null,
    }
}

/// The value of a key of the identity.
fn field(token: Token<'_>) -> Field {
    match token {
        Token::String("") | Token::Null => Field::Missing,
        Token::String(text) => Field::Text(unescape(text).into_owned()),
        Token::Number(number) => Field::Number(number.to_owned()),
        Token::Bool(bool) => Field::Bool(bool),
        _ => Field::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, Flattener, Unusable};
    use crate::pings::key_tree::MAX_PATH;
    use crate::pings::paths::KeyPaths;
    use crate::pings::values::Values;
    use crate::store::Content;

    /// The values of a document, by path.
    fn values(text: &str) -> Result<Vec<(String, Content)>, Unusable> {
        let paths = KeyPaths::default();
        let mut flattener = Flattener::new(&paths);
        // Twice: the second time all keys are known.
        let mut both = [Values::default(), Values::default()];
        for out in &mut both {
            flattener.flatten(text, out)?;
        }
        drop(flattener);
        let paths = paths.into_list();
        let [first, second] = both.map(|values| {
            let path = |code: u32| paths[code as usize].clone();
            let values = values.range(0..values.len());
            let mut found: Vec<_> = values.map(|(code, content)| (path(code), content)).collect();
            found.sort_by(|a, b| a.0.cmp(&b.0));
            found
        });
        assert_eq!(first, second);
        Ok(first)
    }

    #[track_caller]
    fn check(text: &str, expected: &[(&str, Content)]) {
        let found = values(text).unwrap();
        let found: Vec<(&str, Content)> = found.iter().map(|(p, c)| (p.as_str(), *c)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn objects_are_flattened_and_arrays_are_not() {
        check(
            r#"{"a": {"b": 1, "c": {"d": 2.0}}, "e": [{"f": 3}, 4], "g": {}, "h": "x"}"#,
            &[
                ("a", Content::Object),
                ("a.b", Content::Integer(1)),
                ("a.c", Content::Object),
                ("a.c.d", Content::Fraction),
                ("e", Content::Array),
                ("g", Content::Object),
                ("h", Content::String),
            ],
        );
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        check(
            r#"{"a": {"b": 1, "c": 2}, "d": 1, "a": {"b": 3}, "d": 4}"#,
            &[("a", Content::Object), ("a.b", Content::Integer(3)), ("d", Content::Integer(4))],
        );
        check(r#"{"a": {"b": 1}, "a": 2}"#, &[("a", Content::Integer(2))]);
        check(
            r#"{"a\"b": 1, "c\\": 2, "a\u0022b": 3, "": 4}"#,
            &[("a\"b", Content::Integer(3)), ("c\\", Content::Integer(2))],
        );
        // One path, written in two ways; a key with an escape.
        check(
            r#"{"a.b": 1, "a": {"b": 2}, "\u0063": 3}"#,
            &[("a", Content::Object), ("a.b", Content::Integer(2)), ("c", Content::Integer(3))],
        );
    }

    #[test]
    fn persons_are_dropped() {
        check(
            r#"{"licensee": {"Name": "J", "Email": "j@x.org", "n": 1}, "j@x.org": {"n": 1},
                "a": {"10.0.0.1": 2, "::1": 3, "Licensee": 4, "1.2": 5}}"#,
            &[("a", Content::Object), ("a.1.2", Content::Integer(5))],
        );
    }

    #[test]
    fn deep_documents_are_read() {
        let deep = |levels| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert_eq!(values(&deep(100)).unwrap().len(), 100);
        // A path of n keys has 2 n - 1 bytes.
        assert_eq!(values(&deep(10_000)).unwrap().len(), MAX_PATH / 2);
        let arrays = format!(r#"{{"a": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        check(&arrays, &[("a", Content::Array)]);
    }

    #[test]
    fn a_million_keys_are_read() {
        let keys: Vec<String> = (0..1_000_000).map(|at| format!("\"k{at}\": {at}")).collect();
        let paths = KeyPaths::default();
        let mut out = Values::default();
        let mut flattener = Flattener::new(&paths);
        for _ in 0..2 {
            flattener.flatten(&format!("{{{}}}", keys.join(",")), &mut out).unwrap();
        }
        drop(flattener);
        assert_eq!((out.len(), paths.into_list()[1_000_010].as_str()), (2_000_000, "k999999"));
    }

    #[test]
    fn what_is_no_object_has_no_values() {
        for (text, reason) in [
            ("", Unusable::Empty),
            (" \r\n", Unusable::Empty),
            ("1", Unusable::NotAnObject),
            ("null", Unusable::NotAnObject),
            ("[{}]", Unusable::NotAnObject),
            ("[{}", Unusable::InvalidJson),
            (r#"{"a": 1"#, Unusable::InvalidJson),
            (r#"{"a": 1} {}"#, Unusable::InvalidJson),
            (r#"{"a": [1}}"#, Unusable::InvalidJson),
        ] {
            let (paths, mut out) = (KeyPaths::default(), Values::default());
            out.push(1, Content::Null);
            assert_eq!(Flattener::new(&paths).flatten(text, &mut out), Err(reason), "{text}");
            assert_eq!(out.len(), 1);
        }
    }

    #[test]
    fn the_identity_stands_at_the_top() {
        let text = r#"{"a": {"uuid": "no"}, "uuid": "x", "uuid": "\u0079", "edition": "",
            "license_user_count": 12, "gitlab_dedicated": true, "version": {}, "hostname": null}"#;
        let (paths, mut out) = (KeyPaths::default(), Values::default());
        let identity = Flattener::new(&paths).flatten(text, &mut out).unwrap();
        for (key, expected) in [
            ("uuid", Field::Text("y".to_owned())),
            ("edition", Field::Missing),
            ("license_user_count", Field::Number("12".to_owned())),
            ("gitlab_dedicated", Field::Bool(true)),
            ("version", Field::Other),
            ("hostname", Field::Missing),
            ("recorded_at", Field::Missing),
        ] {
            assert_eq!(identity.field(key), &expected, "{key}");
        }
    }
}
