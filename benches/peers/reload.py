"""Folders that refire writes, loaded by transformers: their logits against those of the originals.

    pip install torch transformers
    cargo build --release --example inspect_model
    python benches/peers/reload.py --binary target/release/examples/inspect_model FOLDER...

Each FOLDER is a Hugging Face model; it is written in each number format, as one file and as
shards with an index. The last line counts what agrees.
"""

import argparse
import pathlib
import subprocess
import tempfile

import torch
from transformers import AutoModelForCausalLM


def logits(folder, dtype):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    ids = torch.arange(24)[None] * 7 % model.config.vocab_size
    with torch.no_grad():
        return model(ids).logits.float()


def weights(folder):
    """Bytes of a folder's weights."""
    return sum(path.stat().st_size for path in pathlib.Path(folder).glob("*.safetensors"))


def gap(binary, folder, dtype, shard_bytes):
    """Largest difference between the logits of a folder and of what refire writes from it."""
    with tempfile.TemporaryDirectory() as export:
        command = [binary, "--model", folder, "--export", export, "--dtype", dtype]
        command += ["--shard-bytes", str(shard_bytes)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        index = pathlib.Path(export, "model.safetensors.index.json")
        assert index.exists() == (shard_bytes < weights(export)), f"{export}: {index}"
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
            for shard_bytes in [5 * 10**9, weights(folder) // 5]:
                found = gap(args.binary, folder, dtype, shard_bytes)
                agree += found == 0.0
                total += 1
                print(f"{folder} {dtype}, {shard_bytes} bytes a file: gap {found:.3g}")
    print(f"reload: {agree} of {total} equal")


if __name__ == "__main__":
    main()
