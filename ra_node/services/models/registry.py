"""The bundles of a node: those installed, that of the configuration, and which of them is in use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import Bundle, read_bundle
from ra_node.inference.bundles.store import BundleStore
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.promotions import Promotion, current_promotion, promotions


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
class BundleRegistry:
    """The bundles of a node: those installed, and the one of its configuration.

    A promoted bundle takes precedence over `configured`, which is used where nothing is promoted.
    """

    ledger: Ledger
    store: BundleStore
    configured: Path

    def folder_of(self, sha256: str | None) -> Path:
        """Folder of the bundle promoted as `sha256`, None for the configured one.

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
        """Identity of an installed or configured bundle by its hash."""
        bundle = self.store.find(sha256) or _read(self.configured)
        return bundle.identity if bundle is not None and bundle.identity.sha256 == sha256 else None

    def wanted(self) -> str | None:
        """The hash of the promoted bundle, None for that of the configuration."""
        promotion = current_promotion(self.ledger)
        return promotion.choice.sha256 if promotion and promotion.choice else None

    def lines(self) -> list[BundleLine]:
        """Every installed bundle, then the configured one; exactly one is in use if it exists."""
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

    def in_use(self) -> BundleLine:
        """The bundle in use; raises Fatal where it is missing or its manifest is invalid."""
        for line in self.lines():
            if line.in_use:
                return line
        return _line(read_bundle(self.folder_of(self.wanted())), None, None)

    def history(self) -> list[Promotion]:
        """Who promoted what and when, oldest first."""
        return promotions(self.ledger)


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
