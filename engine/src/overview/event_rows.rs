//! The rows of events: the same metrics in the last 28 days of each month.

use std::collections::BTreeSet;

use super::parts::{DEPLOYMENT, NONE_LABEL, PartRow, Parts, SAAS};
use crate::active::{Answer, Basis, CollectedRows, Method, Question, TotalOf, answer_into};
use crate::calendar::{Day, Window};
use crate::{JobContext, Result};

/// Adds the rows of events to `rows` and the last days of months that they do not cover to
/// `incomplete`, and returns the answer without its rows.
pub(super) fn event_rows(
    parts: &Parts<'_>,
    rows: &mut Vec<PartRow>,
    incomplete: &mut BTreeSet<Day>,
    job: &JobContext<'_>,
    use_store: bool,
) -> Result<Answer> {
    let Parts { project, dictionary, question, saas_from_events, .. } = *parts;
    let has_dimension = |name: &str| project.sources.iter().any(|s| s.dimension(name).is_some());
    let has_deployment = has_dimension(DEPLOYMENT);
    let others = parts.other_dimensions().filter(|name| has_dimension(name));
    let deployment = has_deployment.then(|| DEPLOYMENT.to_owned());
    let asked = Question {
        window: Window::Last28dOfMonth,
        by: deployment.into_iter().chain(others.cloned()).collect(),
        // The month before is compared with the first.
        from: question.from.map(|from| Window::Month.at(from).start.plus(-1)),
        total: TotalOf::Metrics,
        // Of both parts together.
        top: None,
        ..question.clone()
    };
    let mut found = CollectedRows::new(job);
    let answer = answer_into(project, dictionary, &asked, job, use_store, &mut found)?;
    for mut row in found.rows {
        let mut values = std::mem::take(&mut row.by).into_iter();
        let deployment = match has_deployment {
            // The rows over all deployments are made later.
            true => match values.next().flatten() {
                None => continue,
                Some(name) => name,
            },
            false => SAAS.to_owned(),
        };
        if deployment == SAAS && !saas_from_events {
            continue;
        }
        if !row.complete {
            incomplete.insert(row.period.end);
        }
        row.by.push(Some(deployment));
        let mut made = vec![row];
        for name in parts.other_dimensions() {
            if has_dimension(name) {
                let value = values.next().flatten();
                made.iter_mut().for_each(|row| row.by.push(value.clone()));
                continue;
            }
            // Events say nothing of it.
            let mut none = made.clone();
            made.iter_mut().for_each(|row| row.by.push(None));
            none.iter_mut().for_each(|row| row.by.push(Some(NONE_LABEL.to_owned())));
            made.append(&mut none);
        }
        for row in made {
            // Everyone is in the events, so nothing is added.
            let has_estimates = question.method != Method::Union;
            if has_estimates && row.complete && row.by[1..].iter().all(Option::is_none) {
                let predicted = parts.has_predictions.then_some(Basis::Predicted);
                let bases = [Basis::Estimated].into_iter().chain(predicted);
                rows.extend(bases.map(|basis| PartRow { basis, ..row.clone() }));
            }
            rows.push(row);
        }
    }
    Ok(answer)
}
