# ruff: noqa: RUF001 - words in their own scripts
"""Reads the side of a hand from free text, in the languages of Europe and East Asia.

Whole words only, and near a word for the hand: "RT planning", "left knee", "copyright" and the "L" of a
lateral view name no side. A text that names both sides, or both hands, is evidence for neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from ra_node.domain.body_part import names_hand, other_part, words_of
from ra_node.domain.laterality.evidence import Side

_FULL = {
    Side.RIGHT: frozenset(
        ("right", "rechts", "rechte", "rechter", "rechten", "rechtes", "droit", "droite",
         "derecha", "derecho",
         "destra", "destro", "dextra", "dexter", "dextrum", "direita", "direito", "prawa", "prawej", "prawy",
         "prava", "prave", "pravy", "hoger", "hogra", "hoejre", "hoyre", "hoeyre", "oikea", "oikean")
    ),
    Side.LEFT: frozenset(
        ("left", "links", "linke", "linker", "linken", "linkes", "gauche", "izquierda",
         "izquierdo", "sinistra",
         "sinistro", "sinister", "sinistrum", "esquerda", "esquerdo", "lewa", "lewej", "lewy", "leva", "levy",
         "vanster", "vanstra", "venstre", "vasen", "vasemman")
    ),
}  # fmt: skip
_SHORT = {Side.RIGHT: frozenset(("rt", "rht", "rgt")), Side.LEFT: frozenset(("lt", "lft"))}
"""Valid anywhere in a text that names a hand."""

_GERMANIC = frozenset(
    ("hand", "hands", "hande", "haende", "handen", "handgelenk", "handgelenke", "handwurzel", "wrist",
     "wrists",
     "finger", "fingers", "thumb", "daumen", "pols", "vinger", "vingers", "duim")
)  # fmt: skip
_FRENCH = frozenset(("main", "mains", "poignet", "poignets", "doigt", "doigts", "pouce"))
_ROMANCE = frozenset(
    ("mano", "manos", "mani", "muneca", "munecas", "dedo", "dedos", "polso", "polsi", "dito", "dita",
     "pollice", "mao", "maos", "punho", "punhos")
)  # fmt: skip
_BESIDE = (
    (_GERMANIC, {Side.RIGHT: frozenset(("re", "r")), Side.LEFT: frozenset(("li", "l"))}),
    (
        _FRENCH,
        {Side.RIGHT: frozenset(("d", "dr", "dte", "drte", "r")), Side.LEFT: frozenset(("g", "gche", "l"))},
    ),
    (
        _ROMANCE,
        {
            Side.RIGHT: frozenset(("d", "dx", "dch", "dcha", "der", "dir", "dta", "r")),
            Side.LEFT: frozenset(("i", "sx", "sin", "izq", "izda", "izqda", "esq", "l")),
        },
    ),
)
"""Abbreviations that are valid only with a hand word of their language; a single letter only beside it."""

_BOTH = frozenset(
    ("both", "bilateral", "bilaterally", "bilat", "bil", "beide", "beider", "beiden", "bds", "beids",
     "beidseits", "beidseitig", "beidhandig", "deux", "bilaterale", "ambas", "ambos", "entrambe", "entrambi",
     "ambedue", "obie", "obe", "bada", "begge", "molemmat", "rl", "lr", "comparison", "comparative",
     "contralateral",
     "vergleich", "comparaison", "comparativa", "confronto")
)  # fmt: skip
"""Words for both hands."""

_BOTH_LETTERS = re.compile(
    r"\b(?:re?|rt)\W*(?:[/+&,]|und|and|y|et|e)\W*(?:l|li|lt)\b|\b(?:li?|lt)\W*[/+&]\W*(?:re?|rt)\b"
)
"""As in "HAND R/L"."""

_THERAPY = frozenset(
    ("therapy", "radiotherapy", "radiation", "planning", "plan", "dose", "boost", "linac", "oncology")
)
_NEUTRAL = frozenset(
    ("xr", "cr", "dx", "dr", "x", "ray", "rx", "rontgen", "view", "views", "v", "pa", "ap", "dp", "dv", "obl",
     "oblique", "lat", "lateral", "side", "seite", "image", "and", "the", "of", "posteroanterior", "scaphoid")
)  # fmt: skip
"""Words that may accompany a side in a text without any body part."""

_SIGNS = {
    Side.RIGHT: ("右", "우측", "오른", "прав", "δεξ"),
    Side.LEFT: ("左", "좌측", "왼", "лев", "αριστ"),
}
_BOTH_SIGNS = ("双", "雙", "両", "两", "양측", "양손", "обе", "обеих")

_GLUED = {
    Side.RIGHT: re.compile(
        r"(?:r|rt|re|right|rechte)(?:hand|wrist|finger|thumb)s?|(?:hand|wrist|finger|thumb)(?:r|rt|re|right)"
    ),
    Side.LEFT: re.compile(
        r"(?:l|lt|li|left|linke)(?:hand|wrist|finger|thumb)s?|(?:hand|wrist|finger|thumb)(?:l|lt|li|left)"
    ),
}
"""Words such as Body Part Examined "RHAND" or "HANDLT"."""


@lru_cache(maxsize=512)
def side_in_text(text: str) -> Side | None:
    """Return the one side of a hand that a text names; None for none, for both, and for another part's."""
    words, lower = words_of(text), text.casefold()
    if _BOTH.intersection(words) or _BOTH_LETTERS.search(lower) or any(sign in lower for sign in _BOTH_SIGNS):
        return None
    glued = {side for side, pattern in _GLUED.items() if any(pattern.fullmatch(word) for word in words)}
    found = glued | _named(text, words, lower)
    return found.pop() if len(found) == 1 else None


def _named(text: str, words: list[str], lower: str) -> set[Side]:
    hand = names_hand(text)
    if not hand:
        stated = {side for side in Side if _FULL[side].intersection(words)}
        rest = set(words).difference(*_FULL.values(), _NEUTRAL)
        alone = not rest and other_part(text) == ""
        signed = {side for side in Side if any(sign in lower for sign in _SIGNS[side])}
        return stated if alone and not signed else set()
    if other_part(_without_hand(words)):
        return set(_beside(words, 1, "full", "short"))
    found = {side for side in Side if _FULL[side].intersection(words)}
    found |= {side for side in Side if any(sign in lower for sign in _SIGNS[side])}
    if not _THERAPY.intersection(words):
        found |= {side for side in Side if _SHORT[side].intersection(words)}
    return found | set(_abbreviated(text, words))


def _without_hand(words: list[str]) -> str:
    return " ".join(word for word in words if not names_hand(word))


def _beside(words: list[str], reach: int, *kinds: str) -> Iterator[Side]:
    """Sides by words within `reach` words of a hand word."""
    tables = [{"full": _FULL, "short": _SHORT}[kind] for kind in kinds]
    for at, word in enumerate(words):
        if names_hand(word):
            near = set(words[max(at - reach, 0) : at + reach + 1])
            yield from (side for table in tables for side in Side if table[side].intersection(near))


def _abbreviated(text: str, words: list[str]) -> Iterator[Side]:
    """Sides by abbreviations: a single letter next to the hand word, or at the end after a blank."""
    last = (
        words[-1] if re.search(r"[\s_]\W*\w+\W*$", text) and not re.search(r"[/&+]\W*\w+\W*$", text) else ""
    )
    for hands, shorts in _BESIDE:
        places = [at for at, word in enumerate(words) if word in hands]
        for side, short in shorts.items():
            for at, word in enumerate(words):
                if word not in short or not places:
                    continue
                near = min(abs(at - place) for place in places) == 1
                if word == "re" and re.search(r"\bre-\w", text.casefold()):
                    continue  # "re-check"
                if len(word) > 1 or near or (word == last and at == len(words) - 1):
                    yield side
