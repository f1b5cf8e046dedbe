"""GGUF files of every family, opened by refire: logits against those of transformers.

    pip install torch transformers -r benches/peers/gguf/requirements.txt
    cargo build --release -p refire --features gguf --example inspect_model
    python benches/peers/gguf/families.py --binary target/release/examples/inspect_model FOLDER...

Each FOLDER is a Hugging Face model. It is turned into a GGUF file as llama.cpp's converter does it
(tensor names are those of the package `gguf`), which refire writes as a folder again. The last line
counts what agrees.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import gguf
import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA, "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2, "qwen3": gguf.MODEL_ARCH.QWEN3,
    "qwen3_moe": gguf.MODEL_ARCH.QWEN3MOE, "smollm3": gguf.MODEL_ARCH.SMOLLM3,
    "olmo2": gguf.MODEL_ARCH.OLMO2, "phi3": gguf.MODEL_ARCH.PHI3,
    "gemma2": gguf.MODEL_ARCH.GEMMA2, "gemma3_text": gguf.MODEL_ARCH.GEMMA3,
}


def interleave(weight, heads):
    rows = weight.shape[0]
    halves = weight.reshape(heads, 2, rows // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def tensors(model, config):
    """Names as on disk, one tensor for all experts of a layer."""
    for name, tensor in model.state_dict().items():
        tensor = tensor.float().numpy()
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if name.endswith("experts.gate_up_proj"):
            half = tensor.shape[1] // 2
            yield name.replace("gate_up_proj", "gate_proj.weight"), tensor[:, :half]
            yield name.replace("gate_up_proj", "up_proj.weight"), tensor[:, half:]
        else:
            yield name + (".weight" if name.endswith("experts.down_proj") else ""), tensor


def changed(name, tensor, config):
    kind = config.model_type
    if kind.startswith("gemma") and name.endswith("norm.weight"):
        return tensor + 1
    if kind in ("llama", "mistral", "smollm3"):
        if ".q_proj." in name:
            return interleave(tensor, config.num_attention_heads)
        if ".k_proj." in name:
            return interleave(tensor, config.num_key_value_heads)
    return tensor


def keys(writer, config):
    kind = config.model_type
    rope = config.rope_parameters
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if kind != "phi3":
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    if kind.startswith("gemma"):
        writer.add_sliding_window(config.sliding_window)
        if config.final_logit_softcapping:
            writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if kind == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
    if kind == "gemma3_text":
        listed = [layer == "sliding_attention" for layer in config.layer_types]
        writer.add_sliding_window_pattern(listed)
    if kind == "qwen3_moe":
        writer.add_expert_count(config.num_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)
        writer.add_expert_weights_norm(config.norm_topk_prob)
    if kind == "phi3":
        part = rope.get("partial_rotary_factor", 1.0)
        writer.add_rope_dimension_count(int(part * config.hidden_size) // heads)
        writer.add_sliding_window(config.sliding_window or 0)
        original = rope.get("original_max_position_embeddings")
        writer.add_rope_scaling_orig_ctx_len(original or config.max_position_embeddings)
        if "long_factor" in rope:
            scale = config.max_position_embeddings / original
            factor = np.sqrt(1 + np.log(scale) / np.log(original)) if scale > 1 else 1.0
            writer.add_rope_scaling_attn_factors(float(factor))
            for length in ["long", "short"]:
                values = np.array(rope[f"{length}_factor"], dtype=np.float32)
                writer.add_tensor(f"rope_factors_{length}.weight", values)


def vocabulary(writer, config):
    """Letters enough for every row: the tokenizer is not what is compared."""
    letters = [chr(0x4e00 + i) for i in range(config.vocab_size)]
    letters[2] = letters[0] + letters[1]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(letters)
    writer.add_token_types([gguf.TokenType.NORMAL] * len(letters))
    writer.add_token_merges([f"{letters[0]} {letters[1]}"])


def original(folder):
    """The model; a file doesn't keep which layers have no positions: every fourth has none."""
    kept = {}
    if (config := AutoConfig.from_pretrained(folder)).model_type == "smollm3":
        kept["no_rope_layers"] = [int((i + 1) % 4 != 0) for i in range(config.num_hidden_layers)]
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **kept).eval()


def convert(folder, path):
    model = original(folder)
    config = model.config
    arch = ARCHITECTURES[config.model_type]
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    keys(writer, config)
    vocabulary(writer, config)
    for name, tensor in tensors(model, config):
        place = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert place, name
        writer.add_tensor(place, np.ascontiguousarray(changed(name, tensor, config)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def logits(model):
    # Short enough for windows that a file doesn't keep.
    ids = torch.arange(7)[None] * 5 % model.config.vocab_size
    with torch.no_grad():
        return model(ids).logits


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("folders", nargs="+")
    args = parser.parse_args()
    agree = 0
    for folder in args.folders:
        with tempfile.TemporaryDirectory() as dir:
            path, out = pathlib.Path(dir, "model.gguf"), pathlib.Path(dir, "out")
            model = convert(folder, path)
            command = [args.binary, "--model", path, "--export", out]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            config = json.loads(pathlib.Path(out, "config.json").read_text())
            again = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
            gap = (logits(again) - logits(model)).abs().max().item()
            # Gemma's norms lose a bit where 1 is added.
            agree += gap < (1e-5 if model.config.model_type.startswith("gemma") else 1e-9)
            print(f"{folder} as {config['model_type']}: gap {gap:.3g}")
    print(f"gguf families: {agree} of {len(args.folders)} agree")


if __name__ == "__main__":
    main()
