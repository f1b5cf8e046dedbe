//! Where in its text a template put what the assistant wrote.

use super::prepare::{BEGIN, END};
use minijinja::Value;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one rendering has written so far.
#[derive(Default)]
struct Written {
    text: Vec<u8>,
    open: Vec<usize>,
    spans: Vec<Range<usize>>,
}

/// Takes a template's text, and is told by its generation blocks where they begin and end.
#[derive(Clone, Default)]
pub(super) struct Tracker(Arc<Mutex<Written>>);

impl Tracker {
    fn written(&self) -> MutexGuard<'_, Written> {
        // Nothing can be half done in there: a panic elsewhere leaves it as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The functions that prepared templates call.
    pub(super) fn functions(&self) -> [(&'static str, Value); 2] {
        let (at_begin, at_end) = (self.clone(), self.clone());
        let begin = Value::from_function(move || {
            let mut written = at_begin.written();
            let start = written.text.len();
            written.open.push(start);
        });
        let end = Value::from_function(move || {
            let mut written = at_end.written();
            let end = written.text.len();
            let start = written.open.pop();
            written.spans.extend(start.map(|start| start..end));
        });
        [(BEGIN, begin), (END, end)]
    }

    /// The text, and the places of its generation blocks in bytes, in the order they ended.
    pub(super) fn finish(&self) -> (String, Vec<Range<usize>>) {
        let written = std::mem::take(&mut *self.written());
        (String::from_utf8_lossy(&written.text).into_owned(), written.spans)
    }
}

impl io::Write for Tracker {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written().text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
