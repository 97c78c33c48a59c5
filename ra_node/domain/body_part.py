"""Reads from free text which part of the body an image shows, in the languages of Europe and East Asia.

Texts are typed by hand and vary, so only whole words are matched, and a text that also names a hand or wrist
names no other part.
"""

from __future__ import annotations

import re
import unicodedata

_HAND = (
    "hand", "hands", "hande", "haende", "handen", "handgelenk", "handgelenke", "handwurzel", "wrist",
    "wrists", "finger", "fingers", "thumb", "daumen", "carpus", "carpal", "carpe", "main", "mains",
    "poignet", "poignets", "doigt", "doigts", "pouce", "mano", "manos", "mani", "muneca", "munecas",
    "dedo", "dedos", "polso", "polsi", "dito", "dita", "pollice", "mao", "maos", "punho", "punhos", "pols",
    "polsen", "vinger", "vingers", "duim", "hander", "haand", "hender", "haender", "handled", "handrygg",
    "reka", "rece", "dlon", "dlonie", "nadgarstek", "ruka", "ruce", "zapesti", "kezek", "csuklo", "kasi",
    "kadet", "ranne", "elbilegi", "bilek", "manus",
)  # fmt: skip
_HAND_SIGNS = ("手", "腕関節", "腕关节", "指", "кист", "запяст", "рук", "손", "χέρι", "καρπ")

_OTHER = {
    "foot": ("foot", "feet", "fuss", "fusse", "fuesse", "vorfuss", "pied", "pieds", "pie", "pies", "piede",
             "piedi", "voet", "voeten", "toe", "toes", "zehe", "zehen", "fot", "stopa", "stopy"),
    "ankle": ("ankle", "ankles", "sprunggelenk", "osg", "cheville", "tobillo", "caviglia", "tornozelo",
              "enkel"),
    "knee": ("knee", "knees", "knie", "knien", "genou", "genoux", "rodilla", "rodillas", "ginocchio",
             "ginocchia", "joelho", "joelhos", "kolano"),
    "hip or pelvis": ("hip", "hips", "hufte", "huefte", "becken", "hanche", "hanches", "bassin", "cadera",
                      "caderas", "pelvis", "anca", "bacino", "quadril", "heup", "heupen",
                      "bekken"),
    "chest": ("chest", "thorax", "torax", "torace", "poumon", "poumons", "lunge", "lung", "lungs", "borst"),
    "spine": ("spine", "wirbelsaule", "wirbelsaeule", "hws", "bws", "lws", "rachis", "columna", "colonna",
              "coluna", "wervelkolom", "kregoslup"),
    "shoulder": ("shoulder", "shoulders", "schulter", "schultern", "epaule", "epaules", "hombro", "hombros",
                 "spalla", "spalle", "ombro", "ombros", "schouder", "schouders"),
    "elbow": ("elbow", "elbows", "ellbogen", "ellenbogen", "coude", "coudes", "codo", "codos", "gomito",
              "gomiti", "cotovelo", "elleboog"),
    "abdomen": ("abdomen", "bauch", "addome", "buik"),
    "skull": ("skull", "schadel", "schaedel", "crane", "craneo", "cranio", "schedel"),
}  # fmt: skip
_OTHER_SIGNS = {
    "foot": ("足", "стоп", "발"), "knee": ("膝", "колен", "무릎"), "chest": ("胸", "груд", "흉부"),
    "hip or pelvis": ("股関節", "髋", "骨盤", "骨盆", "таз"),
    "spine": ("脊", "腰椎", "頸椎", "颈椎", "позвон"),
    "shoulder": ("肩", "плеч"), "elbow": ("肘", "локт"), "skull": ("頭蓋", "颅", "череп"), "abdomen": ("腹",),
}  # fmt: skip


_LETTERS = str.maketrans({"ø": "oe", "æ": "ae", "œ": "oe"})
"""Letters without a Unicode decomposition."""


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words without accents, at digits and punctuation."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return re.findall(r"[^\W\d_]+", "".join(one for one in plain if not unicodedata.combining(one)))


def names_hand(text: str) -> bool:
    """Whether a text names a hand, wrist or finger."""
    lower = text.casefold()
    return any(word in _HAND for word in words_of(text)) or any(sign in lower for sign in _HAND_SIGNS)


def other_part(text: str) -> str:
    """The other part of the body that a text names, in English; "" where it names a hand too."""
    if names_hand(text):
        return ""
    words, lower = set(words_of(text)), text.casefold()
    for part, names in _OTHER.items():
        if words.intersection(names) or any(sign in lower for sign in _OTHER_SIGNS.get(part, ())):
            return part
    return ""
