"""Reads the radiographic view of a hand from the header.

Recognition and staging were trained on PA and AP views. Oblique, lateral and ball-catcher (Nørgaard) views
show other outlines of the same joints and are refused by name.
"""

from __future__ import annotations

from enum import StrEnum

from ra_node.domain.body_part import words_of
from ra_node.domain.study import ImageHeader


class View(StrEnum):
    """Radiographic view; the value is its name in reports."""

    FRONTAL = "frontal (PA or AP)"
    OBLIQUE = "oblique"
    LATERAL = "lateral"
    BALL_CATCHER = "ball-catcher (Nørgaard)"
    UNKNOWN = ""


_CODES = {
    "272479007 SCT": View.FRONTAL, "399348003 SCT": View.FRONTAL, "399033003 SCT": View.FRONTAL,
    "R-40888 SRT": View.FRONTAL, "R-10206 SRT": View.FRONTAL, "R-102C1 SRT": View.OBLIQUE,
    "R-102CD SRT": View.LATERAL, "R-1029A SRT": View.BALL_CATCHER,
    "399182000 SCT": View.OBLIQUE, "399059000 SCT": View.OBLIQUE, "399312000 SCT": View.OBLIQUE,
    "260427002 SCT": View.OBLIQUE, "260426006 SCT": View.OBLIQUE, "399160007 SCT": View.OBLIQUE,
    "399236003 SCT": View.OBLIQUE, "399184004 SCT": View.OBLIQUE, "399356000 SCT": View.OBLIQUE,
    "399135007 SCT": View.OBLIQUE, "399038007 SCT": View.OBLIQUE, "399006002 SCT": View.OBLIQUE,
    "399099002 SCT": View.OBLIQUE, "399368009 SCT": View.OBLIQUE,
    "399067008 SCT": View.LATERAL, "399198007 SCT": View.LATERAL, "399173006 SCT": View.LATERAL,
    "399352003 SCT": View.LATERAL, "399260004 SCT": View.LATERAL,
    "399157000 SCT": View.BALL_CATCHER,
}  # fmt: skip
"""Projections of PS3.16 CID 4010 and eponymous ones of CID 4012."""

_POSITIONS = {
    "AP": View.FRONTAL, "PA": View.FRONTAL, "DP": View.FRONTAL, "DV": View.FRONTAL, "PD": View.FRONTAL,
    "LL": View.LATERAL, "RL": View.LATERAL, "LAT": View.LATERAL, "LATERAL": View.LATERAL,
    "LLO": View.OBLIQUE, "RLO": View.OBLIQUE, "OBL": View.OBLIQUE, "OBLIQUE": View.OBLIQUE,
}  # fmt: skip
"""Defined terms of View Position (0018,5101) and what vendors write instead."""

_WORDS = {
    View.BALL_CATCHER: ("noergaard", "norgaard", "nrgaard", "norgard", "ballcatcher", "ballcatchers",
                        "catcher", "catchers", "ballfanger", "ballfaenger"),
    View.OBLIQUE: ("oblique", "obl", "obliqua", "oblicua", "obliquo", "oblicuo", "oblik", "schrag",
                   "schraeg", "schragaufnahme", "zither", "zitherspieler", "schuin", "schuine", "skos",
                   "semiprono", "semipronated"),
    View.LATERAL: ("lateral", "laterale", "laterolateral", "lat", "seitlich", "seitl", "profil", "perfil",
                   "profilo", "zijdelings", "dwars", "boczne", "sidobild"),
    View.FRONTAL: ("pa", "ap", "dp", "dv", "frontal", "frontale", "face", "posteroanterior",
                   "anteroposterior", "dorsopalmar", "dorsopalmaire", "dorsovolar", "dorsopalmare"),
}  # fmt: skip
_SIGNS = {
    View.OBLIQUE: ("斜位", "斜像", "斜め", "косая", "사위"),
    View.LATERAL: ("側面", "侧位", "側位", "боков", "측면"),
    View.FRONTAL: ("正面", "正位", "прям", "후전"),
}


def view_of(header: ImageHeader) -> tuple[View, str]:
    """The view and its source: codes, then texts of this image, then View Position.

    View Position is weak evidence: consoles leave it at PA for every hand. Texts that name several views, as
    those of a whole examination do, are ignored.
    """
    coded = {_CODES[code] for code in header.view_codes if code in _CODES}
    for view in (View.BALL_CATCHER, View.OBLIQUE, View.LATERAL, View.FRONTAL):
        if view in coded:
            return view, "the view code"
    named = {view for text in header.image_texts for view in named_views(text)}
    if len(named) == 1:
        return named.pop(), "the description"
    position = _POSITIONS.get(header.view_position.strip().upper(), View.UNKNOWN)
    return position, "View Position" if position is not View.UNKNOWN else ""


def named_views(text: str) -> set[View]:
    """Every view that a text names."""
    words, lower = set(words_of(text)), text.casefold()
    found = {view for view, names in _WORDS.items() if words.intersection(names)}
    return found | {view for view, signs in _SIGNS.items() if any(sign in lower for sign in signs)}
