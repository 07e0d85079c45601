//! The documentation of a project's metrics as a folder of HTML pages that needs no server, no script
//! and no other origin: `headcount docs`.
//!
//! ```text
//! Facts (definitions, one report, where there is data) --> Site (an Entry for each section, stage,
//! group, metric and event) --> files
//! ```
//!
//! | module | is |
//! |---|---|
//! | [`Facts`], `numbers` | what the pages are made of |
//! | [`Site`] | what the site says |
//! | `entry`, `entries`, `definition`, `statements` | what is said about each thing, as texts |
//! | `columns` | the columns of the table, for HTML, CSV and JSON |
//! | `index`, `entry_page`, `privacy` | the pages |
//! | `page`, `charts`, `file_names` | their frame, their charts, their names |
//! | [`folder`] | writes the files, and replaces those of an earlier site |
//!
//! The same facts give the same bytes.

mod charts;
mod columns;
mod content;
mod definition;
mod entries;
mod entry;
mod entry_page;
mod facts;
mod file_names;
pub(crate) mod folder;
mod index;
mod numbers;
mod page;
mod privacy;
mod statements;

use engine::Result;
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use self::file_names::{INDEX, PRIVACY, TABLE_CSV, TABLE_JSON};
use crate::output::{Format, write_batch};

pub(crate) use self::content::Site;
pub(crate) use self::facts::Facts;

/// The style sheet: that of reports, and what the pages have besides.
const STYLE: [&str; 2] = [crate::output::html::CSS, include_str!("site.css")];
const SCRIPT: &str = include_str!("search.js");

impl Site<'_> {
    /// Gives every file to `put`, by its path in the folder, from several threads.
    ///
    /// # Errors
    /// Those of `put`; [`engine::Kind::Internal`] when a chart cannot be drawn.
    pub(crate) fn files(&self, put: &(dyn Fn(&str, &[u8]) -> Result<()> + Sync)) -> Result<()> {
        let table = columns::record_batch(&self.entries)?;
        for (name, format) in [(TABLE_CSV, Format::Csv), (TABLE_JSON, Format::Json)] {
            let mut bytes = Vec::new();
            write_batch(format, &table, &mut bytes)?;
            put(name, &bytes)?;
        }
        put("site.css", STYLE.concat().as_bytes())?;
        put("search.js", SCRIPT.as_bytes())?;
        put(INDEX, index::page(self).as_bytes())?;
        put(PRIVACY, privacy::page(self).as_bytes())?;
        self.entries
            .par_iter()
            .try_for_each(|entry| put(&entry.page, entry_page::page(self, entry)?.as_bytes()))
    }
}
