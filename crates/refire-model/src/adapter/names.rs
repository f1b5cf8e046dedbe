//! PEFT's names of tensors.

/// Where PEFT's wrapper keeps the model.
const PREFIX: &str = "base_model.model.";

/// Ours and theirs, at the end of a module's name.
const ENDS: [(&str, &str); 5] = [
    (".embed_tokens.lora.a", ".embed_tokens.lora_embedding_A"),
    (".embed_tokens.lora.b", ".embed_tokens.lora_embedding_B"),
    (".lora.a", ".lora_A.weight"),
    (".lora.b", ".lora_B.weight"),
    (".lora.magnitude", ".lora_magnitude_vector"),
];

/// A parameter's name in `adapter_model.safetensors`; `adapted` says whether a module has an
/// adapter.
pub(super) fn on_disk(path: &str, adapted: impl Fn(&str) -> bool) -> String {
    for (ours, theirs) in ENDS {
        if let Some(module) = path.strip_suffix(ours) {
            return format!("{PREFIX}{module}{theirs}");
        }
    }
    match path.rsplit_once('.') {
        // PEFT keeps what an adapter stands beside one level deeper.
        Some((module, kind)) if adapted(module) => format!("{PREFIX}{module}.base_layer.{kind}"),
        _ => format!("{PREFIX}{path}"),
    }
}

/// Names under which PEFT may save the weights of the ends of a network beside an adapter, and
/// their paths.
pub(super) fn saved_ends() -> impl Iterator<Item = (String, &'static str)> {
    let ends = ["model.embed_tokens", "lm_head"];
    ends.into_iter().flat_map(|end| {
        [".weight", ".base_layer.weight"].map(|rest| (format!("{PREFIX}{end}{rest}"), end))
    })
}

/// Whether a parameter belongs to an adapter.
pub(super) fn is_adapters(path: &str) -> bool {
    ENDS.iter().any(|(ours, _)| path.ends_with(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_peft() {
        let adapted = |module: &str| module == "model.layers.0.self_attn.q_proj";
        let name = |path| on_disk(path, adapted);
        let q = "base_model.model.model.layers.0.self_attn.q_proj";
        assert_eq!(name("model.layers.0.self_attn.q_proj.lora.a"), format!("{q}.lora_A.weight"));
        assert_eq!(name("model.layers.0.self_attn.q_proj.lora.b"), format!("{q}.lora_B.weight"));
        let magnitude = name("model.layers.0.self_attn.q_proj.lora.magnitude");
        assert_eq!(magnitude, format!("{q}.lora_magnitude_vector"));
        assert_eq!(name("model.layers.0.self_attn.q_proj.bias"), format!("{q}.base_layer.bias"));
        assert_eq!(name("lm_head.weight"), "base_model.model.lm_head.weight");
        let embedding = "base_model.model.model.embed_tokens.lora_embedding_A";
        assert_eq!(name("model.embed_tokens.lora.a"), embedding);
    }
}
