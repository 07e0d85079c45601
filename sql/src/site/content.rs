//! What the site says, before it is laid out as pages.

use std::collections::HashMap;

use engine::Result;
use engine::active::Level;

use super::entries::entries;
use super::entry::{Entry, Kind, owner_keys};
use super::facts::Facts;
use super::numbers::Series;

/// A site that is ready to be written.
pub(crate) struct Site<'a> {
    pub(super) title: String,
    pub(super) facts: &'a Facts<'a>,
    /// By kind, then in the order of the dictionary.
    pub(super) entries: Vec<Entry>,
    /// The pages of sections, stages and groups, by their keys and those above them.
    pub(super) owner_pages: HashMap<Vec<Option<String>>, String>,
    /// Monthly active users.
    pub(super) total: Series,
}

impl<'a> Site<'a> {
    /// Says everything that there is to say.
    ///
    /// # Errors
    /// When the files of a source cannot be opened.
    pub(crate) fn new(title: &str, facts: &'a Facts<'a>) -> Result<Self> {
        let entries = entries(facts)?;
        let owner_page = |entry: &Entry| {
            let rank = match entry.kind {
                Kind::Section => 0,
                Kind::Stage => 1,
                Kind::Group => 2,
                Kind::Metric | Kind::Event => return None,
            };
            Some((owner_keys(entry, rank), entry.page.clone()))
        };
        let owner_pages = entries.iter().filter_map(owner_page).collect();
        let total = facts.numbers.of_node(Level::Total, [None; 3]);
        Ok(Self { title: title.to_owned(), facts, entries, owner_pages, total })
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
