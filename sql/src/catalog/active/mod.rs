//! Questions about active users as tables: the views, and the function `active_users`.
//!
//! Such a table has the columns of a report. Its rows come from the engine's own answer, which is
//! the one that `headcount report` writes; a filter on `period_start` narrows what is read.

mod arguments;
mod function;
mod plan;
mod range;

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use engine::active::{Answer, Level, Question};
use engine::project::Project;
use tokio::sync::Semaphore;

use crate::report::schema;

pub(super) use arguments::NamedArguments;
pub(super) use function::{ActiveUsers, DOCUMENTATION, NAME};
use plan::ActiveUsersExec;

/// The views with their levels; all are calendar months, counted exactly, by union.
const VIEWS: [(&str, &[Level]); 5] = [
    ("mau", &[Level::Total]),
    ("smau", &[Level::Stage]),
    ("gmau", &[Level::Group]),
    ("amau", &[Level::Action]),
    ("xmau", Level::ALL),
];

/// Hears of the answers behind tables, from the threads that work on them.
pub trait Listener: fmt::Debug + Send + Sync {
    /// Rows of events read so far and in all; 0 if text files do not tell.
    fn progress(&self, done: u64, total: u64);

    /// An answer is there, with its notes and with the rows that were rejected.
    fn answered(&self, answer: Answer);
}

/// Answers that a session works on at a time. Each has as many threads as a statement may; two, so
/// that one reads its definitions while the other counts.
const AT_ONCE: usize = 2;

/// What an answer needs besides its question.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) project: Arc<Project>,
    pub(super) listener: Option<Arc<dyn Listener>>,
    /// The session's answers take turns: a join of dozens of views would else work on all of them
    /// together, and take the memory of all of them.
    turns: Arc<Semaphore>,
}

impl Ground {
    pub(super) fn new(project: Arc<Project>, listener: Option<Arc<dyn Listener>>) -> Self {
        Self { project, listener, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// The names of the views.
pub(super) fn views() -> impl Iterator<Item = &'static str> {
    VIEWS.iter().map(|(name, _)| *name)
}

/// The view of that name.
pub(super) fn view(name: &str, ground: &Ground) -> Option<Arc<dyn TableProvider>> {
    let (_, levels) = VIEWS.iter().find(|(view, _)| *view == name)?;
    let levels = BTreeSet::from_iter(levels.iter().copied());
    Some(asked(Question { levels, ..Question::default() }, ground))
}

/// The table that answers a question.
pub(super) fn asked(question: Question, ground: &Ground) -> Arc<dyn TableProvider> {
    Arc::new(Asked::new(question, ground))
}

/// The table of one question.
#[derive(Debug)]
struct Asked {
    question: Question,
    ground: Ground,
    schema: SchemaRef,
}

impl Asked {
    fn new(question: Question, ground: &Ground) -> Self {
        let schema = schema(&question.by);
        Self { question, ground: ground.clone(), schema }
    }

    /// What a filter says about the periods that are needed. Nothing, if values are ranked: by the
    /// newest of all periods, whichever of them a filter lets through.
    fn bound(&self, filter: &Expr) -> Option<range::Starts> {
        range::of(filter).filter(|_| self.question.top.is_none())
    }
}

impl TableProvider for Asked {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    /// What is read becomes less; the filter itself stays where it is.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let supported = |filter: &&Expr| match self.bound(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(supported).collect())
    }

    fn scan<'a, 's, 'p, 'x, 'f>(
        &'a self,
        _state: &'s dyn Session,
        projection: Option<&'p Vec<usize>>,
        filters: &'x [Expr],
        _limit: Option<usize>,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>>> + Send + 'f>>
    where
        'a: 'f,
        's: 'f,
        'p: 'f,
        'x: 'f,
    {
        let mut question = self.question.clone();
        for starts in filters.iter().filter_map(|filter| self.bound(filter)) {
            range::narrow(&mut question, starts);
        }
        let plan = ActiveUsersExec::new(question, &self.ground, &self.schema, projection);
        Box::pin(std::future::ready(plan.map(|plan| Arc::new(plan) as _)))
    }
}
