"""Adapters that refire writes, loaded by PEFT: their logits against those of the originals.

    pip install torch transformers peft
    cargo build --release --example inspect_model
    python benches/peers/adapters.py --binary target/release/examples/inspect_model ADAPTER...

Each ADAPTER is a PEFT folder whose `base_model_name_or_path` is a folder too, taken from where the
adapter lies. It is written again by refire, alone and merged into its model, and both are loaded.
The last line counts what agrees.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def base_of(adapter):
    name = json.loads(pathlib.Path(adapter, "adapter_config.json").read_text())
    name = pathlib.Path(name["base_model_name_or_path"])
    return name if name.is_absolute() else pathlib.Path(adapter, name)


def logits(model):
    ids = torch.arange(24)[None] * 7 % model.config.vocab_size
    with torch.no_grad():
        return model.eval()(ids).logits.float()


def load(base, adapter=None):
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return PeftModel.from_pretrained(model, adapter) if adapter else model


def gaps(binary, adapter):
    """Largest differences of logits: of the adapter written again, and of the merged model."""
    base = base_of(adapter)
    expected = logits(load(base, adapter))
    assert (expected - logits(load(base))).abs().max() > 1e-3, "the adapter changes nothing"
    with tempfile.TemporaryDirectory() as out:
        alone, merged = pathlib.Path(out, "adapter"), pathlib.Path(out, "merged")
        command = [binary, "--model", base, "--adapter", adapter]
        for flag, folder in [("--export-adapter", alone), ("--export", merged)]:
            subprocess.run(command + [flag, folder], check=True, stdout=subprocess.DEVNULL)
        again = logits(load(base, alone))
        whole = logits(load(merged))
    return (again - expected).abs().max().item(), (whole - expected).abs().max().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("adapters", nargs="+")
    args = parser.parse_args()
    agree = total = 0
    for adapter in args.adapters:
        again, merged = gaps(args.binary, adapter)
        agree += (again == 0.0) + (merged < 1e-4)
        total += 2
        print(f"{adapter}: written again, gap {again:.3g}; merged, gap {merged:.3g}")
    print(f"adapters: {agree} of {total} equal")


if __name__ == "__main__":
    main()
