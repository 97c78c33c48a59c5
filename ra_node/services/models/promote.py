"""Installation, promotion and rollback of bundles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ra_node.inference.bundles.bundle import Bundle
from ra_node.inference.bundles.store import BundleStore
from ra_node.ledger.promotions import Choice, before, current_promotion, promote, roll_back
from ra_node.services.models.registry import BundleRegistry
from ra_node.services.models.verify import Verdict, require_sound


@dataclass(frozen=True, slots=True)
class PromotionOutcome:
    """Outcome of a promotion or rollback; None is the configured bundle."""

    now: Choice | None
    was: Choice | None


def install_bundle(folder: Path, store: BundleStore, verify: Callable[[Path], Verdict]) -> Bundle:
    """Verify a bundle and copy it into the store; raises Refused or Retryable, and then nothing changed."""
    require_sound(verify(folder))
    return store.install(folder)


def promote_bundle(
    shelf: BundleRegistry, words: str, by: str, verify: Callable[[Path], Verdict]
) -> PromotionOutcome:
    """Put an installed bundle into use; one that is in use already changes nothing.

    It is verified again, because its files may have changed. Raises Refused with the reason.
    """
    seen = current_promotion(shelf.ledger)
    was = seen.choice if seen else None
    identity = shelf.store.named(words).identity
    now = Choice(identity.sha256, identity.name, identity.version)
    if was is None or was.sha256 != now.sha256:
        require_sound(verify(shelf.folder_of(now.sha256)))
        promote(shelf.ledger, now, by, seen)
    return PromotionOutcome(now, was)


def roll_back_bundle(shelf: BundleRegistry, by: str, verify: Callable[[Path], Verdict]) -> PromotionOutcome:
    """Return to the bundle that was in use before. Raises Refused where there is none or it is unfit."""
    seen = current_promotion(shelf.ledger)
    now = before(shelf.history())
    require_sound(verify(shelf.folder_of(now.sha256 if now else None)))
    roll_back(shelf.ledger, by, seen)
    return PromotionOutcome(now, seen.choice if seen else None)
