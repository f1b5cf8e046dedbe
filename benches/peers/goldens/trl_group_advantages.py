"""TRL's advantages: the section of `GRPOTrainer._generate_and_score_completions` that makes them."""

from importlib.metadata import version

import torch
import trl.trainer.grpo_trainer as grpo
from common import f64, rng, section, trainer, write_policy

SOURCE = section(
    grpo.GRPOTrainer._generate_and_score_completions,
    "unscorable_mask = ",
    "advantages = torch.nan_to_num(",
)
NAN = float("nan")


def rewards():
    """Scores `[completions, functions]`, completions in one group."""
    random = rng(200)
    with_nan = random.normal(0.0, 1.0, (6, 2))
    with_nan[1] = NAN
    with_nan[4, 0] = NAN
    unscored = random.normal(0.0, 1.0, (6, 1))
    unscored[:3] = NAN
    return {
        "binary": ([[1.0], [0.0], [0.0], [1.0], [1.0], [1.0], [1.0], [0.0]], 4),
        "all_equal": ([[0.3]] * 4, 2),
        "two_functions": (random.normal(0.0, 2.0, (9, 2)), 3),
        "with_nan": (with_nan, 3),
        "group_unscored": (unscored, 3),
        "group_of_one": (random.normal(0.0, 1.0, (3, 1)), 1),
    }


RUNS = [
    ("binary", "group", "sum_then_normalize"),
    ("all_equal", "batch", "sum_then_normalize"),
    ("two_functions", "batch", "sum_then_normalize"),
    ("two_functions", "group", "normalize_then_sum"),
    ("with_nan", "group", "sum_then_normalize"),
    ("with_nan", "group", "normalize_then_sum"),
    ("group_unscored", "group", "sum_then_normalize"),
    ("group_of_one", "none", "sum_then_normalize"),
]


def case(kind, scale, aggregation):
    table, size = rewards()[kind]
    table = f64(table)
    weights = [1.0, 0.5][: table.shape[1]]
    stub = trainer(
        reward_weights=f64(weights),
        reward_funcs=weights,
        scale_rewards=scale,
        multi_objective_aggregation=aggregation,
    )
    names = dict(vars(grpo))
    names |= {"self": stub, "rewards_per_func": table.clone(), "num_generations": size}
    names |= {"device": torch.device("cpu")}
    exec(SOURCE, names)
    expected = {
        "advantages": names["advantages"],
        "std_rewards": names["std_rewards"],
        "frac_reward_zero_std": names["is_std_zero"].double().mean(),
    }
    hyper = {
        "num_generations": size,
        "scale_rewards": scale,
        "multi_objective_aggregation": aggregation,
        "reward_weights": weights,
        "eps": 1e-4,
    }
    return {
        "name": f"{kind}/{scale}/{aggregation}",
        "function": "GRPOTrainer advantage section",
        "hyper": hyper,
        "inputs": {"rewards_per_func": table},
        "expected": expected,
    }


def main():
    assert "(std_rewards + 1e-4)" in SOURCE
    write_policy(
        "trl_group_advantages",
        [case(*run) for run in RUNS],
        family="advantages_group",
        peer="trl",
        release=f"PyPI trl {version('trl')}",
        function="GRPOTrainer advantage section",
        source_file="trl/trainer/grpo_trainer.py",
        notes="the lines run as they stand in the method; std with n - 1, 1e-4 added to it; NaN: no "
        "score; rows without any score get 0",
    )


if __name__ == "__main__":
    main()
