"""Models as ONNX files, which run without the frameworks that trained them.

`planes` and `structures` make the graphs, `writing` makes a file of a graph, `reading` takes a file apart and runs it.
Only `reading` is needed to use a model, and it needs no more than numpy and onnxruntime.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
"""onnxruntime reads it when it is imported; otherwise it reports its use, and keeps a device id in the home."""
