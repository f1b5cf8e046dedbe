"""Three steps of torch.optim.Muon, with its iteration in float64 in the place of bfloat16.

The numbers that crates/refire-model/src/train/muon/tests.rs holds:

    python benches/peers/muon.py
"""

import torch
from torch.optim import Muon

GRADS = {
    (2, 2): [[1.0, 0.5, -0.25, 2.0], [0.3, -1.0, 0.6, 0.1], [-0.5, 0.25, 1.5, -1.0]],
    (2, 3): [
        [1.0, 0.5, -0.25, 2.0, -1.0, 0.75],
        [0.3, -1.0, 0.6, 0.1, 0.4, -0.2],
        [-0.5, 0.25, 1.5, -1.0, 0.05, 0.9],
    ],
    (3, 2): [
        [1.0, 0.5, -0.25, 2.0, -1.0, 0.75],
        [0.3, -1.0, 0.6, 0.1, 0.4, -0.2],
        [-0.5, 0.25, 1.5, -1.0, 0.05, 0.9],
    ],
}

# The iteration casts what it gets; float64 takes the place of what it casts to.
torch.bfloat16 = torch.float64

for (rows, cols), grads in GRADS.items():
    for scale in ("match_rms_adamw", "original"):
        for nesterov in (True, False):
            start = torch.arange(1, rows * cols + 1, dtype=torch.float64) / 10
            weight = torch.nn.Parameter(start.reshape(rows, cols))
            optimiser = Muon(
                [weight], lr=0.05, weight_decay=0.1, nesterov=nesterov, adjust_lr_fn=scale
            )
            for grad in grads:
                weight.grad = torch.tensor(grad, dtype=torch.float64).reshape(rows, cols)
                optimiser.step()
            values = ", ".join(f"{v:.9f}" for v in weight.detach().flatten().tolist())
            print(f"{rows} x {cols} {scale} nesterov={nesterov}: [{values}]")
