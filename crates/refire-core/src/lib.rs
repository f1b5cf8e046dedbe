//! The vocabulary and the contracts of refire, without tensors.
//!
//! A training run passes these values along:
//!
//! ```text
//! PromptSource --Request--> RolloutEngine --Group--> Reward --Score--> GroupFilter
//!              --StepView--> Advantage --Advantages--> (objective, in refire-objective)
//! ```
//!
//! Every trait is small and object-safe, and is implemented for `Box`, `Arc`, `Option` and `Vec`
//! where that has a meaning, so that "none" and "many" need no further API. What remembers
//! something of a run is [`Stateful`]; every random draw comes from a [`Stream`].

mod advantage;
mod callback;
mod completion;
mod encoder;
mod engine;
mod environment;
mod error;
mod filter;
mod message;
mod metric;
mod needs;
mod pass_at_k;
mod preference;
mod prompt;
mod ragged;
mod request;
mod reward;
mod sampling;
mod score;
mod source;
mod state;
mod step;
mod stream;

pub use advantage::{Advantage, AdvantageValues, Advantages};
pub use callback::{Callback, Control, Event, Phase, StepController, StepSettings};
pub use completion::{Author, Completion, Finish, Group, Turn};
pub use encoder::{ChatTokens, PlainText, TextEncoder};
pub use engine::{Flow, RolloutEngine, RolloutEvent, WeightUpdate};
pub use environment::{Environment, SingleTurn};
pub use error::{BoxError, CoreError};
pub use filter::GroupFilter;
pub use message::{Message, Role, ToolCall};
pub use metric::{Metric, Metrics, Reduce};
pub use needs::{KlDirection, Needs};
pub use pass_at_k::pass_at_k;
pub use preference::{Preference, PreferenceSource};
pub use prompt::Prompt;
pub use ragged::{Provenance, Ragged, Source};
pub use request::Request;
pub use reward::{FnReward, Reward, Scored, reward_fn};
pub use sampling::{
    BudgetForcing, Dry, Guide, LengthDecay, Mirostat, MirostatVersion, Order, SamplingParams,
    SequenceBias, Xtc,
};
pub use score::{Parts, Reason, Score};
pub use source::{BatchSource, PromptSource, Row, RowSource};
pub use state::{Stateful, decode_state, encode_state};
pub use step::{Columns, StepView};
pub use stream::{Purpose, Stream};
