//! Flattens a document into its identity and its values by key path.
//!
//! Of the texts of a document only those of [`Identity`] are kept; all other texts are counted by
//! kind. The object of [sketches](super::sketches) is dropped, too: it is read only where it is needed.
//! A key that names or is a person's datum ([`is_personal`]) is dropped with everything below
//! it. What stands in an array is not a value, and key paths above [`MAX_PATH`] bytes are dropped.
//!
//! A key path is the keys joined by dots; the empty path is none. If a key occurs twice in an object, the last one counts,
//! as with most JSON readers; the same holds for two ways to write one path.

use std::hash::{BuildHasher, BuildHasherDefault};
use std::ops::Range;

use hashbrown::HashTable;
use twox_hash::XxHash3_64;

use super::json::{Invalid, Parser, Token, unescape};
use super::paths::KeyPaths;
use super::sketches::SKETCHES_KEY;
use super::values::{Content, Values};

/// Longest key path, in bytes. It bounds the work for documents that are nested very deeply.
const MAX_PATH: usize = 1_024;
/// Keys that are remembered between documents; above that they start anew.
const MAX_NODES: usize = 1 << 18;
/// The node of the document itself.
const ROOT: u32 = 0;

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

/// A key at its place in the tree of all keys seen.
#[derive(Debug)]
struct Node {
    parent: u32,
    key: Box<str>,
    /// Whether it is written without escapes.
    is_plain: bool,
    has_dot: bool,
    /// The code of its path; `None` if it is dropped.
    path: Option<u32>,
    /// Bytes of its path.
    length: usize,
    /// The first key in its object last time, and the key that followed it: guesses that save most
    /// lookups.
    first: u32,
    next: u32,
    /// The object in which it was last seen, and its values there.
    object: u64,
    values: Range<usize>,
}

impl Node {
    fn new(parent: u32, key: &str, path: Option<u32>, length: usize) -> Self {
        let (first, next, object, values) = (ROOT, ROOT, 0, 0..0);
        let is_plain = key.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
        let (has_dot, key) = (key.contains('.'), key.into());
        Self { parent, key, is_plain, has_dot, path, length, first, next, object, values }
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
    paths: &'a KeyPaths,
    nodes: Vec<Node>,
    children: HashTable<u32>,
    hasher: BuildHasherDefault<XxHash3_64>,
    /// Objects opened so far.
    objects: u64,
    levels: Vec<Level>,
    /// Heap bytes of key paths that were new to this flattener.
    pub(super) new_bytes: usize,
}

impl<'a> Flattener<'a> {
    /// `paths` gives codes to key paths; it may be shared.
    pub(super) fn new(paths: &'a KeyPaths) -> Self {
        let mut flattener = Self {
            paths,
            nodes: Vec::new(),
            children: HashTable::new(),
            hasher: BuildHasherDefault::default(),
            objects: 0,
            levels: Vec::new(),
            new_bytes: 0,
        };
        flattener.start_anew();
        flattener
    }

    /// Forgets all keys but those of the identity, whose nodes follow the root in their order.
    fn start_anew(&mut self) {
        self.nodes.clear();
        self.children.clear();
        self.nodes.push(Node::new(ROOT, "", None, 0));
        for key in IDENTITY_KEYS {
            self.child(ROOT, key);
        }
    }

    /// Adds the values of a document to `out`.
    ///
    /// # Errors
    /// When there is no object; then `out` is unchanged.
    pub(super) fn flatten(&mut self, text: &str, out: &mut Values) -> Result<Identity, Unusable> {
        if self.nodes.len() > MAX_NODES {
            self.start_anew();
        }
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
                    self.nodes[level.node as usize].values.end = out.len();
                }
                continue;
            };
            let node = &mut self.nodes[number as usize];
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
            let is_kept = node.path.is_some();
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
            Some(previous) => self.nodes[previous as usize].next,
            None => self.nodes[parent as usize].first,
        };
        let guessed = &self.nodes[guess as usize];
        if guess != ROOT
            && guessed.parent == parent
            && guessed.is_plain
            && parser.skip_key(&guessed.key)
        {
            level.previous = Some(guess);
            return Ok(Some(guess));
        }
        let node = match parser.next()? {
            Some(Token::Key(key)) => self.child(parent, &unescape(key)),
            Some(Token::EndObject) => return Ok(None),
            _ => return Err(Invalid),
        };
        match previous {
            Some(previous) => self.nodes[previous as usize].next = node,
            None => self.nodes[parent as usize].first = node,
        }
        if let Some(level) = self.levels.last_mut() {
            level.previous = Some(node);
        }
        Ok(Some(node))
    }

    /// The node of a key below another one.
    fn child(&mut self, parent: u32, key: &str) -> u32 {
        let hash = self.hasher.hash_one((parent, key));
        let nodes = &self.nodes;
        let is_it = |node: &u32| {
            let node = &nodes[*node as usize];
            node.parent == parent && *node.key == *key
        };
        if let Some(node) = self.children.find(hash, is_it) {
            return *node;
        }
        let number = self.nodes.len() as u32;
        let above = &self.nodes[parent as usize];
        let length = above.length + usize::from(parent != ROOT) + key.len();
        let is_value = parent != ROOT || key != SKETCHES_KEY;
        let is_kept = is_value && (1..=MAX_PATH).contains(&length) && !is_personal(key);
        let path = is_kept.then(|| self.path_of(parent, key));
        let path = path.map(|path| {
            self.new_bytes += 2 * path.len() + 128;
            self.paths.code(&path)
        });
        self.new_bytes += key.len() + 2 * size_of::<Node>();
        self.nodes.push(Node::new(parent, key, path, length));
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.children.insert_unique(hash, number, |node| {
            let node = &nodes[*node as usize];
            hasher.hash_one((node.parent, &*node.key))
        });
        number
    }

    fn path_of(&self, parent: u32, key: &str) -> String {
        let mut keys = vec![key];
        let mut node = parent;
        while node != ROOT {
            keys.push(&self.nodes[node as usize].key);
            node = self.nodes[node as usize].parent;
        }
        keys.reverse();
        keys.join(".")
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

/// Whether a key names a person (`licensee`: name, company and e-mail of the customer), or is itself
/// an e-mail or IP address.
fn is_personal(key: &str) -> bool {
    key.eq_ignore_ascii_case("licensee")
        || key.contains('@')
        || key.parse::<core::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Field, Flattener, MAX_PATH, Unusable};
    use crate::pings::paths::KeyPaths;
    use crate::pings::values::{Content, Values};

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
