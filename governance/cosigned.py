"""The log's side of witnessing: who was asked for what, and what they vouched for.

Beside the checkpoints, outside the database, one set of files for each witness:
``NAME.vkey`` its key, ``NAME.request`` the checkpoint it was last asked about, ``NAME.note``
the newest checkpoint it cosigned, with that cosignature. Names are percent-encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from governance import notes
from governance.durable import read_text, reported, write_whole
from governance.errors import CheckpointError, LedgerError
from governance.notes import COSIGNATURE, Checkpoint, VerifierKey

FOLDER = "cosigned"
"""Inside the folder of checkpoints."""


@dataclass(frozen=True)
class Accepted:
    """A cosignature that was taken in."""

    witness: VerifierKey
    checkpoint: Checkpoint
    time_s: int


class CosignedNotes:
    """The folder of cosigned checkpoints of one home."""

    def __init__(self, checkpoints: Path) -> None:
        """Use the folder inside ``checkpoints``; it is made on the first request."""
        self._folder = checkpoints / FOLDER

    def last_size(self, witness: VerifierKey) -> int:
        """The size this witness has vouched for, as far as this home knows; 0 if never.

        Raises:
            CheckpointError: the stored note was altered.
            StoreError: it cannot be read.
        """
        note = read_text(self._path(witness, "note"))
        if note is None or not notes.cosigners(note, [witness]):
            return 0
        return notes.parse(note).size

    def remember_request(self, witness: VerifierKey, note: str) -> None:
        """Keep what ``witness`` is asked to cosign, so that its answer can be checked.

        Raises:
            StoreError: it cannot be written.
        """
        with reported(f"{self._folder} cannot be made"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self._path(witness, "vkey"), f"{witness}\n")
        write_whole(self._path(witness, "request"), note)

    def accept(self, text: str) -> list[Accepted]:
        """Take in the cosignature lines of a witness's answer.

        Lines of unknown keys are ignored, as C2SP asks.

        Raises:
            CheckpointError: a line is forged, or is for another checkpoint than the one
                asked about; or no witness that was asked has signed.
            LedgerError: nobody was asked.
            StoreError: a file cannot be read or written.
        """
        witnesses = self.witnesses()
        if not witnesses:
            raise LedgerError(
                "no witness was asked yet", hint="start with `palimpsest witness request`"
            )
        found = [one for witness in witnesses if (one := self._accept(witness, text))]
        if not found:
            raise CheckpointError(
                "the answer holds no cosignature of a witness that was asked",
                hint=f"asked: {', '.join(witness.name for witness in witnesses)}",
            )
        return found

    def _accept(self, witness: VerifierKey, text: str) -> Accepted | None:
        asked = read_text(self._path(witness, "request"))
        if asked is None:
            return None
        for line in text.splitlines(keepends=True):
            note = notes.add_lines(asked, line)
            if not notes.names(note, witness):
                continue
            try:
                time_s = notes.verify_cosignature(note, witness)
            except CheckpointError as error:
                raise CheckpointError(
                    f"the answer does not fit the last request to {witness.name!r}: {error}",
                    hint="it was altered, or answers an older request: ask again",
                ) from error
            write_whole(self._path(witness, "note"), note)
            return Accepted(witness, notes.parse(note), time_s)
        return None

    def witnesses(self) -> list[VerifierKey]:
        """Every witness that was ever asked, by name.

        Raises:
            CheckpointError: a stored key is damaged.
            StoreError: the folder cannot be read.
        """
        with reported(f"{self._folder} cannot be read"):
            paths = sorted(self._folder.glob("*.vkey"))
        texts = [read_text(path) or "" for path in paths]
        return [notes.parse_key(text.rstrip("\n"), kind=COSIGNATURE) for text in texts]

    def best_note(self, newest: str, seq: int) -> str:
        """The checkpoint to prove event ``seq`` against: most cosigners, then largest.

        Args:
            newest: The log's newest checkpoint.
            seq: Number of the event.

        Raises:
            CheckpointError: a stored cosignature was altered.
            StoreError: a file cannot be read.
        """
        witnesses = self.witnesses()
        kept = [read_text(self._path(witness, "note")) for witness in witnesses]
        merged: dict[Checkpoint, str] = {notes.parse(newest): newest}
        for note in filter(None, kept):
            checkpoint = notes.parse(note)
            if checkpoint.size >= seq:
                merged[checkpoint] = notes.add_lines(
                    merged.get(checkpoint, note), note.partition("\n\n")[2]
                )
        return max(merged.values(), key=lambda note: _rank(note, witnesses))

    def _path(self, witness: VerifierKey, kind: str) -> Path:
        return self._folder / f"{quote(witness.name, safe='')}.{kind}"


def _rank(note: str, witnesses: Sequence[VerifierKey]) -> tuple[int, int]:
    return len(notes.cosigners(note, witnesses)), notes.parse(note).size
