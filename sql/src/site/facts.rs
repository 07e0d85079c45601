//! What the pages are made of: definitions, one report, and where there is data.

use engine::active::{Answer, Question, Survey, answer_into, survey};
use engine::metric::{Dictionary, Metric};
use engine::metric_data::{MetricData, metric_data};
use engine::pings::{PingTables, Refused};
use engine::project::Project;
use engine::{JobContext, Result};

use super::numbers::{LEVELS, Numbers, key_of_event};

/// Everything that the pages are made of.
pub(crate) struct Facts<'a> {
    pub(super) project: &'a Project,
    pub(super) dictionary: &'a Dictionary,
    /// The answer to the one question; `None` if the project has no events.
    pub(crate) answer: Option<Answer>,
    pub(super) numbers: Numbers,
    pub(super) survey: Option<Survey>,
    pub(super) data: Vec<MetricData>,
    pub(super) pings: Option<PingTables>,
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
    asked
        .metrics
        .extend(events.into_iter().map(|event| Metric::of_event(key_of_event(event), event)));
    asked
}
