//! What a dictionary holds: events, and metrics with the rules that select their users.

use std::fmt;
use std::path::PathBuf;

use super::validity::Validity;

/// The `unique` of a rule that counts users.
pub const USER: &str = "user.id";

/// Something that users do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name. Old events share one name under several categories.
    pub action: String,
    /// Other names that it has in the data.
    pub aliases: Vec<String>,
    /// What the name belongs to, in old events only.
    pub category: Option<String>,
    /// What it says, or empty.
    pub description: String,
    /// What an event of this kind carries: user, project, namespace.
    pub identifiers: Vec<String>,
    /// What else it carries, in file order.
    pub properties: Vec<Property>,
    /// Key of the owning group, in the spelling of [`normalise`](super::normalise).
    pub group: Option<String>,
    /// Whether it is still sent.
    pub status: Status,
    /// The file that defines it.
    pub file: PathBuf,
    /// Its first line in the file.
    pub line: usize,
    /// All other fields as text, in file order.
    pub other: Vec<(String, String)>,
}

/// A value that an event carries besides its identifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// What it says, or empty.
    pub description: String,
}

/// A named selection of events whose users are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, as written. With several time frames it stands for all of them; Headcount reports
    /// a metric under this name and adds no `_weekly` or `_monthly`.
    pub key_path: String,
    /// What it says, or empty.
    pub description: String,
    /// `product_group`, in the spelling of [`normalise`](super::normalise); may name a stage.
    pub group: Option<String>,
    /// `product_stage`, in that spelling too, for when the group is not in the tree.
    pub stage_hint: Option<String>,
    /// `product_section`, in that spelling too, for when neither of them is in the tree.
    pub section_hint: Option<String>,
    /// Whether it is still measured.
    pub status: Status,
    /// The time frames of the metric; none means any.
    pub time_frames: Vec<TimeFrame>,
    /// Whether `time_frame` is a list: then pings have a key path for each frame, with its ending.
    pub has_frame_list: bool,
    /// Which performance indicators it stands for.
    pub indicators: Vec<Indicator>,
    /// Where its numbers come from: `internal_events`, `redis_hll`, `database` ...
    pub data_source: Option<String>,
    /// How the rules go together.
    pub operator: Operator,
    /// What selects its events.
    pub rules: Vec<Rule>,
    /// When the definition holds.
    pub valid: Validity,
    /// The file that defines it.
    pub file: PathBuf,
    /// Its first line in the file.
    pub line: usize,
    /// All other fields as text, in file order.
    pub other: Vec<(String, String)>,
    /// Path of keys to the definition inside the file, for problems.
    pub(super) key: String,
    /// Line of `product_group`, or of the definition without one, for problems.
    pub(super) owner_line: usize,
}

/// One selection: events of a name that pass the filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The event's `action`.
    pub event: String,
    /// Dimension and values: each dimension must have any one of its values, compared as text.
    pub filter: Vec<(String, Vec<String>)>,
    /// What is counted once: [`USER`] for users, `project.id` and the like for other things,
    /// `None` for plain occurrences. Where a definition implies users, this says so.
    pub unique: Option<String>,
    /// `sum(value)`, for a metric that adds up numbers instead of counting.
    pub operator: Option<String>,
    /// Line in the metric's file, or in the aggregate's for rules that come from one.
    pub line: usize,
    /// Path of keys to the rule inside its file, for problems.
    pub(super) key: String,
}

/// Whether a definition is in use. Words of older definitions (`data_available`) mean active and
/// are kept among the other fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// In use.
    Active,
    /// Its numbers are known to be wrong.
    Broken,
    /// History.
    Removed,
}

/// The span that a definition asks to be counted over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeFrame {
    /// `7d`: a week.
    Week,
    /// `28d`: a month.
    Month,
    /// `all`: since the beginning.
    All,
    /// `none`: a fact without a span, such as a setting.
    None,
}

impl TimeFrame {
    /// Every frame with the word that stands in a definition.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("7d", Self::Week), ("28d", Self::Month), ("all", Self::All), ("none", Self::None)];
}

/// What a metric stands for in the reports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Indicator {
    /// `smau`: its stage.
    Smau,
    /// `gmau`: its group.
    Gmau,
    /// `paid_gmau`: its group's paying users.
    PaidGmau,
    /// `umau`: the whole product.
    Umau,
    /// Any other word, as written.
    Other(String),
}

/// How the rules of a metric go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `OR`: users who did any of them.
    #[default]
    Union,
    /// `AND`: users who did all of them.
    Intersection,
}

/// Why the users of a metric cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Uncounted {
    /// Its status is removed.
    Removed,
    /// Its status is broken.
    Broken,
    /// Nothing says which events it consists of.
    NoEvents,
    /// It adds up a value.
    SumOperator,
    /// It counts occurrences, projects or other things that are not users.
    NotUsers,
    /// Its time frame is not 28 days: only weekly, over all time, or a plain fact.
    TimeFrame,
}

impl Metric {
    /// The users of one event, as a metric without a group.
    pub fn of_event(key_path: String, event: &str) -> Self {
        let rule = Rule {
            event: event.to_owned(),
            filter: Vec::new(),
            unique: Some(USER.to_owned()),
            operator: None,
            line: 0,
            key: String::new(),
        };
        Self {
            key_path,
            description: String::new(),
            group: None,
            stage_hint: None,
            section_hint: None,
            status: Status::Active,
            time_frames: Vec::new(),
            has_frame_list: false,
            indicators: Vec::new(),
            data_source: None,
            operator: Operator::Union,
            rules: vec![rule],
            valid: Validity::default(),
            file: PathBuf::new(),
            line: 0,
            other: Vec::new(),
            key: String::new(),
            owner_line: 0,
        }
    }

    /// Whether Headcount can count its users.
    ///
    /// # Errors
    /// The first reason why not, in the order of [`Uncounted`].
    pub fn counted(&self) -> Result<(), Uncounted> {
        match self.status {
            Status::Removed => return Err(Uncounted::Removed),
            Status::Broken => return Err(Uncounted::Broken),
            Status::Active => {}
        }
        if self.rules.is_empty() {
            Err(Uncounted::NoEvents)
        } else if self.rules.iter().any(|rule| rule.operator.is_some()) {
            Err(Uncounted::SumOperator)
        } else if self.rules.iter().any(|rule| rule.unique.as_deref() != Some(USER)) {
            Err(Uncounted::NotUsers)
        } else if !self.time_frames.is_empty() && !self.time_frames.contains(&TimeFrame::Month) {
            Err(Uncounted::TimeFrame)
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for Uncounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Removed => "status `removed`",
            Self::Broken => "status `broken`",
            Self::NoEvents => "no events",
            Self::SumOperator => "sums a value",
            Self::NotUsers => "does not count users",
            Self::TimeFrame => "no time frame of 28d",
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Broken => "broken",
            Self::Removed => "removed",
        })
    }
}

impl fmt::Display for TimeFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.iter().find(|(_, frame)| frame == self);
        f.pad(word.map_or("", |(word, _)| word))
    }
}

impl fmt::Display for Indicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Smau => "smau",
            Self::Gmau => "gmau",
            Self::PaidGmau => "paid_gmau",
            Self::Umau => "umau",
            Self::Other(word) => word,
        })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Union => "OR",
            Self::Intersection => "AND",
        })
    }
}
