"""Frozen bytes of every format: ``python -m tests.golden.regenerate`` writes what is missing.

``events.json`` holds, for one event of every type, the exact header bytes, their leaf and the
exact payload bytes; ``bodies.json`` the content digests a reviewer's decision is bound to;
``note.txt`` a signed checkpoint; ``box-2.json`` a sealed payload with everything needed to
open it. ``home-format-2.tar.gz`` is a whole home, ``home-format-2.json`` what it opens to.

A home is never written again: homes of every format stay here and stay readable, and so does
``box.json``, a box of format 1, which nothing writes any more.
A new event type adds an entry to ``events.json``. When a payload gains an optional field,
keep the file as it was under another name (``events-*.json`` is read by the tests for ever)
and write it anew. ``--check`` only compares.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel

from governance import canonical, notes, sealing
from governance.events import (
    Actor,
    AdapterWithdrawn,
    EntryChange,
    EntryRejected,
    EntryRevoked,
    Header,
    Payload,
    ReviewAssigned,
    RoleGranted,
    RollbackApplied,
    Scope,
    ShardChange,
    content_digest,
)
from governance.ledger import Ledger
from governance.merkle import Tree, leaf_hash
from governance.state import State
from governance.store.base import STORE_FORMAT
from governance.trail import Trail
from tests.golden.examples import BODIES, EXAMPLES
from tests.governance.drafts import (
    ANN,
    BOT,
    StepClock,
    append,
    card_body,
    decided,
    draft,
    fact_body,
    learned_card,
    life,
    proposed,
    source,
    tombstoned,
    verified,
)

FOLDER = Path(__file__).parent
HOME = FOLDER / f"home-format-{STORE_FORMAT}.tar.gz"
STATE = FOLDER / f"home-format-{STORE_FORMAT}.json"
KEY = bytes(range(32))
HOLDER = bytes(range(100, 112))


# --- single records ----------------------------------------------------------------------


@contextmanager
def fixed_randomness() -> Iterator[None]:
    """``os.urandom`` as :mod:`governance.sealing` sees it: 00 01 02 …"""

    class Fixed:
        @staticmethod
        def urandom(count: int) -> bytes:
            return bytes(range(count))

    real = vars(sealing)["os"]
    vars(sealing)["os"] = Fixed
    try:
        yield
    finally:
        vars(sealing)["os"] = real


def frozen_header(seq: int, payload: Payload) -> Header:
    """A header in which every field is filled, differently for every event."""
    data = canonical.encode(payload.model_dump(mode="json"))
    with fixed_randomness():
        commit = sealing.commit(data).digest
    return Header(
        format=1,
        seq=seq,
        event_id=f"019b76da-c358-7000-8000-{seq:012x}",
        type=payload.event_type,
        recorded_at_us=1_767_225_600_000_000 + seq,
        actor=Actor(kind="human", id="zoë"),
        scope=Scope(tenant="acme", agent="desk", user="u-1"),
        subject=payload.subject_id(),
        subject_version=1,
        causes=["019b76da-c358-7000-8000-000000000000"] if seq % 2 else [],
        episode="run-1" if seq % 2 else None,
        policy_digest="ab" * 32 if seq % 2 else None,
        command="0123456789abcdef01234567" if seq % 2 else None,
        payload_commit=commit,
    )


def events() -> dict[str, Any]:
    found = {}
    for seq, payload in enumerate(EXAMPLES, start=1):
        header = frozen_header(seq, payload).canonical()
        found[payload.event_type] = {
            "header": header.decode(),
            "leaf": leaf_hash(header).hex(),
            "payload": canonical.encode(payload.model_dump(mode="json")).decode(),
        }
    return found


def bodies() -> dict[str, Any]:
    return {body.kind: content_digest(body) for body in BODIES}


def box() -> dict[str, Any]:
    payload = EXAMPLES[0]
    header = frozen_header(1, payload).canonical()
    data = canonical.encode(payload.model_dump(mode="json"))
    with fixed_randomness():
        commitment = sealing.commit(data)
        sealed = sealing.seal(
            data,
            commitment,
            key=sealing.derive(KEY, KEY[::-1], json.loads(header)["event_id"]),
            holder=HOLDER,
            leaf=leaf_hash(header),
        )
    return {
        "secret": KEY.hex(),
        "holder": HOLDER.hex(),
        "holder_key": KEY[::-1].hex(),
        "header": header.decode(),
        "box": sealed.hex(),
    }


def note() -> str:
    tree = Tree()
    tree.extend(bytes.fromhex(event["leaf"]) for event in events().values())
    checkpoint = notes.Checkpoint("palimpsest/0011223344556677", tree.size, tree.root())
    return notes.sign(checkpoint, Ed25519PrivateKey.from_private_bytes(KEY))


RECORDS: dict[str, Callable[[], dict[str, Any] | str]] = {
    "events.json": events,
    "bodies.json": bodies,
    "box-2.json": box,
    "note.txt": note,
}


def rendered(value: dict[str, Any] | str) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


# --- a whole home ------------------------------------------------------------------------


def plain(state: State) -> dict[str, Any]:
    """The state as JSON, without the chain of earlier states that each entry carries."""

    def convert(value: object) -> Any:
        if isinstance(value, BaseModel):
            return value.model_dump(mode="json")
        if isinstance(value, frozenset):
            return sorted(value)
        if isinstance(value, list | tuple | Trail):
            return [convert(item) for item in value]
        if isinstance(value, Mapping):
            return {key: convert(item) for key, item in value.items()}
        if hasattr(value, "__dataclass_fields__"):
            fields = {name: item for name, item in vars(value).items() if name != "previous"}
            return convert(fields)
        return value

    converted: dict[str, Any] = convert(state)
    return converted


def write_home(home: Path) -> dict[str, Any]:
    """A home with every kind of history; returns what it must open to."""
    with Ledger.open(home, create=True, clock=StepClock()) as ledger:
        append(ledger, source())
        for example in EXAMPLES:
            if example.event_type.split(".")[0] in {"source", "memory", "outcome", "policy",
                                                    "role", "relay", "principal",
                                                    "token"}:  # fmt: skip
                append(ledger, example, ANN)
        ledger.append(life("fact-1"), key="life of fact-1")
        ledger.append(learned_card("c1"))
        ledger.append([draft(proposed("f2", fact_body("900 EUR")), BOT, data_subject="anna")])
        ledger.append([draft(verified("f2", risk_ppm=700_000))])
        append(ledger, ReviewAssigned(entry_id="f2", version=1, rule_id="r", message="900?"))
        append(ledger, decided(EntryRejected, "f2", fact_body("900 EUR")), ANN)
        then = ledger.head.seq
        append(ledger, tombstoned(EntryRevoked, "fact-1"), ANN)
        ledger.append(
            [
                draft(decided(EntryRevoked, "c1", card_body()), ANN),
                draft(AdapterWithdrawn(shard_id="sh1", digest="ad1", reason_code="card-revoked")),
            ]
        )
        back = RollbackApplied(
            rollback_id="r1",
            to_seq=then,
            entries=[EntryChange(entry_id=e, before="revoked", after="active")
                     for e in ("fact-1", "c1")],
            shards=[ShardChange(shard_id="sh1", before=None, after="ad1")],
            reason_code="drift",
        )  # fmt: skip
        append(ledger, back, ANN)
        for kind in ("ledger.frozen", "ledger.thawed"):
            (example,) = [payload for payload in EXAMPLES if payload.event_type == kind]
            append(ledger, example, ANN)
        ledger.append([draft(RoleGranted(principal="p", role="engineer"))] * 250)  # past a tile
        ledger.rotate_key(ANN, "yearly")
        ledger.append([draft(proposed("f3", fact_body("301 EUR"), derived_from=["fact-1"]), BOT)])
        return {
            "head": ledger.head.seq,
            "root": ledger.head.root,
            "keyed": ledger.keyed("a value"),
            "state": plain(ledger.state),
            "past": {str(seq): plain(ledger.state_at(seq)) for seq in (0, 1, then, then + 3)},
        }


def packed(home: Path) -> bytes:
    """The home as a reproducible archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=9) as archive:
        for path in sorted(home.rglob("*")):
            archive.add(path, arcname=str(path.relative_to(home)), recursive=False)
    return buffer.getvalue()


def unpack(target: Path, archive: Path = HOME) -> Path:
    """The frozen home, writable, in ``target``."""
    with tarfile.open(archive) as opened:
        opened.extractall(target, filter="data")
    return target


def main(arguments: list[str]) -> int:
    """Write what is missing; with ``--check``, only say whether the files are current."""
    changed = []
    for name, make in RECORDS.items():
        file, text = FOLDER / name, rendered(make())
        if file.exists() and file.read_text("utf-8") == text:
            continue
        changed.append(name)
        if "--check" not in arguments:
            file.write_text(text, "utf-8")
    if not HOME.exists() and "--check" not in arguments:
        with tempfile.TemporaryDirectory() as folder:
            expected = write_home(Path(folder) / "home")
            HOME.write_bytes(packed(Path(folder) / "home"))
        STATE.write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n", "utf-8")
        changed.append(HOME.name)
    sys.stdout.write(f"changed: {', '.join(changed) or 'nothing'}{os.linesep}")
    return 1 if changed and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
