"""The graph of a plane classifier: a Keras model of `models.cnn` or `models.ensemble`, and its judgement.

It is made layer by layer, since Keras' own export names nodes as they come and needs another converter. Batch
norm becomes part of the convolution before it, dropout nothing.
"""

from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from sonotrace.errors import SonotraceError
from sonotrace.models.judgement import Judgement
from sonotrace.models.refusal import Scope
from sonotrace.portable.form import FEATURES, INPUT, PROBABILITIES, SCOPE
from sonotrace.portable.writing import Graph

_LEAST_PROBABILITY, _LEAST_LENGTH = 1e-12, 1e-9
"""As in `models.calibration` and `models.refusal`."""


def graph_of(net: keras.Model, judgement: Judgement) -> ModelProto:
    """Return the graph of a classifier whose probabilities are calibrated, and that says how far an image is.

    `net` takes images of shape (n, height, width, 1), 0 to 255. Raises SonotraceError for a layer that no net of
    this project has.
    """
    graph = Graph()
    _, height, width, _ = net.input_shape
    pixels = graph.add("Cast", INPUT, to=TensorProto.FLOAT)
    image = graph.add("Unsqueeze", pixels, graph.constant([1], np.int64))  # channels come first
    outputs: dict[str, tuple[str, tuple[int, ...]]] = {}
    if net.name == "ensemble":
        probabilities = _mean_of_members(graph, net, image)
    else:
        features, probabilities = _Chain(graph, net).run(image)
        outputs[FEATURES] = (features, (net.layers[-1].input.shape[1],))
        if judgement.scope:
            outputs[SCOPE] = (_scope(graph, features, judgement.scope, judgement.limit), ())
    outputs[PROBABILITIES] = (_calibrated(graph, probabilities, judgement.temperature), (net.output_shape[-1],))
    return graph.model(height, width, outputs)


def _mean_of_members(graph: Graph, net: keras.Model, image: str) -> str:
    """Add what `models.ensemble` says: the mean of its members' answers to an image and to its mirror image."""
    begin, end, axis, step = (graph.constant([value], np.int64) for value in (-1, np.iinfo(np.int64).min, 3, -1))
    mirrored = graph.add("Slice", image, begin, end, axis, step)
    chains = [_Chain(graph, member) for member in net.layers if isinstance(member, keras.Model)]
    return graph.add("Mean", *(chain.run(one)[1] for chain in chains for one in (image, mirrored)))


class _Chain:
    """A net as nodes of a graph; its weights are in the graph once, however often it runs there."""

    def __init__(self, graph: Graph, net: keras.Model) -> None:
        self._graph = graph
        self._net = net
        self._weights: dict[str, str] = {}

    def run(self, image: str) -> tuple[str, str]:
        """Add the net; return the features that its last layer reads, and the probabilities."""
        values: dict[int, str] = {id(self._net.inputs[0]): image}
        skipped: set[str] = set()
        features, last = "", image
        for layer in self._net.layers:
            if isinstance(layer, layers.InputLayer) or layer.name in skipped:
                continue
            given = layer.input if isinstance(layer.input, list) else [layer.input]
            # In a chain that was read from a file, layers were called more than once, and name other tensors.
            inputs = [last] if isinstance(self._net, keras.Sequential) else [values[id(one)] for one in given]
            norm = self._norm_after(layer)
            made = norm or layer
            if norm is not None:
                skipped.add(norm.name)
            if layer is self._net.layers[-1]:
                features = inputs[0]
            last = values[id(made.output)] = self._add(layer, norm, inputs)
        return features, last

    def _norm_after(self, layer: Any) -> Any:
        """Return the batch norm that alone reads a convolution's output, or None."""
        if not isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            return None
        readers = [
            other
            for other in self._net.layers
            if not isinstance(other, layers.InputLayer)
            and any(one is layer.output for one in (other.input if isinstance(other.input, list) else [other.input]))
        ]
        is_norm = len(readers) == 1 and isinstance(readers[0], layers.BatchNormalization)
        return readers[0] if is_norm else None

    def _constant(self, name: str, values: Any) -> str:
        if name not in self._weights:
            self._weights[name] = self._graph.constant(values)
        return self._weights[name]

    def _add(self, layer: Any, norm: Any, inputs: list[str]) -> str:
        graph, (x, *_) = self._graph, inputs
        match layer:
            case layers.Rescaling():
                scaled = graph.add("Mul", x, self._constant(f"{layer.name}/scale", layer.scale))
                return graph.add("Add", scaled, self._constant(f"{layer.name}/offset", layer.offset))
            case layers.DepthwiseConv2D() | layers.Conv2D():
                return self._activated(self._convolution(layer, norm, x), layer)
            case layers.ReLU():
                if layer.max_value is None:
                    return graph.add("Relu", x)
                ends = (self._constant("relu/0", 0), self._constant(f"relu/{layer.max_value}", layer.max_value))
                return graph.add("Clip", x, *ends)
            case layers.AveragePooling2D() | layers.MaxPooling2D():
                operator = "MaxPool" if isinstance(layer, layers.MaxPooling2D) else "AveragePool"
                return graph.add(operator, x, kernel_shape=list(layer.pool_size), strides=list(layer.strides))
            case layers.GlobalAveragePooling2D():
                return graph.add("Flatten", graph.add("GlobalAveragePool", x))
            case layers.Flatten():  # Keras has channels last
                return graph.add("Flatten", graph.add("Transpose", x, perm=[0, 2, 3, 1]))
            case layers.Add():
                return graph.add("Add", *inputs)
            case layers.Dropout():
                return x
            case layers.Dense():
                kernel, bias = layer.get_weights()
                weights = (self._constant(f"{layer.name}/kernel", kernel), self._constant(f"{layer.name}/bias", bias))
                return self._activated(graph.add("Gemm", x, *weights), layer)
        raise SonotraceError(f"{self._net.name}: its layer {layer.name}, {type(layer).__name__}, has no ONNX form here")

    def _activated(self, x: str, layer: Any) -> str:
        name = layer.activation.__name__
        if name == "linear":
            return x
        return self._graph.add("Softmax", x, axis=1) if name == "softmax" else self._graph.add("Relu", x)

    def _convolution(self, layer: Any, norm: Any, x: str) -> str:
        kernel, bias = _weights(layer, norm)
        groups = kernel.shape[0] if isinstance(layer, layers.DepthwiseConv2D) else 1
        size, strides = kernel.shape[2:], layer.strides
        pads = _pads(layer.input.shape[1:3], size, strides) if layer.padding == "same" else [0, 0, 0, 0]
        weights = (self._constant(f"{layer.name}/kernel", kernel), self._constant(f"{layer.name}/bias", bias))
        return self._graph.add(
            "Conv", x, *weights, kernel_shape=list(size), strides=list(strides), pads=pads, group=groups
        )


def _weights(layer: Any, norm: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return kernel, shape (out, in, height, width), and bias of a convolution, together with its batch norm."""
    kernel, *rest = (np.asarray(values, np.float64) for values in layer.get_weights())
    is_depthwise = isinstance(layer, layers.DepthwiseConv2D)
    kernel = kernel.transpose(2, 3, 0, 1) if is_depthwise else kernel.transpose(3, 2, 0, 1)
    bias = rest[0] if rest else np.zeros(len(kernel))
    if norm is not None:
        gamma, beta, mean, variance = (np.asarray(values, np.float64) for values in norm.get_weights())
        factor = gamma / np.sqrt(variance + norm.epsilon)
        kernel, bias = kernel * factor[:, None, None, None], (bias - mean) * factor + beta
    return kernel.astype(np.float32), bias.astype(np.float32)


def _pads(shape: tuple[int, ...], size: tuple[int, ...], strides: tuple[int, ...]) -> list[int]:
    """Return how much Keras' `same` adds above, left, below and right: what is odd comes last."""
    before, after = [], []
    for length, kernel, stride in zip(shape, size, strides, strict=True):
        whole = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        before.append(whole // 2)
        after.append(whole - whole // 2)
    return [*before, *after]


def _calibrated(graph: Graph, probabilities: str, temperature: float) -> str:
    """Add `models.calibration.calibrated`."""
    if temperature == 1:
        return probabilities
    wide = graph.add("Cast", probabilities, to=TensorProto.DOUBLE)
    logits = graph.add("Log", graph.add("Max", wide, graph.constant(_LEAST_PROBABILITY, np.float64)))
    softened = graph.add("Div", logits, graph.constant(temperature, np.float64))
    return graph.add("Cast", graph.add("Softmax", softened, axis=1), to=TensorProto.FLOAT)


def _scope(graph: Graph, features: str, scope: Scope, limit: float) -> str:
    """Add `Scope.score` less the limit, with as many digits as there."""
    wide = graph.add("Cast", features, to=TensorProto.DOUBLE)
    product = graph.add("MatMul", wide, graph.constant(scope.kernel, np.float64))
    logits = graph.add("Add", product, graph.constant(scope.bias, np.float64))
    centred = graph.add("Sub", logits, graph.add("ReduceMean", logits, axes=[1]))
    energy = graph.add("ReduceLogSumExp", centred, axes=[1], keepdims=0)
    length = graph.add("Max", graph.add("ReduceL2", wide, axes=[1]), graph.constant(_LEAST_LENGTH, np.float64))
    around = graph.add("Sub", graph.add("Div", wide, length), graph.constant(scope.mean, np.float64))
    along = graph.add("MatMul", around, graph.constant(scope.directions, np.float64))
    whole, inside = (graph.add("ReduceSumSquare", one, axes=[1], keepdims=0) for one in (around, along))
    squared = graph.add("Max", graph.add("Sub", whole, inside), graph.constant(0, np.float64))
    virtual = graph.add("Mul", graph.add("Sqrt", squared), graph.constant(scope.scale, np.float64))
    beyond = graph.add("Sub", graph.add("Sub", virtual, energy), graph.constant(limit, np.float64))
    return graph.add("Cast", beyond, to=TensorProto.FLOAT)
