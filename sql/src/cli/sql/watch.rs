//! Shows on a terminal that a long statement is still at work, and how many rows it has read.

use std::io::{IsTerminal, stderr};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use datafusion::physical_plan::ExecutionPlan;

use super::super::progress::Progress;
use super::heard::Heard;

/// Statements that are done sooner show nothing.
const PATIENCE: u32 = 3;
/// How often the number of rows is brought up to date.
const BEAT: Duration = Duration::from_millis(200);

/// Watches one statement until it is stopped or dropped.
pub(super) struct Watch {
    plan: Arc<Mutex<Option<Arc<dyn ExecutionPlan>>>>,
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Watch {
    /// Begins to watch, if there is a terminal to tell it on.
    pub(super) fn begin(heard: &Arc<Heard>) -> Self {
        let plan: Arc<Mutex<Option<Arc<dyn ExecutionPlan>>>> = Arc::default();
        if !stderr().is_terminal() {
            return Self { plan, thread: None };
        }
        let (sender, receiver) = channel();
        let (watched, heard) = (Arc::clone(&plan), Arc::clone(heard));
        let thread = std::thread::spawn(move || {
            let (mut beats, mut progress) = (0, None);
            while receiver.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                beats += 1;
                if beats < PATIENCE {
                    continue;
                }
                let plan = watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let (done, total) = match heard.rows() {
                    (0, _) => (plan.map_or(0, |plan| read(&plan)), 0),
                    rows => rows,
                };
                progress.get_or_insert_with(|| Progress::new("running,")).at(done, total);
            }
        });
        Self { plan, thread: Some((sender, thread)) }
    }

    /// The plan whose rows are counted.
    pub(super) fn plan(&self, plan: &Arc<dyn ExecutionPlan>) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(plan));
    }

    /// Takes the line away, before something else is written.
    pub(super) fn stop(&mut self) {
        if let Some((sender, thread)) = self.thread.take() {
            drop(sender);
            // It only draws; what becomes of that changes no result.
            let _ = thread.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Rows that the leaves of a plan have given so far.
fn read(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        let rows = plan.metrics().and_then(|metrics| metrics.output_rows());
        return rows.map_or(0, |rows| rows as u64);
    }
    children.into_iter().map(read).sum()
}
