"""ONNX files whose bytes depend on the model alone: no dates, no versions of tools, no names that vary between runs."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from sonotrace.portable.form import ENTRY, INPUT

OPSET = 17
"""Of the operators; all runtimes of the last years know them."""
IR_VERSION = 8
"""Of the file format, as old as the operators allow."""


class Graph:
    """A graph in the making. Values are known by name, and names by the order in which they are made."""

    def __init__(self) -> None:
        """Begin without nodes; the one input is INPUT."""
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; return the name of that output."""
        name = f"v{len(self._nodes)}"
        node = helper.make_node(operator, list(inputs), [name], name=f"{operator}{len(self._nodes)}", **attributes)
        self._nodes.append(node)
        return name

    def constant(self, values: Any, dtype: type = np.float32) -> str:
        """Add an array; return its name."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(np.asarray(values, dtype)), name))
        return name

    def model(self, height: int, width: int, outputs: Mapping[str, tuple[str, tuple[int, ...]]]) -> ModelProto:
        """Return the model; `outputs` is name -> the value it has, and the shape of that but for the first axis."""
        nodes = [*self._nodes, *(helper.make_node("Identity", [value], [name]) for name, (value, _) in outputs.items())]
        graph = helper.make_graph(
            nodes,
            "sonotrace",
            [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", height, width])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])
                for name, (_, shape) in outputs.items()
            ],
            self._constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def to_bytes(model: ModelProto, entry: Mapping[str, Any]) -> bytes:
    """Return the file of a model, with an entry of ours, as `reading` takes it.

    Nodes, values and constants are named by their order, whatever they were called. Raises
    onnx.checker.ValidationError where the graph is not a valid one.
    """
    _renumber(model.graph)
    model.ir_version = IR_VERSION
    for field in ("producer_name", "producer_version", "domain", "model_version", "doc_string", "metadata_props"):
        model.ClearField(field)  # type: ignore[arg-type]
    model.producer_name = "sonotrace"
    helper.set_model_props(model, {ENTRY: json.dumps(entry, sort_keys=True)})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _renumber(graph: GraphProto) -> None:
    kept = {value.name for value in (*graph.input, *graph.output)} | {""}
    names: dict[str, str] = {}

    def name_of(name: str, letter: str) -> str:
        return name if name in kept else names.setdefault(name, f"{letter}{len(names)}")

    for constant in graph.initializer:
        constant.name = name_of(constant.name, "c")
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}{number}"
        node.doc_string = ""
        node.ClearField("metadata_props")
        node.input[:] = [name_of(name, "v") for name in node.input]
        node.output[:] = [name_of(name, "v") for name in node.output]
    graph.ClearField("value_info")
    graph.ClearField("doc_string")
    graph.ClearField("metadata_props")
    graph.name = "sonotrace"
