//! The losses as [`Objective`](refire_objective::Objective)s, from configurations.
//!
//! Rows of a pair share their group (`Targets::groups`), the chosen one has label 1 and the rejected
//! one label 0. A row's log-probability is the sum over its visible tokens. Means are over the pairs
//! (or rows, or groups) of the whole step, so the gradient doesn't depend on micro-batches.
//!
//! What a method must know of the whole step it learns in `prepare`, from [`PreferenceStep`]:
//!
//! | method | reads |
//! |---|---|
//! | a term with the NLL of chosen rows | their number of tokens |
//! | AOT | log-ratios of all pairs at the start of the step |
//! | KTO | labels, and log-ratios of mismatched rows at the start of the step |
//! | BCO | labels, and log-ratios at the start of the step |
//! | rankings, CoPG | the number of groups |
//!
//! Token weights (`Targets::weights`) become one weight per row, their mean over its visible tokens;
//! it multiplies the row's loss, and for a pair the chosen row's weight does. They don't enter the
//! divisor.

mod bco;
mod config;
mod copg;
mod cpo;
mod dpo;
mod groups;
mod kto;
mod metrics;
mod modpo;
mod nll;
mod orpo;
mod pair_loss;
mod pairs;
mod ranking;
mod rows;
mod step;

pub(crate) use pairs::Pairs;

pub use bco::{Bco, BcoConfig};
pub use config::PreferenceConfig;
pub use copg::{Copg, CopgConfig};
pub use cpo::{Cpo, CpoConfig, CpoLoss};
pub use dpo::{Dpo, DpoConfig};
pub use kto::{Kto, KtoConfig};
pub use modpo::{Modpo, ModpoConfig};
pub use orpo::{Orpo, OrpoConfig};
pub use pair_loss::{PairLoss, WeightedLoss};
pub use ranking::{Ranking, RankingConfig, RankingLoss};
pub use step::{PreferenceStep, StepRow};
