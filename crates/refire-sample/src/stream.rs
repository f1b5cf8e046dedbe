use crate::Detokenize;
use crate::stop::StopMatcher;
use refire_core::BoxError;

/// Turns the tokens of a completion into text that may be shown at once.
///
/// Held back are characters whose bytes aren't all there, and endings that may become a stop text;
/// so no part of a stop text is ever shown. The pieces and [`finish`](Self::finish) together are the
/// completion's text.
///
/// ```
/// use refire_core::BoxError;
/// use refire_sample::{Detokenize, TextStream};
/// struct Letters;
/// impl Detokenize for Letters {
///     fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
///         Ok(tokens.iter().filter_map(|t| char::from_u32(*t)).collect())
///     }
///     fn end_tokens(&self) -> &[u32] {
///         &[0]
///     }
/// }
/// let mut stream = TextStream::new(&["###".to_owned()]);
/// let mut shown = String::new();
/// for token in "a#b##".chars() {
///     shown += &stream.push(token as u32, &Letters)?.text;
/// }
/// assert_eq!(shown, "a#b");
/// assert_eq!(stream.push('#' as u32, &Letters)?.stop.as_deref(), Some("###"));
/// # Ok::<(), BoxError>(())
/// ```
#[derive(Debug)]
pub struct TextStream {
    matcher: StopMatcher,
    shown: usize,
}

/// What a token added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextPiece {
    /// Text that may be shown.
    pub text: String,
    /// The stop text that the token completed; nothing follows it.
    pub stop: Option<String>,
}

impl TextStream {
    /// At the beginning of a completion with these stop texts.
    pub fn new(stops: &[String]) -> Self {
        Self { matcher: StopMatcher::watching(stops), shown: 0 }
    }

    /// Adds a token.
    ///
    /// # Errors
    /// When the tokens have no text.
    pub fn push(&mut self, token: u32, codec: &dyn Detokenize) -> Result<TextPiece, BoxError> {
        if let Some(stopped) = self.matcher.push(token, codec)? {
            let text = stopped.before.get(self.shown..).unwrap_or_default().to_owned();
            self.shown = stopped.before.len();
            return Ok(TextPiece { text, stop: Some(stopped.stop) });
        }
        let text = self.matcher.safe().get(self.shown..).unwrap_or_default().to_owned();
        self.shown += text.len();
        Ok(TextPiece { text, stop: None })
    }

    /// What was held back when the completion ended without a stop text.
    ///
    /// # Errors
    /// When the tokens have no text.
    pub fn finish(self, codec: &dyn Detokenize) -> Result<String, BoxError> {
        let whole = self.matcher.whole(codec)?;
        Ok(whole.get(self.shown..).unwrap_or_default().to_owned())
    }
}
