use crate::decoder::{MapParam, VisitParam, map_params, normals, visit_params};
use crate::weights::{NamedTensor, TensorFiles, write_tensors};
use crate::{Decoder, ModelError};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, activation::silu};
use refire_objective::{Dtype, ObjectiveError};
use serde::{Deserialize, Serialize};
use std::path::Path;

const CONFIG: &str = "copilot.json";
const WEIGHTS: &str = "copilot.safetensors";

/// The shape of a copilot and how strongly it is heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CopilotConfig {
    /// Width of its inner layer.
    pub width: usize,
    /// `lambda`, the factor of its correction.
    pub lambda: f64,
    /// What is corrected.
    pub rectification: Rectification,
}

/// What a copilot's correction is added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rectification {
    /// The logits.
    #[default]
    Logits,
    /// The probabilities; what falls to 0 or below keeps a probability of 1e-10.
    Probabilities,
}

impl Default for CopilotConfig {
    /// The paper's `lambda` of 0.3; a width of our own choice.
    fn default() -> Self {
        Self { width: 64, lambda: 0.3, rectification: Rectification::Logits }
    }
}

impl CopilotConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<ObjectiveError> {
        let fields = [
            ("width", self.width.to_string(), self.width > 0, "at least 1"),
            ("lambda", self.lambda.to_string(), self.lambda.is_finite(), "a finite number"),
        ];
        let bad = fields.into_iter().filter(|(_, _, ok, _)| !ok);
        let problem =
            |(field, value, _, expected)| ObjectiveError::OutOfRange { field, value, expected };
        bad.map(problem).collect()
    }
}

/// Foresees a pilot's mistakes from its hidden states.
///
/// ```
/// use burn::tensor::Device;
/// use refire_model::{Copilot, CopilotConfig, Decoder, TinyLlama};
/// let pilot = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
/// let copilot = Copilot::new(&pilot, &CopilotConfig::default(), 1)?;
/// // One that has learned nothing yet corrects nothing.
/// let rectified = pilot.clone().with_copilot(&copilot)?;
/// let gap = rectified.logits(&[1, 2])? - pilot.logits(&[1, 2])?;
/// assert_eq!(gap.abs().max().into_scalar::<f32>(), 0.0);
/// # Ok::<(), refire_model::ModelError>(())
/// ```
#[derive(Module, Debug)]
pub struct Copilot {
    /// `D`, `[width, hidden]`.
    pub down: Param<Tensor<2>>,
    /// `U`, `[vocab, width]`.
    pub up: Param<Tensor<2>>,
    /// Its shape.
    #[module(skip)]
    pub config: CopilotConfig,
}

impl Copilot {
    /// A fresh copilot of a pilot. `U` is 0, so that it corrects nothing.
    ///
    /// # Errors
    /// When `config` objects to itself, and for a pilot without logits.
    pub fn new(pilot: &Decoder, config: &CopilotConfig, seed: u64) -> Result<Self, ModelError> {
        ModelError::collect("copilot", config.validate())?;
        let [vocab, hidden] = shape(pilot)?;
        let device = pilot.head_weight().inner().device();
        let deviation = (hidden as f64).sqrt().recip();
        let down = normals(seed, "copilot.down", config.width * hidden, deviation);
        let down = TensorData::new(down, [config.width, hidden]);
        Ok(Self {
            down: Param::from_tensor(Tensor::from_data(down, &device)),
            up: Param::from_tensor(Tensor::zeros([vocab, config.width], &device)),
            config: config.clone(),
        })
    }

    /// `f(h)` `[n, vocab]` of hidden states `[n, hidden]` after the last norm.
    pub fn forward(&self, hidden: Tensor<2>) -> Tensor<2> {
        let inner = silu(hidden.matmul(self.down.val().transpose()));
        inner.matmul(self.up.val().transpose())
    }

    /// Rectified logits `[n, vocab]`.
    pub fn rectify(&self, logits: Tensor<2>, hidden: Tensor<2>) -> Tensor<2> {
        // Logits of a pilot in 16 bits come in 32.
        let correction = self.forward(hidden).cast(logits.dtype()) * self.config.lambda;
        match self.config.rectification {
            Rectification::Logits => logits + correction,
            Rectification::Probabilities => {
                let probabilities = burn::tensor::activation::softmax(logits, 1);
                (probabilities + correction).clamp_min(LEAST).log()
            }
        }
    }

    /// Writes `copilot.json` and `copilot.safetensors`.
    ///
    /// # Errors
    /// When a file can't be written or a tensor can't be read.
    pub fn save(&self, dir: &Path) -> Result<(), ModelError> {
        std::fs::create_dir_all(dir).map_err(ModelError::io(dir))?;
        let mut tensors = Collect(Vec::new());
        visit_params(self, &mut tensors);
        write_tensors(&dir.join(WEIGHTS), tensors.0, Dtype::F32)?;
        let path = dir.join(CONFIG);
        let text = serde_json::to_vec_pretty(&self.config).map_err(ModelError::json(&path))?;
        std::fs::write(&path, text).map_err(ModelError::io(&path))
    }

    /// Reads what [`save`](Self::save) wrote, for this pilot.
    ///
    /// # Errors
    /// Names the file, and the field or tensor, of whatever is missing or doesn't fit the pilot.
    pub fn open(dir: &Path, pilot: &Decoder) -> Result<Self, ModelError> {
        let path = dir.join(CONFIG);
        let text = std::fs::read(&path).map_err(ModelError::io(&path))?;
        let config: CopilotConfig =
            serde_json::from_slice(&text).map_err(ModelError::json(&path))?;
        let fresh = Self::new(pilot, &config, 0)?;
        let files = TensorFiles::open(dir, [dir.join(WEIGHTS)])?;
        let tensors = files.tensors()?;
        let mut read = Read { tensors: &tensors, problem: None };
        let copilot = map_params(fresh, &mut read);
        read.problem.map_or(Ok(copilot), Err)
    }
}

/// The least probability that a correction leaves.
pub(crate) const LEAST: f32 = 1e-10;

impl Decoder {
    /// The network with a copilot that rectifies its logits: in [`logits`](Self::logits), and in
    /// whatever decodes it. Training and the statistics of a policy don't hear it.
    ///
    /// # Errors
    /// For a copilot of another width or vocabulary.
    pub fn with_copilot(mut self, copilot: &Copilot) -> Result<Self, ModelError> {
        let [vocab, hidden] = shape(&self)?;
        let ([_, width], [tokens, _]) = (copilot.down.val().dims(), copilot.up.val().dims());
        if [tokens, width] != [vocab, hidden] {
            let reason = format!(
                "it is for {tokens} tokens and a width of {width}, the pilot has {vocab} and \
                 {hidden}"
            );
            return Err(ModelError::Copilot { reason });
        }
        self.copilot = Some(std::sync::Arc::new(copilot.valid()));
        Ok(self)
    }

    /// The network alone.
    pub fn without_copilot(mut self) -> Self {
        self.copilot = None;
        self
    }
}

/// Tokens and width of a pilot.
fn shape(pilot: &Decoder) -> Result<[usize; 2], ModelError> {
    if pilot.score.is_some() {
        let reason = "the pilot is a model of scores and has no logits".to_owned();
        return Err(ModelError::Copilot { reason });
    }
    Ok(pilot.head_weight().dims())
}

struct Collect(Vec<NamedTensor>);

impl VisitParam for Collect {
    fn visit<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) {
        let shape = tensor.dims().to_vec();
        let tensor = tensor.inner().flatten::<1>(0, D - 1);
        self.0.push(NamedTensor { name: path.to_owned(), shape, tensor });
    }
}

struct Read<'a, 'b> {
    tensors: &'a crate::weights::Tensors<'b>,
    problem: Option<ModelError>,
}

impl MapParam for Read<'_, '_> {
    fn map<const D: usize>(&mut self, path: &str, tensor: Tensor<D>) -> Tensor<D> {
        match self.tensors.values(path, &tensor.dims()) {
            Ok(values) => {
                let device: Device = tensor.device();
                Tensor::from_data(TensorData::new(values, tensor.dims()), &device)
            }
            Err(error) => {
                self.problem.get_or_insert(error);
                tensor
            }
        }
    }
}
