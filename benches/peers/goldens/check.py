"""The committed vectors against formulas written down again, in numpy and without the peers.

    python check.py [FOLDER]

Values of every case, and gradients by central differences wherever the numbers are of a size for
that. One line per file; the last line counts.
"""

import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
STEP = 1e-6


def array(value):
    """An array; texts stand for what isn't finite."""
    return None if value is None else np.array(value, dtype=object).astype(np.float64)


def close(what, ours, theirs, tolerance):
    ours, theirs = np.asarray(ours, dtype=np.float64), array(theirs)
    if not np.allclose(ours, theirs, rtol=tolerance, atol=tolerance, equal_nan=True):
        raise AssertionError(f"{what} is {ours}, the file has {theirs}")


def slope(function, at):
    """Central differences."""
    result = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        moved = []
        for sign in (1.0, -1.0):
            point = at.copy()
            point[index] += sign * STEP
            moved.append(function(point))
        result[index] = (moved[0] - moved[1]) / (2.0 * STEP)
    return result


def softplus(x):
    return np.logaddexp(0.0, x)


def sigmoid(x):
    return np.exp(-softplus(-x))


def columns(case):
    return {key: array(value) for key, value in case["inputs"].items()}


def moderate(case):
    """Whether differences can show the gradient: no steep exponentials, no kink underfoot."""
    return not any(kind in case["name"] for kind in ("extreme", "near_certain", "all_empty"))


# Policy


def ratio_mean(values, mask):
    return (values * mask).sum(-1) / np.maximum(mask.sum(-1), 1.0)


def trl_policy(case):
    h, x = case["hyper"], columns(case)
    mask, advantages = x["mask"], x["advantages"][:, None]

    def loss(logp):
        log_ratio = logp - x["old_logp"]
        if h.get("importance_sampling_level") == "sequence":
            log_ratio = ratio_mean(log_ratio, mask)[:, None]
        ratio = np.exp(log_ratio)
        clipped = np.clip(ratio, 1 - h["epsilon_low"], 1 + h["epsilon_high"])
        bounded = np.minimum(ratio, h.get("delta", np.inf))
        token = -np.minimum(bounded * advantages, clipped * advantages)
        token = token * x.get("importance_sampling_ratio", 1.0)
        if "beta" in h:
            gap = x["ref_logp"] - logp
            kl = np.exp(gap) - gap - 1
            token = token + h["beta"] * kl * (ratio if h.get("use_bias_correction_kl") else 1.0)
        token = np.broadcast_to(token, mask.shape)
        total = (token * mask).sum()
        return {
            "grpo": lambda: ratio_mean(token, mask).mean(),
            "bnpo": lambda: total / max(mask.sum(), 1.0),
            "dapo": lambda: total / max(mask.sum(), 1.0),
            "dr_grpo": lambda: total / (len(mask) * h["max_completion_length"]),
        }[h["loss_type"]]()

    close("loss", loss(x["logp"]), case["expected"]["loss"], 1e-9)
    if moderate(case):
        close("grad", slope(loss, x["logp"]), case["expected"]["grad"], 1e-6)


def verl_reduce(mode, losses, mask, h):
    ranks = h.get("dp_size", 1)
    rows = mask.sum(-1) > 0
    with np.errstate(invalid="ignore"):
        if mode == "token-mean":
            return (losses * mask).sum() / h.get("batch_num_tokens", mask.sum()) * ranks
    number = h.get("global_batch_size", rows.sum())
    sums = (losses * mask).sum(-1)
    if mode == "seq-mean-token-mean":
        sums = sums / (mask.sum(-1) + 1e-8)
    return sums[rows].sum() / number * ranks


def verl_ppo(case):
    h, x = case["hyper"], columns(case)
    a = x["advantages"]
    low, high = h.get("clip_ratio_low", h["clip_ratio"]), h.get("clip_ratio_high", h["clip_ratio"])

    def loss(logp):
        ratio = np.exp(np.clip(logp - x["old_logp"], -20, 20))
        token = np.maximum(-a * ratio, -a * np.clip(ratio, 1 - low, 1 + high))
        token = np.where(a < 0, np.minimum(token, -a * h["clip_ratio_c"]), token)
        token = token * x.get("rollout_is_weights", 1.0)
        return verl_reduce(h["loss_agg_mode"], token, x["mask"], {})

    close("loss", loss(x["logp"]), case["expected"]["loss"], 1e-9)
    if moderate(case):
        close("grad", slope(loss, x["logp"]), case["expected"]["grad"], 1e-6)


def verl_agg(case):
    x, h = columns(case), case["hyper"]
    ours = verl_reduce(h["loss_agg_mode"], x["loss_mat"], x["mask"], h)
    close("loss", ours, case["expected"]["loss"], 1e-9)


def verl_kl(case):
    x, kind = columns(case), case["hyper"]["kind"]

    def value(kind, logp):
        gap = logp - x["ref_logp"]
        back = np.clip(-gap, -20, 20)
        return {
            "k1": lambda: gap,
            "abs": lambda: np.abs(gap),
            "k2": lambda: gap**2 / 2,
            "k3": lambda: np.clip(np.exp(back) - back - 1, -10, 10),
            "low_var_kl": lambda: value("k3", logp),
        }[kind]()

    close("kl", value(kind.rstrip("+"), x["logp"]), case["expected"]["kl"], 1e-9)
    steep = "k2" if kind.endswith("+") else kind
    grad = slope(lambda logp: value(steep, logp).sum(), x["logp"])
    close("grad", grad, case["expected"]["grad_of_sum"], 1e-6)


def verl_gae(case):
    x, h = columns(case), case["hyper"]
    mask, advantages = x["mask"] > 0, np.zeros_like(x["mask"])
    for row in range(len(mask)):
        later = value = 0.0
        for t in reversed(np.flatnonzero(mask[row])):
            delta = x["token_level_rewards"][row, t] + h["gamma"] * value - x["values"][row, t]
            later = advantages[row, t] = delta + h["gamma"] * h["lam"] * later
            value = x["values"][row, t]
    seen = advantages[mask]
    white = (seen - seen.mean()) / np.sqrt(seen.var(ddof=1) + 1e-8)
    expected = {key: array(value)[mask] for key, value in case["expected"].items()}
    close("raw", seen, expected["advantages_unwhitened"], 1e-9)
    close("returns", seen + x["values"][mask], expected["returns"], 1e-9)
    close("advantages", white, expected["advantages"], 1e-9)


def trl_advantages(case):
    h, scores = case["hyper"], columns(case)["rewards_per_func"]
    size, weights = h["num_generations"], np.array(h["reward_weights"])
    lost = np.isnan(scores).all(1)

    def deviation(values):
        values = values[~np.isnan(values)]
        return values.std(ddof=1) if len(values) > 1 else 0.0

    def mean(values):
        values = values[~np.isnan(values)]
        return values.mean() if len(values) else np.nan

    def standard(values, by):
        return (values - mean(values)) / (by(values) + 1e-4)

    def grouped(values, by):
        return np.concatenate([standard(g, by) for g in values.reshape(-1, size)])

    joined = h["multi_objective_aggregation"] == "normalize_then_sum"
    if joined:
        scores = np.stack([grouped(column, deviation) for column in scores.T], axis=1)
    total = np.where(lost, np.nan, np.nansum(scores * weights, axis=1))
    if joined:
        ours = standard(total, deviation)
    elif h["scale_rewards"] == "group":
        ours = grouped(total, deviation)
    else:
        spread = deviation(total) + 1e-4 if h["scale_rewards"] == "batch" else 1.0
        ours = grouped(total, lambda _: 1.0 - 1e-4) / spread
    # TRL's factor n / (n - 1) has 32 bits.
    close("advantages", np.nan_to_num(ours), case["expected"]["advantages"], 1e-6)


# Preference


def pair(case, loss, keys, outputs, mean, tolerance=1e-6):
    """The mean of a loss over pairs, and its slope by each of its inputs."""
    x = columns(case)
    close("loss", loss(*(x[key] for key in keys)), case["outputs"][mean], 1e-9)
    if not moderate(case):
        return
    for at, output in enumerate(outputs):

        def one(value, at=at):
            return loss(*(value if i == at else x[key] for i, key in enumerate(keys)))

        close(output, slope(one, x[keys[at]]), case["outputs"][output], tolerance)


def scores(config, ratio):
    kind, alpha = config["f_divergence_type"], config["f_alpha_divergence_coef"]
    return {
        "reverse_kl": lambda: ratio,
        "forward_kl": lambda: 1 - np.exp(-ratio),
        "js_divergence": lambda: np.log(2) - softplus(-ratio),
        "alpha_divergence": lambda: (np.exp(np.minimum((alpha - 1) * ratio, 80)) - 1) / (alpha - 1),
    }[kind]()


def dpo(case):
    config, x = case["config"], columns(case)
    beta, e = config["beta"], config["label_smoothing"]
    n_w, n_l = (np.maximum(x[key], 1.0) for key in ("chosen_lens", "rejected_lens"))
    seen_w, seen_l = x["chosen_lens"] > 0, x["rejected_lens"] > 0

    def smooth(u):
        return softplus(-u) * (1 - e) + softplus(u) * e

    def loss(chosen, rejected):
        chosen, rejected = np.where(seen_w, chosen, 0.0), np.where(seen_l, rejected, 0.0)
        a, b = chosen - x["ref_chosen_logps"], rejected - x["ref_rejected_logps"]
        with np.errstate(over="ignore"):
            w, l = scores(config, a), scores(config, b)
        u, mean = beta * (w - l), w / n_w - l / n_l
        gap, reference = chosen - rejected, x["ref_chosen_logps"] - x["ref_rejected_logps"]
        v = u / config["discopop_tau"]
        per_pair = {
            "sigmoid": lambda: softplus(-u),
            "hinge": lambda: np.maximum(1 - u, 0),
            "ipo": lambda: (mean - 0.5 / beta) ** 2,
            "exo_pair": lambda: sigmoid(u) * (-softplus(-u) - np.log1p(-e))
            + sigmoid(-u) * (-softplus(u) - np.log(e)),
            "nca_pair": lambda: softplus(-beta * a) + (softplus(beta * a) + softplus(beta * b)) / 2,
            "robust": lambda: (softplus(-u) * (1 - e) - softplus(u) * e) / (1 - 2 * e),
            "bco_pair": lambda: softplus(-beta * a) + softplus(beta * b),
            "sppo_hard": lambda: (a - 0.5 / beta) ** 2 + (b + 0.5 / beta) ** 2,
            "aot": lambda: smooth(beta * (np.sort(gap) - np.sort(reference))),
            "aot_unpaired": lambda: smooth(beta * (np.sort(a) - np.sort(b))),
            "apo_zero": lambda: sigmoid(-beta * a) + sigmoid(beta * b),
            "apo_down": lambda: sigmoid(beta * a) + sigmoid(beta * (b - a)),
            "discopop": lambda: softplus(-u) * sigmoid(-v) + np.exp(-u) * sigmoid(v),
            "sigmoid_norm": lambda: softplus(-beta * mean),
        }[config["loss_type"]]()
        return per_pair.mean()

    outputs = ["grad_chosen_logps", "grad_rejected_logps"]
    pair(case, loss, ["chosen_logps", "rejected_logps"], outputs, "loss_mean", 1e-5)


def cpo(case):
    c = case["config"]

    def reward(logp):
        return logp if c["alpha"] == 0 else (1 - np.exp(-c["alpha"] * logp)) / c["alpha"]

    def loss(chosen, rejected):
        name = c["loss_type"].removesuffix("+alphapo")
        gap = reward(chosen) - reward(rejected)
        u = c["beta"] * gap - (c["simpo_gamma"] if name == "simpo" else 0.0)
        if name == "hinge":
            return np.maximum(1 - u, 0).mean()
        if name == "ipo":
            return ((gap - 0.5 / c["beta"]) ** 2).mean()
        e = c["label_smoothing"]
        return (softplus(-u) * (1 - e) + softplus(u) * e).mean()

    outputs = ["grad_chosen_logps", "grad_rejected_logps"]
    pair(case, loss, ["chosen_logps", "rejected_logps"], outputs, "loss_mean")


def orpo(case):
    def odds(logp):
        return logp - np.log(-np.expm1(logp))

    def term(chosen, rejected):
        return case["config"]["beta"] * softplus(odds(rejected) - odds(chosen)).mean()

    keys = ["chosen_avg_logps", "rejected_avg_logps"]
    pair(case, term, keys, ["grad_or_chosen", "grad_or_rejected"], "or_loss_mean")
    total = lambda chosen, rejected: term(chosen, rejected) - chosen.mean()
    pair(case, total, keys, ["grad_total_chosen", "grad_total_rejected"], "loss_with_nll_mean")


def kto(case):
    c, x = case["config"], columns(case)
    plain = c["loss_type"] == "kto"
    kl = max((x["kl_logps"] - x["ref_kl_logps"]).mean(), 0.0) if plain else 0.0
    close("kl", kl, case["outputs"]["kl"], 1e-9)

    def loss(logps):
        gap = c["beta"] * (logps - x["ref_logps"] - kl)
        desirable = c["desirable_weight"] * sigmoid(-gap)
        undesirable = c["undesirable_weight"] * sigmoid(gap)
        return np.where(x["labels"] > 0, desirable, undesirable).mean()

    pair(case, loss, ["logps"], ["grad_logps"], "loss_mean")


def bco(case):
    c, x = case["config"], columns(case)

    def loss(chosen, rejected):
        good = c["beta"] * (chosen - x["ref_chosen_logps"]) - c["delta"]
        bad = c["beta"] * (rejected - x["ref_rejected_logps"]) - c["delta"]
        return np.concatenate([softplus(-good), softplus(bad)]).mean()

    outputs = ["grad_chosen_logps", "grad_rejected_logps"]
    pair(case, loss, ["chosen_logps", "rejected_logps"], outputs, "loss_mean")


def reward_model(case):
    x, center = columns(case), case["config"]["center_rewards_coefficient"] or 0.0
    margin = 0.0 if x["margin"] is None else x["margin"]

    def loss(chosen, rejected):
        centring = center * ((chosen + rejected) ** 2).mean()
        return softplus(-(chosen - rejected - margin)).mean() + centring

    keys = ["rewards_chosen", "rewards_rejected"]
    pair(case, loss, keys, ["grad_chosen", "grad_rejected"], "loss_mean")


# Supervised


def sft(case):
    c, logits = case["config"], array(case["inputs"]["logits"])
    labels = np.array(case["inputs"]["labels"])[:, 1:]
    mask = labels != -100
    count = max(c["num_items_in_batch"] or mask.sum(), 1)

    def log_probs(logits):
        top = logits.max(-1, keepdims=True)
        return (logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True)))[:, :-1]

    def picked(logits):
        return np.take_along_axis(log_probs(logits), np.maximum(labels, 0)[..., None], -1)[..., 0]

    # The weight of DFT has no gradient.
    weight = np.exp(picked(logits)) if c["kind"] == "dft" else 1.0
    smoothing = c.get("label_smoothing", 0.0)

    def loss(logits):
        token = (1 - smoothing) * picked(logits) + smoothing * log_probs(logits).mean(-1)
        return -(token * weight * mask).sum() / count

    close("loss", loss(logits), case["outputs"]["loss"], 1e-9)
    if moderate(case):
        close("grad", slope(loss, logits), case["outputs"]["grad_logits"], 1e-6)


CHECKS = {
    "policy/trl_policy_losses": trl_policy,
    "policy/trl_group_advantages": trl_advantages,
    "policy/verl_ppo_clip": verl_ppo,
    "policy/verl_agg_loss": verl_agg,
    "policy/verl_kl": verl_kl,
    "policy/verl_gae": verl_gae,
    "preference/dpo_sequence": dpo,
    "preference/cpo_simpo": cpo,
    "preference/orpo": orpo,
    "preference/kto": kto,
    "preference/bco": bco,
    "preference/reward_model": reward_model,
    "sft/sft_token": sft,
}


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/data/golden"
    good = bad = 0
    for path in sorted(folder.glob("*/*.json")):
        name = f"{path.parent.name}/{path.stem}"
        cases = json.loads(path.read_text())["cases"]
        wrong = 0
        for case in cases:
            try:
                CHECKS[name](case)
            except (AssertionError, KeyError) as problem:
                wrong += 1
                print(f"  {name}: {case['name']}: {problem}")
        print(f"{name}: {len(cases) - wrong} of {len(cases)} agree")
        good, bad = good + len(cases) - wrong, bad + wrong
    print(f"check: {good} agree, {bad} differ")
    sys.exit(bad > 0 or good == 0)


if __name__ == "__main__":
    main()
