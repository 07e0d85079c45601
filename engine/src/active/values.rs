//! Counts users: for every set of dimension values, every wanted set of metrics, every period.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::nodes::{needs_intersection, selections};
use super::trailing::trailing;
use crate::calendar::{Day, Period, Window};
use crate::events::NONE_LABEL;
use crate::metric::Dictionary;
use crate::rollup::{Asked, Rollup, Terms, Users};
use crate::users::Estimate;
use crate::{Error, Result};

/// What is counted: the union of some metrics, or (`None`) everybody.
pub(super) type Want = Option<Vec<usize>>;

/// One value for each dimension of `--by`; `None` is All.
pub(super) type Combo = Vec<Option<String>>;

/// Cells of the roll-up, sorted so that each question finds its own.
pub(super) struct Index<'a> {
    dictionary: &'a Dictionary,
    rollup: &'a Rollup,
    combos: BTreeMap<Combo, BTreeMap<Day, Granule>>,
}

#[derive(Default)]
struct Granule {
    cells: Vec<u32>,
    /// By metric and rule.
    rules: HashMap<(usize, usize), Vec<u32>>,
}

/// Users of each want, by combo: one estimate for each period.
pub(super) type Values = HashMap<(usize, Want), Vec<Estimate>>;

impl<'a> Index<'a> {
    /// Sorts the cells. The first `by` of `dimensions` are those to tell users apart by.
    pub(super) fn new(
        dictionary: &'a Dictionary,
        rollup: &'a Rollup,
        dimensions: &[String],
        by: usize,
    ) -> Self {
        let mut rules: Vec<Vec<(usize, usize)>> = vec![Vec::new(); rollup.cells.len()];
        for (metric, selected) in
            selections(dictionary, dimensions, &rollup.cells).iter().enumerate()
        {
            for (rule, cells) in selected.iter().enumerate() {
                for cell in cells {
                    rules[*cell as usize].push((metric, rule));
                }
            }
        }
        // The All row of everything is there even without a single cell.
        let mut combos = BTreeMap::from([(vec![None; by], BTreeMap::new())]);
        for (at, cell) in rollup.cells.iter().enumerate() {
            if rollup.events[at] == 0 {
                continue;
            }
            for mask in 0..1usize << by {
                let combo = (0..by)
                    .map(|place| (mask >> place & 1 == 1).then(|| label(&cell.dimensions[place])))
                    .collect();
                let days: &mut BTreeMap<Day, Granule> = combos.entry(combo).or_default();
                let granule = days.entry(cell.granule).or_default();
                granule.cells.push(at as u32);
                for rule in &rules[at] {
                    granule.rules.entry(*rule).or_default().push(at as u32);
                }
            }
        }
        Self { dictionary, rollup, combos }
    }

    /// The sets of dimension values, in order; their places are the combos of [`Values`].
    pub(super) fn combos(&self) -> impl Iterator<Item = &Combo> {
        self.combos.keys()
    }

    /// Counts every want in every period for every combo.
    pub(super) fn values(
        &self,
        window: Window,
        periods: &[Period],
        wants: &BTreeSet<Want>,
    ) -> Result<Values> {
        let days: Vec<&BTreeMap<Day, Granule>> = self.combos.values().collect();
        let tasks: Vec<(usize, &Want)> =
            (0..days.len()).flat_map(|combo| wants.iter().map(move |want| (combo, want))).collect();
        let asked: Vec<Asked> = tasks
            .par_iter()
            .map(|(combo, want)| self.asked(window, periods, days[*combo], want))
            .collect();
        let series: Vec<Vec<Estimate>> = match &self.rollup.users {
            Users::Stored(stored) => {
                let counts = stored.answer(&asked)?;
                counts.into_iter().map(|list| list.into_iter().map(exactly).collect()).collect()
            }
            users => asked
                .into_par_iter()
                .map(|asked| self.count(users, asked))
                .collect::<Result<_>>()?,
        };
        Ok(tasks
            .into_iter()
            .zip(series)
            .map(|((combo, want), mut series)| {
                if series.len() != periods.len() {
                    series = at_ends(&series, periods);
                }
                ((combo, want.clone()), series)
            })
            .collect())
    }

    /// The set of users that a want stands for in a period, at the place of a combo.
    pub(super) fn terms(&self, combo: usize, period: Period, want: &Want) -> Terms {
        let days = self.combos.values().nth(combo);
        days.map(|days| self.terms_of(days, period, want)).unwrap_or_default()
    }

    fn count(&self, users: &Users, asked: Asked) -> Result<Vec<Estimate>> {
        match (asked, users) {
            (Asked::Trailing { days, length }, Users::Exact(sets)) => {
                Ok(trailing(sets, &days, length).into_iter().map(exactly).collect())
            }
            (Asked::Trailing { .. }, _) => Err(Error::internal("only sets have trailing days")),
            (Asked::Terms(terms), _) => {
                terms.iter().map(|terms| self.rollup.count(terms)).collect()
            }
        }
    }

    /// What to ask the cells for a want: one count for each period, or for each of the days from
    /// the start of the first period to the end of the last.
    fn asked(
        &self,
        window: Window,
        periods: &[Period],
        days: &BTreeMap<Day, Granule>,
        want: &Want,
    ) -> Asked {
        let length = match window {
            Window::Trailing(length) => Some(usize::from(length)),
            Window::Lagged28d => Some(28),
            _ => None,
        };
        let has_days = matches!(self.rollup.users, Users::Exact(_) | Users::Stored(_));
        if let (Some(length), true) = (length, has_days && self.is_plain(want))
            && let (Some(first), Some(last)) = (periods.first(), periods.last())
        {
            let days = (first.start.number()..=last.end.number())
                .map(|day| self.plain(days, Period::new(Day::new(day), Day::new(day)), want))
                .collect();
            return Asked::Trailing { days, length };
        }
        Asked::Terms(periods.iter().map(|period| self.terms_of(days, *period, want)).collect())
    }

    fn is_plain(&self, want: &Want) -> bool {
        let metrics = want.iter().flatten();
        metrics.into_iter().all(|metric| !needs_intersection(&self.dictionary.metrics[*metric]))
    }

    /// The cells whose union is wanted, each once.
    fn plain(&self, days: &BTreeMap<Day, Granule>, period: Period, want: &Want) -> Vec<u32> {
        let mut cells = Vec::new();
        for granule in days.range(period.start..=period.end).map(|(_, granule)| granule) {
            match want {
                None => cells.extend(&granule.cells),
                Some(metrics) => {
                    let own = metrics.iter().flat_map(|metric| {
                        let rules = 0..self.dictionary.metrics[*metric].rules.len();
                        rules.filter_map(|rule| granule.rules.get(&(*metric, rule)))
                    });
                    cells.extend(own.flatten());
                }
            }
        }
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    fn terms_of(&self, days: &BTreeMap<Day, Granule>, period: Period, want: &Want) -> Terms {
        let (several, plain): (Vec<usize>, Vec<usize>) = want
            .iter()
            .flatten()
            .partition(|metric| needs_intersection(&self.dictionary.metrics[**metric]));
        let plain = if want.is_none() { None } else { Some(plain) };
        let mut terms = vec![vec![self.plain(days, period, &plain)]];
        for metric in several {
            let rules = 0..self.dictionary.metrics[metric].rules.len();
            let cells = |rule| {
                let granules = days.range(period.start..=period.end).map(|(_, granule)| granule);
                granules.filter_map(|g| g.rules.get(&(metric, rule))).flatten().copied().collect()
            };
            terms.push(rules.map(cells).collect());
        }
        terms
    }
}

fn exactly(users: u64) -> Estimate {
    Estimate { users, low: users, high: users }
}

/// Of a series of days from the start of the first period, those on which periods end.
fn at_ends(series: &[Estimate], periods: &[Period]) -> Vec<Estimate> {
    let start = periods.first().map_or(0, |first| first.start.number());
    periods.iter().map(|period| series[(period.end.number() - start) as usize]).collect()
}

/// A dimension value as it is printed; a real value of the text for "no value" is quoted.
fn label(value: &Option<String>) -> String {
    match value {
        None => NONE_LABEL.to_owned(),
        Some(value) if value == NONE_LABEL => format!("\"{NONE_LABEL}\""),
        Some(value) => value.clone(),
    }
}
