"""verl's `agg_loss`: how losses of tokens become one number, alone and in a larger batch."""

from common import f64, rng, token_mask, write_policy
from verl_core import ABOUT, load

CORE = load()
GLOBAL = {"batch_num_tokens": 23, "global_batch_size": 6, "dp_size": 2}

RUNS = [
    ("normal", "token-mean", {}),
    ("holes", "token-mean", GLOBAL),
    ("holes", "seq-mean-token-sum", {}),
    ("empty_row", "seq-mean-token-sum", GLOBAL),
    ("empty_row", "seq-mean-token-mean", {}),
    ("normal", "seq-mean-token-mean", GLOBAL),
    ("all_empty", "token-mean", {}),
]


def case(kind, mode, totals, seed):
    random = rng(seed)
    losses = random.normal(0.0, 1.5, (3, 4))
    mask = token_mask(kind, random, 3, 4)
    loss = CORE.agg_loss(f64(losses), f64(mask), mode, **totals)
    return {
        "name": f"{kind}/{mode}/{'global' if totals else 'local'}",
        "function": "agg_loss",
        "seed": seed,
        "hyper": {"loss_agg_mode": mode, **totals},
        "inputs": {"loss_mat": losses, "mask": mask},
        "expected": {"loss": loss},
    }


def main():
    write_policy(
        "verl_agg_loss",
        [case(*run, 400 + seed) for seed, run in enumerate(RUNS)],
        family="aggregation",
        function="agg_loss",
        notes="token-mean of no token is NaN. seq-mean-token-sum-norm is left out: this release "
        "divides by the number of rows and by the scale, earlier ones by the scale alone.",
        **ABOUT,
    )


if __name__ == "__main__":
    main()
