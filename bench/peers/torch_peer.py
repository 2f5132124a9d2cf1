"""PyTorch's part of the benchmarks: answers requests, one JSON text a line, until its input ends.

python3 torch_peer.py THREADS FOLDER     (arrays travel as float32 files in FOLDER)
"""
import json
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

threads = int(sys.argv[1])
folder = sys.argv[2]
torch.set_num_threads(threads)


def load(item):
    data = np.fromfile(item["path"], dtype=np.float32).reshape(item["shape"])
    os.remove(item["path"])
    return torch.from_numpy(data)


def chain(x):
    return (torch.relu(x * 1.5 + 0.25) * x - 0.125).abs()


def cross_entropy(logits, labels):
    logits.requires_grad_(True)
    loss = F.cross_entropy(logits, labels)
    (grad,) = torch.autograd.grad(loss, logits)
    return loss.detach(), grad


def conv_grads(x, w, g):
    x.requires_grad_(True)
    w.requires_grad_(True)
    y = F.conv2d(x, w, padding=1)
    return torch.autograd.grad(y, (x, w), g)


FUNCTIONS = {
    "matmul": lambda a, b: (a @ b,),
    "matmul, first transposed": lambda a, b: (a.t() @ b,),
    "matmul, second transposed": lambda a, b: (a @ b.t(),),
    "conv": lambda x, w: (F.conv2d(x, w, padding=1),),
    "conv gradients": conv_grads,
    "chain": lambda x: (chain(x),),
    "row sums": lambda x: (x.sum(1),),
    "column sums": lambda x: (x.sum(0),),
    "full sum": lambda x: (x.sum(),),
    "cross-entropy": cross_entropy,
}


class Function:
    def __init__(self, request):
        self.f = FUNCTIONS[request["work"]]
        self.inputs = [load(i) for i in request["inputs"]]

    def run(self, times):
        for _ in range(times):
            self.f(*self.inputs)

    def outputs(self):
        return [o.detach() for o in self.f(*self.inputs)]


def mlp(params, x, y):
    h = x
    for i in range(0, len(params), 2):
        h = torch.addmm(params[i + 1], h, params[i])
        if i + 2 < len(params):
            h = torch.relu(h)
    return F.cross_entropy(h, y)


def cnn(params, x, y):
    w1, b1, w2, b2, w3, b3 = params
    h = x.reshape(x.shape[0], 1, 28, 28)
    h = F.max_pool2d(torch.relu(F.conv2d(h, w1, b1, padding=1)), 2)
    h = F.max_pool2d(torch.relu(F.conv2d(h, w2, b2, padding=1)), 2)
    return F.cross_entropy(torch.addmm(b3, h.reshape(h.shape[0], -1), w3), y)


MODELS = {"mlp": mlp, "cnn": cnn}


class Training:
    def __init__(self, request):
        self.model = MODELS[request["model"]]
        self.method = request["method"]
        self.lr, self.momentum = request["learning_rate"], request["momentum"]
        self.rho, self.alpha, self.beta = request["rho"], request["alpha"], request["beta"]
        self.params = [load(p).requires_grad_(True) for p in request["params"]]
        self.velocity = [torch.zeros_like(p) for p in self.params]
        self.x, self.y = load(request["x"]), load(request["y"])

    def gradient(self, params):
        loss = self.model(params, self.x, self.y)
        return loss.detach(), torch.autograd.grad(loss, params)

    def step(self):
        loss, g0 = self.gradient(self.params)
        grads = g0
        if self.method != "sgd":
            with torch.no_grad():
                norm = torch.sqrt(sum((g * g).sum() for g in g0))
                moves = [g * (self.rho / norm) for g in g0]

            def at(sign):
                with torch.no_grad():
                    moved = [p + sign * m for p, m in zip(self.params, moves)]
                return self.gradient([p.requires_grad_(True) for p in moved])[1]

            grads = at(1)
            if self.method == "cr-sam":
                a, b = self.alpha, self.beta
                grads = [
                    p + a * (p + m - 2 * g) + b * (p - m)
                    for g, p, m in zip(g0, grads, at(-1))
                ]
        with torch.no_grad():
            for p, v, g in zip(self.params, self.velocity, grads):
                v.mul_(self.momentum).add_(g)
                p.sub_(v, alpha=self.lr)
        return loss

    def run(self, times):
        for _ in range(times):
            self.step()


handles = {}


def handle_of(work):
    handles[len(handles)] = work
    return {"handle": len(handles) - 1}


def answer(request):
    op = request["op"]
    if op == "version":
        return {"version": torch.__version__}
    if op == "function":
        return handle_of(Function(request))
    if op == "train":
        return handle_of(Training(request))
    work = handles[request["handle"]]
    if op == "time":
        start = time.perf_counter()
        work.run(request["times"])
        return {"ms": (time.perf_counter() - start) * 1000 / request["times"]}
    if op == "losses":
        return {"losses": [work.step().item() for _ in range(request["steps"])]}
    if op == "outputs":
        paths = []
        for i, out in enumerate(work.outputs()):
            paths.append(os.path.join(folder, f"out-{request['handle']}-{i}.bin"))
            out.contiguous().numpy().tofile(paths[-1])
        return {"paths": paths}
    if op == "close":
        handles[request["handle"]] = None
        return {}
    raise ValueError(f"unknown request {op}")


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
