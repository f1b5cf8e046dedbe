"""Losses of single tokens: `F.cross_entropy`, and TRL's `SFTTrainer.compute_loss` with `dft`."""

from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from common import call, gradients, leaf, rng, trainer, write_pairs
from trl import SFTTrainer

IGNORED = -100
VOCABULARY = 5
RUNS = [
    ("full", "nll", 0.0, None),
    ("full", "dft", 0.0, None),
    ("completion", "nll", 0.2, None),
    ("holes", "dft", 0.0, None),
    ("holes", "nll", 0.1, 9),
    ("empty_row", "nll", 0.0, None),
    ("empty_row", "dft", 0.0, 7),
    ("all_masked", "dft", 0.0, None),
    ("all_masked", "nll", 0.1, None),
    ("extreme", "nll", 0.1, None),
    ("extreme", "dft", 0.0, None),
]


def batch(kind, seed):
    random = rng(seed)
    logits = random.normal(0.0, 2.0, (2, 4, VOCABULARY))
    labels = random.integers(0, VOCABULARY, (2, 4))
    if kind == "completion":
        labels[0, :2] = labels[1, :3] = IGNORED
    if kind == "holes":
        labels[0, 2] = labels[1, 1] = IGNORED
    if kind == "empty_row":
        labels[1] = IGNORED
    if kind == "all_masked":
        labels[:] = IGNORED
    if kind == "extreme":
        logits *= 400.0
    return logits, labels


def model(logits):
    """Answers like TRL's head: zeros where a label is ignored."""

    def answer(labels, **_):
        following = labels[:, 1:]
        mask = following != IGNORED
        picked = following.clamp(min=0)[..., None]
        logps = logits[:, :-1].log_softmax(-1).gather(-1, picked)[..., 0]
        zeros = torch.zeros_like(logps)
        return SimpleNamespace(
            log_probs=torch.where(mask, logps, 0.0),
            label_mask=mask,
            entropy=zeros,
            is_top1=zeros.bool(),
        )

    return answer


def trl_loss(kind, logits, labels, count):
    """TRL's loss and that of every token."""
    stub = trainer(
        compute_loss_func=None,
        label_smoother=None,
        args=SimpleNamespace(loss_type=kind, average_tokens_across_devices=False),
    )
    given = {"labels": labels, "attention_mask": torch.ones_like(labels)}
    function = SFTTrainer.compute_loss
    loss, seen = call(function, stub, model(logits), given, num_items_in_batch=count)
    return loss, seen["per_token_loss"]


def cross_entropy(logits, labels, smoothing, count):
    """The sum over tokens by their number, or by the one that is given."""
    following = labels[:, 1:]
    per_token = F.cross_entropy(
        logits[:, :-1].transpose(1, 2), following, reduction="none", label_smoothing=smoothing
    )
    number = (following != IGNORED).sum().item() if count is None else count
    return per_token.sum() / max(number, 1), per_token


def case(name, kind, smoothing, count, seed):
    values, labels = batch(name, seed)
    logits, labels = leaf(values), torch.tensor(labels)
    config = {"kind": kind, "num_items_in_batch": count}
    source = "trl SFTTrainer.compute_loss"
    if kind == "nll":
        config["label_smoothing"] = smoothing
        loss, per_token = cross_entropy(logits, labels, smoothing, count)
        source = "torch.nn.functional.cross_entropy"
        if smoothing == 0.0:
            np.testing.assert_allclose(loss.item(), trl_loss(kind, logits, labels, count)[0].item())
    else:
        loss, per_token = trl_loss(kind, logits, labels, count)
    return {
        "name": f"{name}/{kind}/smoothing={smoothing}/count={count}",
        "config": config,
        "source": source,
        "inputs": {"logits": logits, "labels": labels, "ref_logits": None},
        "outputs": {
            "loss": loss,
            "n_valid": (labels[:, 1:] != IGNORED).sum(),
            "per_token_loss": per_token,
            "per_row_sum": per_token.sum(-1),
            "grad_logits": gradients(loss, logits)[0],
        },
    }


def main():
    write_pairs(
        "sft",
        "sft_token",
        [case(*run, 1300 + seed) for seed, run in enumerate(RUNS)],
        peer="trl, torch",
        release=f"PyPI trl {version('trl')}, torch {torch.__version__}",
        function="trl.trainer.sft_trainer.SFTTrainer.compute_loss, F.cross_entropy",
        note="a state predicts the next label; the sum over tokens by their number or by "
        "num_items_in_batch. Without any token the loss is 0. Plain nll was seen to be the same in "
        "both.",
    )


if __name__ == "__main__":
    main()
