"""Whether several objects name one patient: identity without differences in spelling.

Values are compared without case, blanks, punctuation, diacritics and name order, and each may be replaced by
a keyed hash (`hashed`): the comparison needs equality only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from itertools import combinations

PATIENT_ID = "Patient ID"
ISSUER = "Issuer of Patient ID"
NAME = "Patient's Name"
BIRTH_DATE = "Patient's Birth Date"
SEX = "Patient's Sex"
ACCESSION = "Accession Number"


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """Normalised patient identity of an object; "" and () mean absent. Never to be logged.

    `words` and `initials` of the name carry their script ("latin:DOE"); `spelled` is the whole name of each
    script without blanks.
    """

    patient_id: str = ""
    issuer: str = ""
    universal_issuer: str = ""
    birth_date: str = ""
    sex: str = ""
    accession: str = ""
    other_ids: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    initials: tuple[str, ...] = ()
    spelled: tuple[str, ...] = ()

    def hashed(self, keyed: Callable[[str], str]) -> Identity:
        """Replace every value by its keyed hash, with the kind as prefix.

        The script before a word stays as it is.
        """

        def of(kind: str, value: str) -> str:
            script, colon, rest = value.rpartition(":")
            return f"{script}{colon}{keyed(f'{kind} {rest}')}" if value else ""

        changed: dict[str, str | tuple[str, ...]] = {}
        for field in fields(self):
            value, kind = getattr(self, field.name), _KINDS.get(field.name, field.name)
            parts = tuple(of(kind, part) for part in value) if isinstance(value, tuple) else of(kind, value)
            changed[field.name] = parts
        return replace(self, **changed)  # type: ignore[arg-type]


_KINDS = {"other_ids": "patient_id"}


def identity(
    *,
    patient_id: str = "",
    issuer: str = "",
    universal_issuer: str = "",
    birth_date: str = "",
    sex: str = "",
    accession: str = "",
    other_ids: Iterable[str] = (),
    names: Iterable[str] = (),
) -> Identity:
    """Identity from the values of an object; `names` are the component groups of its name (PN)."""
    words, initials, spelled = _parts_of(names)
    others = {_plain(other) for other in other_ids} - {""}
    return Identity(
        _plain(patient_id),
        _plain(issuer),
        _plain(universal_issuer),
        _day(birth_date),
        sex.strip().upper() if sex.strip().upper() in ("M", "F") else "",
        _plain(accession),
        tuple(sorted(others)),
        words,
        initials,
        spelled,
    )


def differences(found: Collection[Identity], *, accession: bool = True) -> tuple[str, ...]:
    """Attributes in which these objects name different patients; none: it may be one patient.

    A missing value is no difference. Two accession numbers are two orders of one patient where both objects
    have the same Patient ID, and otherwise mean two patients.
    """
    checks = {
        PATIENT_ID: _other_id,
        ISSUER: _other_issuer,
        NAME: _other_name,
        BIRTH_DATE: _other_birth_date,
        SEX: _other_sex,
        **({ACCESSION: _other_order} if accession else {}),
    }
    known = list(dict.fromkeys(found))
    return tuple(name for name, differ in checks.items() if _any_pair(known, differ))


def has_orders(found: Collection[Identity]) -> bool:
    """Whether the objects have more than one accession number."""
    return len({one.accession for one in found} - {""}) > 1


_Differ = Callable[[Identity, Identity], bool]


def _any_pair(known: Collection[Identity], differ: _Differ) -> bool:
    return any(differ(one, other) for one, other in combinations(known, 2))


def _other_id(one: Identity, other: Identity) -> bool:
    if not one.patient_id or not other.patient_id or one.patient_id == other.patient_id:
        return False
    return one.patient_id not in other.other_ids and other.patient_id not in one.other_ids


def _other_issuer(one: Identity, other: Identity) -> bool:
    """A Patient ID identifies a patient only together with its issuer."""
    if not one.patient_id or one.patient_id != other.patient_id:
        return False
    if one.universal_issuer and other.universal_issuer:
        return one.universal_issuer != other.universal_issuer
    return bool(one.issuer and other.issuer and one.issuer != other.issuer)


def _other_birth_date(one: Identity, other: Identity) -> bool:
    return bool(one.birth_date and other.birth_date and one.birth_date != other.birth_date)


def _other_sex(one: Identity, other: Identity) -> bool:
    return bool(one.sex and other.sex and one.sex != other.sex)


def _other_order(one: Identity, other: Identity) -> bool:
    if not one.accession or not other.accession or one.accession == other.accession:
        return False
    return not one.patient_id or one.patient_id != other.patient_id


def _other_name(one: Identity, other: Identity) -> bool:
    """Whether the names differ in a script that both have.

    A name that is part of the other is the same: a middle or a given name may be missing.
    """
    shared = set(_by_script(one.spelled)) & set(_by_script(other.spelled))
    return any(not _same_in(script, one, other) for script in shared)


def _same_in(script: str, one: Identity, other: Identity) -> bool:
    def of(values: tuple[str, ...]) -> set[str]:
        return set(_by_script(values).get(script, ()))

    if of(one.spelled) == of(other.spelled):
        return True
    words = (of(one.words), of(other.words))
    initials = (of(one.initials), of(other.initials))
    return all(a <= b or b <= a for a, b in (words, initials)) and all(words)


def _by_script(values: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for value in values:
        script, _, word = value.rpartition(":")
        found.setdefault(script, []).append(word)
    return found


_TITLES = frozenset({"DR", "PROF", "MR", "MRS", "MS", "MISS", "HERR", "FRAU"})
_LETTERS = str.maketrans("\u0131øđðłæœ", "ioddlao")
_UMLAUTS = {"AE": "A", "OE": "O", "UE": "U", "AA": "A"}
"""Müller, Mueller and Muller are one name; applied to all names, so that equal ones stay equal."""


def _parts_of(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Words, initials and the whole spelling of a name, each under its script.

    Family, given and middle name are used (PS3.5 6.2), prefix and suffix are not. A word with an undecodable
    letter ("?", U+FFFD) is left out.
    """
    words: set[str] = set()
    initials: set[str] = set()
    spelled: dict[str, str] = {}
    for group in names:
        for word in re.split(r"[\s,^_.\-]+", " ".join(group.split("^")[:3])):
            script, plain = _word(word)
            if not plain or plain in _TITLES:
                continue
            if re.search("[?*\ufffd]", word):
                continue
            spelled[script] = spelled.get(script, "") + plain
            (words if len(plain) > 1 or script != "latin" else initials).add(f"{script}:{plain}")
    whole = sorted(f"{script}:{letters}" for script, letters in spelled.items())
    return tuple(sorted(words)), tuple(sorted(initials)), tuple(whole)


def _word(word: str) -> tuple[str, str]:
    """The script of a word and its letters and digits, without case, width and diacritics."""
    folded = unicodedata.normalize("NFKD", word.casefold().translate(_LETTERS))
    plain = "".join(letter for letter in folded if letter.isalnum()).upper()
    for long, short in _UMLAUTS.items():
        plain = plain.replace(long, short)
    return _script(plain), plain


def _script(plain: str) -> str:
    letter = next((one for one in plain if one.isalpha()), "")
    if not letter or letter.isascii():
        return "latin"
    name = unicodedata.name(letter, "other").split(maxsplit=1)[0].lower()
    return "latin" if name == "latin" else name


def _plain(text: str) -> str:
    """An identifier without case, width and blanks around it."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).replace(":", ";")


_NO_BIRTH_DATES = frozenset(
    {"00010101", "11111111", "17000101", "18000101", "18581117", "18991230", "19000101"}
)
"""Placeholder dates."""


def _day(text: str) -> str:
    """A date (PS3.5, DA) as eight digits; "" for none and for a placeholder."""
    digits = re.sub(r"[.\-/\s]", "", text)
    try:
        datetime.strptime(digits, "%Y%m%d")  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return ""
    return "" if len(digits) != 8 or digits in _NO_BIRTH_DATES else digits


_PLACEHOLDER = re.compile(
    "ANON|ANONYM|ANONYMOUS|ANONYMOUSPATIENT|ANONYMIZED|ANONYMISED|BLANK|DEFAULT|DEIDENTIFIED|DELETED|DUMMY|EMPTY"
    "|ID|INCONNU|JANEDOE|JOHNDOE|MISSING|NA|NIL|NOID|NONE|NOPATIENTID|NOTAVAILABLE|NOTGIVEN|NOTKNOWN|NULL"
    "|PATIENT|PATIENTID|PATIENTTEST|PHANTOM|PID|QA|QC|REMOVED|TBD|TEMP|TEMPORARY|TEST|TESTING|TESTPATIENT|TMP"
    "|UNBEKANNT|UNDEFINED|UNIDENTIFIED|UNKN|UNKNOWNID|UNKNOWNPATIENT|UNNAMED"
    "|(EMERG|EMERGENCY|NOTFALL|TRAUMA|UNK|UNKNOWN)[0-9]*"
)
"""Placeholder Patient IDs; emergency departments number theirs and reuse the numbers."""


def is_placeholder(patient_id: str, more: Collection[str] = ()) -> bool:
    """Whether an ID is a placeholder: empty, UNKNOWN, TRAUMA 17, 0000, XXXX, or one of `more`."""
    letters = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", patient_id)).upper()
    if _plain(patient_id) in {_plain(one) for one in more}:
        return True
    return len(set(letters)) <= 1 or _PLACEHOLDER.fullmatch(letters) is not None
