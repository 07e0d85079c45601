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
//! | `entry`, `entries`, `definition`, `statements` | what is said about each thing, as texts |
//! | `columns` | the columns of the table, for HTML, CSV and JSON |
//! | `index`, `entry_page`, `privacy` | the pages |
//! | `page`, `charts`, `file_names` | their frame, their charts, their names |
//! | [`folder`] | writes the files, and replaces those of an earlier site |
//!
//! The same facts give the same bytes.

mod charts;
mod columns;
mod definition;
mod entries;
mod entry;
mod entry_page;
mod file_names;
pub(crate) mod folder;
mod index;
mod numbers;
mod page;
mod privacy;
mod statements;

use std::collections::HashMap;

use engine::active::{Answer, Level, Question, Survey, answer_into, survey};
use engine::metric::{Dictionary, Metric};
use engine::metric_data::{MetricData, metric_data};
use engine::pings::{PingTables, Refused};
use engine::project::Project;
use engine::{JobContext, Result};
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use self::entry::{Entry, Kind};
use self::numbers::{LEVELS, Numbers, Series};
use crate::output::{Format, write_batch};

/// The style sheet: that of reports, and what the pages have besides.
const STYLE: [&str; 2] = [crate::output::html::CSS, include_str!("site.css")];
const SCRIPT: &str = include_str!("search.js");

/// Everything that the pages are made of.
pub(crate) struct Facts<'a> {
    project: &'a Project,
    dictionary: &'a Dictionary,
    /// The answer to the one question; `None` if the project has no events.
    pub(crate) answer: Option<Answer>,
    numbers: Numbers,
    survey: Option<Survey>,
    data: Vec<MetricData>,
    pings: Option<PingTables>,
}

impl<'a> Facts<'a> {
    /// Computes one report of all levels, and where metrics have data.
    ///
    /// # Errors
    /// When the events cannot be counted.
    pub(crate) fn new(
        project: &'a Project,
        dictionary: &'a Dictionary,
        pings: Option<PingTables>,
        job: &JobContext<'_>,
    ) -> Result<Self> {
        let mut numbers = Numbers::default();
        let (mut answer, mut found) = (None, None);
        if !project.sources.is_empty() {
            let question = Question { levels: LEVELS.into(), ..Question::default() };
            let asked = with_events(dictionary);
            answer = Some(answer_into(project, &asked, &question, job, true, &mut numbers)?);
            found = Some(survey(project, dictionary, job, true)?);
        }
        let data = metric_data(dictionary, found.as_ref(), pings.as_ref());
        Ok(Self { project, dictionary, answer, numbers, survey: found, data, pings })
    }
}

impl Facts<'_> {
    /// The uploads of pings that were refused, if the project has pings.
    pub(crate) fn refused(&self) -> Option<Refused> {
        self.pings.as_ref().map(|tables| tables.collection.refused())
    }
}

/// The dictionary with a metric for each of its events, so that the report has their users too.
fn with_events(dictionary: &Dictionary) -> Dictionary {
    let mut asked = dictionary.clone();
    let mut events: Vec<&str> = dictionary.events.iter().map(|e| e.action.as_str()).collect();
    events.sort_unstable();
    events.dedup();
    asked.metrics.extend(
        events.into_iter().map(|event| Metric::of_event(numbers::key_of_event(event), event)),
    );
    asked
}

/// A site that is ready to be written.
pub(crate) struct Site<'a> {
    title: String,
    facts: &'a Facts<'a>,
    /// By kind, then in the order of the dictionary.
    entries: Vec<Entry>,
    /// The pages of sections, stages and groups, by their keys and those above them.
    owner_pages: HashMap<Vec<Option<String>>, String>,
    /// Monthly active users.
    total: Series,
}

impl<'a> Site<'a> {
    /// Says everything that there is to say.
    ///
    /// # Errors
    /// When the files of a source cannot be opened.
    pub(crate) fn new(title: &str, facts: &'a Facts<'a>) -> Result<Self> {
        let entries = entries::entries(facts)?;
        let owner_page = |entry: &Entry| {
            let rank = match entry.kind {
                Kind::Section => 0,
                Kind::Stage => 1,
                Kind::Group => 2,
                Kind::Metric | Kind::Event => return None,
            };
            Some((page::owner_keys(entry, rank), entry.page.clone()))
        };
        let owner_pages = entries.iter().filter_map(owner_page).collect();
        let total = facts.numbers.of_node(Level::Total, [None; 3]);
        Ok(Self { title: title.to_owned(), facts, entries, owner_pages, total })
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

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
        put(index::FILE, index::page(self).as_bytes())?;
        put(privacy::FILE, privacy::page(self).as_bytes())?;
        self.entries
            .par_iter()
            .try_for_each(|entry| put(&entry.page, entry_page::page(self, entry)?.as_bytes()))
    }
}

const TABLE_CSV: &str = "dictionary.csv";
const TABLE_JSON: &str = "dictionary.json";
