//! Running statements by the ids of their tickets, for cancellation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The running statements.
#[derive(Debug, Default)]
pub(super) struct CancelRegistry(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    running: BTreeMap<u64, (Vec<u8>, CancellationToken)>,
}

/// The entry of a running statement, which is removed on drop.
#[derive(Debug)]
pub(super) struct Registration {
    cancels: Arc<CancelRegistry>,
    number: u64,
    /// Cancels the statement.
    pub(super) cancel: CancellationToken,
}

impl CancelRegistry {
    /// Registers a statement under the id of its ticket; a ticket may be executed several times.
    pub(super) fn register(self: &Arc<Self>, ticket: &[u8]) -> Registration {
        let cancel = CancellationToken::new();
        let mut table = self.table();
        let number = table.next;
        table.next += 1;
        table.running.insert(number, (ticket.to_vec(), cancel.clone()));
        Registration { cancels: Arc::clone(self), number, cancel }
    }

    /// Cancels all statements of a ticket; whether there were any.
    pub(super) fn cancel(&self, ticket: &[u8]) -> bool {
        let table = self.table();
        let mut found = table.running.values().filter(|(of, _)| of == ticket).peekable();
        let any = found.peek().is_some();
        found.for_each(|(_, cancel)| cancel.cancel());
        any
    }

    /// Poisoning is ignored: no code under this lock leaves an inconsistent state.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.cancels.table().running.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::CancelRegistry;

    #[test]
    fn only_statements_of_the_ticket_are_cancelled() {
        let cancels = Arc::new(CancelRegistry::default());
        let (one, again, other) =
            (cancels.register(b"a"), cancels.register(b"a"), cancels.register(b"b"));
        assert!(cancels.cancel(b"a"));
        assert!(one.cancel.is_cancelled() && again.cancel.is_cancelled());
        assert!(!other.cancel.is_cancelled());
        drop((one, again));
        assert!(!cancels.cancel(b"a"));
        drop(other);
        assert!(cancels.table().running.is_empty());
    }
}
