//! Makes the entries from definitions, numbers, and where there is data.

use std::collections::HashMap;
use std::path::Path;

use engine::Result;
use engine::active::Level;
use engine::calendar::Day;
use engine::metric::{Event, Metric, Placement, Rank, Status, TreeNode, USER, normalise};
use engine::metric_data::Place;
use engine::pings::PingTables;

use super::definition;
use super::entry::{Entry, Figures, Kind, Origin, Owner, PersonalValue};
use super::facts::Facts;
use super::file_names::FileNames;
use super::numbers::{Month, Series};
use super::statements::{self, EventTable};
use crate::output::text::plain;

/// Fields of definitions that entries have under a name of their own.
const USED: [&str; 7] = [
    "tiers",
    "tier",
    "data_category",
    "value_type",
    "milestone",
    "product_stage",
    "product_section",
];
const NOT_DOCUMENTED: &str = "some of its events have no definition";
const PER_INSTALLATION: &str = "one value for each installation";

/// One entry for everything in the dictionary.
///
/// # Errors
/// When the files of a source cannot be opened.
pub(super) fn entries(facts: &Facts<'_>) -> Result<Vec<Entry>> {
    let dictionary = facts.dictionary;
    let today = facts.answer.as_ref().and_then(|answer| answer.report.last_day);
    let has_rejects =
        facts.answer.as_ref().is_some_and(|answer| answer.summary.rejects.total() > 0);
    let maker = Maker {
        facts,
        today: today.unwrap_or(Day::MAX),
        table: EventTable::of(facts.project, has_rejects)?,
        recorded: facts.pings.as_ref().map(recorded).unwrap_or_default(),
    };
    let mut names = FileNames::default();
    let mut entries = Vec::new();
    for (index, metric) in dictionary.metrics.iter().enumerate() {
        let page = names.page(Kind::Metric.folder(), &metric.key_path);
        entries.push(maker.metric(index, metric, page));
    }
    for (index, event) in dictionary.events.iter().enumerate() {
        let name = match &event.category {
            Some(category) => format!("{category} {}", event.action),
            None => event.action.clone(),
        };
        entries.push(maker.event(index, event, names.page(Kind::Event.folder(), &name)));
    }
    let nodes = dictionary.tree.nodes_on(maker.today);
    for (kind, rank) in
        [(Kind::Group, Rank::Group), (Kind::Stage, Rank::Stage), (Kind::Section, Rank::Section)]
    {
        for node in nodes.iter().filter(|node| node.rank == rank) {
            let key = key_of(node).unwrap_or_default();
            let page = names.page(kind.folder(), key);
            entries.push(maker.node(kind, node, &entries, page));
        }
    }
    relate(facts, &mut entries);
    Ok(entries)
}

struct Maker<'a> {
    facts: &'a Facts<'a>,
    /// The day whose tree the report uses.
    today: Day,
    table: Option<EventTable<'a>>,
    /// Numbers from pings by the index of the key path.
    recorded: HashMap<usize, Series>,
}

impl Maker<'_> {
    fn metric(&self, index: usize, metric: &Metric, page: String) -> Entry {
        let data = &self.facts.data[index];
        let (personal, personal_note) = self.personal_of(metric);
        let last = data.paths.iter().filter_map(|path| path.pings).chain(data.events);
        Entry {
            description: plain(&metric.description),
            definition: plain(&definition::text(metric)),
            time_frames: metric.time_frames.iter().map(ToString::to_string).collect(),
            owners: self.owners(metric),
            data_source: metric.data_source.clone(),
            status: self.status(metric),
            indicators: metric.indicators.iter().map(ToString::to_string).collect(),
            place: Some(data.place()),
            first_day: data.first(),
            last_day: last.map(|span| span.days.end).max(),
            figures: self.figures(metric),
            personal,
            personal_note,
            place_in_file: self.place_in_file(&metric.file, metric.line),
            index: Some(index),
            ..entry(Kind::Metric, &metric.key_path, &metric.other, page)
        }
    }

    fn event(&self, index: usize, event: &Event, page: String) -> Entry {
        let span = self.facts.survey.as_ref().and_then(|survey| survey.events.get(&event.action));
        let mut owner = Metric::of_event(String::new(), &event.action);
        owner.group.clone_from(&event.group);
        let hint = |name: &str| field(&event.other, name).map(normalise);
        (owner.stage_hint, owner.section_hint) = (hint("product_stage"), hint("product_section"));
        let figures = (!self.facts.project.sources.is_empty()).then(|| Figures {
            origin: Origin::Events,
            series: self.facts.numbers.of_event(&event.action),
            key_path: None,
            sql: self.table.as_ref().map(|table| table.users_of_event(&event.action)),
        });
        Entry {
            category: event.category.as_deref().map(plain),
            description: plain(&event.description),
            owners: self.owners(&owner),
            status: event.status.to_string(),
            place: Some(if span.is_some() { Place::Events } else { Place::Neither }),
            first_day: span.map(|span| span.days.start),
            last_day: span.map(|span| span.days.end),
            figures: figures.into_iter().collect(),
            personal: personal(event),
            place_in_file: self.place_in_file(&event.file, event.line),
            index: Some(index),
            ..entry(Kind::Event, &event.action, &event.other, page)
        }
    }

    fn node(&self, kind: Kind, node: &TreeNode<'_>, others: &[Entry], page: String) -> Entry {
        let Placement { section, stage, group } = node.placement;
        let tree = &self.facts.dictionary.tree;
        let level = match node.rank {
            Rank::Section => Level::Section,
            Rank::Stage => Level::Stage,
            Rank::Group => Level::Group,
        };
        let stage_of = tree
            .stages
            .iter()
            .find(|of| Some(of.key.as_str()) == stage && of.valid.contains(self.today));
        let group_of = stage_of.and_then(|of| {
            let mut groups = of.groups.iter();
            groups.find(|of| Some(of.key.as_str()) == group && of.valid.contains(self.today))
        });
        let (mut other, place) = match (node.rank, stage_of, group_of) {
            (Rank::Stage, Some(of), _) => (of.other.clone(), Some((&of.file, of.line))),
            (Rank::Group, _, Some(of)) => (of.other.clone(), Some((&of.file, of.line))),
            _ => (Vec::new(), None),
        };
        if let (Rank::Group, Some(of)) = (node.rank, group_of)
            && !of.categories.is_empty()
        {
            other.push(("categories".to_owned(), of.categories.join(", ")));
        }
        let keys = [section, stage, group];
        let inside = others.iter().filter(|of| of.kind == Kind::Metric && is_inside(of, keys));
        let inside: Vec<&Entry> = inside.collect();
        let metrics = &self.facts.dictionary.metrics;
        let counted = |of: &&&Entry| of.index.is_some_and(|at| metrics[at].counted().is_ok());
        let counted = inside.iter().filter(counted).count();
        Entry {
            title: Some(plain(node.name)),
            definition: match counted {
                0 => "no counted metrics".to_owned(),
                1 => "users of its counted metric".to_owned(),
                counted => format!("users of any of its {counted} counted metrics"),
            },
            owners: self.owners_of(node.placement),
            status: "active".to_owned(),
            first_day: inside.iter().filter_map(|of| of.first_day).min(),
            last_day: inside.iter().filter_map(|of| of.last_day).max(),
            figures: vec![Figures {
                origin: Origin::Events,
                series: self.facts.numbers.of_node(level, keys),
                key_path: None,
                sql: Some(statements::of_node(level, keys)),
            }],
            place_in_file: place.and_then(|(file, line)| self.place_in_file(file, line)),
            ..entry(kind, key_of(node).unwrap_or_default(), &other, page)
        }
    }

    /// Numbers from events, and those of each key path in pings.
    fn figures(&self, metric: &Metric) -> Vec<Figures> {
        let mut figures = Vec::new();
        if metric.counted().is_ok() && !self.facts.project.sources.is_empty() {
            figures.push(Figures {
                origin: Origin::Events,
                series: self.facts.numbers.of_metric(&metric.key_path),
                key_path: None,
                sql: Some(match &self.table {
                    // The tree of the last day has no others.
                    Some(table) if metric.valid.contains(self.today) => table.users(metric),
                    _ => statements::of_metric(&metric.key_path),
                }),
            });
        }
        let Some(tables) = &self.facts.pings else { return figures };
        let Some(path) = tables.metrics.monthly(metric) else { return figures };
        let key_path = &tables.metrics.list[path].key_path;
        figures.push(Figures {
            origin: Origin::Pings,
            series: self.recorded.get(&path).cloned().unwrap_or_default(),
            key_path: Some(plain(key_path)),
            sql: Some(statements::of_pings(key_path)),
        });
        figures
    }

    /// The status, and whether the definition does not hold on the last day.
    fn status(&self, metric: &Metric) -> String {
        let valid = &metric.valid;
        match (metric.status, valid.from, valid.to) {
            (Status::Active, _, Some(to)) if to <= self.today => format!("ended {to}"),
            (Status::Active, Some(from), _) if from > self.today => format!("starts {from}"),
            (status, ..) => status.to_string(),
        }
    }

    fn owners(&self, metric: &Metric) -> [Option<Owner>; 3] {
        let tree = &self.facts.dictionary.tree;
        self.owners_of(match tree.placement(metric, self.today) {
            nowhere if nowhere == Placement::default() => tree.any_placement(metric),
            placement => placement,
        })
    }

    fn owners_of(&self, placement: Placement<'_>) -> [Option<Owner>; 3] {
        let owner = |rank: Rank, key: Option<&str>| {
            let key = key?;
            let name = self.facts.dictionary.tree.name_of(rank, key).unwrap_or(key);
            Some(Owner { key: key.to_owned(), name: plain(name) })
        };
        [
            owner(Rank::Section, placement.section),
            owner(Rank::Stage, placement.stage),
            owner(Rank::Group, placement.group),
        ]
    }

    /// What the events of a metric carry, and what is not known of it.
    fn personal_of(&self, metric: &Metric) -> (Vec<PersonalValue>, Option<&'static str>) {
        if metric.rules.is_empty() {
            return (Vec::new(), Some(PER_INSTALLATION));
        }
        let (mut values, mut is_known) = (Vec::new(), true);
        for rule in &metric.rules {
            let events = &self.facts.dictionary.events;
            let mut defined = events.iter().filter(|event| event.action == rule.event).peekable();
            is_known &= defined.peek().is_some();
            for value in defined.flat_map(personal) {
                if !values.iter().any(|of: &PersonalValue| of.name == value.name) {
                    values.push(value);
                }
            }
        }
        let counts_users = metric.rules.iter().any(|rule| rule.unique.as_deref() == Some(USER));
        if counts_users && !values.iter().any(|of| of.is_identifier && of.name == "user") {
            let user = PersonalValue {
                name: "user".to_owned(),
                description: String::new(),
                is_identifier: true,
            };
            values.insert(0, user);
        }
        (values, (!is_known).then_some(NOT_DOCUMENTED))
    }

    /// `dictionary/metrics/all.yml:12`, relative to the project.
    fn place_in_file(&self, file: &Path, line: usize) -> Option<String> {
        let file = file.strip_prefix(&self.facts.project.root).unwrap_or(file);
        Some(plain(&format!("{}:{line}", file.display())))
    }
}

/// The sums over all installations by month.
fn recorded(tables: &PingTables) -> HashMap<usize, Series> {
    let mut recorded: HashMap<usize, Series> = HashMap::new();
    for row in &tables.recorded {
        // Too large a sum is not known.
        let Some(sum) = row.recorded else { continue };
        let value = sum.unsigned_abs();
        let months = &mut recorded.entry(row.metric).or_default().months;
        match months.last_mut().filter(|month| month.start == row.month) {
            Some(month) => month.value = month.value.saturating_add(value),
            None => months.push(Month { start: row.month, complete: row.complete, value }),
        }
    }
    recorded
}

/// An entry with what all definitions have.
fn entry(kind: Kind, key: &str, other: &[(String, String)], page: String) -> Entry {
    let text = |name: &str| field(other, name).map(plain);
    let tiers = field(other, "tiers").or_else(|| field(other, "tier")).unwrap_or_default();
    Entry {
        kind,
        key: plain(key),
        category: None,
        title: None,
        description: String::new(),
        definition: String::new(),
        time_frames: Vec::new(),
        owners: [None, None, None],
        tiers: list(tiers),
        data_category: text("data_category"),
        value_type: text("value_type"),
        data_source: None,
        status: String::new(),
        indicators: Vec::new(),
        place: None,
        milestone: text("milestone"),
        first_day: None,
        last_day: None,
        figures: Vec::new(),
        personal: Vec::new(),
        personal_note: None,
        related: Vec::new(),
        other: other
            .iter()
            .filter(|(name, _)| !USED.contains(&name.as_str()))
            .map(|(name, value)| (plain(name), plain(value)))
            .collect(),
        place_in_file: None,
        index: None,
        page,
    }
}

/// Connects metrics with their events, and nodes with what is in them.
fn relate(facts: &Facts<'_>, entries: &mut [Entry]) {
    let metrics = &facts.dictionary.metrics;
    let mut events: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, entry) in entries.iter().enumerate().filter(|(_, of)| of.kind == Kind::Event) {
        let Some(index) = entry.index else { continue };
        events.entry(&facts.dictionary.events[index].action).or_default().push(at);
    }
    let mut related: Vec<Vec<usize>> = vec![Vec::new(); entries.len()];
    for (at, entry) in entries.iter().enumerate() {
        match entry.kind {
            Kind::Metric => {
                let rules = entry.index.map(|index| &metrics[index].rules).into_iter().flatten();
                for event in rules.filter_map(|rule| events.get(rule.event.as_str())).flatten() {
                    if !related[at].contains(event) {
                        related[at].push(*event);
                        related[*event].push(at);
                    }
                }
            }
            Kind::Event => {}
            Kind::Group | Kind::Stage | Kind::Section => {
                let keys = entry.owners.each_ref().map(|owner| owner.as_ref().map(|o| &*o.key));
                let is_child = |of: &Entry| match (entry.kind, of.kind) {
                    (Kind::Section, Kind::Stage) | (Kind::Stage, Kind::Group) => true,
                    (Kind::Group, Kind::Metric) => true,
                    // Those that belong to no part of it.
                    (Kind::Stage, Kind::Metric) => of.owners[2].is_none(),
                    (Kind::Section, Kind::Metric) => of.owners[1].is_none(),
                    _ => false,
                };
                let inside = entries.iter().enumerate();
                let inside = inside.filter(|(_, of)| is_child(of) && is_inside(of, keys));
                related[at] = inside.map(|(of, _)| of).collect();
            }
        }
    }
    for (entry, related) in entries.iter_mut().zip(related) {
        if entry.kind == Kind::Event {
            let count = related.len();
            let what = if count == 1 { "metric" } else { "metrics" };
            entry.definition = match count {
                0 => "used by no metric".to_owned(),
                count => format!("used by {count} {what}"),
            };
        }
        entry.related = related;
    }
}

/// Whether an entry belongs to the node with these keys, or is it.
fn is_inside(entry: &Entry, keys: [Option<&str>; 3]) -> bool {
    let Some(depth) = keys.iter().rposition(Option::is_some) else { return false };
    let owners = entry.owners.each_ref().map(|owner| owner.as_ref().map(|owner| &*owner.key));
    keys[..=depth] == owners[..=depth]
}

fn personal(event: &Event) -> Vec<PersonalValue> {
    let identifiers = event.identifiers.iter().map(|name| PersonalValue {
        name: plain(name),
        description: String::new(),
        is_identifier: true,
    });
    let properties = event.properties.iter().map(|property| PersonalValue {
        name: plain(&property.name),
        description: plain(&property.description),
        is_identifier: false,
    });
    identifiers.chain(properties).collect()
}

fn key_of<'a>(node: &TreeNode<'a>) -> Option<&'a str> {
    let Placement { section, stage, group } = node.placement;
    match node.rank {
        Rank::Section => section,
        Rank::Stage => stage,
        Rank::Group => group,
    }
}

fn field<'a>(other: &'a [(String, String)], name: &str) -> Option<&'a str> {
    other.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The items of a list in YAML's flow form, or the one value.
fn list(text: &str) -> Vec<String> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    inner.split(", ").map(str::trim).filter(|item| !item.is_empty()).map(plain).collect()
}
