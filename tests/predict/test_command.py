"""Which model predict uses where none is named."""

from pathlib import Path

from sonotrace.kinds.planes import KIND as PLANES
from sonotrace.predict.command import model_of


def test_the_model_that_is_measured_is_the_one_used(work, set_param):
    (work / "models").mkdir()
    for name in ("planes.keras", "planes_distilled.keras"):
        (work / "models" / name).write_bytes(b"")
    assert model_of(PLANES, None, Path()) == Path("models/planes.keras")
    set_param("evaluate.planes.model", "models/planes_distilled.keras")
    assert model_of(PLANES, None, Path()) == Path("models/planes_distilled.keras")
    (work / "params.yaml").unlink()
    assert model_of(PLANES, None, Path()) == Path("models/planes.keras")
    assert model_of(PLANES, Path("models/planes_distilled.keras"), Path()) == Path("models/planes_distilled.keras")
