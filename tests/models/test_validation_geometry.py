"""While it trains, a detector is validated on images laid out as those that it predicts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sonotrace import cli

SEEN = """
import json, sys
from pathlib import Path
import numpy as np
from sonotrace.images.grey import STORED, write_png
from sonotrace.models.definitions import net_definition
from sonotrace.running.environment import quiet_ultralytics

YOLO = quiet_ultralytics()
from ultralytics.cfg import get_cfg
from ultralytics.data.build import build_yolo_dataset

width, height, imgsz = map(int, sys.argv[1:])
top = Path.cwd()
image = np.full((height, width), 128, np.uint8)
for part in ("images", "labels"):
    (top / "val" / part).mkdir(parents=True)
write_png(image, top / "val/images/1.png", STORED)
(top / "val/labels/1.txt").write_text("0 0.5 0.5 0.2 0.2\\n")
settings, data = get_cfg(overrides={"imgsz": imgsz}), {"names": {0: "CSP"}, "nc": 1, "channels": 3}
validated = build_yolo_dataset(settings, str(top / "val/images"), 1, data, mode="val", rect=True, stride=32)[0]["img"]
model, predicted = YOLO(net_definition("s", "yolov8n.yaml", None, top), task="detect"), []
model.model.register_forward_pre_hook(lambda _, given: predicted.append(given[0].shape))
model.predict(np.stack([image] * 3, axis=2), imgsz=imgsz, rect=True, verbose=False, save=False)
print(json.dumps([list(validated.shape[-2:]), list(predicted[-1][-2:])]))
"""


@pytest.mark.parametrize(
    ("width", "height", "imgsz"), [(640, 432, 320), (640, 432, 640), (256, 192, 256), (100, 200, 96)]
)
def test_validation_and_predict_see_an_image_of_the_same_size(width, height, imgsz, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SEEN, str(width), str(height), str(imgsz)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    validated, predicted = json.loads(done.stdout.splitlines()[-1])
    assert validated == predicted
