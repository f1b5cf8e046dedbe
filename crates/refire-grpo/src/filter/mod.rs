//! Which scored groups are worth training on.

mod config;
mod dynamic_sampling;

pub use config::FilterConfig;
pub use dynamic_sampling::DynamicSampling;
