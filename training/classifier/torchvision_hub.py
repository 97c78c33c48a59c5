"""The ImageNet weights of torchvision's hub: from torch's cache, or from the internet."""

from __future__ import annotations

from pathlib import Path

import torch
import torchvision

from ra_node.errors import Fatal
from training.data.weights_origin import Origin

HUB = "torchvision"
"""As `--start`."""
HUB_ORIGIN = Origin(
    (),
    ("ImageNet (ILSVRC 2012), by way of torchvision's hub",),
    ("torchvision's weights: BSD-3-Clause; those of ImageNet apply to its images.",),
)
_WEIGHTS = {
    "alexnet": "AlexNet_Weights.IMAGENET1K_V1",
    "vgg16": "VGG16_Weights.IMAGENET1K_V1",
    "googlenet": "GoogLeNet_Weights.IMAGENET1K_V1",
    "resnet50": "ResNet50_Weights.IMAGENET1K_V1",
    "efficientnet_b2": "EfficientNet_B2_Weights.IMAGENET1K_V1",
}


def hub_file(architecture: str) -> Path:
    """The state file of a network in torch's cache, downloaded where it is missing.

    Raises Fatal that names address and folder where it is neither there nor to be had.
    """
    url = str(torchvision.models.get_weight(_WEIGHTS[architecture]).url)
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / url.rpartition("/")[2]
    if path.exists():
        return path
    sha256_start = path.stem.rpartition("-")[2]  # torchvision puts it into the name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), sha256_start, progress=False)
    except (OSError, RuntimeError) as error:
        raise Fatal(
            f"expected {path.name} from {url}, or in {folder}, found neither: {error}; without internet "
            "copy the file there, or name it by --start"
        ) from error
    return path
