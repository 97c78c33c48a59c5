"""Kind of a run's hands, with the texts for log, report, card and manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DataKind = Literal["simulated", "labelled"]


@dataclass(frozen=True, slots=True)
class Words:
    """The texts for one kind of data, one for each place."""

    short: str
    """Suffix of the name of a run."""
    notice: str
    """Notice in every report of a node that runs the bundle."""
    caption: str
    """Caption of every figure."""
    warning: str
    """Warning at the top of the report."""
    hands: str
    """Description of the hands for the comparison with the paper's table."""
    measured_on: str
    learnt_from: str
    split: str
    source: str
    terms: str
    ages: tuple[float, float] | None
    """Youngest and oldest in years; None where unknown."""


WITH_ADULTS = (
    "healthy hands of children and adolescents and hands of adults of unknown age, both with simulated "
    "lesions, and drawn phantoms"
)
ADULT_SOURCE = 'hands of adults and teenagers: Roboflow export "Science Research 2022"'
ADULT_TERMS = (
    'Hands of adults: CC BY 4.0 as stated by the source (Roboflow export "Science Research 2022"), origin of '
    "single images not verified."
)
"""Training data, source and terms of the adults' radiographs, for weights that were trained on them."""

WORDS: dict[DataKind, Words] = {
    "simulated": Words(
        short="simulated",
        notice="Trained on simulated lesions. Research use only, not a medical device.",
        caption="Simulated lesions on real healthy hands; not patients with rheumatoid arthritis.",
        warning=(
            "Our figures come from simulated lesions on healthy hands. They say how well a network reads "
            "this simulation, nothing about patients. The paper's data are private: its figures are set "
            "beside ours, but they are not comparable as if both came from the same data, and ours do not "
            "reproduce them. Research use only, not a medical device."
        ),
        hands="healthy hands of children and adolescents with simulated lesions; phantoms; no patient",
        measured_on="held-out hands with simulated lesions",
        learnt_from="healthy hands of children and adolescents with simulated lesions, and drawn phantoms",
        split="by patient, before simulation",
        source="RSNA Pediatric Bone Age Challenge 2017 (Halabi et al., Radiology 2019;290:498-503)",
        terms=(
            "Academic research, education and other non-commercial use only; no re-identification. "
            "The weights inherit these terms of the radiographs."
        ),
        ages=(8.5, 19.0),
    ),
    "labelled": Words(
        short="own radiographs",
        notice="Trained on one site's labelled radiographs. Research use only, not a medical device.",
        caption="Labelled radiographs of one dataset; labels as its readers gave them.",
        warning=(
            "Our figures come from one dataset of labelled radiographs. They hold for hands like those and "
            "for labels like those of its readers. The paper's data are private: its figures are set beside "
            "ours, but they are not comparable as if both came from the same data, and ours do not reproduce "
            "them. Research use only, not a medical device."
        ),
        hands="labelled radiographs of one dataset, cut by the node's own functions",
        measured_on="held-out hands of a dataset of labelled radiographs",
        learnt_from="labelled radiographs of one dataset, as `python -m training prepare` made it",
        split="by patient",
        source="A site's own radiographs and labels",
        terms=(
            "Those of the site that owns the radiographs; nothing is granted here. Weights may remember "
            "images that they were trained on: treat them as you treat the images."
        ),
        ages=None,
    ),
}
