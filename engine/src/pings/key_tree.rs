//! The tree of all keys that documents have had, with the codes of their paths.

use std::hash::{BuildHasher, BuildHasherDefault};
use std::ops::Range;

use hashbrown::HashTable;
use twox_hash::XxHash3_64;

use super::paths::KeyPaths;
use super::sketches::SKETCHES_KEY;

/// Longest key path, in bytes. It bounds the work for documents that are nested very deeply.
pub(super) const MAX_PATH: usize = 1_024;
/// Keys that are remembered between documents; above that they start anew.
const MAX_NODES: usize = 1 << 18;
/// The node of the document itself.
pub(super) const ROOT: u32 = 0;

/// A key at its place in the tree of all keys seen.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: u32,
    pub(super) key: Box<str>,
    /// Whether it is written without escapes.
    pub(super) is_plain: bool,
    pub(super) has_dot: bool,
    /// Whether it is kept, and not dropped with everything in it.
    pub(super) is_kept: bool,
    /// The code of its path; `None` if its value is not kept.
    pub(super) path: Option<u32>,
    /// Bytes of its path.
    length: usize,
    /// The first key in its object last time, and the key that followed it: guesses that save most
    /// lookups.
    pub(super) first: u32,
    pub(super) next: u32,
    /// The object in which it was last seen, and its values there.
    pub(super) object: u64,
    pub(super) values: Range<usize>,
}

impl Node {
    fn new(parent: u32, key: &str, is_kept: bool, path: Option<u32>, length: usize) -> Self {
        let (first, next, object, values) = (ROOT, ROOT, 0, 0..0);
        let is_plain = key.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
        let (has_dot, key) = (key.contains('.'), key.into());
        Self { parent, key, is_plain, has_dot, is_kept, path, length, first, next, object, values }
    }
}

/// The keys that were seen, each at its place.
pub(super) struct KeyTree<'a> {
    paths: &'a KeyPaths<'a>,
    /// The keys that every document may have at its top.
    top: &'static [&'static str],
    nodes: Vec<Node>,
    children: HashTable<u32>,
    hasher: BuildHasherDefault<XxHash3_64>,
    /// Heap bytes of key paths that were new to this tree.
    pub(super) new_bytes: usize,
}

impl<'a> KeyTree<'a> {
    /// `paths` gives codes to key paths; the nodes of the keys of `top` follow the root in their order.
    pub(super) fn new(paths: &'a KeyPaths<'a>, top: &'static [&'static str]) -> Self {
        let mut tree = Self {
            paths,
            top,
            nodes: Vec::new(),
            children: HashTable::new(),
            hasher: BuildHasherDefault::default(),
            new_bytes: 0,
        };
        tree.start_anew();
        tree
    }

    /// Forgets all keys but those of the top, if there are very many.
    pub(super) fn limit(&mut self) {
        if self.nodes.len() > MAX_NODES {
            self.start_anew();
        }
    }

    fn start_anew(&mut self) {
        self.nodes.clear();
        self.children.clear();
        self.nodes.push(Node::new(ROOT, "", true, None, 0));
        for key in self.top {
            self.child(ROOT, key);
        }
    }

    #[inline]
    pub(super) fn node(&self, number: u32) -> &Node {
        &self.nodes[number as usize]
    }

    #[inline]
    pub(super) fn node_mut(&mut self, number: u32) -> &mut Node {
        &mut self.nodes[number as usize]
    }

    /// The node of a key below another one.
    pub(super) fn child(&mut self, parent: u32, key: &str) -> u32 {
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
        let path = path.and_then(|path| {
            self.new_bytes += 2 * path.len() + 128;
            self.paths.code(&path)
        });
        self.new_bytes += key.len() + 2 * size_of::<Node>();
        self.nodes.push(Node::new(parent, key, is_kept, path, length));
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

/// Whether a key names a person (`licensee`: name, company and e-mail of the customer), or is itself
/// an e-mail or IP address.
fn is_personal(key: &str) -> bool {
    key.eq_ignore_ascii_case("licensee")
        || key.contains('@')
        || key.parse::<core::net::IpAddr>().is_ok()
}
