"""What single precision costs in these steps, whoever computes: PyTorch's float32 against its own float64.

    python3 scripts/models/float32.py resnet18 resnet50

One CR-SAM step (rho 0.1, alpha 0.1, beta 0.01) of torchvision's networks on two random images: how far the
losses at w, w + rho v and w - rho v, the gradient at w and that of the step are off, as JSON.
"""

import copy
import json
import sys

import torch
import torchvision.models as tv
from cr_sam import cr_sam_step, off

SETTINGS = (0.1, 0.1, 0.01)

for name in sys.argv[1:]:
    torch.manual_seed(0)
    model = getattr(tv, name)()
    x, y = torch.randn(2, 3, 224, 224), torch.tensor([1, 5])
    single = cr_sam_step(copy.deepcopy(model), x, y, *SETTINGS)
    double = cr_sam_step(copy.deepcopy(model).double(), x.double(), y, *SETTINGS)
    losses = [abs(a - b) / abs(b) for a, b in zip(single[0], double[0])]
    result = {"losses": losses, "g0": off(single[1], double[1]), "step": off(single[2], double[2])}
    print(json.dumps({"model": name, **result}))
