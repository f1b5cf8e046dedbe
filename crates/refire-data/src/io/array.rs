use super::lines::SHOWN;
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
    Ended,
}

impl Elements {
    pub(super) fn new(file: Box<dyn BufRead + Send>, limit: usize) -> Self {
        Self { file, limit, line: 1, state: State::Before }
    }

    /// The next element; `None` at the end. A list that isn't closed ends in a bad row.
    pub(super) fn next_row(&mut self) -> Option<Raw> {
        if self.state == State::Before {
            if let Err(reason) = self.open_list() {
                return self.end(reason, Vec::new());
            }
            self.state = State::Inside;
        }
        if self.state == State::Ended {
            return None;
        }
        let mut cut = Cut::default();
        loop {
            let byte = match self.next_byte() {
                Ok(Some(byte)) => byte,
                Ok(None) => return self.end("the list isn't closed".to_owned(), cut.bytes),
                Err(error) => {
                    return self.end(format!("the file can't be read on: {error}"), cut.bytes);
                }
            };
            if cut.depth == 0 && !cut.in_string && (byte == b',' || byte == b']') {
                if byte == b']' {
                    self.state = State::Ended;
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

    fn next_byte(&mut self) -> std::io::Result<Option<u8>> {
        let byte = self.file.fill_buf()?.first().copied();
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
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}
