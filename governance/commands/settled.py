"""What a decision did to the adapters, as commands print it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from governance.commands.options import Json
    from governance.ledger import Receipt
    from governance.memory_target import Rebuilt


def done_data(receipt: Receipt | None, rebuilt: Rebuilt) -> dict[str, Json]:
    """Receipt and adapters, for ``--json``."""
    from governance.commands.describe import receipt_data  # noqa: PLC0415

    return {
        "receipt": receipt_data(receipt) if receipt else None,
        "adapters": [
            {"shard": one.shard_id, "digest": one.digest, "reused": one.reused,
             "cards": one.cards, "certified_cards": one.certified_cards}
            for one in rebuilt.settled
        ],
    }  # fmt: skip


def print_settled(rebuilt: Rebuilt) -> None:
    """One line for each adapter that was built or found."""
    for one in rebuilt.settled:
        how = "found in the store" if one.reused else "built"
        digest = one.digest[:12] if one.digest else "no adapter"
        typer.echo(f"shard {one.shard_id}: {digest}, {one.cards} cards, {how}")
