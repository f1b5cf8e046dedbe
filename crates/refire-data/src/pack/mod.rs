//! From sequences to batches: packing, grouping by length, token budgets, balance over workers.

mod best_fit;
mod budget;
mod group;
mod karmarkar_karp;
mod plan;
mod rows;

pub use budget::token_budget;
pub use group::group_by_length;
pub use karmarkar_karp::{Balance, balance};
pub use plan::{Piece, Plan, Strategy, pack};
pub use rows::{PackedRow, pack_rows};
