//! Callbacks that write down, show and stop.

mod completions;
mod interrupt;
mod jsonl;
mod lines;
mod progress;
#[cfg(test)]
mod tests;

pub use completions::{CompletionsLog, CompletionsLogConfig};
pub use interrupt::Interrupt;
pub use jsonl::MetricsLog;
pub(crate) use lines::{for_each_line, phase_name};
pub use progress::Progress;
