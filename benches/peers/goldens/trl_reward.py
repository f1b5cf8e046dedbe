"""TRL's `RewardTrainer.compute_loss`: Bradley-Terry with margins and centring."""

from importlib.metadata import version
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from common import f64, gradients, leaf, metrics, rng, trainer, write_pairs
from trl import RewardTrainer

RUNS = [(None, "plain"), (None, "margin"), (0.05, "plain"), (0.02, "extreme")]


def batch(kind, seed):
    random = rng(seed)
    chosen, rejected = random.normal(0.0, 1.5, (2, 3))
    if kind == "extreme":
        chosen[0], rejected[0] = 450.0, -450.0
        chosen[1], rejected[1] = -450.0, 450.0
    margin = random.normal(0.5, 0.5, 3) if kind == "margin" else None
    return {"rewards_chosen": chosen, "rewards_rejected": rejected, "margin": margin}


def case(center, kind, seed):
    inputs = batch(kind, seed)
    chosen, rejected = leaf(inputs["rewards_chosen"]), leaf(inputs["rewards_rejected"])
    answer = SimpleNamespace(logits=torch.cat([chosen, rejected])[:, None])
    given = {"attention_mask": torch.ones(6, 2)}
    margin = 0.0
    if inputs["margin"] is not None:
        given["margin"] = margin = f64(inputs["margin"])
    trl = trainer(args=SimpleNamespace(center_rewards_coefficient=center))
    loss = RewardTrainer.compute_loss(trl, lambda **_: answer, given)
    grads = gradients(loss, chosen, rejected)
    return {
        "name": f"{kind}/center={center}",
        "config": {"center_rewards_coefficient": center},
        "inputs": inputs,
        "outputs": {
            "loss_mean": loss,
            "bt_per_example": -F.logsigmoid(chosen - rejected - margin),
            "grad_chosen": grads[0],
            "grad_rejected": grads[1],
            "metrics": metrics(trl),
        },
    }


def main():
    write_pairs(
        "preference",
        "reward_model",
        [case(*run, 1200 + seed) for seed, run in enumerate(RUNS)],
        peer="trl",
        release=f"PyPI trl {version('trl')}",
        function="trl.trainer.reward_trainer.RewardTrainer.compute_loss",
        note="the model's scores are given; bt_per_example is F.logsigmoid of the same differences, "
        "the peer has their mean only",
    )


if __name__ == "__main__":
    main()
