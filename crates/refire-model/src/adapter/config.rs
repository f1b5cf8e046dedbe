use super::Patterns;
use refire_objective::ObjectiveError;
use serde::{Deserialize, Serialize};

/// What an adapter is made of; fields have PEFT's names and meanings.
///
/// Hu et al., arXiv 2106.09685 (LoRA); Kalajdzievski, arXiv 2312.03732 (rank-stabilised); Liu et
/// al., arXiv 2402.09353 (DoRA).
///
/// ```
/// use refire_model::{LoraConfig, TargetModules};
/// let config = LoraConfig {
///     r: 16,
///     lora_alpha: 32.0,
///     target_modules: TargetModules::Names(vec!["q_proj".to_owned(), "v_proj".to_owned()]),
///     ..LoraConfig::default()
/// };
/// assert!(config.validate().is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank.
    pub r: usize,
    /// Numerator of the scale `alpha / r`.
    pub lora_alpha: f64,
    /// Share of inputs that training drops on their way into `A`; never in evaluation and
    /// decoding. An embedding's adapter drops nothing, as in PEFT.
    pub lora_dropout: f64,
    /// Modules with an adapter.
    pub target_modules: TargetModules,
    /// Modules without one although they are targets: names, or one regular expression.
    pub exclude_modules: Option<TargetModules>,
    /// Of the targets, only those in these layers.
    pub layers_to_transform: Option<Vec<usize>>,
    /// Names before a layer's number that `layers_to_transform` looks at; empty means any.
    pub layers_pattern: Vec<String>,
    /// Ranks of some modules.
    pub rank_pattern: Patterns<usize>,
    /// Alphas of some modules.
    pub alpha_pattern: Patterns<f64>,
    /// The scale is `alpha / sqrt(r)`.
    pub use_rslora: bool,
    /// Directions and magnitudes: DoRA.
    pub use_dora: bool,
    /// Biases that are trained with it.
    pub bias: Bias,
    /// Modules of which a whole copy is trained, by the ends of their names.
    pub modules_to_save: Vec<String>,
    /// How a fresh adapter begins.
    pub init_lora_weights: AdapterInit,
    /// The model it belongs to, for the file.
    pub base_model_name_or_path: Option<String>,
}

impl Default for LoraConfig {
    /// PEFT's: rank 8, alpha 8, no dropout; on all linear maps but the head, as QLoRA (arXiv
    /// 2305.14314) recommends.
    fn default() -> Self {
        Self {
            r: 8,
            lora_alpha: 8.0,
            lora_dropout: 0.0,
            target_modules: TargetModules::AllLinear,
            exclude_modules: None,
            layers_to_transform: None,
            layers_pattern: Vec::new(),
            rank_pattern: Patterns::default(),
            alpha_pattern: Patterns::default(),
            use_rslora: false,
            use_dora: false,
            bias: Bias::None,
            modules_to_save: Vec::new(),
            init_lora_weights: AdapterInit::Kaiming,
            base_model_name_or_path: None,
        }
    }
}

/// Modules by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Spelling", into = "Spelling")]
pub enum TargetModules {
    /// `"all-linear"`: every linear map but the head, and not the embedding. Routers and experts are left out too:
    /// transformers 5 keeps them in other modules, which PEFT's shorthand doesn't see.
    AllLinear,
    /// Whole names, or ends of names after a dot.
    Names(Vec<String>),
    /// A regular expression for the whole name.
    Pattern(String),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelling {
    Text(String),
    List(Vec<String>),
}

const ALL_LINEAR: &str = "all-linear";

impl From<Spelling> for TargetModules {
    fn from(spelling: Spelling) -> Self {
        match spelling {
            Spelling::Text(text) if text.eq_ignore_ascii_case(ALL_LINEAR) => Self::AllLinear,
            Spelling::Text(text) => Self::Pattern(text),
            Spelling::List(names) => Self::Names(names),
        }
    }
}

impl From<TargetModules> for Spelling {
    fn from(modules: TargetModules) -> Self {
        match modules {
            TargetModules::AllLinear => Self::Text(ALL_LINEAR.to_owned()),
            TargetModules::Pattern(text) => Self::Text(text),
            TargetModules::Names(names) => Self::List(names),
        }
    }
}

/// Which biases are trained with an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bias {
    /// None.
    #[default]
    None,
    /// All of the model.
    All,
    /// Those of modules with an adapter.
    LoraOnly,
}

/// How a fresh adapter begins. One of its matrices is 0 in each, so that it changes nothing yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterInit {
    /// `A` uniform within `1 / sqrt(in)`: PEFT's `true`. Of an embedding, `A` is 0 and `B` standard
    /// normal, in both ways.
    #[default]
    Kaiming,
    /// `A` normal with deviation `1 / r`: PEFT's `"gaussian"`.
    Gaussian,
}

impl LoraConfig {
    /// Every problem found; empty if there is none.
    pub fn validate(&self) -> Vec<ObjectiveError> {
        let mut problems = Vec::new();
        let mut problem = |ok: bool, field, value: String, expected| {
            if !ok {
                problems.push(ObjectiveError::OutOfRange { field, value, expected });
            }
        };
        problem(self.r > 0, "r", self.r.to_string(), "a rank of at least 1");
        let ranks = self.rank_pattern.0.iter();
        for (_, rank) in ranks.filter(|(_, rank)| *rank == 0) {
            problem(false, "rank_pattern", rank.to_string(), "ranks of at least 1");
        }
        let alphas = self.alpha_pattern.0.iter().map(|(_, alpha)| ("alpha_pattern", *alpha));
        for (field, alpha) in alphas.chain([("lora_alpha", self.lora_alpha)]) {
            problem(alpha.is_finite(), field, alpha.to_string(), "a finite number");
        }
        let dropout = self.lora_dropout;
        let share = (0.0..1.0).contains(&dropout);
        problem(share, "lora_dropout", dropout.to_string(), "a number from 0 to below 1");
        if let TargetModules::Names(names) = &self.target_modules {
            let some = !names.is_empty();
            problem(some, "target_modules", "[]".to_owned(), "names, a pattern or \"all-linear\"");
        }
        if self.exclude_modules == Some(TargetModules::AllLinear) {
            let found = "\"all-linear\"".to_owned();
            problem(false, "exclude_modules", found, "names or a pattern");
        }
        if self.layers_to_transform.is_some() {
            let listed = matches!(self.target_modules, TargetModules::Names(_));
            let expected = "nothing, unless target_modules is a list (as in PEFT)";
            problem(listed, "layers_to_transform", "set".to_owned(), expected);
        } else {
            let expected = "empty, unless layers_to_transform is set";
            let empty = self.layers_pattern.is_empty();
            problem(empty, "layers_pattern", format!("{:?}", self.layers_pattern), expected);
        }
        problems
    }

    /// The factor of `B A` at this rank and alpha.
    pub(super) fn scale(&self, r: usize, alpha: f64) -> f64 {
        alpha / if self.use_rslora { (r as f64).sqrt() } else { r as f64 }
    }
}
