"""One CR-SAM step of a network in PyTorch's float64, against one that dawngrad made.

    python3 scripts/models/check.py MODEL FILE

FILE (safetensors, read here by the format's own description) holds the weights by PyTorch's names as
`w.*`, the gradient of the step as `g.*`, the images `x` and labels `y`, and the settings as metadata. Prints
the losses at w, w + rho v and w - rho v, and how far the gradient is off, as JSON.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision.models as tv
from cr_sam import cr_sam_step, off
from torchvision.models.resnet import BasicBlock

sys.path.insert(0, str(Path(__file__).parents[2] / "test" / "fixtures"))
from torch_models import Pyramid, Resnet, Wide  # noqa: E402

MODELS = {
    "resnet18": tv.resnet18,
    "resnet34": tv.resnet34,
    "resnet50": tv.resnet50,
    "resnet101": tv.resnet101,
    "vit-b-32": tv.vit_b_32,
    "vit-s-32": lambda: tv.VisionTransformer(224, 32, 12, 6, 384, 1536),
    "resnet18-cifar": lambda: Resnet(BasicBlock, [2, 2, 2, 2], 64, 10, "cifar"),
    "wrn-28-10": lambda: Wide(28, 10, 16, 10),
    "pyramidnet110-84": lambda: Pyramid(110, 84, 16, 10),
    "pyramidnet110-270": lambda: Pyramid(110, 270, 16, 10),
}
TYPES = {"F32": np.float32, "I32": np.int32}


def read(path):
    data = Path(path).read_bytes()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + n])
    meta = header.pop("__metadata__", {})
    out = {}
    for name, e in header.items():
        a, b = e["data_offsets"]
        values = np.frombuffer(data[8 + n + a : 8 + n + b], TYPES[e["dtype"]])
        out[name] = torch.from_numpy(values.reshape(e["shape"]).copy())
    return out, meta


def main(name, path):
    tensors, meta = read(path)
    rho, alpha, beta = (float(meta[k]) for k in ("rho", "alpha", "beta"))
    torch.set_default_dtype(torch.float64)
    model = MODELS[name]()
    weights = {k[2:]: t.double() for k, t in tensors.items() if k.startswith("w.")}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    missing = [k for k in missing if k not in dict(model.named_buffers())]
    assert not missing and not unexpected, (missing, unexpected)
    x = tensors["x"].double().permute(0, 3, 1, 2)
    y = tensors["y"].long()
    (loss, plus, minus), _, want = cr_sam_step(model, x, y, rho, alpha, beta)
    got = {k: tensors["g." + k] for k in want}
    print(json.dumps({"loss": loss, "Lp": plus, "Lm": minus, "gradient": off(got, want)}))


main(*sys.argv[1:])
