"""Read files of tensors as PyTorch wrote them before version 1.6.

Such a file is a series of pickles, and a pickle can name any function to be run when it is loaded. Here only four names
are accepted, each of which makes a plain array, so nothing else can run. PyTorch is not needed.
"""

import io
import pickle
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C


def tensors(content: bytes) -> dict[str, NDArray[Any]]:
    """Return name -> array of a file that `torch.save` wrote in the format from before PyTorch 1.6.

    Raises ValueError for anything else, and for a pickle that names anything but plain tensors.
    """
    stream = io.BytesIO(content)
    try:
        magic, _, _ = (_Reader(stream).load() for _ in range(3))
        if magic != _MAGIC:
            raise ValueError("not a file of torch.save in its older format")
        reader = _Reader(stream)
        found = reader.load()
        for key in _Reader(stream).load():
            dtype = reader.storages[key]
            count = int.from_bytes(stream.read(8), "little")
            reader.arrays[key] = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
        return {name: placed.of(reader.arrays) for name, placed in found.items()}
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"not a file of tensors: {error}") from None


class _Placed(NamedTuple):
    """A tensor: which storage, and where in it."""

    storage: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    requires_grad: bool
    hooks: Any

    def of(self, arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """Return it, given the arrays of all storages."""
        array = arrays[self.storage][self.offset :]
        last = sum((length - 1) * step for length, step in zip(self.size, self.stride, strict=True))
        if min((self.offset, *self.size, *self.stride)) < 0 or last >= len(array):
            raise ValueError("not a file of tensors: one lies beyond what is stored")
        steps = tuple(step * array.itemsize for step in self.stride)
        return np.lib.stride_tricks.as_strided(array, self.size, steps, writeable=False).copy()


class _Reader(pickle.Unpickler):
    """Reads a pickle of tensors; refuses one that names anything else."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.storages: dict[str, np.dtype[Any]] = {}
        self.arrays: dict[str, NDArray[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _Placed,
            ("torch", "FloatStorage"): np.dtype("<f4"),
            ("torch", "LongStorage"): np.dtype("<i8"),
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return known[module, name]

    def persistent_load(self, pid: Any) -> str:
        _, dtype, key, *_ = pid
        self.storages[key] = dtype
        return str(key)
