"""One CR-SAM step in PyTorch, in whatever precision the model has: what check.py and float32.py compare."""

import torch
import torch.nn.functional as F


def cr_sam_step(model, x, y, rho, alpha, beta):
    """The losses at w, w + rho v and w - rho v, the gradient at w, and that of the step, by parameters' names."""
    model.train()
    params = dict(model.named_parameters())

    def at(step, v):
        with torch.no_grad():
            for k, p in params.items():
                p.add_(v[k], alpha=step)
        loss = F.cross_entropy(model(x), y)
        grads = torch.autograd.grad(loss, list(params.values()))
        with torch.no_grad():
            for k, p in params.items():
                p.sub_(v[k], alpha=step)
        return float(loss), dict(zip(params, grads))

    loss, g0 = at(0.0, {k: torch.zeros_like(p) for k, p in params.items()})
    norm = torch.sqrt(sum((g**2).sum() for g in g0.values()))
    v = {k: g / norm for k, g in g0.items()}
    plus, gp = at(rho, v)
    minus, gm = at(-rho, v)
    whole = {
        k: gp[k] + alpha * (gp[k] + gm[k] - 2 * g0[k]) + beta * (gp[k] - gm[k]) for k in params
    }
    return (loss, plus, minus), g0, whole


def off(got, want):
    """|got - want| / |want| over all parameters."""
    error = sum(float(((got[k].double() - want[k]) ** 2).sum()) for k in want)
    return (error / sum(float((want[k] ** 2).sum()) for k in want)) ** 0.5
