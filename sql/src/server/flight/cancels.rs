//! Running statements by the numbers in their tickets, so that they can be cancelled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The statements that run now.
#[derive(Debug, Default)]
pub(super) struct Cancels(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    running: BTreeMap<u64, (Vec<u8>, CancellationToken)>,
}

/// The place of a running statement, which is given up when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    cancels: Arc<Cancels>,
    number: u64,
    /// Ends the statement.
    pub(super) cancel: CancellationToken,
}

impl Cancels {
    /// Enters a statement under the number of its ticket; a ticket may run several times.
    pub(super) fn enter(self: &Arc<Self>, ticket: &[u8]) -> Place {
        let cancel = CancellationToken::new();
        let mut table = self.table();
        let number = table.next;
        table.next += 1;
        table.running.insert(number, (ticket.to_vec(), cancel.clone()));
        Place { cancels: Arc::clone(self), number, cancel }
    }

    /// Ends all statements of a ticket; whether there were any.
    pub(super) fn cancel(&self, ticket: &[u8]) -> bool {
        let table = self.table();
        let mut found = table.running.values().filter(|(of, _)| of == ticket).peekable();
        let any = found.peek().is_some();
        found.for_each(|(_, cancel)| cancel.cancel());
        any
    }

    /// Nothing that is done under this lock can leave it half done.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.cancels.table().running.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Cancels;

    #[test]
    fn only_what_runs_under_a_ticket_is_cancelled() {
        let cancels = Arc::new(Cancels::default());
        let (one, again, other) = (cancels.enter(b"a"), cancels.enter(b"a"), cancels.enter(b"b"));
        assert!(cancels.cancel(b"a"));
        assert!(one.cancel.is_cancelled() && again.cancel.is_cancelled());
        assert!(!other.cancel.is_cancelled());
        drop((one, again));
        assert!(!cancels.cancel(b"a"));
        drop(other);
        assert!(cancels.table().running.is_empty());
    }
}
