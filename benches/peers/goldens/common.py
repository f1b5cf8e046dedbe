"""What the scripts share: seeded inputs, calls into the peers' methods, and the files they write.

The trainers are never built. A method runs with a stand-in for `self` that holds the few settings it
reads, and with a stand-in for the model that returns the numbers of the case. All in 64 bits.
"""

import inspect
import json
import math
import os
import sys
import textwrap
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

torch.set_default_dtype(torch.float64)

ROOT = Path(__file__).resolve().parents[3]
OUT = Path(os.environ.get("GOLDEN_OUT", ROOT / "tests/data/golden"))
PEERS = Path(os.environ.get("GOLDEN_PEERS", Path(__file__).resolve().parent / "peers"))


def script():
    """The running script, as the files name it."""
    return f"benches/peers/goldens/{Path(sys.argv[0]).name}"


# Inputs


def rng(*seed):
    return np.random.default_rng([20260501, *seed])


def leaf(values):
    return torch.tensor(values, requires_grad=True)


def f64(values):
    return torch.tensor(values, dtype=torch.float64)


def token_mask(kind, random, rows, time):
    """Rows of different lengths; `holes` has tool tokens between, `empty_row` a row of none."""
    lengths = [time, *random.integers(1, time, rows - 1)]
    mask = np.array([[float(t < n) for t in range(time)] for n in lengths])
    if kind == "empty_row":
        mask[1] = 0.0
    if kind == "all_empty":
        mask[:] = 0.0
    if kind == "holes":
        mask[0, 1:3] = 0.0
        mask[-1] = 1.0
        mask[-1, time - 2] = 0.0
    return mask


def policy_inputs(kind, seed, rows=3, time=5, token_advantages=False):
    """Columns of a policy step; `kind` says what is special about them."""
    random = rng(seed)
    shape = (rows, time)
    logp = -random.exponential(1.2, shape) - 1e-3
    drift = random.normal(0.0, 0.4, shape)
    if kind == "extreme":
        drift = random.choice([-40.0, -3.0, 3.0, 40.0], shape)
    if kind == "on_policy":
        drift = np.zeros(shape)
    advantages = random.normal(0.0, 1.0, shape if token_advantages else rows)
    if kind == "zero_adv":
        advantages = np.zeros_like(advantages)
    return {
        "logp": logp,
        "old_logp": logp - drift,
        "ref_logp": logp - random.normal(0.0, 0.4, shape),
        "advantages": advantages,
        "mask": token_mask(kind, random, rows, time),
        "entropy": random.uniform(0.1, 2.5, shape),
    }


# Calls


def accelerator():
    """One process: everything gathered is what is there."""
    same = lambda x, *_, **__: x
    return SimpleNamespace(
        device=torch.device("cpu"),
        num_processes=1,
        process_index=0,
        parallelism_config=None,
        gather=same,
        gather_for_metrics=same,
        reduce=same,
    )


def trainer(**settings):
    """A stand-in for a trainer in training mode."""
    base = {
        "accelerator": accelerator(),
        "model": SimpleNamespace(training=True),
        "aux_loss_enabled": False,
        "current_gradient_accumulation_steps": 1,
        "_metrics": defaultdict(lambda: defaultdict(list)),
        "_total_train_tokens": 0,
        "_tp_size": 1,
        "get_tp_size": lambda: 1,
    }
    return SimpleNamespace(**{**base, **settings})


def metrics(stub):
    """What a trainer logged, the last value of each."""
    last = lambda value: value[-1] if isinstance(value, list) else value
    return {name: last(value) for name, value in stub._metrics["train"].items()}


def call(function, *arguments, **keywords):
    """The result of a function, and its local variables as it returned."""
    seen = {}

    def profile(frame, event, _):
        if event == "return" and frame.f_code is function.__code__:
            seen.update(frame.f_locals)

    sys.setprofile(profile)
    try:
        result = function(*arguments, **keywords)
    finally:
        sys.setprofile(None)
    return result, seen


def patched(function, replacements):
    """The function with pieces of its source replaced, each of which must be there."""
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in replacements.items():
        assert old in source, f"{function.__qualname__} has no {old!r}"
        source = source.replace(old, new)
    namespace = dict(function.__globals__)
    exec(compile(source, inspect.getsourcefile(function), "exec"), namespace)
    return namespace[function.__name__]


def section(function, first, last):
    """Source of a function from the line that starts with `first` to the one with `last`."""
    lines = inspect.getsource(function).splitlines()
    starts = [line.strip() for line in lines]
    begin = next(i for i, line in enumerate(starts) if line.startswith(first))
    end = next(i for i, line in enumerate(starts) if i >= begin and line.startswith(last))
    return textwrap.dedent("\n".join(lines[begin : end + 1]))


def gradients(loss, *leaves):
    """Zeros where the loss doesn't depend on a leaf."""
    if not loss.requires_grad:
        return [torch.zeros_like(x) for x in leaves]
    found = torch.autograd.grad(loss, leaves, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, found)]


# Files


def plain(value, infinity):
    """Lists and numbers; what JSON has no number for is a text."""
    if isinstance(value, torch.Tensor):
        value = value.detach().tolist()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return {key: plain(x, infinity) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(x, infinity) for x in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, float) and math.isinf(value):
        return infinity if value > 0 else f"-{infinity}"
    return value


def write(path, head, cases, infinity):
    """The head, then one case a line; numbers are read back exactly."""
    names = [case["name"] for case in cases]
    assert len(set(names)) == len(names), f"{path}: a name is there twice"
    dump = lambda value: json.dumps(plain(value, infinity), allow_nan=False)
    lines = ",\n".join(dump(case) for case in cases)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f'"{key}": {dump(value)},\n' for key, value in head.items())
    path.write_text(f'{{\n{text}"cases": [\n{lines}\n]\n}}\n')
    print(f"{path.name}: {len(cases)} cases, {path.stat().st_size} bytes")


def write_policy(name, cases, *, family, peer, release, function, source_file, notes):
    head = {
        "family": family,
        "peer": peer,
        "version": release,
        "function": function,
        "source_file": source_file,
        "script": script(),
        "torch": version("torch"),
        "notes": notes,
        "n_cases": len(cases),
    }
    write(OUT / "policy" / f"{name}.json", head, cases, "Inf")


def write_pairs(folder, name, cases, *, peer, release, function, note):
    head = {
        "peer": peer,
        "version": release,
        "function": function,
        "script": script(),
        "note": note,
        "torch": version("torch"),
        "dtype": "float64",
        "n_cases": len(cases),
    }
    write(OUT / folder / f"{name}.json", {"meta": head}, cases, "Infinity")
