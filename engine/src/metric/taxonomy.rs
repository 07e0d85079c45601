//! The tree of sections, stages and groups, and the node of a metric on a given day.

use std::path::PathBuf;

use super::model::Metric;
use super::validity::Validity;
use crate::calendar::Day;

/// Sections, stages and groups with the days on which they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Declared sections first, then those that only a stage names; in file order.
    pub sections: Vec<Section>,
    /// Stages in file order. A key may stand twice, for different days.
    pub stages: Vec<Stage>,
}

/// The top of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its key, as written.
    pub key: String,
    /// The name to show; the key where there is none.
    pub name: String,
    /// The key in its one spelling.
    pub(super) slug: String,
}

/// A part of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its key, as written.
    pub key: String,
    /// The name to show; the key where there is none.
    pub name: String,
    /// The key in its one spelling.
    pub(super) slug: String,
    /// Key of its section.
    pub section: Option<String>,
    /// When it holds.
    pub valid: Validity,
    /// Its groups in file order.
    pub groups: Vec<Group>,
    /// The file that defines it.
    pub file: PathBuf,
    /// Its line in the file.
    pub line: usize,
    /// All other fields as text, in file order.
    pub other: Vec<(String, String)>,
}

/// A part of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its key, as written.
    pub key: String,
    /// The name to show; the key where there is none.
    pub name: String,
    /// The key in its one spelling.
    pub(super) slug: String,
    /// The feature categories that it looks after.
    pub categories: Vec<String>,
    /// When it holds under its stage: its own days within those of the stage.
    pub valid: Validity,
    /// The file that defines it.
    pub file: PathBuf,
    /// Its line in the file.
    pub line: usize,
    /// All other fields as text, in file order.
    pub other: Vec<(String, String)>,
}

/// A node of the tree, by its keys as they are written there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Placement<'a> {
    /// Its section.
    pub section: Option<&'a str>,
    /// Its stage.
    pub stage: Option<&'a str>,
    /// Its group.
    pub group: Option<&'a str>,
}

/// What a node of the tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// A [`Section`].
    Section,
    /// A [`Stage`].
    Stage,
    /// A [`Group`].
    Group,
}

/// A section, stage or group that holds on a given day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeNode<'a> {
    /// What it is.
    pub rank: Rank,
    /// Its key and those above it.
    pub placement: Placement<'a>,
    /// The name to show.
    pub name: &'a str,
}

impl Tree {
    /// The node of a metric on that day: its group; the stage if its group's name is a
    /// stage's; else its `product_stage`, else its `product_section`; else none.
    pub fn placement(&self, metric: &Metric, on: Day) -> Placement<'_> {
        self.find(metric, |valid| valid.contains(on))
    }

    /// The node of a metric on any day: the first in file order.
    pub fn any_placement(&self, metric: &Metric) -> Placement<'_> {
        self.find(metric, |_| true)
    }

    /// Every section, stage and group of that day, each one followed by what it holds; each rank
    /// in file order, stages without a section last. A section is listed while it has a stage.
    pub fn nodes_on(&self, day: Day) -> Vec<TreeNode<'_>> {
        let mut nodes = Vec::new();
        let sections = self.sections.iter().map(Some).chain([None]);
        for section in sections {
            let key = section.map(|section| section.key.as_str());
            let mut stages = self
                .stages
                .iter()
                .filter(|stage| stage.section.as_deref() == key && stage.valid.contains(day))
                .peekable();
            if let Some(Section { name, .. }) = section
                && stages.peek().is_some()
            {
                let placement = Placement { section: key, ..Placement::default() };
                nodes.push(TreeNode { rank: Rank::Section, placement, name });
            }
            for stage in stages {
                let placement = stage.placement();
                nodes.push(TreeNode { rank: Rank::Stage, placement, name: &stage.name });
                for group in stage.groups.iter().filter(|group| group.valid.contains(day)) {
                    let placement = Placement { group: Some(&group.key), ..placement };
                    nodes.push(TreeNode { rank: Rank::Group, placement, name: &group.name });
                }
            }
        }
        nodes
    }

    /// The name to show for a key, in any accepted spelling.
    pub fn name_of(&self, rank: Rank, key: &str) -> Option<&str> {
        let slug = normalise(key);
        let name = match rank {
            Rank::Section => &self.sections.iter().find(|section| section.slug == slug)?.name,
            Rank::Stage => &self.stages.iter().find(|stage| stage.slug == slug)?.name,
            Rank::Group => &self.groups().find(|group| group.slug == slug)?.name,
        };
        Some(name)
    }

    /// All groups of all stages, in file order.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.stages.iter().flat_map(|stage| &stage.groups)
    }

    fn find(&self, metric: &Metric, holds: impl Fn(&Validity) -> bool) -> Placement<'_> {
        let stage = |key: &str| {
            let named = |stage: &&Stage| stage.slug == key && holds(&stage.valid);
            self.stages.iter().find(named).map(Stage::placement)
        };
        let group = |key: &str| {
            self.stages.iter().find_map(|stage| {
                let named = |group: &&Group| group.slug == key && holds(&group.valid);
                let group = stage.groups.iter().find(named)?;
                Some(Placement { group: Some(&group.key), ..stage.placement() })
            })
        };
        let section = |key: &str| {
            let section = self.sections.iter().find(|section| section.slug == key)?;
            Some(Placement { section: Some(&section.key), ..Placement::default() })
        };
        let by_group = metric.group.as_deref().and_then(|key| group(key).or_else(|| stage(key)));
        by_group
            .or_else(|| metric.stage_hint.as_deref().and_then(stage))
            .or_else(|| metric.section_hint.as_deref().and_then(section))
            .unwrap_or_default()
    }
}

impl Stage {
    fn placement(&self) -> Placement<'_> {
        Placement { section: self.section.as_deref(), stage: Some(&self.key), group: None }
    }
}

/// The one spelling of a group, stage or section: without a prefix (`group::`, `devops::`), in
/// lower case, with underscores for spaces, dashes and colons. `group::code review` is
/// `code_review`, `5-min-app` is `5_min_app`.
pub fn normalise(name: &str) -> String {
    let own = name.rsplit("::").next().unwrap_or(name).trim().to_lowercase();
    own.replace(|letter: char| letter.is_whitespace() || matches!(letter, '-' | ':'), "_")
}
