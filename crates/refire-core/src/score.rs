use serde::{Deserialize, Serialize};

/// Why a completion has no score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(pub String);

impl<T: Into<String>> From<T> for Reason {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The named parts of a total, unweighted: what the logs show as `rewards/<name>/mean`.
pub type Parts = Vec<(String, f64)>;

/// What a reward says of one completion.
///
/// "No score" is not zero: rows without a value leave the group statistics and get advantage 0.
///
/// ```
/// use refire_core::Score;
/// assert_eq!(Score::value(1.0).total(), Some(1.0));
/// assert_eq!(Score::unscorable("the reference answer can't be read").total(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Score {
    /// A finite number.
    Value {
        /// The reward.
        total: f64,
        /// What it is made of.
        parts: Parts,
        /// Rewards of single tokens, on top of the total.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        per_token: Option<Vec<f32>>,
    },
    /// This item can't be scored, now or later: its reference is broken, say.
    Unscorable {
        /// Why.
        reason: Reason,
    },
    /// The verifier could not be reached or failed.
    Unavailable {
        /// Why.
        reason: Reason,
        /// Whether asking again may help.
        retry: bool,
    },
}

impl Score {
    /// A plain value without parts.
    pub fn value(total: f64) -> Self {
        Self::Value { total, parts: Vec::new(), per_token: None }
    }

    /// An item that can't be scored.
    pub fn unscorable(reason: impl Into<Reason>) -> Self {
        Self::Unscorable { reason: reason.into() }
    }

    /// A verifier that is not available.
    pub fn unavailable(reason: impl Into<Reason>, retry: bool) -> Self {
        Self::Unavailable { reason: reason.into(), retry }
    }

    /// The reward, if there is one.
    pub fn total(&self) -> Option<f64> {
        match self {
            Self::Value { total, .. } => Some(*total),
            Self::Unscorable { .. } | Self::Unavailable { .. } => None,
        }
    }

    /// The value of one named part.
    pub fn part(&self, name: &str) -> Option<f64> {
        match self {
            Self::Value { parts, .. } => parts.iter().find(|(n, _)| n == name).map(|(_, v)| *v),
            Self::Unscorable { .. } | Self::Unavailable { .. } => None,
        }
    }
}
