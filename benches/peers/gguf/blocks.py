"""Blocks of quantised weights and their values by the PyPI package `gguf`, for the unit tests.

    pip install -r benches/peers/gguf/requirements.txt
    python benches/peers/gguf/blocks.py crates/refire-model/src/gguf/quants/blocks.json

Bytes are random but for the scales, which are ordinary numbers of either sign, a subnormal one and
a zero. Values are written as the bits of 32-bit floats.
"""

import json
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

# Where a block has its 16-bit scales.
SCALES = {
    "F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
BLOCKS = 3


def blocks(name, random):
    _, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    count = BLOCKS if size > 4 else 16
    data = random.integers(0, 256, (count, size), dtype=np.uint8)
    if name in ("F32", "BF16"):
        floats = random.standard_normal(count).astype("<f4").view(np.uint8).reshape(count, 4)
        return floats[:, 4 - size:].copy()
    for place in SCALES[name]:
        scales = random.standard_normal(count).astype("<f2")
        scales[:2] = [np.float16(3e-6), 0]
        data[:, place:place + 2] = random.permutation(scales).view(np.uint8).reshape(count, 2)
    return data


def main():
    random = np.random.default_rng(7)
    found = {}
    for name in ["F32", "F16", "BF16", *list(SCALES)[1:]]:
        data = blocks(name, random)
        values = dequantize(data.reshape(-1), GGMLQuantizationType[name]).astype("<f4")
        bits = values.reshape(-1).view("<u4")
        found[name] = {"bytes": data.tobytes().hex(), "bits": [f"{b:08x}" for b in bits]}
    rows = [f' "{name}": {json.dumps(found[name])}' for name in found]
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
