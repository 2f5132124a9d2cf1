"""What single precision costs in these steps, whoever computes: PyTorch's float32 against its own float64.

    python3 scripts/models/float32.py resnet18 resnet50

One CR-SAM step (rho 0.1, alpha 0.1, beta 0.01) of torchvision's networks on two random images: how far the
losses at w, w + rho v and w - rho v, the gradient at w and that of the step are off, as JSON.
"""

import copy
import json
import sys

import torch
import torch.nn.functional as F
import torchvision.models as tv

RHO, ALPHA, BETA = 0.1, 0.1, 0.01


def step(model, x, y):
    model.train()
    params = dict(model.named_parameters())

    def at(by, v):
        with torch.no_grad():
            for k, p in params.items():
                p.add_(v[k], alpha=by)
        loss = F.cross_entropy(model(x), y)
        grads = torch.autograd.grad(loss, list(params.values()))
        with torch.no_grad():
            for k, p in params.items():
                p.sub_(v[k], alpha=by)
        return float(loss), dict(zip(params, grads))

    loss, g0 = at(0.0, {k: torch.zeros_like(p) for k, p in params.items()})
    norm = torch.sqrt(sum((g**2).sum() for g in g0.values()))
    v = {k: g / norm for k, g in g0.items()}
    plus, gp = at(RHO, v)
    minus, gm = at(-RHO, v)
    whole = {k: gp[k] + ALPHA * (gp[k] + gm[k] - 2 * g0[k]) + BETA * (gp[k] - gm[k]) for k in params}
    return (loss, plus, minus), g0, whole


def off(a, b):
    error = sum(float(((a[k].double() - b[k]) ** 2).sum()) for k in b)
    return (error / sum(float((b[k] ** 2).sum()) for k in b)) ** 0.5


for name in sys.argv[1:]:
    torch.manual_seed(0)
    model = getattr(tv, name)()
    x, y = torch.randn(2, 3, 224, 224), torch.tensor([1, 5])
    single = step(copy.deepcopy(model), x, y)
    double = step(copy.deepcopy(model).double(), x.double(), y)
    losses = [abs(a - b) / abs(b) for a, b in zip(single[0], double[0])]
    result = {"losses": losses, "g0": off(single[1], double[1]), "step": off(single[2], double[2])}
    print(json.dumps({"model": name, **result}))
