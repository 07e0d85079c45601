//! On how many threads a statement is computing.
//!
//! The tasks that DataFusion spawns for a future are counted with it.

use std::any::Any;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::runtime::{JoinSetTracer, set_join_set_tracer};
use futures::FutureExt;
use futures::future::{BoxFuture, poll_fn};

tokio::task_local! {
    static CURRENT: Activity;
}

/// Counts the threads of a statement.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity(Arc<AtomicUsize>);

impl Activity {
    /// Threads that are computing.
    pub(super) fn threads(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// A future whose thread is counted while it computes, but not while it waits.
    pub(super) async fn count<F: Future>(self, future: F) -> F::Output {
        let mut future = pin!(CURRENT.scope(self.clone(), future));
        poll_fn(|context| {
            let _thread = self.begin();
            future.as_mut().poll(context)
        })
        .await
    }

    /// Counts this thread until the result is dropped.
    pub(super) fn begin(&self) -> Thread<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Thread(self)
    }
}

/// A thread that is computing.
pub(super) struct Thread<'a>(&'a Activity);

impl Drop for Thread<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts the tasks that DataFusion spawns, in the whole process.
pub(super) fn count_tasks() {
    // It is already set if another monitor was started before.
    let _ = set_join_set_tracer(&Tasks);
}

struct Tasks;

impl JoinSetTracer for Tasks {
    fn trace_future(
        &self,
        future: BoxFuture<'static, Box<dyn Any + Send>>,
    ) -> BoxFuture<'static, Box<dyn Any + Send>> {
        match CURRENT.try_with(Activity::clone) {
            Ok(activity) => activity.count(future).boxed(),
            Err(_) => future,
        }
    }

    fn trace_block(
        &self,
        work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>,
    ) -> Box<dyn FnOnce() -> Box<dyn Any + Send> + Send> {
        match CURRENT.try_with(Activity::clone) {
            Ok(activity) => Box::new(move || {
                let _thread = activity.begin();
                CURRENT.sync_scope(activity.clone(), work)
            }),
            Err(_) => work,
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::common::runtime::SpawnedTask;

    use super::{Activity, CURRENT, count_tasks};

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn tasks_are_counted_while_they_compute() {
        count_tasks();
        let activity = Activity::default();
        let threads = || CURRENT.with(Activity::threads);
        let counted = activity.clone().count(async move {
            let alone = threads();
            let waiting = activity.clone();
            let task = SpawnedTask::spawn(async move {
                // The task that waits for this one is not computing.
                while waiting.threads() > 1 {
                    tokio::task::yield_now().await;
                }
                CURRENT.with(Activity::threads)
            });
            let in_task = task.join().await.unwrap();
            let blocking = SpawnedTask::spawn_blocking(move || {
                while CURRENT.with(Activity::threads) > 1 {
                    std::thread::yield_now();
                }
                CURRENT.with(Activity::threads)
            });
            (alone, in_task, blocking.join().await.unwrap(), activity)
        });
        let (alone, in_task, in_blocking, activity) = counted.await;
        assert_eq!((alone, in_task, in_blocking, activity.threads()), (1, 1, 1, 0));
    }
}
