//! Extracts the final answer from a completion and decides whether it equals the gold answer.
//!
//! ```text
//! completion --extract--> answer --read--> exact rational | percent | text --compare--> Verdict
//! ```
//!
//! Three rules hold everywhere:
//!
//! - **Two-sided.** [`Verdict::Equal`] and [`Verdict::NotEqual`] are claims of a proof; what can't
//!   be decided is [`Verdict::Unknown`] with its [`Reason`], never a guess.
//! - **Nothing is skipped.** An answer is read as a number from its first to its last character,
//!   or it is text. `0 = 42`, `42 or 43` and `x = 42` are text, so none of them equals `42`.
//! - **Bounded.** Extraction is one linear scan, numbers are bounded by [`Limits`] before they are
//!   built, and no clock is involved: a verdict is the same on every machine.
//!
//! ```
//! use refire_math::{Checker, Path, Verdict};
//!
//! let checker = Checker::default();
//! let verdict = checker.check("0.5", r"so the answer is $\boxed{\frac{1}{2}}$.");
//! assert_eq!(verdict, Verdict::Equal(Path::Rational));
//! assert!(!checker.check("42", r"\boxed{0 = 42}").is_equal());
//! ```

mod checker;
mod error;
mod extract;
mod number;
mod profile;
mod reading;
mod verdict;
mod wrapper;

pub use checker::{Checker, Gold};
pub use error::MathError;
pub use extract::{ExtractRules, Extraction, Fault, Tier, extract};
pub use profile::{Limits, PercentRule, Profile};
pub use verdict::{Path, Reason, Verdict};
