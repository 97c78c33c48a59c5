"""Puts bundles into use and takes them out again: installed once, promoted and rolled back by one entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ra_node.domain.report import BundleIdentity
from ra_node.errors import Fatal
from ra_node.inference.bundle import Bundle, read_bundle
from ra_node.inference.store import BundleStore
from ra_node.ledger.engine import Ledger
from ra_node.ledger.promotion import (
    Choice,
    Promotion,
    before,
    current_promotion,
    promote,
    promotions,
    roll_back,
)
from ra_node.services.verify import Verdict, require_sound


@dataclass(frozen=True, slots=True)
class BundleLine:
    """One bundle of a list. `since` and `by` are of its promotion; `source` is "installed" or "[models]"."""

    name: str
    version: str
    sha256: str
    folder: str
    source: str
    in_use: bool
    since: float | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Shelf:
    """The bundles of a node: those installed, and the one of its configuration.

    A promoted bundle wins over `configured`, which is used where nothing is promoted.
    """

    ledger: Ledger
    store: BundleStore
    configured: Path

    def folder_of(self, sha256: str | None) -> Path:
        """Where the bundle lies that was promoted as `sha256`, None for the configured one.

        Raises Fatal where the promoted one is not installed any more.
        """
        if sha256 is None:
            return self.configured
        bundle = self.store.find(sha256)
        if bundle is None:
            raise Fatal(
                f"expected the promoted bundle {sha256[:12]} in {self.store.folder}, found none; "
                "install it again, or `ra-node bundle rollback`"
            )
        return bundle.folder

    def identity_of(self, sha256: str) -> BundleIdentity | None:
        """Name a bundle by its hash as long as it is installed or configured."""
        bundle = self.store.find(sha256) or _read(self.configured)
        return bundle.identity if bundle is not None and bundle.identity.sha256 == sha256 else None

    def wanted(self) -> str | None:
        """The hash of the promoted bundle, None for that of the configuration."""
        promotion = current_promotion(self.ledger)
        return promotion.choice.sha256 if promotion and promotion.choice else None

    def lines(self) -> list[BundleLine]:
        """Every installed bundle, then the configured one; exactly one is in use if it is there."""
        promotion = current_promotion(self.ledger)
        wanted = promotion.choice.sha256 if promotion and promotion.choice else None
        lines = [_line(bundle, promotion, wanted) for bundle in self.store.installed()]
        configured = _read(self.configured)
        if configured is not None:
            identity = configured.identity
            place = (str(self.configured), "[models]")
            rolled = promotion if wanted is None else None
            since, by = (rolled.at, rolled.by) if rolled else (None, None)
            words = (identity.name, identity.version, identity.sha256)
            lines.append(BundleLine(*words, *place, wanted is None, since, by))
        return lines

    def history(self) -> list[Promotion]:
        """Who promoted what and when, oldest first."""
        return promotions(self.ledger)


@dataclass(frozen=True, slots=True)
class Changed:
    """What a promotion or a rollback did; None is the configured bundle."""

    now: Choice | None
    was: Choice | None


def install_bundle(folder: Path, store: BundleStore, verify: Callable[[Path], Verdict]) -> Bundle:
    """Verify a bundle and copy it into the store; raises Refused or Retryable, and then nothing changed."""
    require_sound(verify(folder))
    return store.install(folder)


def promote_bundle(shelf: Shelf, words: str, by: str, verify: Callable[[Path], Verdict]) -> Changed:
    """Put an installed bundle into use; one that is in use already changes nothing.

    It is verified once more, whole: a disk may have changed it since. Raises Refused with the reason.
    """
    seen = current_promotion(shelf.ledger)
    was = seen.choice if seen else None
    identity = shelf.store.named(words).identity
    now = Choice(identity.sha256, identity.name, identity.version)
    if was is None or was.sha256 != now.sha256:
        require_sound(verify(shelf.folder_of(now.sha256)))
        promote(shelf.ledger, now, by, seen)
    return Changed(now, was)


def roll_back_bundle(shelf: Shelf, by: str, verify: Callable[[Path], Verdict]) -> Changed:
    """Go back to the bundle that was in use before. Raises Refused where there is none or it is unsound."""
    seen = current_promotion(shelf.ledger)
    now = before(shelf.history())
    require_sound(verify(shelf.folder_of(now.sha256 if now else None)))
    roll_back(shelf.ledger, by, seen)
    return Changed(now, seen.choice if seen else None)


def _line(bundle: Bundle, promotion: Promotion | None, wanted: str | None) -> BundleLine:
    identity = bundle.identity
    words = (identity.name, identity.version, identity.sha256, str(bundle.folder), "installed")
    if promotion is None or identity.sha256 != wanted:
        return BundleLine(*words, in_use=False)
    return BundleLine(*words, in_use=True, since=promotion.at, by=promotion.by)


def _read(folder: Path) -> Bundle | None:
    try:
        return read_bundle(folder)
    except Fatal:
        return None
