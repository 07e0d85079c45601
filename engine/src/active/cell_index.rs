//! The cells of a roll-up, grouped by combination of dimension values and by day.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::metric_sets::MetricSet;
use super::nodes::{needs_intersection, selections};
use super::row_sink::MemoryReporter;
use super::top::{Labels, OTHER_LABEL};
use crate::calendar::{Day, Period};
use crate::metric::{Dictionary, Metric};
use crate::rollup::{Rollup, UserExpr};
use crate::{JobContext, Result};

/// One value for each dimension of `--by`; `None` is All.
pub(super) type Combo = Vec<Option<String>>;

/// The cells of a combo by the first day of their bucket.
pub(super) type CellsByDay = BTreeMap<Day, BucketCells>;

/// Cells of the roll-up by combo and day.
pub(super) struct CellIndex<'a> {
    dictionary: &'a Dictionary,
    pub(super) rollup: &'a Rollup,
    /// In their order; the first one is All of everything.
    pub(super) combos: Vec<(Combo, CellsByDay)>,
}

/// The cells of one bucket of time.
#[derive(Default)]
pub(super) struct BucketCells {
    cells: Vec<u32>,
    /// By metric and rule.
    rules: HashMap<(usize, usize), Vec<u32>>,
}

/// About what an entry of a map takes besides its key and its value.
const MAP_ENTRY_BYTES: usize = 16;

impl<'a> CellIndex<'a> {
    /// Groups the cells by the first `by` of `dimensions`.
    pub(super) fn new(
        dictionary: &'a Dictionary,
        rollup: &'a Rollup,
        dimensions: &[String],
        by: usize,
        labels: &Labels,
        job: &JobContext<'_>,
    ) -> Result<Self> {
        let mut rules: Vec<Vec<(usize, usize)>> = vec![Vec::new(); rollup.cells.len()];
        let counted = |metric: &Metric| metric.counted().is_ok();
        let selections = selections(dictionary, dimensions, &rollup.cells, counted);
        for (metric, selected) in selections.iter().enumerate() {
            for (rule, cells) in selected.iter().enumerate() {
                for cell in cells {
                    rules[*cell as usize].push((metric, rule));
                }
            }
        }
        let mut memory = MemoryReporter::new(job);
        // The All row of everything is there even without a single cell.
        let mut combos: BTreeMap<Combo, CellsByDay> =
            BTreeMap::from([(vec![None; by], CellsByDay::new())]);
        for (at, cell) in rollup.cells.iter().enumerate() {
            if rollup.events[at] == 0 {
                continue;
            }
            for mask in 0..1usize << by {
                let combo: Combo = (0..by)
                    .map(|place| {
                        let value = cell.dimensions[place].as_deref();
                        (mask >> place & 1 == 1).then(|| labels.label(place, value))
                    })
                    .collect();
                if !combos.contains_key(&combo) {
                    let texts: usize = combo.iter().flatten().map(String::capacity).sum();
                    let own = size_of::<(Combo, CellsByDay)>() + by * size_of::<Option<String>>();
                    memory.add(own + texts + MAP_ENTRY_BYTES)?;
                }
                let days = combos.entry(combo).or_default();
                if !days.contains_key(&cell.bucket) {
                    memory.add(size_of::<(Day, BucketCells)>() + MAP_ENTRY_BYTES)?;
                }
                let bucket = days.entry(cell.bucket).or_default();
                memory.add(size_of::<u32>())?;
                bucket.cells.push(at as u32);
                for rule in &rules[at] {
                    let cells = bucket.rules.entry(*rule).or_default();
                    let new =
                        if cells.is_empty() { size_of_val(cells) + 2 * MAP_ENTRY_BYTES } else { 0 };
                    memory.add(new + size_of::<u32>())?;
                    cells.push(at as u32);
                }
            }
        }
        Ok(Self { dictionary, rollup, combos: combos.into_iter().collect() })
    }

    /// The cells that any rule of these metrics selects.
    pub(super) fn cells_of(&self, metrics: &BTreeSet<usize>) -> BTreeSet<u32> {
        let all = self.combos.first().into_iter().flat_map(|(_, days)| days.values());
        let rules = all.flat_map(|bucket| &bucket.rules);
        let own = rules.filter(|((metric, _), _)| metrics.contains(metric));
        own.flat_map(|(_, cells)| cells.iter().copied()).collect()
    }

    /// Whether some values are counted together, as [`OTHER_LABEL`].
    pub(super) fn has_others(&self) -> bool {
        let is_others = |value: &Option<String>| value.as_deref() == Some(OTHER_LABEL);
        self.combos.iter().any(|(combo, _)| combo.iter().any(is_others))
    }

    /// The users of a metric set in a period, for the combo of this index.
    pub(super) fn expr(&self, combo: usize, period: Period, metric_set: &MetricSet) -> UserExpr {
        self.expr_of(&self.combos[combo].1, period, metric_set)
    }

    /// Whether a metric set is one union of cells.
    pub(super) fn is_plain(&self, metric_set: &MetricSet) -> bool {
        let metrics = metric_set.iter().flatten();
        metrics.into_iter().all(|metric| !needs_intersection(&self.dictionary.metrics[*metric]))
    }

    /// The cells of a metric set that is one union, each once.
    pub(super) fn plain(
        &self,
        days: &CellsByDay,
        period: Period,
        metric_set: &MetricSet,
    ) -> Vec<u32> {
        let mut cells = Vec::new();
        for bucket in days.range(period.start..=period.end).map(|(_, bucket)| bucket) {
            match metric_set {
                None => cells.extend(&bucket.cells),
                Some(metrics) => {
                    let own = metrics.iter().flat_map(|metric| {
                        let rules = 0..self.dictionary.metrics[*metric].rules.len();
                        rules.filter_map(|rule| bucket.rules.get(&(*metric, rule)))
                    });
                    cells.extend(own.flatten());
                }
            }
        }
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// As [`expr`](Self::expr), over the cells of a combo.
    pub(super) fn expr_of(
        &self,
        days: &CellsByDay,
        period: Period,
        metric_set: &MetricSet,
    ) -> UserExpr {
        let (several, plain): (Vec<usize>, Vec<usize>) = metric_set
            .iter()
            .flatten()
            .partition(|metric| needs_intersection(&self.dictionary.metrics[**metric]));
        let plain = if metric_set.is_none() { None } else { Some(plain) };
        let mut expr = vec![vec![self.plain(days, period, &plain)]];
        for metric in several {
            let rules = 0..self.dictionary.metrics[metric].rules.len();
            let cells = |rule| {
                let buckets = days.range(period.start..=period.end).map(|(_, bucket)| bucket);
                buckets.filter_map(|g| g.rules.get(&(metric, rule))).flatten().copied().collect()
            };
            expr.push(rules.map(cells).collect());
        }
        expr
    }
}
