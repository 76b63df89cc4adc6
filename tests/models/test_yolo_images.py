"""Ultralytics validates on images laid out as it predicts them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from sonotrace import cli

SEEN = """
import json, sys
from pathlib import Path
import numpy as np
from sonotrace.images.grey import STORED, write_png
from sonotrace.models.definitions import net_definition
from sonotrace.models.yolo_images import adapt
from sonotrace.running.environment import quiet_ultralytics

YOLO = quiet_ultralytics()
adapt()
from ultralytics.cfg import get_cfg
from ultralytics.data.build import build_yolo_dataset

validated, predicted, data = [], [], {"names": {0: "CSP"}, "nc": 1, "channels": 3}
model = YOLO(net_definition("s", "yolov8n.yaml", None, Path.cwd()), task="detect")
for width, height, imgsz in json.loads(sys.argv[1]):
    top, image = Path.cwd() / f"{width}-{height}-{imgsz}", np.full((height, width), 128, np.uint8)
    for part in ("images", "labels"):
        (top / "val" / part).mkdir(parents=True)
    write_png(image, top / "val/images/1.png", STORED)
    (top / "val/labels/1.txt").write_text("0 0.5 0.5 0.2 0.2\\n")
    settings, at = get_cfg(overrides={"imgsz": imgsz}), str(top / "val/images")
    shown = build_yolo_dataset(settings, at, 1, data, mode="val", rect=True, stride=32)[0]["img"]
    validated.append(list(shown.shape[-2:]))
    seen = []
    hook = model.model.register_forward_pre_hook(lambda _, given: seen.append(list(given[0].shape[-2:])))
    model.predict(np.stack([image] * 3, axis=2), imgsz=imgsz, rect=True, verbose=False, save=False)
    hook.remove()
    predicted.append(seen[-1])
print(json.dumps([validated, predicted]))
"""


def said(code: str, top: Path, *arguments: object) -> list:
    """Run code in a process of its own, where PyTorch may be loaded, and return what it printed last."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=top,
        env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_validation_and_predict_see_images_of_the_same_size(tmp_path):
    cases = [(640, 432, 320), (640, 432, 640), (256, 192, 256), (100, 200, 96)]
    validated, predicted = said(SEEN, tmp_path, json.dumps(cases))
    assert validated == predicted
    assert validated[0] == [224, 320]
