use super::codec::TextCodec;
use refire_core::BoxError;
use std::fmt;

/// Tokens kept once the window is shortened.
const KEEP: usize = 8;
/// Tokens after which the window is shortened.
const SHORTEN: usize = 16;
/// Tokens after which held-back text is given out, valid or not.
const FORCE: usize = 64;

/// U+FFFD, which stands for bytes that aren't UTF-8 (yet).
const REPLACEMENT: char = '\u{FFFD}';

type Decode<'a> = Box<dyn Fn(&[u32]) -> Result<String, BoxError> + Send + 'a>;

/// Turns tokens into text one by one.
///
/// A character whose bytes are spread over several tokens appears when its last token arrives. All
/// pieces and [`finish`](Self::finish) together are the text that decoding everything at once
/// gives. Only a window of the last tokens is decoded again (usually 16, never more than 64), so
/// the work is linear in the number of tokens. A run of more than 64 tokens that never becomes
/// UTF-8 is given out as U+FFFD.
///
/// ```
/// # use refire_core::BoxError;
/// # use refire_model::TextCodec;
/// # struct Bytes;
/// # impl TextCodec for Bytes {
/// #     fn decode(&self, tokens: &[u32]) -> Result<String, BoxError> {
/// #         let bytes = tokens.iter().map(|&t| u8::try_from(t)).collect::<Result<Vec<_>, _>>()?;
/// #         Ok(String::from_utf8_lossy(&bytes).into_owned())
/// #     }
/// #     fn encode(&self, text: &str) -> Result<Vec<u32>, BoxError> {
/// #         Ok(text.bytes().map(u32::from).collect())
/// #     }
/// # }
/// use refire_model::DecodeStream;
///
/// let codec = Bytes; // one token per byte
/// let mut stream = DecodeStream::new(&codec);
/// assert_eq!(stream.push(0xC3)?, None); // the first byte of "é"
/// assert_eq!(stream.push(0xA9)?.as_deref(), Some("é"));
/// assert_eq!(stream.finish()?, None);
/// # Ok::<(), BoxError>(())
/// ```
pub struct DecodeStream<'a> {
    decode: Decode<'a>,
    window: Vec<u32>,
    /// Bytes of the window's text that are out already.
    emitted: usize,
}

impl<'a> DecodeStream<'a> {
    /// A stream at the start of a text.
    pub fn new<C: TextCodec + ?Sized>(codec: &'a C) -> Self {
        Self::with(move |tokens: &[u32]| codec.decode(tokens))
    }

    pub(super) fn with(decode: impl Fn(&[u32]) -> Result<String, BoxError> + Send + 'a) -> Self {
        Self { decode: Box::new(decode), window: Vec::new(), emitted: 0 }
    }

    /// Takes one token and gives the text that is certain now, if there is any.
    ///
    /// # Errors
    /// When the codec can't decode; see [`TextCodec::decode`].
    pub fn push(&mut self, token: u32) -> Result<Option<String>, BoxError> {
        self.window.push(token);
        let text = (self.decode)(&self.window)?;
        let force = self.window.len() >= FORCE;
        let certain = if force { text.len() } else { text.trim_end_matches(REPLACEMENT).len() };
        let piece = self.emit(&text, certain);
        if self.window.len() >= SHORTEN {
            self.shorten(&text, force)?;
        }
        Ok(piece)
    }

    /// Gives what was held back and starts over.
    ///
    /// # Errors
    /// When the codec can't decode; see [`TextCodec::decode`].
    pub fn finish(&mut self) -> Result<Option<String>, BoxError> {
        let text = (self.decode)(&self.window)?;
        let piece = self.emit(&text, text.len());
        self.window.clear();
        self.emitted = 0;
        Ok(piece)
    }

    fn emit(&mut self, text: &str, certain: usize) -> Option<String> {
        let piece = text.get(self.emitted..certain).filter(|piece| !piece.is_empty())?;
        self.emitted = certain;
        Some(piece.to_owned())
    }

    /// Drops old tokens from the window. The shorter window's text may begin differently (half a
    /// character, a stripped space), so the place reached is counted from the end.
    fn shorten(&mut self, text: &str, force: bool) -> Result<(), BoxError> {
        let Some(pending) = text.get(self.emitted..) else { return Ok(()) };
        let newest = self.window.len() - KEEP;
        for start in (newest.saturating_sub(3)..=newest).rev() {
            let tail = (self.decode)(&self.window[start..])?;
            let clean = force || !tail.starts_with(REPLACEMENT);
            if clean && tail.ends_with(pending) {
                self.emitted = tail.len() - pending.len();
                self.window.drain(..start);
                return Ok(());
            }
        }
        if force {
            self.window.clear();
            self.emitted = 0;
        }
        Ok(())
    }
}

impl fmt::Debug for DecodeStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeStream")
            .field("window", &self.window)
            .field("emitted", &self.emitted)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
