"""verl's `compute_gae_advantage_return`, with and without the whitening at its end."""

from unittest.mock import patch

import numpy as np
from common import f64, rng, token_mask, write_policy
from verl_core import ABOUT, load

CORE = load()
RUNS = [("normal", 1.0, 1.0), ("normal", 0.99, 0.9), ("holes", 0.95, 0.8), ("empty_row", 0.9, 0.0)]


def case(kind, gamma, lam, seed):
    random = rng(seed)
    mask = token_mask(kind, random, 3, 5)
    rewards = np.zeros((3, 5))
    for row in range(3):
        # The score stands at the last token.
        rewards[row, np.flatnonzero(mask[row])[-1:]] = random.normal()
    inputs = {"token_level_rewards": rewards, "values": random.normal(0.0, 1.0, (3, 5)), "mask": mask}
    run = lambda: CORE.compute_gae_advantage_return(*map(f64, inputs.values()), gamma, lam)
    white, returns = run()
    with patch.object(CORE.verl_F, "masked_whiten", lambda values, mask: values):
        raw, _ = run()
    return {
        "name": f"{kind}/gamma={gamma}/lam={lam}",
        "function": "compute_gae_advantage_return",
        "seed": seed,
        "hyper": {"gamma": gamma, "lam": lam},
        "inputs": inputs,
        "expected": {"advantages": white, "returns": returns, "advantages_unwhitened": raw},
    }


def main():
    write_policy(
        "verl_gae",
        [case(*run, 600 + seed) for seed, run in enumerate(RUNS)],
        family="advantages_gae",
        function="compute_gae_advantage_return",
        notes="advantages are whitened over the mask (n - 1, 1e-8); advantages_unwhitened: the same "
        "function with the whitening replaced by the identity. Where the mask is 0 anything stands.",
        **ABOUT,
    )


if __name__ == "__main__":
    main()
