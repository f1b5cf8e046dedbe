/// The architectures that [`Decoder`](crate::Decoder) knows, by `model_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// `llama`: Llama 2 and 3, SmolLM and SmolLM2, TinyLlama.
    Llama,
    /// `qwen2`: Qwen 2 and 2.5.
    Qwen2,
    /// `qwen3`.
    Qwen3,
    /// `qwen3_moe`.
    Qwen3Moe,
    /// `smollm3`.
    SmolLm3,
    /// `mistral`.
    Mistral,
    /// `olmo2`.
    Olmo2,
    /// `phi3`: Phi 3, 3.5 and 4 mini.
    Phi3,
    /// `gemma2`.
    Gemma2,
    /// `gemma3_text`: the text model of Gemma 3.
    Gemma3,
}

/// What transformers 5 assumes where a file is silent.
#[derive(Debug)]
pub(super) struct Defaults {
    /// `None`: as many as query heads.
    pub(super) key_value_heads: Option<usize>,
    /// `None`: `hidden_size / num_attention_heads`.
    pub(super) head_dim: Option<usize>,
    pub(super) max_position_embeddings: usize,
    pub(super) rms_norm_eps: f64,
    pub(super) tie_word_embeddings: bool,
    pub(super) rope_theta: f64,
    pub(super) sliding_window: Option<usize>,
    pub(super) bos_token_id: Option<u32>,
    pub(super) eos_token_id: Option<u32>,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Llama,
        Self::Qwen2,
        Self::Qwen3,
        Self::Qwen3Moe,
        Self::SmolLm3,
        Self::Mistral,
        Self::Olmo2,
        Self::Phi3,
        Self::Gemma2,
        Self::Gemma3,
    ];

    /// The name in `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Qwen3Moe => "qwen3_moe",
            Self::SmolLm3 => "smollm3",
            Self::Mistral => "mistral",
            Self::Olmo2 => "olmo2",
            Self::Phi3 => "phi3",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3_text",
        }
    }

    /// What the names of its classes begin with in transformers.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Llama => "Llama",
            Self::Qwen2 => "Qwen2",
            Self::Qwen3 => "Qwen3",
            Self::Qwen3Moe => "Qwen3Moe",
            Self::SmolLm3 => "SmolLM3",
            Self::Mistral => "Mistral",
            Self::Olmo2 => "Olmo2",
            Self::Phi3 => "Phi3",
            Self::Gemma2 => "Gemma2",
            Self::Gemma3 => "Gemma3Text",
        }
    }

    /// Gemma's peculiarities: scaled embeddings, norms `1 + w`, four norms a layer, GeGLU.
    pub(super) fn is_gemma(self) -> bool {
        matches!(self, Self::Gemma2 | Self::Gemma3)
    }

    pub(super) fn defaults(self) -> Defaults {
        let llama = Defaults {
            key_value_heads: None,
            head_dim: None,
            max_position_embeddings: 2048,
            rms_norm_eps: 1e-6,
            tie_word_embeddings: false,
            rope_theta: 10_000.0,
            sliding_window: None,
            bos_token_id: Some(1),
            eos_token_id: Some(2),
        };
        let qwen = Defaults {
            key_value_heads: Some(32),
            max_position_embeddings: 32_768,
            sliding_window: Some(4096),
            bos_token_id: None,
            eos_token_id: None,
            ..llama
        };
        let gemma = Defaults {
            key_value_heads: Some(4),
            head_dim: Some(256),
            max_position_embeddings: 8192,
            tie_word_embeddings: true,
            sliding_window: Some(4096),
            bos_token_id: Some(2),
            eos_token_id: Some(1),
            ..llama
        };
        match self {
            Self::Llama => llama,
            Self::Qwen2 => qwen,
            Self::Qwen3 => Defaults { head_dim: Some(128), ..qwen },
            Self::Qwen3Moe => Defaults { key_value_heads: Some(4), ..qwen },
            Self::SmolLm3 => Defaults {
                key_value_heads: Some(4),
                max_position_embeddings: 32_768,
                tie_word_embeddings: true,
                rope_theta: 2_000_000.0,
                bos_token_id: Some(128_000),
                eos_token_id: Some(128_001),
                ..llama
            },
            Self::Mistral => Defaults {
                key_value_heads: Some(8),
                max_position_embeddings: 131_072,
                sliding_window: Some(4096),
                ..llama
            },
            Self::Olmo2 => Defaults {
                rms_norm_eps: 1e-5,
                bos_token_id: None,
                eos_token_id: Some(50_279),
                ..llama
            },
            Self::Phi3 => Defaults {
                max_position_embeddings: 4096,
                rms_norm_eps: 1e-5,
                eos_token_id: Some(32_000),
                ..llama
            },
            Self::Gemma2 => gemma,
            Self::Gemma3 => Defaults { max_position_embeddings: 131_072, ..gemma },
        }
    }
}
