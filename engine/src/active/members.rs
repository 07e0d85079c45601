//! The users behind the rows of a report, for `bench accuracy`.

use super::count::count;
use super::question::Question;
use super::row::ReportRow;
use super::rows::sets;
use crate::metric::Dictionary;
use crate::project::Project;
use crate::rollup::{CellUsers, CountedUser, UserDirectory};
use crate::{Error, JobContext, Result};

/// Counts exactly and hands every row of the report that stands for one set of users to `each`,
/// with these users in the order of their hashes. Rows that are sums or maxima are left out.
/// Returns all counted users, in the same order.
///
/// # Errors
/// Those of [`answer`](super::answer), and of `each`.
pub fn members(
    project: &Project,
    dictionary: &Dictionary,
    question: &Question,
    job: &JobContext<'_>,
    each: &mut dyn FnMut(&ReportRow, &[CountedUser]) -> Result<()>,
) -> Result<Vec<CountedUser>> {
    let counted = count(project, dictionary, question, job, false, &mut Vec::new())?;
    let CellUsers::Exact(exact) = &counted.rollup.users else {
        return Err(Error::input("sketches cannot list their users")
            .with("help", "count exactly, without sketches"));
    };
    let cells = 0..counted.rollup.cells.len() as u32;
    let directory = UserDirectory::of(exact, cells.end)?;
    for (row, expr) in sets(project, dictionary, question, job, &counted)? {
        each(&row, &directory.members(&expr)?)?;
    }
    directory.members(&vec![vec![cells.collect()]])
}
