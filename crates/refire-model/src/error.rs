use refire_objective::ObjectiveError;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What can go wrong with models, their files and their text.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A JSON file that isn't one, or lacks the expected shape.
    #[error("{path}: {source}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A configuration field that is missing, of the wrong type or out of its range.
    #[error("{file}: `{field}` is {found}, expected {expected}", file = file.display())]
    Field {
        /// The file.
        file: PathBuf,
        /// The field.
        field: String,
        /// The value found, or "missing".
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A safetensors file that can't be parsed.
    #[error("{path}: not a readable safetensors file: {reason}", path = path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A GGUF file that can't be read.
    #[error("{path}: not a readable GGUF file: {reason}", path = path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// A setting outside of its range.
    #[error("`{field}` is {value}, expected {expected}")]
    OutOfRange {
        /// The setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Models that can't be merged.
    #[error("{path}: this is another network than that of {other}", path = path.display(), other = other.display())]
    OtherModel {
        /// A configuration.
        path: PathBuf,
        /// The configuration it should be like.
        other: PathBuf,
    },
    /// A tensor the model needs is in no file.
    #[error("{path}: tensor `{tensor}` of shape {expected:?} is missing", path = path.display())]
    MissingTensor {
        /// The file or folder that should hold it.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// The shape the model needs.
        expected: Vec<usize>,
    },
    /// A tensor of another shape than the model needs.
    #[error("{path}: tensor `{tensor}` has shape {found:?}, the model needs {expected:?}", path = path.display())]
    TensorShape {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape the model needs.
        expected: Vec<usize>,
    },
    /// A tensor of a number format that isn't supported.
    #[error("{path}: tensor `{tensor}` is {dtype}, supported are F32, F16 and BF16", path = path.display())]
    TensorDtype {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// Its number format.
        dtype: String,
    },
    /// A tensor in the files that the model doesn't have.
    #[error("{path}: tensor `{tensor}` is not part of a {model_type} model", path = path.display())]
    UnknownTensor {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// The model's type.
        model_type: String,
    },
    /// An index that places a tensor in a file without it.
    #[error("{index}: tensor `{tensor}` is said to be in {file}, which doesn't hold it", index = index.display(), file = file.display())]
    WrongShard {
        /// The index.
        index: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The file that should hold it.
        file: PathBuf,
    },
    /// A head of its own in a model whose head shares the embedding's weight.
    #[error("{path}: `lm_head.weight` differs from `model.embed_tokens.weight` although the configuration ties them; set `tie_word_embeddings` to false", path = path.display())]
    HeadNotTied {
        /// The file.
        path: PathBuf,
    },
    /// A configuration with at least one problem.
    #[error("configuration of `{what}`: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config {
        /// What was to be made.
        what: &'static str,
        /// Every problem found.
        problems: Vec<ObjectiveError>,
    },
    /// A tokenizer with ids beyond the embedding.
    #[error("{path}: the tokenizer's largest id is {largest}, the embedding has {rows} rows", path = path.display())]
    TokenizerTooLarge {
        /// The tokenizer's file.
        path: PathBuf,
        /// Largest token id.
        largest: u32,
        /// Rows of the embedding.
        rows: usize,
    },
    /// The tokenizer failed.
    #[error("tokenizer {path}: {reason}", path = path.display())]
    Tokenizer {
        /// Its file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A chat template that can't be compiled or rendered.
    #[error("chat template `{template}`: {reason}")]
    ChatTemplate {
        /// Its name.
        template: String,
        /// Why; what the template itself raised stands here word for word.
        reason: String,
    },
    /// An adapter that can't be made, or doesn't fit its model.
    #[error("adapter: {reason}")]
    Adapter {
        /// Why.
        reason: String,
    },
    /// Weights that can't be quantised or rotated, or a network that can't be run so.
    #[error("quantisation: {reason}")]
    Quantization {
        /// Why.
        reason: String,
    },
    /// A copilot that doesn't fit its pilot, or can't learn.
    #[error("copilot: {reason}")]
    Copilot {
        /// Why.
        reason: String,
    },
    /// Rows that can't be made one vector each.
    #[error("pooling: {reason}")]
    Pooling {
        /// Why.
        reason: String,
    },
    /// A token id beyond the embedding.
    #[error("token id {token} in row {row}, the embedding has {rows} rows")]
    TokenId {
        /// The id.
        token: u32,
        /// Row of the batch.
        row: usize,
        /// Rows of the embedding.
        rows: usize,
    },
    /// More tokens than the model can read.
    #[error("row {row} has {tokens} tokens, the context is {context}")]
    ContextLength {
        /// Row of the batch.
        row: usize,
        /// Its tokens.
        tokens: usize,
        /// Most tokens the model reads.
        context: usize,
    },
    /// Saved state that doesn't fit this model.
    #[error("{path}: {reason}", path = path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What doesn't fit.
        reason: String,
    },
    /// The weights are in use elsewhere or were never there.
    #[error("the weights are not available: {reason}")]
    Weights {
        /// Why.
        reason: &'static str,
    },
    /// A gradient or loss that is not a finite number; nothing was changed.
    #[error("{what} is {value}; nothing was updated")]
    NotFinite {
        /// What it is.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// Tensors that don't fit together.
    #[error(transparent)]
    Kernel(refire_kernels::KernelError),
    /// Weights in a number format that their device can't compute with.
    #[error("the device can't compute in {dtype:?}: read the weights as F32")]
    NumberFormat {
        /// The format.
        dtype: refire_objective::Dtype,
    },
    /// A device operation failed.
    #[error("reading `{what}` from the device: {reason}")]
    Device {
        /// What was read.
        what: String,
        /// Why.
        reason: String,
    },
}

impl ModelError {
    /// One error for all problems of a configuration, or none.
    pub(crate) fn collect(what: &'static str, problems: Vec<ObjectiveError>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self::Config { what, problems }) }
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |source| Self::Io { path, source }
    }

    /// The same, with the folder of the adapter where it isn't named yet.
    pub(crate) fn of_adapter(self, dir: &Path) -> Self {
        match self {
            Self::Adapter { reason } => {
                Self::Adapter { reason: format!("{}: {reason}", dir.display()) }
            }
            other => other,
        }
    }

    pub(crate) fn json(path: impl Into<PathBuf>) -> impl FnOnce(serde_json::Error) -> Self {
        let path = path.into();
        |source| Self::Json { path, source }
    }
}
