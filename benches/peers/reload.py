"""Folders that refire writes, loaded by transformers: their logits against those of the originals.

    pip install torch transformers
    cargo build --release --example inspect_model
    python benches/peers/reload.py --binary target/release/examples/inspect_model FOLDER...

Each FOLDER is a Hugging Face model. The last line counts the folders that agree.
"""

import argparse
import subprocess
import tempfile

import torch
from transformers import AutoModelForCausalLM


def logits(folder, dtype):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    ids = torch.arange(24)[None] * 7 % model.config.vocab_size
    with torch.no_grad():
        return model(ids).logits.float()


def gap(binary, folder, dtype):
    """Largest difference between the logits of a folder and of what refire writes from it."""
    with tempfile.TemporaryDirectory() as export:
        command = [binary, "--model", folder, "--export", export, "--dtype", dtype]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        kind = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[dtype]
        return (logits(export, kind) - logits(folder, kind)).abs().max().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("folders", nargs="+")
    args = parser.parse_args()
    agree = total = 0
    for folder in args.folders:
        for dtype in ["f32", "bf16", "f16"]:
            found = gap(args.binary, folder, dtype)
            agree += found == 0.0
            total += 1
            print(f"{folder} {dtype}: largest difference {found:.3g}")
    print(f"reload: {agree} of {total} equal")


if __name__ == "__main__":
    main()
