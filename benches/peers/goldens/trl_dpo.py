"""TRL's `DPOTrainer._compute_loss` on log-probabilities of whole completions."""

from importlib.metadata import version
from types import SimpleNamespace

import torch
from common import call, f64, gradients, leaf, metrics, patched, rng, trainer, write_pairs
from trl import DPOTrainer

# Without these the alpha-divergence falls back to 32 bits, or has no entry for 64.
COMPUTE = patched(
    DPOTrainer._compute_loss,
    {
        "torch.bfloat16: 80.0, torch.float32: 80.0}": "torch.float64: 80.0}",
        "t_chosen.float()": "t_chosen",
        "t_rejected.float()": "t_rejected",
    },
)
DEFAULT = {
    "beta": 0.2,
    "label_smoothing": 0.0,
    "f_divergence_type": "reverse_kl",
    "f_alpha_divergence_coef": 0.5,
    "discopop_tau": 0.05,
}
LOGGED = ["rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"]
LOGGED += ["logps/chosen", "logps/rejected"]

# Loss, the settings that differ from the default, and the batch.
RUNS = [
    ("sigmoid", {}, "random"),
    ("sigmoid", {}, "empty_rejected"),
    ("sigmoid", {}, "reference"),
    ("sigmoid", {"f_divergence_type": "forward_kl"}, "random"),
    ("sigmoid", {"f_divergence_type": "forward_kl"}, "extreme"),
    ("sigmoid", {"f_divergence_type": "alpha_divergence"}, "random"),
    ("hinge", {"f_divergence_type": "js_divergence"}, "random"),
    ("ipo", {}, "random"),
    ("ipo", {}, "empty_rejected"),
    ("exo_pair", {"label_smoothing": 0.05}, "random"),
    ("nca_pair", {}, "extreme"),
    ("robust", {"label_smoothing": 0.15}, "random"),
    ("bco_pair", {}, "random"),
    ("sppo_hard", {}, "random"),
    ("aot", {"label_smoothing": 0.1}, "random"),
    ("aot_unpaired", {}, "random"),
    ("apo_zero", {}, "random"),
    ("apo_down", {}, "random"),
    ("discopop", {"discopop_tau": 0.3}, "random"),
    ("sigmoid_norm", {}, "empty_rejected"),
]


def batch(kind, seed):
    """Log-probabilities and lengths of three pairs."""
    random = rng(seed)
    draw = lambda: -random.uniform(5.0, 30.0, 3)
    chosen, rejected = draw(), draw()
    ref_chosen, ref_rejected = chosen + random.normal(0, 3, 3), rejected + random.normal(0, 3, 3)
    lengths = random.integers(2, 7, (2, 3))
    if kind == "reference":
        ref_chosen, ref_rejected = chosen.copy(), rejected.copy()
    if kind == "extreme":
        ref_chosen[0], ref_rejected[0] = chosen[0] + 900.0, rejected[0] - 900.0
        ref_chosen[1], ref_rejected[1] = chosen[1] - 900.0, rejected[1] + 900.0
    if kind == "empty_rejected":
        rejected[1] = ref_rejected[1] = 0.0
        lengths[1, 1] = 0
    return {
        "chosen_logps": chosen,
        "rejected_logps": rejected,
        "ref_chosen_logps": ref_chosen,
        "ref_rejected_logps": ref_rejected,
        "chosen_lens": lengths[0],
        "rejected_lens": lengths[1],
    }


def run(loss_type, config, inputs):
    """Loss, leaves, logs: a prompt token in front, then as many completion tokens as there are."""
    sides = [leaf(inputs["chosen_logps"]), leaf(inputs["rejected_logps"])]
    lengths = torch.tensor([*inputs["chosen_lens"], *inputs["rejected_lens"]])
    mask = (torch.arange(lengths.max()) < lengths[:, None]).double()
    # The whole completion's log-probability stands at its first token.
    first = torch.zeros_like(mask)
    first[:, 0] = mask[:, 0]
    answer = SimpleNamespace(
        log_probs=torch.cat(sides)[:, None] * first,
        entropy=torch.zeros_like(mask),
        mean_logits=torch.zeros_like(mask),
        is_top1=torch.zeros_like(mask).bool(),
    )
    columns = torch.cat([torch.zeros_like(mask[:, :1]), mask], dim=1)
    trl = trainer(
        **config,
        ld_alpha=None,
        precompute_ref_logps=True,
        loss_types=[loss_type],
        loss_weights=[1.0],
        use_weighting=False,
        args=SimpleNamespace(discopop_tau=config["discopop_tau"]),
    )
    given = {
        "input_ids": columns.long(),
        "attention_mask": torch.ones_like(columns),
        "completion_mask": columns,
        "ref_chosen_logps": f64(inputs["ref_chosen_logps"]),
        "ref_rejected_logps": f64(inputs["ref_rejected_logps"]),
    }
    loss, seen = call(COMPUTE, trl, lambda **_: answer, given, False)
    return loss, sides, metrics(trl), seen


def case(loss_type, special, kind, seed):
    config = DEFAULT | special
    inputs = batch(kind, seed)
    loss, sides, logged, seen = run(loss_type, config, inputs)
    grads = gradients(loss, *sides)
    single = lambda row: {key: value[row : row + 1] for key, value in inputs.items()}
    singles = [run(loss_type, config, single(row))[0] for row in range(3)]
    rewards = seen["chosen_rewards"], seen["rejected_rewards"]
    settings = ",".join(f"{key}={value}" for key, value in special.items()) or "default"
    return {
        "name": f"{loss_type}/{kind}/{settings}",
        "config": {"loss_type": loss_type, **config},
        "inputs": inputs,
        "outputs": {
            "loss_mean": loss,
            "loss_per_example_singleton": torch.stack(singles),
            "grad_chosen_logps": grads[0],
            "grad_rejected_logps": grads[1],
            "rewards_chosen": rewards[0],
            "rewards_rejected": rewards[1],
            "margins": rewards[0] - rewards[1],
            "accuracies": (rewards[0] > rewards[1]).double(),
            "metrics": {name: logged[name] for name in LOGGED},
        },
    }


def main():
    write_pairs(
        "preference",
        "dpo_sequence",
        [case(*run, 700 + seed) for seed, run in enumerate(RUNS)],
        peer="trl",
        release=f"PyPI trl {version('trl')}",
        function="trl.trainer.dpo_trainer.DPOTrainer._compute_loss",
        note="the model's answer is given, all of a completion's log-probability at its first token; "
        "the alpha-divergence is kept in 64 bits. loss_per_example_singleton: each pair as a batch of "
        "its own. A completion without tokens is a constant, its gradient 0.",
    )


if __name__ == "__main__":
    main()
