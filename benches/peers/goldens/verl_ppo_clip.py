"""verl's `compute_policy_loss_vanilla`: clipped ratios, dual clip, rollout weights."""

from common import call, f64, gradients, leaf, policy_inputs, rng, write_policy
from verl_core import ABOUT, Config, load

CORE = load()
DEFAULT = {"clip_ratio": 0.2, "clip_ratio_c": 3.0}
HIGHER = DEFAULT | {"clip_ratio_low": 0.2, "clip_ratio_high": 0.28, "clip_ratio_c": 10.0}
TIGHT = {"clip_ratio": 0.05, "clip_ratio_c": 1.1}

RUNS = [
    ("default", DEFAULT, "normal", "token-mean", False),
    ("default", DEFAULT, "holes", "seq-mean-token-sum", True),
    ("default", DEFAULT, "extreme", "token-mean", False),
    ("default", DEFAULT, "all_empty", "token-mean", False),
    ("higher", HIGHER, "empty_row", "seq-mean-token-mean", False),
    ("tight", TIGHT, "normal", "seq-mean-token-mean", True),
    ("tight", TIGHT, "zero_adv", "token-mean", False),
]


def case(name, clip, kind, mode, weighted, seed):
    columns = policy_inputs(kind, seed, rows=4, time=4, token_advantages=True)
    names = ["old_logp", "logp", "advantages", "mask"]
    inputs = {key: columns[key] for key in names}
    weights = None
    if weighted:
        inputs["rollout_is_weights"] = rng(seed, 1).uniform(0.2, 2.0, (4, 4))
        weights = f64(inputs["rollout_is_weights"])
    logp = leaf(inputs["logp"])
    config = Config(clip_ratio_low=None, clip_ratio_high=None, global_batch_info={})
    config.__dict__.update(clip)
    (loss, metrics), seen = call(
        CORE.compute_policy_loss_vanilla,
        f64(inputs["old_logp"]),
        logp,
        f64(inputs["advantages"]),
        f64(inputs["mask"]),
        mode,
        config,
        weights,
    )
    return {
        "name": f"{name}/{kind}/{mode}{'/weighted' * weighted}",
        "function": "compute_policy_loss_vanilla",
        "seed": seed,
        "hyper": {"loss_agg_mode": mode, **clip},
        "inputs": inputs,
        "expected": {
            "loss": loss,
            "grad": gradients(loss, logp)[0],
            "metrics": metrics,
            "per_token_loss": seen["pg_losses"],
        },
    }


def main():
    write_policy(
        "verl_ppo_clip",
        [case(*run, 300 + seed) for seed, run in enumerate(RUNS)],
        family="policy_ppo",
        function="compute_policy_loss_vanilla",
        notes="the log-ratio is clamped to [-20, 20], without gradient beyond; per_token_loss is what "
        "reaches agg_loss",
        **ABOUT,
    )


if __name__ == "__main__":
    main()
