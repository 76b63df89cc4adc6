"""Decode every image once; what was found in an image before, by its bytes, is taken over."""

import json
import sys
from pathlib import Path

import cv2
import pandas as pd

from sonotrace.checks import unlike
from sonotrace.images import grey
from sonotrace.images.grey import Grey, damage, decode_grey
from sonotrace.running.item_cache import ItemCache
from sonotrace.running.parallel import BATCH, in_order
from sonotrace.running.progress import bar, native_noise_hidden, say
from sonotrace.tables import STATISTICS_COLUMNS

MEASURED = ("brightness", "sharpness", "colour")


def inspect(manifest: pd.DataFrame, at: Path, data_set: str) -> pd.DataFrame:
    """Decode every image file below `at`; those decoded before, by their bytes, are taken over.

    Returns the columns image, file, damage (why it cannot be decoded, else empty), brightness and
    sharpness (`measure`), and colour, black and distance (`unlike`), one row per file.
    """
    files = (
        manifest.loc[manifest["file"] != "", ["image", "file", "sha256"]].drop_duplicates("file").sort_values("file")
    )
    say(f"validate: decoding {len(files)} {data_set} images")

    def look(row: tuple[str, str]) -> str:
        file, sha256 = row

        def decode() -> str:
            content = (at / file).read_bytes()
            image = decode_grey(content)
            if image is None:
                return json.dumps([damage(content), None, None, None, None])
            return json.dumps(["", *measure(image), unlike.colour(content), unlike.histogram(image)])

        return cache.text(sha256, decode)

    with open_cache() as cache, bar("decode", len(files)) as advance, native_noise_hidden():
        results = []
        for result in in_order(look, zip(files["file"], files["sha256"], strict=True), batch=BATCH):
            results.append(json.loads(result))
            advance(1)
    say(f"validate: {cache.made} decoded, {len(files) - cache.made} known from before")
    columns = pd.DataFrame(results, columns=["damage", *MEASURED, "histogram"], index=files.index)
    readable = columns["damage"] == ""
    histograms = list(columns.loc[readable, "histogram"])
    columns.loc[readable, "black"] = [shares[1] for shares in histograms]
    columns.loc[readable, "distance"] = unlike.distances(histograms)
    return pd.concat([files[["image", "file"]], columns], axis=1)[["damage", *STATISTICS_COLUMNS]]


def open_cache(top: Path | None = None) -> ItemCache:
    """Open what was found in images before."""
    return ItemCache("validate", [grey, unlike, sys.modules[__name__]], "", top)


def measure(image: Grey) -> tuple[float, float]:
    """Return the mean grey level, 0 to 255, and the sharpness: Brenner's gradient, in squared grey levels.

    That is the mean squared difference of pixels two apart, here along both axes (Brenner et al. 1976);
    noise and burned-in text raise it too. Values are rounded to 3 digits; an image too small has 0.
    """
    pairs = [(image[:, 2:], image[:, :-2]), (image[2:], image[:-2])]
    squares = [cv2.norm(one, other, cv2.NORM_L2SQR) / one.size for one, other in pairs if one.size]
    return round(float(cv2.mean(image)[0]), 3), round(sum(squares) / max(len(squares), 1), 3)
