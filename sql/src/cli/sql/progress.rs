//! Shows on a terminal how many rows a long statement has read.

use std::io::{IsTerminal, stderr};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use datafusion::physical_plan::ExecutionPlan;

use super::super::progress::Progress;
use super::answers::AnswerCollector;

/// Ticks before anything is shown.
const HIDDEN_TICKS: u32 = 3;
/// How often the number of rows is updated.
const REFRESH_INTERVAL: Duration = Duration::from_millis(200);

/// Shows the progress of one statement until it is stopped or dropped.
pub(super) struct StatementProgress {
    plan: Arc<Mutex<Option<Arc<dyn ExecutionPlan>>>>,
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl StatementProgress {
    /// Starts a thread that shows the progress, if stderr is a terminal.
    pub(super) fn begin(answers: &Arc<AnswerCollector>) -> Self {
        let plan: Arc<Mutex<Option<Arc<dyn ExecutionPlan>>>> = Arc::default();
        if !stderr().is_terminal() {
            return Self { plan, thread: None };
        }
        let (sender, receiver) = channel();
        let (watched, answers) = (Arc::clone(&plan), Arc::clone(answers));
        let thread = std::thread::spawn(move || {
            let (mut ticks, mut progress) = (0, None);
            while receiver.recv_timeout(REFRESH_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                ticks += 1;
                if ticks < HIDDEN_TICKS {
                    continue;
                }
                let plan = watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let (done, total) = match answers.rows() {
                    (0, _) => (plan.map_or(0, |plan| read(&plan)), 0),
                    rows => rows,
                };
                progress.get_or_insert_with(|| Progress::new("running,")).at(done, total);
            }
        });
        Self { plan, thread: Some((sender, thread)) }
    }

    /// Sets the plan whose rows are counted.
    pub(super) fn plan(&self, plan: &Arc<dyn ExecutionPlan>) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(plan));
    }

    /// Removes the line, before something else is written.
    pub(super) fn stop(&mut self) {
        if let Some((sender, thread)) = self.thread.take() {
            drop(sender);
            // A panic of the display thread does not affect the statement.
            let _ = thread.join();
        }
    }
}

impl Drop for StatementProgress {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Rows that the leaves of a plan have produced so far.
fn read(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        let rows = plan.metrics().and_then(|metrics| metrics.output_rows());
        return rows.map_or(0, |rows| rows as u64);
    }
    children.into_iter().map(read).sum()
}
