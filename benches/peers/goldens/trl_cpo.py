"""TRL's `CPOTrainer.cpo_loss`: CPO, SimPO, AlphaPO."""

from importlib.metadata import version

from common import gradients, leaf, rng, trainer, write_pairs
from trl.experimental.cpo import CPOTrainer

DEFAULT = {"label_smoothing": 0.0, "simpo_gamma": 0.5, "alpha": 0.0}
RUNS = [
    ({"loss_type": "sigmoid", "beta": 0.3, "label_smoothing": 0.1}, "random"),
    ({"loss_type": "hinge", "beta": 0.1}, "random"),
    ({"loss_type": "ipo", "beta": 0.2}, "average"),
    ({"loss_type": "simpo", "beta": 2.0, "simpo_gamma": 1.2}, "average"),
    ({"loss_type": "simpo", "beta": 2.0}, "extreme"),
    ({"loss_type": "simpo", "beta": 1.5, "alpha": 0.3}, "average"),
    ({"loss_type": "sigmoid", "beta": 1.0, "alpha": -0.3}, "average"),
]


def batch(kind, seed):
    random = rng(seed)
    low = {"random": -20.0, "average": -3.0, "extreme": -2.0}[kind]
    chosen, rejected = -random.uniform(0.05, -low, (2, 3))
    if kind == "extreme":
        chosen[0], rejected[1] = -800.0, -800.0
    return chosen, rejected


def case(special, kind, seed):
    config = {"loss_type": "", "beta": 0.1, **DEFAULT} | special
    chosen, rejected = map(leaf, batch(kind, seed))
    losses, *rewards = CPOTrainer.cpo_loss(trainer(**config), chosen, rejected)
    grads = gradients(losses.mean(), chosen, rejected)
    named = dict(config)
    if config["alpha"] != 0.0:
        named["loss_type"] += "+alphapo"
    settings = ",".join(f"{key}={value}" for key, value in special.items() if key != "loss_type")
    return {
        "name": f"{named['loss_type']}/{kind}/{settings}",
        "config": named,
        "inputs": {"chosen_logps": chosen, "rejected_logps": rejected},
        "outputs": {
            "loss_per_example": losses,
            "loss_mean": losses.mean(),
            "grad_chosen_logps": grads[0],
            "grad_rejected_logps": grads[1],
            "rewards_chosen": rewards[0],
            "rewards_rejected": rewards[1],
            "margins": rewards[0] - rewards[1],
            "accuracies": (rewards[0] > rewards[1]).double(),
        },
    }


def main():
    write_pairs(
        "preference",
        "cpo_simpo",
        [case(*run, 800 + seed) for seed, run in enumerate(RUNS)],
        peer="trl",
        release=f"PyPI trl {version('trl')}",
        function="trl.experimental.cpo.CPOTrainer.cpo_loss",
        note="ipo and simpo expect log-probabilities averaged over the tokens; the loss alone, without "
        "the NLL of the chosen completions. +alphapo says that alpha isn't 0.",
    )


if __name__ == "__main__":
    main()
