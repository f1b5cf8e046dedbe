use refire_sandbox::SandboxConfig;
use serde::{Deserialize, Serialize};

use crate::RewardError;

/// Settings of [`CodeReward`](crate::CodeReward).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CodeConfig {
    /// What the tests are worth.
    pub credit: Credit,
    /// Whether a completion that the token limit cut off is wrong whatever it says.
    pub truncated_is_wrong: bool,
    /// Whether the program is in a fence of three backticks, the last one of the reply; a reply
    /// without one is wrong. Otherwise the whole reply is the program.
    pub fenced: bool,
    /// How programs are run. Suites that run in the submission's process are refused unless
    /// `allow_in_process` is set there.
    pub sandbox: SandboxConfig,
}

impl Default for CodeConfig {
    /// All or nothing, as AceReason, DRIVE and Klear; the last fence, as open-r1.
    fn default() -> Self {
        Self {
            credit: Credit::PassAll,
            truncated_is_wrong: true,
            fenced: true,
            sandbox: SandboxConfig { retries: 1, ..SandboxConfig::default() },
        }
    }
}

impl CodeConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<RewardError> {
        let mut problems = Vec::new();
        if let Credit::Tiers { weights } = self.credit {
            for (field, weight) in [
                ("basic", weights.basic),
                ("medium", weights.medium),
                ("high", weights.high),
                ("edge", weights.edge),
            ] {
                let range = "a finite number, 0 or more";
                problems.extend(RewardError::unless(
                    weight.is_finite() && weight >= 0.0,
                    field,
                    weight,
                    range,
                ));
            }
        }
        for source in self.sandbox.validate() {
            problems.push(RewardError::Member { reward: "code".to_owned(), source: source.into() });
        }
        problems
    }
}

/// What passed tests are worth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Credit {
    /// 1 if every test passes, else 0.
    #[default]
    PassAll,
    /// Passed tests divided by all of them (open-r1's `code_reward`). Tests that were not reached
    /// count as not passed.
    Fraction,
    /// `sum_t weight_t * [every test of tier t passes]`, not divided by the sum of the weights
    /// (TAROT). Tiers are given per test by the prompt; one without a test earns nothing.
    Tiers {
        /// Worth of each tier.
        weights: TierWeights,
    },
}

/// Worth of TAROT's four tiers.
///
/// ```
/// use refire_reward::TierWeights;
/// let uniform = TierWeights::default();
/// assert_eq!(uniform.basic + uniform.medium + uniform.high + uniform.edge, 1.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TierWeights {
    /// Of basic tests.
    pub basic: f64,
    /// Of medium ones.
    pub medium: f64,
    /// Of hard ones.
    pub high: f64,
    /// Of edge cases.
    pub edge: f64,
}

impl Default for TierWeights {
    /// TAROT's uniform setting; it also tries 0.35, 0.35, 0.15, 0.15 and its reverse.
    fn default() -> Self {
        Self { basic: 0.25, medium: 0.25, high: 0.25, edge: 0.25 }
    }
}

impl TierWeights {
    /// The worth of one tier.
    pub fn of(&self, tier: Tier) -> f64 {
        match tier {
            Tier::Basic => self.basic,
            Tier::Medium => self.medium,
            Tier::High => self.high,
            Tier::Edge => self.edge,
        }
    }
}

/// How hard a test is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// What any solution does.
    Basic,
    /// The usual cases.
    Medium,
    /// Hard ones.
    High,
    /// The edges.
    Edge,
}

impl Tier {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Basic, Self::Medium, Self::High, Self::Edge];
}
