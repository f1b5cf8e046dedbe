"""verl's `kl_penalty`: estimators of a divergence, value and gradient."""

from common import f64, gradients, leaf, rng, write_policy
from verl_core import ABOUT, load

CORE = load()
KINDS = ["k1", "abs", "k2", "k3", "low_var_kl", "k1+", "k3+"]


def case(index, kind, drift):
    random = rng(500, index)
    logp = -random.exponential(1.5, (2, 4))
    far = random.choice([-35.0, -2.5, 2.5, 35.0], (2, 4))
    gap = {"normal": random.normal(0.0, 0.5, (2, 4)), "extreme": far, "on_policy": 0.0 * far}
    inputs = {"logp": logp, "ref_logp": logp - gap[drift]}
    current = leaf(inputs["logp"])
    kl = CORE.kl_penalty(current, f64(inputs["ref_logp"]), kind)
    return {
        "name": f"{index}/{drift}/{kind}",
        "function": "kl_penalty",
        "hyper": {"kind": kind},
        "inputs": inputs,
        "expected": {"kl": kl, "grad_of_sum": gradients(kl.sum(), current)[0]},
    }


def main():
    cases = [case(0, kind, "normal") for kind in KINDS]
    cases += [case(1, kind, "extreme") for kind in ["k2", "k3", "k3+"]]
    cases += [case(2, kind, "on_policy") for kind in ["k3", "k1+"]]
    write_policy(
        "verl_kl",
        cases,
        family="kl",
        function="kl_penalty",
        notes="k3 clamps the log-ratio to [-20, 20] and the value to [-10, 10]; k1+ and k3+ have the "
        "value of k1 and k3 and the gradient of k2",
        **ABOUT,
    )


if __name__ == "__main__":
    main()
