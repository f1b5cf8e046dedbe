"""TRL's `KTOTrainer._compute_loss` on log-probabilities of whole completions."""

from importlib.metadata import version
from types import SimpleNamespace

import torch
from common import call, f64, gradients, leaf, metrics, rng, trainer, write_pairs
from trl import KTOTrainer

DEFAULT = {"loss_type": "kto", "beta": 0.2, "desirable_weight": 1.0, "undesirable_weight": 1.0}
LOGGED = ["kl", "rewards/chosen", "logps/chosen", "rewards/rejected", "logps/rejected"]
LOGGED += ["rewards/margins"]
RUNS = [
    ({}, "mixed"),
    ({"desirable_weight": 1.5, "undesirable_weight": 0.5}, "mixed"),
    ({}, "all_rejected"),
    ({"beta": 0.5}, "extreme"),
    ({"loss_type": "apo_zero_unpaired"}, "mixed"),
]


def batch(kind, seed):
    random = rng(seed)
    logps, probes = -random.uniform(5.0, 40.0, (2, 4))
    labels = [False] * 4 if kind == "all_rejected" else [True, False, False, True]
    shift = random.normal(0.0, 4.0, (2, 4))
    if kind == "extreme":
        shift[0] = [900.0, 900.0, -900.0, -900.0]
    return {
        "logps": logps,
        "ref_logps": logps - shift[0],
        "labels": labels,
        "kl_logps": probes,
        "ref_kl_logps": probes - shift[1],
    }


def case(special, kind, seed):
    config = DEFAULT | special
    inputs = batch(kind, seed)
    logps, labels = leaf(inputs["logps"]), torch.tensor(inputs["labels"])
    # A prompt token, and a completion of one.
    ones = torch.ones(4, 1)
    answer = SimpleNamespace(
        log_probs=logps[:, None], entropy=0.0 * ones, mean_logits=0.0 * ones
    )
    trl = trainer(
        **config,
        precompute_ref_logps=True,
        calculate_KL=config["loss_type"] == "kto",
        _compute_kl_logps=lambda *_: f64(inputs["kl_logps"]),
    )
    given = {
        "input_ids": torch.ones(4, 2, dtype=torch.long),
        "attention_mask": torch.ones(4, 2),
        "completion_mask": torch.cat([0.0 * ones, ones], dim=1),
        "label": labels,
        "ref_logps": f64(inputs["ref_logps"]),
        "ref_KL_logps": f64(inputs["ref_kl_logps"]),
    }
    loss, seen = call(KTOTrainer._compute_loss, trl, lambda **_: answer, given, False)
    order = torch.cat([seen["chosen_idx"], seen["rejected_idx"]])
    losses, rewards = torch.zeros(4), torch.zeros(4)
    losses[order] = seen["losses"].detach()
    rewards[order] = torch.cat([seen["chosen_rewards"], seen["rejected_rewards"]])
    logged = metrics(trl)
    settings = ",".join(f"{key}={value}" for key, value in special.items()) or "default"
    return {
        "name": f"{kind}/{settings}",
        "config": config,
        "inputs": inputs,
        "outputs": {
            "loss_mean": loss,
            "loss_per_example": losses,
            "grad_logps": gradients(loss, logps)[0],
            "rewards": rewards,
            "kl": logged["kl"],
            "metrics": {name: logged[name] for name in LOGGED if name in logged},
        },
    }


def main():
    write_pairs(
        "preference",
        "kto",
        [case(*run, 1000 + seed) for seed, run in enumerate(RUNS)],
        peer="trl",
        release=f"PyPI trl {version('trl')}",
        function="trl.trainer.kto_trainer.KTOTrainer._compute_loss",
        note="the model's answers are given; loss_per_example in the order of the inputs. kl is the "
        "mean of kl_logps - ref_kl_logps, at least 0, detached.",
    )


if __name__ == "__main__":
    main()
