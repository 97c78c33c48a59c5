"""Parts of the proof in which peers come in numbers, get stuck, or say what no peer should."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.torture import resources
from tests.torture.fuzz import fuzz
from tests.torture.process import listening
from tests.torture.table import Row

MOST_GROWTH_MIB = 24.0
"""What the allocator of a process with many short threads may keep, whatever the number of associations."""
MOST_GROWTH_BOMBED_MIB = 64.0
"""As above, where some threads inflate what they are sent as far as they may: 16 MiB, copied on the way."""


def associations(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """Very many associations, stuck peers, one too many, slow senders."""
    growth, ends, (rejection, freed) = resources.whole(folder, asked.associations, asked.seed)
    with listening(folder / "slow") as node:
        alone_s, beside_s = resources.beside_slow_senders(node, slow=15, stores=20)
    more_mib = growth.after.memory_mib - growth.before.memory_mib
    more_handles = growth.after.handles - growth.before.handles
    return [
        ("associations", f"{growth.associations} in {growth.seconds:.0f} s", not growth.failures),
        ("held before and after", str(growth), True),
        ("growth of memory", f"{more_mib:.1f} MiB", more_mib < MOST_GROWTH_MIB),
        ("growth of handles", str(more_handles), more_handles <= resources.CLIENTS),
        *(
            (f"stuck: {name}", "connection closed" if ended else "kept open", ended)
            for name, ended in ends.items()
        ),
        ("one association too many", f"rejected {rejection.hex(' ')}, freed place given", freed),
        ("20 images, alone and beside 15 slow senders", f"{alone_s:.1f} s, {beside_s:.1f} s", True),
    ]


def fuzzing(folder: Path, asked: argparse.Namespace) -> list[Row]:
    """Malformed, lying, nested, deflated, aborted: whatever a peer may say."""
    with listening(folder) as node:
        found = fuzz(node, asked.cases, asked.seed)
    assert found.before is not None
    assert found.after is not None
    more_mib = found.after.memory_mib - found.before.memory_mib
    return [
        (
            "cases tried",
            f"{found.cases} in {found.seconds:.0f} s, seed {asked.seed}",
            found.cases == asked.cases,
        ),
        ("crashes", f"{len(found.crashes)} {found.crashes[:3] or ''}", not found.crashes),
        ("good senders not served afterwards", str(found.unserved), found.unserved == 0),
        ("files outside their folder", f"{len(found.strays)} {found.strays[:3] or ''}", not found.strays),
        (
            "memory after half and all of them",
            f"{found.before.memory_mib:.1f}, {found.after.memory_mib:.1f} MiB",
            True,
        ),
        ("growth of memory", f"{more_mib:.1f} MiB", more_mib < MOST_GROWTH_BOMBED_MIB),
        ("handles", f"{found.before.handles} -> {found.after.handles}", True),
    ]
