use super::Rope;

/// Where a layer normalises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormPlacement {
    /// Before attention (`input_layernorm`) and before the feed-forward layer
    /// (`post_attention_layernorm`).
    Pre,
    /// What attention (`post_attention_layernorm`) and the feed-forward layer
    /// (`post_feedforward_layernorm`) give, before it joins the residual stream: OLMo 2.
    Post,
    /// Before and after both, with `pre_feedforward_layernorm` as the fourth: Gemma 2 and 3.
    Sandwich,
}

/// How queries and keys are normalised before they are rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QkNorm {
    /// Each head by itself: Qwen 3, Gemma 3.
    Head,
    /// The whole projection: OLMo 2.
    Projection,
}

/// The gate's nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x sigmoid(x)`.
    Silu,
    /// `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
    GeluTanh,
}

/// What attention has in common in all layers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionSpec {
    /// One tensor `qkv_proj` in the place of three.
    pub fused: bool,
    /// The query, key and value projections have biases.
    pub qkv_bias: bool,
    /// The output projection has a bias.
    pub o_bias: bool,
    /// Factor of the scores.
    pub scale: f64,
    /// Scores `s` become `cap tanh(s / cap)`.
    pub softcap: Option<f64>,
}

/// A mixture of experts in the place of a feed-forward layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoeSpec {
    /// Experts.
    pub experts: usize,
    /// Experts each token is sent to.
    pub active: usize,
    /// Width of an expert.
    pub width: usize,
    /// The weights of a token's experts sum to 1.
    pub normalize: bool,
}

/// A layer's feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MlpSpec {
    /// `down(act(gate(x)) * up(x))`, of width `intermediate_size`.
    Dense {
        /// One tensor `gate_up_proj` in the place of two.
        fused: bool,
    },
    /// Experts, and a router that picks among them.
    Experts(MoeSpec),
}

/// What one layer is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSpec {
    /// Where it normalises.
    pub norms: NormPlacement,
    /// Norms of queries and keys.
    pub qk_norm: Option<QkNorm>,
    /// Rotary positions; none in the layers that SmolLM3 leaves without.
    pub rope: Option<Rope>,
    /// A token sees this many tokens back, itself included; all of them if there is no window.
    pub window: Option<usize>,
    /// The feed-forward part.
    pub mlp: MlpSpec,
}
