//! Records of post-training data.

mod content;
mod convert;
mod hash;
mod kind;
mod message;
mod record;
mod row;

pub use content::Content;
pub use convert::Converted;
pub use hash::{RecordId, content_id};
pub use kind::{Example, Kind};
pub use record::{Origin, Record};
pub use row::ColumnMap;

pub(crate) use message::{message, messages, type_of};
pub(crate) use row::{FieldError, Fields, sniff};
