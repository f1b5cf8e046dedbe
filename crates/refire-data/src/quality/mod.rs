//! Is a text fit to be learned from? Each rule gives its reason.

mod answer;
mod c4;
mod compression;
mod cot;
mod fineweb;
mod gopher;
mod language;
mod loops;
mod profile;
mod question;
mod record;
mod repetition;
mod structure;
mod truncation;

pub use c4::C4;
pub use cot::{Cot, Trace};
pub use fineweb::FineWeb;
pub use gopher::Gopher;
pub use language::{foreign_share, language};
pub use loops::{Loop, find_loop};
pub use profile::{Profile, Rejection};
pub use question::{QuestionKind, question_kind};
pub use repetition::Repetition;
pub use structure::{Think, split_thought};
