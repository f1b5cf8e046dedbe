use super::row::{Body, Raw};
use std::io::BufRead;

/// How much of a bad row is kept to be shown.
pub(super) const SHOWN: usize = 4096;

/// Lines of a text file, none longer than a limit in memory.
pub(super) struct Lines {
    file: Box<dyn BufRead + Send>,
    limit: usize,
    line: u64,
    ended: bool,
}

impl Lines {
    pub(super) fn new(file: Box<dyn BufRead + Send>, limit: usize) -> Self {
        Self { file, limit, line: 0, ended: false }
    }

    /// Lines of a file that has been read up to somewhere in a line, counted from 1.
    pub(super) fn from_line(file: Box<dyn BufRead + Send>, limit: usize, line: u64) -> Self {
        Self { line: line - 1, ..Self::new(file, limit) }
    }

    /// The next line that isn't blank; `None` at the end. A failure of the file ends it, as a bad
    /// row.
    pub(super) fn next_row(&mut self) -> Option<Raw> {
        while !self.ended {
            let (mut bytes, length) = match self.read_line() {
                Ok(found) => found,
                Err((error, shown)) => {
                    self.ended = true;
                    let reason = format!("the file can't be read on: {error}");
                    return Some(Raw { line: self.line, body: Body::Bad { reason, shown } });
                }
            };
            if self.line == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
                bytes.drain(..3);
            }
            if length > self.limit {
                bytes.truncate(SHOWN);
                let reason =
                    format!("a line of {length} bytes, more than the limit {}", self.limit);
                return Some(Raw { line: self.line, body: Body::Bad { reason, shown: bytes } });
            }
            if !bytes.iter().all(u8::is_ascii_whitespace) {
                return Some(Raw { line: self.line, body: Body::Bytes(bytes) });
            }
        }
        None
    }

    /// One line without its end, and its true length; at most `limit + 1` bytes are kept.
    fn read_line(&mut self) -> Result<(Vec<u8>, usize), (std::io::Error, Vec<u8>)> {
        let (mut bytes, mut length) = (Vec::new(), 0);
        self.line += 1;
        loop {
            let chunk = match self.file.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    bytes.truncate(SHOWN);
                    return Err((error, bytes));
                }
            };
            if chunk.is_empty() {
                self.ended = true;
                return Ok((bytes, length));
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            let room = (self.limit + 1).saturating_sub(bytes.len());
            bytes.extend_from_slice(&part[..part.len().min(room)]);
            length += part.len();
            let used = part.len() + usize::from(end.is_some());
            self.file.consume(used);
            if end.is_some() {
                return Ok((bytes, length));
            }
        }
    }
}
