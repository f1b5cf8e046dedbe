//! Whether a reply keeps a format of tags.

mod config;
mod fault;
mod grammar;
mod reward;
mod scan;

pub use config::{Layout, TagGrammar, TagRule};
pub use fault::FormatFault;
pub use grammar::Block;
pub use reward::{FormatConfig, FormatReward};

#[cfg(test)]
mod tests;
