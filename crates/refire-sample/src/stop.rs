use crate::Detokenize;
use refire_core::BoxError;

const INCOMPLETE: char = '\u{FFFD}';

/// Tokens after which bytes that still make no character are taken as they are.
const MOST_HELD: usize = 64;

/// Finds stop texts in a growing sequence of tokens.
///
/// Text is decoded over a window that begins at a token whose text is settled, so that tokens
/// which depend on their neighbours come out right; characters whose bytes aren't all there yet
/// are held back.
#[derive(Debug)]
pub(crate) struct StopMatcher {
    stops: Vec<String>,
    longest: usize,
    tokens: Vec<u32>,
    /// Start of the window, and first token whose text isn't settled.
    window: (usize, usize),
    text: String,
}

/// A stop text that appeared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// The stop text.
    pub(crate) stop: String,
    /// The text before it.
    pub(crate) before: String,
}

impl StopMatcher {
    /// Watches for these texts; `None` if there are none.
    pub(crate) fn new(stops: &[String]) -> Option<Self> {
        (!stops.is_empty()).then(|| Self::watching(stops))
    }

    /// Watches for these texts, if there are any.
    pub(crate) fn watching(stops: &[String]) -> Self {
        let longest = stops.iter().map(String::len).max().unwrap_or(0);
        let stops = stops.to_vec();
        Self { stops, longest, tokens: Vec::new(), window: (0, 0), text: String::new() }
    }

    /// The settled text up to what may become a stop text.
    pub(crate) fn safe(&self) -> &str {
        let text = self.text.as_str();
        let begins = |at: &usize| {
            let end = &text[*at..];
            self.stops.iter().any(|stop| stop.len() > end.len() && stop.starts_with(end))
        };
        let from = text.floor_char_boundary((text.len() + 1).saturating_sub(self.longest));
        let places = (from..text.len()).filter(|at| text.is_char_boundary(*at));
        &text[..places.into_iter().find(begins).unwrap_or(text.len())]
    }

    /// All text, with what isn't settled.
    pub(crate) fn whole(&self, codec: &dyn Detokenize) -> Result<String, BoxError> {
        let (start, settled) = self.window;
        let before = codec.text(&self.tokens[start..settled])?;
        let after = codec.text(&self.tokens[start..])?;
        Ok(self.text.clone() + after.get(before.len()..).unwrap_or_default())
    }

    /// Starts over with an empty sequence.
    pub(crate) fn clear(&mut self) {
        self.tokens.clear();
        self.text.clear();
        self.window = (0, 0);
    }

    /// Adds a token. The stop text that begins first is reported, of equals the first listed.
    pub(crate) fn push(
        &mut self,
        token: u32,
        codec: &dyn Detokenize,
    ) -> Result<Option<Stopped>, BoxError> {
        self.tokens.push(token);
        let (start, settled) = self.window;
        let before = codec.text(&self.tokens[start..settled])?;
        let after = codec.text(&self.tokens[start..])?;
        let Some(new) = after.get(before.len()..).filter(|new| !new.is_empty()) else {
            return Ok(None);
        };
        let held = new.ends_with(INCOMPLETE) && self.tokens.len() - settled < MOST_HELD;
        let known = self.text.len();
        self.text.push_str(if held { new.trim_end_matches(INCOMPLETE) } else { new });
        let stopped = self.find(known);
        if held {
            self.text.truncate(known);
        } else {
            self.window = (settled, self.tokens.len());
        }
        Ok(stopped)
    }

    /// Looks for a stop text that ends beyond the first `known` bytes.
    fn find(&self, known: usize) -> Option<Stopped> {
        let from = self.text.floor_char_boundary((known + 1).saturating_sub(self.longest));
        let found = self.stops.iter().filter_map(|stop| {
            let hits = self.text[from..].match_indices(stop.as_str());
            let mut ends_later = hits.filter(|(at, _)| from + at + stop.len() > known);
            ends_later.next().map(|(at, _)| (from + at, stop))
        });
        let (at, stop) = found.min_by_key(|(at, _)| *at)?;
        Some(Stopped { stop: stop.clone(), before: self.text[..at].to_owned() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Each token is some bytes.
    struct Bytes(Vec<&'static [u8]>);

    impl Detokenize for Bytes {
        fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
            let bytes: Vec<u8> = tokens.iter().flat_map(|t| self.0[*t as usize]).copied().collect();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        fn end_tokens(&self) -> &[u32] {
            &[]
        }
    }

    fn run(pieces: &[&'static [u8]], stops: &[&str]) -> Option<(usize, Stopped)> {
        let codec = Bytes(pieces.to_vec());
        let stops: Vec<String> = stops.iter().map(|s| (*s).to_owned()).collect();
        let mut matcher = StopMatcher::new(&stops).unwrap();
        let tokens = 0..pieces.len() as u32;
        tokens.enumerate().find_map(|(i, t)| matcher.push(t, &codec).unwrap().map(|s| (i, s)))
    }

    fn stopped(stop: &str, before: &str) -> Stopped {
        Stopped { stop: stop.to_owned(), before: before.to_owned() }
    }

    #[test]
    fn across_tokens_and_inside_one() {
        let found = run(&[b"ab", b"c\n", b"\nUs", b"er: x"], &["\n\nUser:"]);
        assert_eq!(found, Some((3, stopped("\n\nUser:", "abc"))));
        assert_eq!(run(&[b"a STOP b"], &["STOP"]), Some((0, stopped("STOP", "a "))));
        assert_eq!(run(&[b"ST", b"O", b"X", b"P"], &["STOP"]), None);
    }

    #[test]
    fn the_first_in_the_text_wins() {
        let found = run(&[b"one two three"], &["three", "two"]);
        assert_eq!(found, Some((0, stopped("two", "one "))));
        assert_eq!(run(&[b"aab"], &["aab", "aa"]), Some((0, stopped("aab", ""))));
    }

    #[test]
    fn characters_in_several_tokens() {
        let euro = "€".as_bytes();
        let found = run(&[b"5", &euro[..1], &euro[1..2], &euro[2..]], &["€"]);
        assert_eq!(found, Some((3, stopped("€", "5"))));
        // A stop text before an unfinished character isn't held back.
        let found = run(&[b"5 ST", b"OP\xe2", b"\x82\xac"], &["STOP"]);
        assert_eq!(found, Some((1, stopped("STOP", "5 "))));
        // A byte that never becomes a character doesn't hide what follows.
        let found = run(&[b"\xff", b"S", b"TOP"], &["STOP"]);
        assert_eq!(found, Some((2, stopped("STOP", "\u{FFFD}"))));
    }

    #[test]
    fn endless_broken_bytes_are_not_held_for_ever() {
        let codec = Bytes(vec![b"\xff", b"STOP"]);
        let mut matcher = StopMatcher::new(&["STOP".to_owned()]).unwrap();
        for _ in 0..200 {
            assert_eq!(matcher.push(0, &codec).unwrap(), None);
            assert!(matcher.tokens.len() - matcher.window.1 < MOST_HELD);
        }
        let found = matcher.push(1, &codec).unwrap();
        assert_eq!(found, Some(stopped("STOP", &"\u{FFFD}".repeat(200))));
    }
}
