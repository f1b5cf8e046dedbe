//! Where each of the model's tensors lies in a GGUF file.

use crate::{Family, LayerSpec, MlpSpec, ModelConfig, NormPlacement};

/// A tensor of the file, and what turns it into the model's.
#[derive(Debug, PartialEq)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) change: Change,
}

/// What llama.cpp's converter did, undone.
#[derive(Debug, PartialEq, Clone, Copy)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// Rows of each head were interleaved, for positions that rotate neighbours.
    Deinterleave {
        /// Heads.
        heads: usize,
    },
    /// 1 was added: norms of Gemma.
    SubtractOne,
    /// All experts of a layer were put into one tensor.
    Expert(usize),
}

/// The place of a parameter with this path, if the architecture has it.
pub(super) fn place(path: &str, config: &ModelConfig) -> Option<Place> {
    if let Some(name) = top(path) {
        let change = if path == "model.norm.weight" { norm(config) } else { Change::None };
        return Some(Place { name: name.to_owned(), change });
    }
    let (index, rest) = path.strip_prefix("model.layers.")?.split_once('.')?;
    let spec = config.layers.get(index.parse::<usize>().ok()?)?;
    let (module, kind) = rest.rsplit_once('.')?;
    let (stem, change) = match module.strip_prefix("mlp.experts.") {
        Some(expert) => {
            let (expert, projection) = expert.split_once('.')?;
            (stem_of_expert(projection)?, Change::Expert(expert.parse().ok()?))
        }
        None => (stem(module, spec)?, change(module, config)),
    };
    Some(Place { name: format!("blk.{index}.{stem}.{kind}"), change })
}

fn top(path: &str) -> Option<&'static str> {
    Some(match path {
        "model.embed_tokens.weight" => "token_embd.weight",
        "model.norm.weight" => "output_norm.weight",
        "lm_head.weight" => "output.weight",
        _ => return None,
    })
}

fn stem(module: &str, spec: &LayerSpec) -> Option<&'static str> {
    let pre = spec.norms == NormPlacement::Pre;
    Some(match module {
        "input_layernorm" => "attn_norm",
        "post_attention_layernorm" if pre => "ffn_norm",
        "post_attention_layernorm" => "post_attention_norm",
        "pre_feedforward_layernorm" => "ffn_norm",
        "post_feedforward_layernorm" => "post_ffw_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.qkv_proj" => "attn_qkv",
        "self_attn.o_proj" => "attn_output",
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" | "mlp.gate_up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        "mlp.gate" if matches!(spec.mlp, MlpSpec::Experts(_)) => "ffn_gate_inp",
        _ => return None,
    })
}

fn stem_of_expert(projection: &str) -> Option<&'static str> {
    Some(match projection {
        "gate_proj" => "ffn_gate_exps",
        "up_proj" => "ffn_up_exps",
        "down_proj" => "ffn_down_exps",
        _ => return None,
    })
}

fn change(module: &str, config: &ModelConfig) -> Change {
    let interleaved = matches!(config.family, Family::Llama | Family::SmolLm3);
    match module {
        "self_attn.q_proj" if interleaved => {
            Change::Deinterleave { heads: config.num_attention_heads }
        }
        "self_attn.k_proj" if interleaved => {
            Change::Deinterleave { heads: config.num_key_value_heads }
        }
        _ if module.ends_with("norm") => norm(config),
        _ => Change::None,
    }
}

fn norm(config: &ModelConfig) -> Change {
    if config.norm_offset { Change::SubtractOne } else { Change::None }
}
