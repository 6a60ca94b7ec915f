"""Adapters by digest, and by what they were built from.

``adapters/DIGEST/`` holds one build. ``by-inputs/INPUTS`` names the build of these inputs,
so nothing is ever trained twice and a rollback trains nothing. Folders appear by rename
after their files were synced, the index entry after the folder: a kill leaves a finished
build or none. The certificate of a build lies beside it, under the digest of what it was
judged by.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from agent.errors import AdapterError
from agent.lora.adapter import (
    CONFIG,
    MANIFEST,
    TENSORS,
    Manifest,
    StoredAdapter,
    TrainedAdapter,
    config_file,
    manifest_file,
    read_adapter,
    tensor_file,
)
from agent.lora.cards import BuildInputs
from agent.lora.durable import sweep, write_file, write_folder
from agent.models.fingerprint import bytes_digest

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_FORMAT: Final = 1


class AdapterStore:
    """The adapters of one home, in ``home/blobs/adapters``."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "blobs" / "adapters"
        self._by_inputs = self._folder / "by-inputs"
        sweep(self._folder)
        sweep(self._by_inputs)

    def find(self, inputs_digest: str) -> str | None:
        """Digest of the build of these inputs, if it is there.

        Raises:
            AdapterError: the index entry cannot be read.
        """
        entry = self._by_inputs / _checked(inputs_digest)
        try:
            digest = entry.read_text("ascii", errors="replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AdapterError(f"adapter index {entry.name[:12]}: {error.strerror}") from error
        return digest if _DIGEST.fullmatch(digest) and self.folder(digest).is_dir() else None

    def folder(self, digest: str) -> Path:
        """Where the PEFT folder of this adapter is, or would be."""
        return self._folder / _checked(digest)

    def load(self, digest: str) -> StoredAdapter:
        """The adapter, its bytes checked.

        Raises:
            AdapterError: it is missing or was altered; names the file.
        """
        folder = self.folder(digest)
        if not folder.is_dir():
            raise AdapterError(
                f"adapter {digest[:12]} is not in the store",
                hint="restore blobs/adapters from a backup, or settle: it is rebuilt",
            )
        return read_adapter(folder, digest)

    def intact(self, digest: str) -> bool:
        """True when :meth:`load` would succeed."""
        try:
            self.load(digest)
        except AdapterError:
            return False
        return True

    def save(
        self, trained: TrainedAdapter, inputs: BuildInputs, *, base_id: str, environment: str
    ) -> StoredAdapter:
        """Store a build under its own digest and under that of its inputs.

        Raises:
            AdapterError: no room, no permission, or another build of the same bytes lies
                there damaged.
        """
        data = tensor_file(trained.modules)
        digest = bytes_digest(data)
        manifest = Manifest(
            format=_FORMAT,
            digest=digest,
            inputs_digest=inputs.digest,
            base_id=base_id,
            base_digest=inputs.base_digest,
            recipe_digest=inputs.recipe_digest,
            subspace_digest=inputs.subspace_digest,
            rehearsal=inputs.rehearsal,
            realm=inputs.realm,
            cards=list(inputs.cards),
            seed=inputs.seed,
            steps=trained.steps,
            environment=environment,
        )
        contents = {
            TENSORS: data,
            CONFIG: config_file(trained.modules, base_id),
            MANIFEST: manifest_file(manifest),
        }
        try:
            write_folder(self.folder(digest), contents)
            stored = self.load(digest)
            write_file(self._by_inputs / inputs.digest, digest.encode())
        except OSError as error:
            raise AdapterError(
                f"adapter cannot be stored: {error.strerror or error}",
                hint="is there room on the disk, and may this user write to the home?",
            ) from error
        return stored

    def remove(self, digest: str) -> None:
        """Delete a build and every way to it (erasure); removing nothing is no error.

        Raises:
            AdapterError: it cannot be deleted, or ``digest`` is none.
        """
        folder = self.folder(digest)
        try:
            if folder.exists():
                shutil.rmtree(folder)
            for entry in self._by_inputs.glob("*"):
                if entry.read_text("ascii", errors="replace").strip() == digest:
                    entry.unlink()
        except OSError as error:
            raise AdapterError(
                f"adapter {digest[:12]} cannot be deleted: {error.strerror}"
            ) from error

    # --- certificates ------------------------------------------------------------------

    def certificate(self, digest: str, key: str) -> bytes | None:
        """The certificate of this adapter judged by ``key``, if it was issued."""
        path = self.folder(digest) / f"certificate-{_checked(key)}.json"
        return path.read_bytes() if path.is_file() else None

    def save_certificate(self, digest: str, key: str, data: bytes) -> None:
        """Keep a certificate beside its adapter.

        Raises:
            AdapterError: it cannot be written.
        """
        try:
            write_file(self.folder(digest) / f"certificate-{_checked(key)}.json", data)
        except OSError as error:
            raise AdapterError(f"certificate cannot be stored: {error.strerror}") from error


def _checked(digest: str) -> str:
    """A digest becomes part of a path only when it is one.

    Raises:
        AdapterError: it is not 64 lowercase hexadecimal digits.
    """
    if not _DIGEST.fullmatch(digest):
        raise AdapterError(f"{digest[:40]!r} is not a digest")
    return digest
