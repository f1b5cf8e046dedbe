//! Other training data from the data there is.

mod backtrack;
mod flawed_prefix;
mod intervene;
mod masked_thought;
mod multi_turn;
mod perturb;
mod plan_execute;
mod steps;
mod templates;
mod two_targets;

pub use backtrack::{SearchTrace, SearchVerdict, backtracking_trace};
pub use flawed_prefix::{Flaw, FlawedPrefix, flawed_prefix};
pub use intervene::{Intervention, first_error, intervene};
pub use masked_thought::{MaskSchedule, mask_thought};
pub use multi_turn::{AnswerTurn, into_turns};
pub use perturb::{Perturbation, perturb};
pub use plan_execute::{PlanExecute, plan_execute};
pub use steps::{split_steps, steps_of};
pub use templates::{Template, TemplatePool};
pub use two_targets::{TwoTargets, two_targets};
