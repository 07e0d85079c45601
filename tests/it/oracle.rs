//! A reference implementation of reports: counts every row from the raw events, and is written for
//! clarity.
//!
//! It shares with the engine only the types of questions and rows, and the conversion of an instant
//! to a day. A set of users is an integer with one bit for each of at most 32 users.

use std::collections::{BTreeMap, BTreeSet};

use engine::active::{Basis, Count, Level, Method, Question, ReportRow, TreeOf};
use engine::calendar::{Day, Period, Window};

use crate::world::{Event, Metric, World};

/// A node of the tree: section, stage, group, metric.
type Keys = [Option<String>; 4];

/// The metrics below a node: all, and those flagged as its indicator.
#[derive(Default)]
struct Under<'a> {
    metrics: Vec<&'a Metric>,
    indicators: Vec<&'a Metric>,
}

struct Oracle<'a> {
    world: &'a World,
    question: &'a Question,
    /// Events of the question, each with its day.
    events: Vec<(i32, &'a Event)>,
    first: i32,
    last: i32,
    /// Days before this one are complete.
    newest: i32,
    /// For each dimension of the question, the values that have rows of their own; all without `top`.
    kept: Vec<Option<BTreeSet<String>>>,
}

/// All rows of the answer to a question, in order.
pub(crate) fn rows(world: &World, question: &Question) -> Vec<ReportRow> {
    let day = |event: &Event| world.zone.day_of(event.micros).number();
    let days: Vec<i32> = world.events.iter().map(day).collect();
    let (Some(first), Some(newest)) = (days.iter().min(), days.iter().max()) else {
        return Vec::new();
    };
    let as_of = question.as_of.map(Day::number);
    let seen = days.iter().copied().zip(&world.events);
    let events = seen.filter(|(day, _)| as_of.is_none_or(|end| *day <= end)).collect();
    let last = as_of.unwrap_or(*newest);
    let newest = as_of.map_or(*newest, |day| day + 1);
    let kept = vec![None; question.by.len()];
    let mut oracle = Oracle { world, question, events, first: *first, last, newest, kept };
    let periods = oracle.periods();
    let is_complete = |period: &&Period| newest > period.end.number();
    if let (Some(top), Some(newest)) =
        (question.top, periods.iter().rfind(is_complete).or(periods.last()))
    {
        oracle.kept = (0..question.by.len())
            .map(|at| Some(oracle.largest(at, top.get(), *newest, &periods)))
            .collect();
    }
    oracle.rows()
}

impl Oracle<'_> {
    /// The values of a dimension with the most users in a period, by size and then by name; last those
    /// of other periods.
    fn largest(
        &self,
        dimension: usize,
        top: usize,
        period: Period,
        periods: &[Period],
    ) -> BTreeSet<String> {
        let name = &self.question.by[dimension];
        let mut users: BTreeMap<String, BTreeSet<u8>> = BTreeMap::new();
        for (day, event) in &self.events {
            let day = Day::new(*day);
            if World::is_defined(event) && periods.iter().any(|period| period.contains(day)) {
                let users = users.entry(event.label(name)).or_default();
                if period.contains(day) {
                    users.insert(event.user);
                }
            }
        }
        let mut ranked: Vec<(String, usize)> =
            users.into_iter().map(|(value, users)| (value, users.len())).collect();
        ranked.sort_by_key(|(_, users)| std::cmp::Reverse(*users));
        ranked.into_iter().take(top).map(|(value, _)| value).collect()
    }

    /// A value of a dimension as rows show it.
    fn label(&self, dimension: usize, event: &Event) -> String {
        let label = event.label(&self.question.by[dimension]);
        match &self.kept[dimension] {
            Some(kept) if !kept.contains(&label) => "(other)".to_owned(),
            _ => label,
        }
    }

    fn rows(&self) -> Vec<ReportRow> {
        let mut rows = Vec::new();
        for period in self.periods() {
            self.rows_of(period, &mut rows);
        }
        rows
    }

    fn periods(&self) -> Vec<Period> {
        // Without a bound everything is asked for; a year more on either side is that.
        let from = self.question.from.map_or(self.first - 366, Day::number);
        let to = self.question.to.map_or(self.last + 366, Day::number);
        let period = |day| period(self.question.window, day);
        let of_data: Vec<Period> = (self.first..=self.last).filter_map(period).collect();
        let mut periods = Vec::new();
        let mut before = None;
        for day in from..=to {
            let period = period(day).filter(|period| of_data.contains(period));
            if let Some(period) = period.filter(|_| period != before) {
                periods.push(period);
                before = Some(period);
            }
        }
        periods
    }

    fn rows_of(&self, period: Period, rows: &mut Vec<ReportRow>) {
        let previous = previous(self.question.window, period);
        let previous = Some(previous).filter(|previous| previous.end.number() >= self.first);
        for level in &self.question.levels {
            for (keys, under) in self.nodes(*level, period) {
                for by in self.combinations() {
                    let Some(users) = self.users(*level, &under, period, &by) else { continue };
                    let before = previous.and_then(|previous| {
                        let under = self.nodes(*level, previous).remove(&keys)?;
                        self.users(*level, &under, previous, &by)
                    });
                    if by.iter().any(Option::is_some) && users == 0 && before.unwrap_or(0) == 0 {
                        continue;
                    }
                    rows.push(self.row(*level, &keys, period, by, users, before));
                }
            }
        }
    }

    fn row(
        &self,
        level: Level,
        keys: &Keys,
        period: Period,
        by: Vec<Option<String>>,
        users: u64,
        before: Option<u64>,
    ) -> ReportRow {
        let [section, stage, group, metric] = keys.clone();
        let change = |before: u64| (users as f64 - before as f64) / before as f64 * 100.0;
        ReportRow {
            window: self.question.window,
            period,
            complete: self.newest > period.end.number(),
            level,
            section,
            stage,
            group,
            metric,
            by,
            method: match level {
                Level::Total | Level::Action => Method::Union,
                Level::Combined => Method::Sum,
                _ => self.question.method,
            },
            basis: Basis::Recorded,
            count: Count::Exact,
            users,
            users_low: users,
            users_high: users,
            previous_users: before,
            change_pct: before.filter(|before| *before > 0).map(change),
        }
    }

    /// The nodes of a level with the metrics below them in a period.
    fn nodes(&self, level: Level, period: Period) -> BTreeMap<Keys, Under<'_>> {
        let mut nodes = BTreeMap::new();
        if matches!(level, Level::Total | Level::Combined) {
            nodes.insert(Keys::default(), Under::default());
            return nodes;
        }
        let day = match self.question.tree {
            TreeOf::Today => self.last,
            TreeOf::Period => period.end.number(),
        };
        for metric in self.world.metrics.iter().filter(|metric| metric.holds(day)) {
            let [section, stage, group] = metric.place(day).map(|key| key.map(str::to_owned));
            let name = Some(metric.name.clone());
            let (keys, flagged) = match level {
                Level::Section => ([section, None, None, None], metric.smau),
                Level::Stage => ([section, stage, None, None], metric.smau),
                Level::Group => ([section, stage, group, None], metric.gmau),
                _ => ([section, stage, group, name], false),
            };
            let deepest = match level {
                Level::Section => &keys[0],
                Level::Stage => &keys[1],
                Level::Group => &keys[2],
                _ => &keys[3],
            };
            if deepest.is_some() {
                let under: &mut Under<'_> = nodes.entry(keys).or_default();
                under.metrics.push(metric);
                under.indicators.extend(Some(metric).filter(|_| flagged));
            }
        }
        nodes
    }

    /// Users of a node by the question's method; `None` if the method does not apply to it.
    fn users(
        &self,
        level: Level,
        under: &Under<'_>,
        period: Period,
        by: &[Option<String>],
    ) -> Option<u64> {
        let one = |metric: &&Metric| self.set(metric, period, by);
        let union = |metrics: &[&Metric]| metrics.iter().map(one).fold(0, |a, b| a | b);
        let counts = || under.metrics.iter().map(|metric| count(one(metric)));
        match (level, self.question.method) {
            (Level::Total, _) => {
                let defined = |event: &Event| World::is_defined(event);
                Some(count(self.bits(period, by, defined)))
            }
            (Level::Combined, _) => {
                let stages = self.nodes(Level::Stage, period).into_values();
                Some(stages.filter_map(|stage| self.users(Level::Stage, &stage, period, by)).sum())
            }
            (Level::Action, _) | (_, Method::Union) => Some(count(union(&under.metrics))),
            (_, Method::Indicator) if under.indicators.is_empty() => None,
            (_, Method::Indicator) => Some(count(union(&under.indicators))),
            (_, Method::Max) => counts().max(),
            (_, Method::Sum) => Some(counts().sum()),
        }
    }

    /// The users of a metric: of any of its rules, or of all of them.
    fn set(&self, metric: &Metric, period: Period, by: &[Option<String>]) -> u32 {
        let rules = metric.rules.iter().map(|(name, plans)| {
            self.bits(period, by, |event| {
                let plan = event.plan.unwrap_or_default();
                event.event == *name && (plans.is_empty() || plans.contains(&plan))
            })
        });
        match metric.and {
            true => rules.reduce(|a, b| a & b).unwrap_or(0),
            false => rules.fold(0, |a, b| a | b),
        }
    }

    fn bits(&self, period: Period, by: &[Option<String>], selects: impl Fn(&Event) -> bool) -> u32 {
        let in_it = self.events.iter().filter(|(day, event)| {
            let mut wanted = by.iter().enumerate();
            period.contains(Day::new(*day))
                && selects(event)
                && wanted.all(|(at, value)| {
                    value.as_ref().is_none_or(|value| *value == self.label(at, event))
                })
        });
        in_it.fold(0, |users, (_, event)| users | 1 << event.user)
    }

    /// All values of the dimensions with their All rows.
    fn combinations(&self) -> Vec<Vec<Option<String>>> {
        let mut all = BTreeSet::from([Vec::new()]);
        for dimension in 0..self.question.by.len() {
            let values = self.world.events.iter().map(|event| Some(self.label(dimension, event)));
            let values: BTreeSet<Option<String>> = values.chain([None]).collect();
            all = all
                .iter()
                .flat_map(|start| {
                    values
                        .iter()
                        .map(|value| [start.as_slice(), std::slice::from_ref(value)].concat())
                })
                .collect();
        }
        all.into_iter().collect()
    }
}

fn count(users: u32) -> u64 {
    users.count_ones().into()
}

/// The period that a report has for a day, if any.
fn period(window: Window, day: i32) -> Option<Period> {
    let days = |start: i32, end: i32| Some(Period::new(Day::new(start), Day::new(end)));
    let weekday = (day + 3).rem_euclid(7); // from Monday; 1970-01-01 was a Thursday
    let (year, month, _) = Day::new(day).ymd();
    let months = |first: u8, months: u8| {
        let start = Day::from_ymd(year, first, 1).unwrap();
        let next = match first + months {
            13 => Day::from_ymd(year + 1, 1, 1),
            next => Day::from_ymd(year, next, 1),
        };
        days(start.number(), next.unwrap().number() - 1)
    };
    match window {
        Window::Day => days(day, day),
        Window::Week => days(day - weekday, day - weekday + 6),
        Window::Month | Window::Ping28d => months(month, 1),
        Window::Quarter => months((month - 1) / 3 * 3 + 1, 3),
        Window::Year => months(1, 12),
        Window::Last28dOfMonth => {
            let end = months(month, 1)?.end.number();
            days(end - 27, end)
        }
        Window::Trailing(length) => days(day - i32::from(length) + 1, day),
        Window::Iso4w if weekday == 6 => days(day - 27, day),
        Window::Iso4w => None,
        Window::Lagged28d => days(day - 29, day - 2),
    }
}

fn previous(window: Window, of: Period) -> Period {
    let earlier = |days: i32| Period::new(of.start.plus(-days), of.end.plus(-days));
    match window {
        Window::Trailing(_) | Window::Lagged28d => earlier(1),
        Window::Iso4w => earlier(7),
        // 31 days before the end of a month lies in the month before.
        Window::Last28dOfMonth => period(window, of.end.number() - 31).unwrap(),
        _ => period(window, of.start.number() - 1).unwrap(),
    }
}
