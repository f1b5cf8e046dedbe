//! Which tokens of a row are learned, as host masks; all are refused where nothing would be.

mod assistant;
mod completion;
mod plan;

pub use assistant::assistant;
pub use completion::completion;
pub use plan::plan;

use crate::SftError;

fn checked(mask: Vec<bool>) -> Result<Vec<bool>, SftError> {
    if mask.contains(&true) { Ok(mask) } else { Err(SftError::NothingToLearn) }
}
