//! Which tokens and rows take part in the update.

mod off_policy;
mod top_entropy;
mod truncated;

pub use off_policy::off_policy_mask;
pub use top_entropy::{quantile, top_entropy_mask};
pub use truncated::mask_truncated;
