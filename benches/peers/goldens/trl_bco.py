"""TRL's `BCOTrainer.bco_loss`, of the last release that has it, with the mean reward given."""

import sys
from types import SimpleNamespace

from common import PEERS, f64, gradients, leaf, rng, trainer, write_pairs

RELEASE = "1.13.0"
sys.path.insert(0, str(PEERS / f"trl-{RELEASE}"))
from trl import __version__  # noqa: E402
from trl.experimental.bco import BCOTrainer  # noqa: E402

assert __version__ == RELEASE, f"found trl {__version__}, see README.md"
RUNS = [("random", 0.2, 0.7), ("random", 0.6, 0.0), ("extreme", 0.2, -0.4)]


def batch(kind, seed):
    """Three chosen rows and two rejected ones."""
    random = rng(seed)
    logps = -random.uniform(5.0, 40.0, 5)
    shift = random.normal(0.0, 4.0, 5)
    if kind == "extreme":
        shift[[0, 1, 3, 4]] = [900.0, -900.0, 900.0, -900.0]
    return {
        "chosen_logps": logps[:3],
        "rejected_logps": logps[3:],
        "ref_chosen_logps": (logps - shift)[:3],
        "ref_rejected_logps": (logps - shift)[3:],
    }


def case(kind, beta, delta, seed):
    inputs = batch(kind, seed)
    stub = trainer(
        beta=beta, running=SimpleNamespace(mean=delta), match_underlying_distribution=False
    )
    chosen, rejected = leaf(inputs["chosen_logps"]), leaf(inputs["rejected_logps"])
    references = f64(inputs["ref_chosen_logps"]), f64(inputs["ref_rejected_logps"])
    losses, *rewards, _ = BCOTrainer.bco_loss(
        stub, chosen, rejected, *references, None, None, do_train=False
    )
    grads = gradients(losses.mean(), chosen, rejected)
    return {
        "name": f"{kind}/beta={beta}/delta={delta}",
        "config": {"beta": beta, "delta": delta},
        "inputs": inputs,
        "outputs": {
            "loss_per_example": losses,
            "loss_mean": losses.mean(),
            "grad_chosen_logps": grads[0],
            "grad_rejected_logps": grads[1],
            "rewards_chosen": rewards[0],
            "rewards_rejected": rewards[1],
        },
    }


def main():
    write_pairs(
        "preference",
        "bco",
        [case(*run, 1100 + seed) for seed, run in enumerate(RUNS)],
        peer="trl",
        release=f"PyPI trl {RELEASE}",
        function="trl.experimental.bco.BCOTrainer.bco_loss",
        note="delta, the running mean of rewards, is given and not updated; chosen rows first",
    )


if __name__ == "__main__":
    main()
