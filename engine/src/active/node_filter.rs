//! Which part of the tree a report is about: `--section`, `--stage`, `--group` and `--metric`.

use std::collections::BTreeSet;

use super::level::{Level, NodeName, names};
use crate::metric::Dictionary;
use crate::nearest::did_you_mean;
use crate::{Error, Result};

/// Keys of nodes; only they, and what is below them, have rows. A node must match every list that
/// is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFilter {
    /// Keys of sections.
    pub sections: Vec<String>,
    /// Keys of stages.
    pub stages: Vec<String>,
    /// Keys of groups.
    pub groups: Vec<String>,
    /// Key paths of metrics.
    pub metrics: Vec<String>,
}

impl NodeFilter {
    /// The lists by level, from the root down, without the empty ones.
    pub fn lists(&self) -> impl DoubleEndedIterator<Item = (Level, &[String])> {
        let lists = [
            (Level::Section, &self.sections),
            (Level::Stage, &self.stages),
            (Level::Group, &self.groups),
            (Level::Action, &self.metrics),
        ];
        let lists = lists.into_iter().map(|(level, keys)| (level, keys.as_slice()));
        lists.filter(|(_, keys)| !keys.is_empty())
    }

    /// The lowest level that it names nodes of: no node above has rows. `None` if it names none, and
    /// so lets everything pass.
    pub fn level(&self) -> Option<Level> {
        self.lists().next_back().map(|(level, _)| level)
    }

    /// Whether a node has rows.
    pub(crate) fn contains(&self, name: &NodeName) -> bool {
        self.lists().all(|(level, keys)| {
            let key = match level {
                Level::Section => &name.section,
                Level::Stage => &name.stage,
                Level::Group => &name.group,
                Level::Action => &name.metric,
                Level::Total | Level::Combined => return true,
            };
            key.as_ref().is_some_and(|key| keys.contains(key))
        })
    }

    /// The same with keys in place of display names, which are recognised in any case.
    ///
    /// # Errors
    /// When the dictionary has no such node.
    pub fn with_keys(self, dictionary: &Dictionary) -> Result<Self> {
        let names = names(dictionary);
        let keys = |level: Level, words: Vec<String>| -> Result<Vec<String>> {
            let known: BTreeSet<&str> = match level {
                Level::Action => dictionary.metrics.iter().map(|m| m.key_path.as_str()).collect(),
                _ => {
                    let own = names.keys().filter(|(of, _)| *of == level);
                    own.map(|(_, key)| key.as_str()).collect()
                }
            };
            let mut keys = Vec::new();
            for word in words {
                if known.contains(word.as_str()) {
                    keys.push(word);
                    continue;
                }
                let named = names.iter().filter(|((of, key), name)| {
                    *of == level
                        && known.contains(key.as_str())
                        && name.to_lowercase() == word.to_lowercase()
                });
                let before = keys.len();
                keys.extend(named.map(|((_, key), _)| key.clone()));
                if keys.len() == before {
                    return Err(unknown(level, &word, &known));
                }
            }
            Ok(keys)
        };
        Ok(Self {
            sections: keys(Level::Section, self.sections)?,
            stages: keys(Level::Stage, self.stages)?,
            groups: keys(Level::Group, self.groups)?,
            metrics: keys(Level::Action, self.metrics)?,
        })
    }
}

/// Most keys in a help text.
const MOST_LISTED: usize = 12;

fn unknown(level: Level, word: &str, known: &BTreeSet<&str>) -> Error {
    let what = if level == Level::Action { "metric" } else { level.as_str() };
    let help = did_you_mean(word, known.iter().copied()).unwrap_or_else(|| {
        let some: Vec<&str> = known.iter().copied().take(MOST_LISTED).collect();
        let more = if known.len() > some.len() { " ..." } else { "" };
        match some.as_slice() {
            [] => format!("the dictionary has no {what}s"),
            some => format!("the {what}s are: {}{more}", some.join(", ")),
        }
    });
    Error::input(format!("the dictionary has no {what} `{word}`")).with("help", help)
}

#[cfg(test)]
mod tests {
    use super::NodeFilter;
    use crate::active::{Level, NodeName};
    use crate::metric::{DefinitionKind, Dictionary};

    const STAGES: &str = "
stages:
  plan:
    display_name: Plan it
    section: dev
    groups: {board: {name: Board}, notes: {name: Notes}}
  ship: {section: ops, groups: {run: {name: Run}}}
";
    const METRICS: &str = "
- {key_path: a.b, description: 'Boards', product_group: board, time_frame: 28d, events: [{name: e, unique: user.id}]}
";

    fn dictionary() -> Dictionary {
        Dictionary::from_texts(&[
            (DefinitionKind::Stages, "stages.yml", STAGES),
            (DefinitionKind::Metrics, "metrics.yml", METRICS),
        ])
    }

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn display_names_become_keys() {
        let filter = NodeFilter {
            sections: list(&["dev"]),
            stages: list(&["PLAN IT", "ship"]),
            groups: list(&["Notes"]),
            metrics: list(&["boards", "a.b"]),
        };
        let expected = NodeFilter {
            sections: list(&["dev"]),
            stages: list(&["plan", "ship"]),
            groups: list(&["notes"]),
            metrics: list(&["a.b", "a.b"]),
        };
        assert_eq!(filter.with_keys(&dictionary()).unwrap(), expected);
    }

    #[test]
    fn unknown_nodes_are_errors_with_help() {
        for (filter, parts) in [
            (
                NodeFilter { stages: list(&["shup"]), ..NodeFilter::default() },
                ["no stage `shup`", "did you mean `ship`?"],
            ),
            (
                NodeFilter { groups: list(&["elsewhere"]), ..NodeFilter::default() },
                ["no group `elsewhere`", "the groups are: board, notes, run"],
            ),
            (
                NodeFilter { metrics: list(&["zzz"]), ..NodeFilter::default() },
                ["no metric `zzz`", "the metrics are: a.b"],
            ),
        ] {
            let error = filter.with_keys(&dictionary()).unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }

    #[test]
    fn a_filter_keeps_nodes_and_what_is_below_them() {
        let name = |level, stage: Option<&str>, group: Option<&str>| NodeName {
            level,
            section: stage.map(|_| "dev".to_owned()),
            stage: stage.map(str::to_owned),
            group: group.map(str::to_owned),
            metric: None,
        };
        let filter = NodeFilter { stages: list(&["plan"]), ..NodeFilter::default() };
        assert_eq!(filter.level(), Some(Level::Stage));
        for (node, is_in) in [
            (name(Level::Total, None, None), false),
            (name(Level::Section, None, None), false),
            (name(Level::Stage, Some("plan"), None), true),
            (name(Level::Group, Some("plan"), Some("notes")), true),
            (name(Level::Group, Some("ship"), Some("run")), false),
        ] {
            assert_eq!(filter.contains(&node), is_in, "{node:?}");
        }
        let both = NodeFilter { groups: list(&["notes"]), ..filter };
        assert!(!both.contains(&name(Level::Stage, Some("plan"), None)));
        assert!(both.contains(&name(Level::Group, Some("plan"), Some("notes"))));
        assert_eq!(NodeFilter::default().level(), None);
        assert!(NodeFilter::default().contains(&name(Level::Total, None, None)));
    }
}
