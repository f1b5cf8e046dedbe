"""TRL's `ORPOTrainer.odds_ratio_loss`."""

from importlib.metadata import version

from common import gradients, leaf, patched, rng, trainer, write_pairs
from trl.experimental.orpo import ORPOTrainer

# The peer computes odds in 32 bits.
ODDS = patched(ORPOTrainer.odds_ratio_loss, {".float()": ".double()"})
RUNS = [("average", 0.1), ("average", 0.4), ("near_certain", 0.2), ("extreme", 0.1)]


def batch(kind, seed):
    random = rng(seed)
    chosen, rejected = -random.uniform(0.1, 3.0, (2, 3))
    if kind == "near_certain":
        chosen[0], rejected[1] = -1e-5, -1e-7
    if kind == "extreme":
        chosen[0], rejected[1] = -700.0, -900.0
    return chosen, rejected


def case(kind, beta, seed):
    chosen, rejected = map(leaf, batch(kind, seed))
    losses, *rewards, ratio, odds = ODDS(trainer(beta=beta), chosen, rejected)
    term = -losses.mean()
    total = term - chosen.mean()
    grads, both = gradients(term, chosen, rejected), gradients(total, chosen, rejected)
    return {
        "name": f"{kind}/beta={beta}",
        "config": {"beta": beta},
        "inputs": {"chosen_avg_logps": chosen, "rejected_avg_logps": rejected},
        "outputs": {
            "or_term_per_example": -losses,
            "or_loss_mean": term,
            "grad_or_chosen": grads[0],
            "grad_or_rejected": grads[1],
            "loss_with_nll_mean": total,
            "grad_total_chosen": both[0],
            "grad_total_rejected": both[1],
            "rewards_chosen": rewards[0],
            "rewards_rejected": rewards[1],
            "margins": rewards[0] - rewards[1],
            "accuracies": (rewards[0] > rewards[1]).double(),
            "log_odds_ratio": ratio,
            "log_odds_chosen": odds,
        },
    }


def main():
    write_pairs(
        "preference",
        "orpo",
        [case(*run, 900 + seed) for seed, run in enumerate(RUNS)],
        peer="trl",
        release=f"PyPI trl {version('trl')}",
        function="trl.experimental.orpo.ORPOTrainer.odds_ratio_loss",
        note="kept in 64 bits. or_term is what is added to the NLL; loss_with_nll takes the mean of "
        "-chosen_avg_logps for it.",
    )


if __name__ == "__main__":
    main()
