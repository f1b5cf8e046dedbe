//! Tasks on their way to workers: for whoever is free, or for each of them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Tasks for a number of workers.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// For whoever comes first.
    common: VecDeque<T>,
    /// For one worker each.
    own: Vec<VecDeque<T>>,
    open: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(workers: usize) -> Self {
        let own = (0..workers).map(|_| VecDeque::new()).collect();
        let state = State { common: VecDeque::new(), own, open: true };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// A task for any worker.
    pub(crate) fn push(&self, task: T) {
        self.lock().common.push_back(task);
        self.changed.notify_one();
    }

    /// A task for every worker, which comes before the common ones.
    pub(crate) fn push_for_each(&self, mut task: impl FnMut() -> T) {
        for own in &mut self.lock().own {
            own.push_back(task());
        }
        self.changed.notify_all();
    }

    /// The next task of a worker; waits for it. `None` once the queue is closed and empty.
    pub(crate) fn next(&self, worker: usize) -> Option<T> {
        let mut state = self.lock();
        loop {
            let own = state.own.get_mut(worker).and_then(VecDeque::pop_front);
            if let Some(task) = own.or_else(|| state.common.pop_front()) {
                return Some(task);
            }
            if !state.open {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets workers end when there is nothing left to do.
    pub(crate) fn close(&self) {
        self.lock().open = false;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_tasks_come_first_and_all_come() {
        let queue = Queue::new(2);
        queue.push(1);
        queue.push_for_each(|| 7);
        queue.push_for_each(|| 8);
        queue.push(2);
        queue.close();
        let all = |worker| std::iter::from_fn(|| queue.next(worker)).collect::<Vec<_>>();
        assert_eq!(all(0), [7, 8, 1, 2]);
        assert_eq!(all(1), [7, 8]);
    }
}
