"""Error Comments of peers, kept only where they cannot name a patient.

A destination may quote any patient, so every word must be known vocabulary of archives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.datadict import keyword_dict
from pydicom.tag import Tag
from pydicom.uid import UID

WITHHELD = "(text of the peer withheld: it may name a patient)"
_MORE = ("AccessionNumber", "ReferringPhysicianName", "RequestingPhysician", "StudyID", "AdmissionID")
_PATIENT_GROUP = 0x0010
_STANDARD = "1.2.840.10008."
"""Root of the UIDs that the standard defines (PS3.6 annex A)."""
_SEPARATORS = re.compile(r"[\^=\\\s,]+")
_WORD = re.compile(r"[^\s\"'()\[\]{}<>,;:!?/\\|=*^]+")
_TAG = re.compile(r"\([0-9a-f]{4},\s?[0-9a-f]{4}\)|\b[0-9a-f]{4},[0-9a-f]{4}\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,3}%?|0x[0-9a-f]{1,4}|(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{4}h?")
"""A count, a percentage or a status; no year, date or Patient ID."""

_WORDS = frozenset(
    {
        "able", "abort", "aborted", "absent", "accept", "accepted", "access", "accession", "administrator",
        "ae", "after", "again", "aggregate", "all", "allowed", "already", "also", "and", "another",
        "application", "archive", "archived", "are", "as", "association", "at", "attempt", "attribute",
        "attributes", "authorisation", "authorised", "authorization", "authorized", "available", "bad", "be",
        "because", "been", "before", "bits", "body", "broken", "busy", "but", "by", "bytes", "cache",
        "called", "calling", "can", "cannot", "changed", "character", "check", "class", "classes", "closed",
        "code", "coerced", "coercion", "command", "commitment", "committed", "complete", "completed",
        "composite", "conflict", "conflicting", "conflicts", "connect", "connection", "constraint",
        "contact", "contain", "contains", "content", "context", "conversion", "convert", "corrupt",
        "corrupted", "could", "count", "create", "created", "damaged", "data", "database", "dataset", "date",
        "db", "default", "delete", "deleted", "denied", "descriptor", "destination", "device", "dicom",
        "did", "different", "directory", "disabled", "disk", "does", "done", "drive", "dump", "duplicate",
        "duplicated", "during", "element", "elements", "else", "empty", "encoding", "end", "ended", "entity",
        "entry", "error", "errors", "evidence", "exceeded", "exceeds", "exception", "exist", "existing",
        "exists", "expected", "expired", "explicit", "export", "failed", "failure", "failures", "file",
        "files", "filesystem", "find", "for", "forbidden", "format", "found", "frame", "from", "full",
        "general", "generated", "given", "group", "handler", "has", "have", "header", "host", "id",
        "identical", "identifier", "identity", "if", "ignored", "image", "images", "implicit", "import",
        "in", "incomplete", "incorrect", "index", "information", "inserted", "insertion", "instance",
        "instances", "insufficient", "integrity", "internal", "into", "invalid", "io", "is", "it", "item",
        "items", "its", "known", "leaf", "length", "level", "license", "limit", "limits", "list", "local",
        "location", "locked", "lost", "mandatory", "many", "match", "matches", "matching", "maximum",
        "memory", "merge", "message", "mime", "minimum", "mismatch", "missing", "modality", "model",
        "module", "more", "move", "must", "n", "name", "names", "network", "new", "no", "node", "not",
        "null", "number", "object", "objects", "occurred", "of", "off", "offline", "old", "on", "one",
        "only", "open", "operation", "or", "order", "original", "other", "out", "over", "overwrite",
        "parameter", "parse", "parser", "parsing", "partition", "path", "patient", "patients", "pdu", "peer",
        "pending", "performed", "permission", "permitted", "pixel", "pixels", "please", "possible",
        "prevent", "previous", "primary", "private", "procedure", "process", "processed", "processing",
        "protocol", "provided", "purged", "quarantine", "query", "queue", "quota", "range", "reached",
        "read", "reading", "reason", "received", "receiver", "record", "records", "referenced", "refused",
        "register", "registered", "reject", "rejected", "rejection", "released", "remote", "removed",
        "report", "request", "requested", "require", "required", "resource", "resources", "response",
        "result", "retry", "right", "rights", "role", "root", "row", "rows", "rule", "rules", "same", "save",
        "saved", "schema", "scp", "scu", "segment", "send", "sender", "sent", "sequence", "series", "server",
        "service", "services", "session", "set", "size", "sop", "source", "space", "specific", "sr",
        "status", "step", "storage", "store", "stored", "storing", "stream", "studies", "study", "subsystem",
        "success", "support", "supported", "syntax", "system", "table", "tag", "tags", "task", "temporarily",
        "temporary", "than", "that", "the", "there", "this", "time", "timed", "timeout", "to", "too", "tool",
        "transaction", "transfer", "transient", "truncated", "try", "type", "uid", "uids", "unable",
        "unauthorized", "unavailable", "undefined", "unexpected", "unique", "unknown", "unrecognised",
        "unrecognized", "unsupported", "until", "update", "updated", "used", "user", "using", "valid",
        "validation", "value", "values", "version", "violated", "violates", "violation", "volume", "vr",
        "waiting", "warning", "was", "were", "when", "while", "with", "without", "write", "writing", "wrong",
    }
)  # fmt: skip
_KEYWORDS = frozenset(keyword.casefold() for keyword in keyword_dict if re.search("[a-z][A-Z]", keyword))
"""DICOM keywords such as PatientID; those of a single word could be a name."""


def spoken(comment: str, path: Path) -> str:
    """An Error Comment (0000,0902) that may be kept, or a note that one was withheld.

    All words are known, numbers are small, codes or tags, and none is a value of the patient of the object at
    `path`; where that object cannot be read, the vocabulary alone decides.
    """
    if not comment.strip():
        return ""
    plain = " ".join(comment.split())
    if not all(_is_known(word) for word in _WORD.findall(_TAG.sub(" ", plain))):
        return WITHHELD
    return WITHHELD if any(_pattern(word).search(plain) for word in _private_words(path)) else plain


def _is_known(word: str) -> bool:
    if word.startswith(_STANDARD):
        uid = UID(word.rstrip("."))
        return uid.name != uid
    parts = [part for part in re.split(r"[.\-_&+#@]+", word.casefold()) if part]
    return all(part in _WORDS or part in _KEYWORDS or _NUMBER.fullmatch(part) for part in parts)


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def _private_words(path: Path) -> Iterator[str]:
    """Values of the patient of an object, split into words; single letters are ignored."""
    try:
        dataset = dcmread(path, stop_before_pixels=True)
        yield from {word for word in _values(dataset) if len(word) > 1}
    except Exception:  # noqa: BLE001 - an object of ours that cannot be read must not break the sending
        return


def _values(dataset: Dataset) -> Iterator[str]:
    tags = {element.tag for element in dataset.group_dataset(_PATIENT_GROUP)} | {Tag(name) for name in _MORE}
    for tag in tags:
        if tag in dataset and dataset[tag].VR != "SQ":
            value = str(dataset[tag].value or "")
            yield from {value, *_SEPARATORS.split(value)} - {""}
