use super::lines::{Lines, SHOWN};
use super::row::{Body, Raw};
use std::io::BufRead;

/// The elements of one JSON list, cut apart without reading the whole of it.
///
/// It follows brackets and strings only; whether an element is good JSON is found when it is read.
pub(super) struct Elements {
    file: Box<dyn BufRead + Send>,
    limit: usize,
    line: u64,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Before,
    Inside,
    /// In front of an element that no comma parts from the one before.
    Unparted,
    /// Behind the list.
    Closed,
    /// Where nothing can be read on.
    Ended,
}

impl Elements {
    pub(super) fn new(file: Box<dyn BufRead + Send>, limit: usize) -> Self {
        Self { file, limit, line: 1, state: State::Before }
    }

    /// The next element; `None` at the end. A missing comma is a bad row, as is the end of a list
    /// that isn't closed.
    pub(super) fn next_row(&mut self) -> Option<Raw> {
        if self.state == State::Before {
            if let Err(reason) = self.open_list() {
                return self.end(reason, Vec::new());
            }
            self.state = State::Inside;
        }
        match self.state {
            State::Closed | State::Ended => return None,
            State::Unparted => {
                self.state = State::Inside;
                let reason = "no comma stands in front of an element".to_owned();
                return Some(Raw {
                    line: self.line,
                    body: Body::Bad { reason, shown: Vec::new() },
                });
            }
            State::Before | State::Inside => {}
        }
        let mut cut = Cut::default();
        loop {
            if cut.closed && matches!(self.peek(), Ok(Some(b'{'))) {
                self.state = State::Unparted;
                return Some(self.element(cut));
            }
            let byte = match self.next_byte() {
                Ok(Some(byte)) => byte,
                Ok(None) if cut.closed => return Some(self.element(cut)),
                Ok(None) => return self.end("the list isn't closed".to_owned(), cut.bytes),
                Err(error) => {
                    return self.end(format!("the file can't be read on: {error}"), cut.bytes);
                }
            };
            if cut.depth == 0 && !cut.in_string && (byte == b',' || byte == b']') {
                if byte == b']' {
                    self.state = State::Closed;
                }
                if cut.bytes.is_empty() && byte == b']' {
                    return None;
                }
                return Some(self.element(cut));
            }
            let start = cut.bytes.is_empty();
            if !(start && byte.is_ascii_whitespace()) {
                if start {
                    cut.line = self.line;
                }
                cut.push(byte, self.limit);
            }
        }
    }

    /// What stands behind the list: further lines, if it was but the first of them.
    pub(super) fn rest(&mut self) -> Option<Lines> {
        (self.state == State::Closed).then(|| {
            let file = std::mem::replace(&mut self.file, Box::new(std::io::empty()));
            Lines::from_line(file, self.limit, self.line)
        })
    }

    fn element(&self, cut: Cut) -> Raw {
        let Cut { mut bytes, length, line, .. } = cut;
        if length <= self.limit {
            return Raw { line, body: Body::Bytes(bytes) };
        }
        bytes.truncate(SHOWN);
        let reason = format!("an element of {length} bytes, more than the limit {}", self.limit);
        Raw { line, body: Body::Bad { reason, shown: bytes } }
    }

    fn end(&mut self, reason: String, mut shown: Vec<u8>) -> Option<Raw> {
        self.state = State::Ended;
        shown.truncate(SHOWN);
        Some(Raw { line: self.line, body: Body::Bad { reason, shown } })
    }

    fn open_list(&mut self) -> Result<(), String> {
        loop {
            match self.next_byte().map_err(|error| error.to_string())? {
                Some(b'[') => return Ok(()),
                Some(b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf) => {}
                Some(_) | None => return Err("the file is no JSON list".to_owned()),
            }
        }
    }

    fn peek(&mut self) -> std::io::Result<Option<u8>> {
        Ok(self.file.fill_buf()?.first().copied())
    }

    fn next_byte(&mut self) -> std::io::Result<Option<u8>> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.file.consume(1);
            self.line += u64::from(byte == b'\n');
        }
        Ok(byte)
    }
}

#[derive(Default)]
struct Cut {
    bytes: Vec<u8>,
    length: usize,
    line: u64,
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// Its last bracket is closed.
    closed: bool,
}

impl Cut {
    fn push(&mut self, byte: u8, limit: usize) {
        self.length += 1;
        if self.bytes.len() <= limit {
            self.bytes.push(byte);
        }
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.closed = self.depth == 0;
            }
            _ => {}
        }
    }
}
