"""Step 1: which key signs at which size, when the log itself says that it changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from governance import canonical, notes
from governance.errors import CheckpointError

KEY_ROTATED: Final = "key.rotated"
_SUBJECT = re.compile(r"key:([0-9a-f]{64})")


def rotated_to(header: dict[str, canonical.JsonValue]) -> bytes | None:
    """The new Ed25519 key that a ``key.rotated`` header names; ``None`` when it names none."""
    found = _SUBJECT.fullmatch(str(header.get("subject")))
    return bytes.fromhex(found[1]) if found else None


class Signed(NamedTuple):
    """A checkpoint that the key in force signed, and what is still ``wrong`` with it."""

    checkpoint: notes.Checkpoint
    wrong: str = ""


class SigningKeys:
    """The key in force, moved on by the checkpoints that cover a rotation."""

    def __init__(self, first: bytes, rotations: Sequence[tuple[int, bytes]]) -> None:
        """Begin with ``first``; ``rotations`` are (event, new key), by event."""
        self._current = first
        self._ahead = list(rotations)
        self._retired: dict[bytes, int] = {}

    @property
    def newest(self) -> bytes:
        """The key that the last rotation named, covered by a checkpoint or not."""
        return self._ahead[-1][1] if self._ahead else self._current

    def check(self, note: str, origin: str | None) -> Signed:
        """The checkpoint in ``note``, if the key in force signed it.

        Where several rotations are covered at once, the key in force before and the last
        new one must have signed.

        Raises:
            CheckpointError: malformed, about another log, forged, or signed by another key.
        """
        try:
            checkpoint = notes.verify(note, self._current, origin=origin)
        except CheckpointError as error:
            raise self._explained(note, error) from error
        covered = [event for event, _ in self._ahead if event <= checkpoint.size]
        if covered:
            event, key = self._ahead[len(covered) - 1]
            if not _signs(note, key):
                return Signed(
                    checkpoint,
                    f"checkpoint at size {checkpoint.size} is not signed by the key that "
                    f"event {event} puts in force",
                )
            self._retired[self._current] = event
            self._retired.pop(key, None)
            self._current = key
            del self._ahead[: len(covered)]
        return Signed(checkpoint)

    def _explained(self, note: str, error: CheckpointError) -> CheckpointError:
        for key, event in self._retired.items():
            if _signs(note, key):
                return CheckpointError(f"{error}, only by one that event {event} retired")
        return error


def _signs(note: str, key: bytes) -> bool:
    try:
        notes.verify(note, key)
    except CheckpointError:
        return False
    return True
