"""Find near-duplicates: the same picture again, re-encoded, with other brightness, text or a slightly other crop."""

from collections.abc import Callable, Iterable

import imagehash
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from sonotrace.images.packs import Part
from sonotrace.running.parallel import in_order

SIDE = 16
"""Of the hash, in bits: 16 x 16 low frequencies of a 64 x 64 px discrete cosine transform."""
MOST = 48
"""Of 256 bits may differ: copies mostly differ in fewer, images of other patients in 54 and more (docs/results.md)."""
BLOCK = 256
"""Rows compared with all others at once; 12,400 images then take some 50 MB."""

COLUMNS = ["data_set", "image_a", "image_b", "distance", "label_a", "label_b", "side_a", "side_b", "differs"]


def fingerprints(images: Iterable[Part], advance: Callable[[int], None] = lambda _: None) -> NDArray[np.uint64]:
    """Return the perceptual hash (pHash, of the imagehash library) of each image, shape (n, 4): 256 bits.

    Raises SonotraceError where an image cannot be read.
    """

    def one(image: Part) -> NDArray[np.uint64]:
        bits = imagehash.phash(Image.fromarray(image.read()), hash_size=SIDE).hash
        return np.packbits(bits).view(np.uint64)

    prints = []
    for words in in_order(one, images):
        prints.append(words)
        advance(1)
    return np.stack(prints) if prints else np.empty((0, SIDE * SIDE // 64), np.uint64)


def differing_pairs(data_set: str, table: pd.DataFrame, prints: NDArray[np.uint64]) -> pd.DataFrame:
    """Return the pairs of near-duplicates that differ in label, side or patient, the nearest first.

    `table` has the columns image, label, side and patient, one row a hash. A pair on two sides, a
    leak, comes before others of the same distance, then one of two labels.
    """
    codes = {name: pd.factorize(table[name])[0] for name in ("side", "label", "patient")}
    rows = []
    for first, second, distance in _near(prints, codes):
        differs = [name for name, code in codes.items() if code[first] != code[second]]
        a, b = sorted((table.iloc[first], table.iloc[second]), key=lambda row: str(row["image"]))
        sides = (a["label"], b["label"], a["side"], b["side"])
        rows.append([data_set, a["image"], b["image"], distance, *sides, " ".join(differs)])
    pairs = pd.DataFrame(rows, columns=COLUMNS)
    order = pairs.assign(same_side=pairs["side_a"] == pairs["side_b"], same_label=pairs["label_a"] == pairs["label_b"])
    order = order.sort_values(["distance", "same_side", "same_label", "image_a", "image_b"], kind="stable")
    return order[COLUMNS].reset_index(drop=True)


def _near(prints: NDArray[np.uint64], codes: dict[str, NDArray[np.int64]]) -> Iterable[tuple[int, int, int]]:
    """Yield row, later row and distance in bits of each near pair that differs in one of `codes`."""
    for at in range(0, len(prints), BLOCK):
        block, others = slice(at, at + BLOCK), slice(at, None)
        distance = np.zeros((len(prints[block]), len(prints[others])), np.uint16)
        for word in range(prints.shape[1]):
            distance += np.bitwise_count(prints[block, word, None] ^ prints[None, others, word])
        near = np.triu(distance <= MOST, 1)
        differs = np.zeros_like(near)
        for code in codes.values():
            differs |= code[block, None] != code[None, others]
        for first, second in zip(*np.nonzero(near & differs), strict=True):
            yield at + int(first), at + int(second), int(distance[first, second])
