"""The folder a ledger lives in: laid out whole or not at all, also through a kill.

A new home is built inside ``HOME/.new``, which is renamed ``.ready`` once it is complete;
then its parts move up, the checkpoints last. Killed while building: the next ``create``
starts over. Killed while moving: it moves the rest. Nothing outside ``.new`` is ever
removed, and half a home without ``.ready`` is refused, never completed.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from governance import notes
from governance.checkpoint import CheckpointLog
from governance.durable import sync_folder, write_whole
from governance.errors import StoreError
from governance.events import FORMAT
from governance.keystore import Keystore
from governance.merkle import Tree
from governance.store import DuckStore

DATABASE = "ledger.duckdb"
KEYS = "keys.sqlite"
CHECKPOINTS = "checkpoints"
BLOBS = "blobs"
CONFIG = "config.toml"
STAGING = ".new"
READY = ".ready"
PARTS = (DATABASE, KEYS, CHECKPOINTS)


@dataclass(frozen=True)
class HomeFiles:
    """The open files of one home."""

    store: DuckStore
    keys: Keystore
    checkpoints: CheckpointLog


def prepare(home: Path, *, create: bool) -> None:
    """Make sure that a whole home is there; with ``create``, make or finish one.

    Raises:
        StoreError: no home, half a home, not ours, or not writable.
    """
    try:
        missing = [name for name in PARTS if not (home / name).exists()]
        if not missing:
            return
        interrupted = (home / STAGING).is_dir() or (home / READY).is_dir()
        if create and (interrupted or not home.is_dir() or not any(home.iterdir())):
            _create(home)
            return
        foreign = home.is_dir() and any(home.iterdir())
    except OSError as error:
        raise StoreError(
            f"{home} cannot be made or read: {error.strerror}",
            hint="check permissions, or choose another home with --home",
        ) from error
    if len(missing) < len(PARTS):
        raise StoreError(
            f"{home} is half a home: {', '.join(missing)} missing",
            hint="run `palimpsest init` again, its first run was interrupted"
            if interrupted
            else "restore the missing part from a backup; nothing was changed",
        )
    if create and foreign:
        raise StoreError(
            f"{home} holds other files and no ledger", hint="choose an empty or new folder"
        )
    raise StoreError(
        f"no palimpsest home at {home}",
        hint="`palimpsest init` or `palimpsest run WORKSPACE` makes one; --home names it",
    )


def open_files(home: Path, *, read_only: bool, frugal: bool = False) -> HomeFiles:
    """Open database, keystore and checkpoints of a whole home.

    Args:
        home: The folder.
        read_only: Write nothing.
        frugal: Keep the engine's buffers small.

    Raises:
        StoreError: one of them is missing, locked, unreadable or not ours.
        SchemaVersionError: a newer version wrote it.
    """
    if not read_only:
        _refuse_shared_keys(home / KEYS)
    store = DuckStore(home / DATABASE, read_only=read_only, frugal=frugal)
    try:
        keys = Keystore(home / KEYS, read_only=read_only)
    except StoreError:
        store.abandon()
        raise
    try:
        return HomeFiles(store, keys, CheckpointLog(home / CHECKPOINTS, read_only=read_only))
    except StoreError:
        store.abandon()
        keys.close()
        raise


def _refuse_shared_keys(keys: Path) -> None:
    """Whoever reads the keystore can sign and decrypt: nothing is signed with such a key."""
    try:
        mode = keys.stat().st_mode & 0o777
    except OSError:
        return  # the keystore itself says what is wrong with it
    if mode & 0o077:
        raise StoreError(
            f"{keys.name} can be read by other users (mode {mode:04o})",
            hint=f"chmod 600 {keys}; if somebody may have copied it, rotate the key afterwards",
        )


def _create(home: Path) -> None:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    staging, ready = home / STAGING, home / READY
    if not ready.is_dir():
        try:
            _build(staging)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        staging.rename(ready)
    for name in (BLOBS, CONFIG, KEYS, DATABASE, CHECKPOINTS):
        if (ready / name).exists():
            (ready / name).rename(home / name)
    sync_folder(home)
    ready.rmdir()


def _build(staging: Path) -> None:
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(mode=0o700)
    (staging / BLOBS).mkdir(mode=0o700)
    DuckStore(staging / DATABASE, create=True).close()
    keys = Keystore(staging / KEYS, create=True)
    checkpoints = CheckpointLog(staging / CHECKPOINTS)
    empty = notes.Checkpoint(keys.origin, 0, Tree().root())
    checkpoints.append(notes.sign(empty, keys.signing_key))
    checkpoints.close()
    config = f'format = {FORMAT}\nhome_id = "{keys.home_id}"\n'
    keys.close()
    write_whole(staging / CONFIG, config)
