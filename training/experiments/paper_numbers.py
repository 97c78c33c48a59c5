"""The figures printed by Peng et al. 2024, for comparison with ours."""

from __future__ import annotations

CITATION = (
    "Peng et al. 2024, Radiograph-based rheumatoid arthritis diagnosis via convolutional neural network"
)
COLUMNS = ("auc", "accuracy", "sensitivity", "specificity", "f1")

NAMES = {
    "alexnet": "AlexNet",
    "vgg16": "VGG16",
    "googlenet": "GoogLeNet",
    "resnet50": "ResNet50",
    "efficientnet_b2": "EfficientNetB2",
}
"""Our names of the architectures, and the paper's."""

RECOGNITION = {
    "alexnet": (95.35, 96.15, 98.90, 76.92, 97.83),
    "vgg16": (90.03, 97.12, 100.0, 76.92, 98.38),
    "googlenet": (97.80, 96.15, 100.0, 69.23, 97.85),
    "resnet50": (93.03, 95.19, 98.90, 69.23, 97.30),
    "efficientnet_b2": (95.77, 96.15, 98.90, 76.92, 97.83),
}
"""Table 2, percent, by `COLUMNS`."""

STAGING = {
    "alexnet": (77.36, 53.04, 89.54, 44.27, 40.84),
    "vgg16": (83.36, 56.57, 92.67, 47.72, 44.71),
    "googlenet": (80.32, 66.19, 84.45, 61.24, 48.35),
    "resnet50": (78.87, 63.30, 82.38, 58.55, 46.32),
    "efficientnet_b2": (83.06, 69.39, 81.45, 66.36, 47.36),
}
"""Table 3, percent, by `COLUMNS`: averages over six one-vs-rest decisions."""

RECOGNITION_COUNTS = {
    "alexnet": (90, 10),
    "vgg16": (91, 10),
    "googlenet": (91, 9),
    "resnet50": (90, 9),
    "efficientnet_b2": (90, 10),
}
"""True positives and true negatives derived from table 2; the paper does not print them."""

EPOCHS = 100

TEST_RA, TEST_NORMAL = 91, 13

TRAINING_HANDS = (26, 33, 54, 56, 38, 33)
TEST_HANDS = (13, 14, 22, 24, 17, 14)
"""Table 1: hands by class, normal and stages 1 to 5."""
