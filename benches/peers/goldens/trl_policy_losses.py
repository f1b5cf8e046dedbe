"""TRL's GRPO losses: `GRPOTrainer._compute_loss` on given log-probabilities and entropies."""

from importlib.metadata import version
from types import SimpleNamespace

from common import call, f64, gradients, leaf, metrics, policy_inputs, trainer, write_policy
from trl import GRPOTrainer

RANGE = {"epsilon_low": 0.2, "epsilon_high": 0.2, "max_completion_length": 9}
LOCALS = ["per_token_loss", "per_token_kl", "coef_1"]

# Settings, and the kinds of step to run them on.
SETTINGS = [
    ({"loss_type": "grpo"}, ["normal", "extreme"]),
    ({"loss_type": "grpo", "epsilon_high": 0.28, "beta": 0.03}, ["empty_row"]),
    ({"loss_type": "grpo", "delta": 1.4}, ["extreme"]),
    ({"loss_type": "bnpo"}, ["holes"]),
    ({"loss_type": "bnpo", "beta": 0.1}, ["normal"]),
    ({"loss_type": "dr_grpo"}, ["empty_row"]),
    ({"loss_type": "dr_grpo", "beta": 0.05, "use_bias_correction_kl": True}, ["holes"]),
    ({"loss_type": "dapo", "epsilon_high": 0.28}, ["normal", "on_policy", "all_empty"]),
    ({"loss_type": "dapo", "beta": 0.02}, ["zero_adv"]),
    (
        {
            "loss_type": "grpo",
            "importance_sampling_level": "sequence",
            "epsilon_low": 0.01,
            "epsilon_high": 0.02,
        },
        ["normal", "empty_row"],
    ),
    ({"loss_type": "dapo", "importance_sampling_level": "sequence", "beta": 0.04}, ["holes"]),
]


def stub(hyper, weighted, logp, entropy):
    names = ["loss_type", "epsilon_low", "epsilon_high", "max_completion_length"]
    arguments = {
        "delta": hyper.get("delta"),
        "use_bias_correction_kl": hyper.get("use_bias_correction_kl", False),
        "steps_per_generation": 1,
    }
    return trainer(
        **{name: hyper[name] for name in names},
        beta=hyper.get("beta", 0.0),
        importance_sampling_level=hyper.get("importance_sampling_level", "token"),
        args=SimpleNamespace(**arguments),
        use_vllm=weighted,
        vllm_importance_sampling_correction=weighted,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        _entropy_bonus_enabled=False,
        _get_per_token_logps_and_entropies=lambda *_, **__: (logp, entropy, None),
    )


def case(hyper, kind, seed, weighted):
    inputs = policy_inputs(kind, seed)
    if weighted:
        sampler = inputs["old_logp"] - 0.1 * inputs["entropy"]
        inputs["sampling_logp"] = sampler
        ratio = f64(inputs["old_logp"] - sampler).exp().clamp(max=1.2)
        inputs["importance_sampling_ratio"] = ratio.numpy()
    columns = {name: f64(value) for name, value in inputs.items()}
    logp, mask = leaf(inputs["logp"]), columns["mask"]
    ids = mask.long()
    batch = {
        "prompt_ids": ids[:, :1],
        "prompt_mask": ids[:, :1],
        "completion_ids": ids,
        "completion_mask": mask,
        "advantages": columns["advantages"],
        "old_per_token_logps": columns["old_logp"],
        "ref_per_token_logps": columns["ref_logp"],
        "num_items_in_batch": mask.sum(),
        "importance_sampling_ratio": columns.get("importance_sampling_ratio"),
    }
    trl = stub(hyper, weighted, logp, columns["entropy"])
    loss, seen = call(GRPOTrainer._compute_loss, trl, None, batch)
    expected = {"loss": loss, "grad": gradients(loss, logp)[0], "metrics": metrics(trl)}
    expected |= {name: seen[name] for name in LOCALS if name in seen}
    special = [f"{key}={value}" for key, value in hyper.items() if RANGE.get(key) != value]
    return {
        "name": f"{','.join(special)}/{kind}{'/weighted' * weighted}",
        "function": "GRPOTrainer._compute_loss",
        "seed": seed,
        "hyper": hyper,
        "inputs": inputs,
        "expected": expected,
    }


def main():
    runs = [(RANGE | hyper, kind, False) for hyper, kinds in SETTINGS for kind in kinds]
    runs.append((RANGE | {"loss_type": "dapo"}, "holes", True))
    cases = [case(*run[:2], 100 + seed, run[2]) for seed, run in enumerate(runs)]
    write_policy(
        "trl_policy_losses",
        cases,
        family="policy_trl",
        peer="trl",
        release=f"PyPI trl {version('trl')}",
        function="GRPOTrainer._compute_loss",
        source_file="trl/trainer/grpo_trainer.py",
        notes="a stand-in for the trainer, one process, one accumulation step; the model's answer is "
        "given, the entropy without gradient. coef_1, per_token_kl and per_token_loss are local "
        "variables at the return.",
    )


if __name__ == "__main__":
    main()
