use crate::exact::Rational;

/// A time of day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) parts: Vec<Rational>,
    /// After noon, before noon, or not said.
    pub(crate) afternoon: Option<bool>,
}

impl Time {
    /// Whether the words are the name of a half of the day.
    pub(crate) fn half(words: &str) -> Option<bool> {
        let letters: String = words.chars().filter(char::is_ascii_alphabetic).collect();
        match letters.to_ascii_lowercase().as_str() {
            "am" | "textam" => Some(false),
            "pm" | "textpm" => Some(true),
            _ => None,
        }
    }

    /// Seconds since midnight, if the half of the day is known.
    pub(crate) fn seconds(&self) -> Option<i64> {
        let mut parts = self.parts.iter().map(|part| part.to_i64());
        let hour = parts.next().flatten()?;
        let minute = parts.next().unwrap_or(Some(0))?;
        let second = parts.next().unwrap_or(Some(0))?;
        let hour = match self.afternoon? {
            true => hour % 12 + 12,
            false => hour % 12,
        };
        Some(hour * 3600 + minute * 60 + second)
    }
}
