use refire_core::BoxError;
use std::sync::Arc;

/// Text to tokens and back: all that sampling and rewards need to know of a tokenizer.
///
/// [`Tokenizer`](crate::Tokenizer) implements it without adding special tokens when it encodes and
/// without printing them when it decodes.
///
/// ```
/// use refire_core::BoxError;
/// use refire_model::TextCodec;
///
/// /// One token per byte.
/// struct Bytes;
///
/// impl TextCodec for Bytes {
///     fn decode(&self, tokens: &[u32]) -> Result<String, BoxError> {
///         let bytes = tokens.iter().map(|&t| u8::try_from(t)).collect::<Result<Vec<_>, _>>()?;
///         Ok(String::from_utf8_lossy(&bytes).into_owned())
///     }
///     fn encode(&self, text: &str) -> Result<Vec<u32>, BoxError> {
///         Ok(text.bytes().map(u32::from).collect())
///     }
/// }
///
/// assert_eq!(Bytes.decode(&Bytes.encode("4 + 5")?)?, "4 + 5");
/// # Ok::<(), BoxError>(())
/// ```
pub trait TextCodec: Send + Sync {
    /// The text of `tokens`, with U+FFFD where their bytes aren't UTF-8.
    ///
    /// # Errors
    /// When the tokens can't be decoded at all.
    fn decode(&self, tokens: &[u32]) -> Result<String, BoxError>;

    /// The tokens of `text`, nothing added in front or behind.
    ///
    /// # Errors
    /// When the text can't be encoded.
    fn encode(&self, text: &str) -> Result<Vec<u32>, BoxError>;
}

impl<T: TextCodec + ?Sized> TextCodec for Arc<T> {
    fn decode(&self, tokens: &[u32]) -> Result<String, BoxError> {
        (**self).decode(tokens)
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        (**self).encode(text)
    }
}
