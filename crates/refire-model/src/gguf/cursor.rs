//! Little-endian values from a file's bytes, one after another.

/// Where reading stopped, and why.
#[derive(Debug, PartialEq)]
pub(super) struct Broken {
    pub(super) at: usize,
    pub(super) reason: String,
}

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn broken(&self, reason: impl Into<String>) -> Broken {
        Broken { at: self.at, reason: reason.into() }
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let taken = self.slice(N)?;
        let mut array = [0; N];
        array.copy_from_slice(taken);
        Ok(array)
    }

    pub(super) fn slice(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let rest = &self.bytes[self.at..];
        if count > rest.len() {
            return Err(self.broken(format!("{count} bytes expected, {} are left", rest.len())));
        }
        self.at += count;
        Ok(&rest[..count])
    }

    pub(super) fn u32(&mut self) -> Result<u32, Broken> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Broken> {
        self.take().map(u64::from_le_bytes)
    }

    /// A number of things that follow, each of at least so many bytes.
    pub(super) fn count(&mut self, bytes_each: usize) -> Result<usize, Broken> {
        let count = self.u64()?;
        let left = self.bytes.len() - self.at;
        match usize::try_from(count) {
            Ok(n) if n.checked_mul(bytes_each).is_some_and(|bytes| bytes <= left) => Ok(n),
            _ => Err(self.broken(format!("{count} entries can't be in the {left} bytes left"))),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, Broken> {
        let count = self.count(1)?;
        let at = self.at;
        let text = std::str::from_utf8(self.slice(count)?);
        text.map(str::to_owned).map_err(|_| Broken { at, reason: "a text isn't UTF-8".to_owned() })
    }
}
