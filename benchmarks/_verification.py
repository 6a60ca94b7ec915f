"""How fast a whole log is verified, against hashing its headers: for ``ledger``.

A store is stood in for by a file of pickled column blocks; reading it back takes part of
the time, as a database would. Baseline and verification alternate.
"""

from __future__ import annotations

import hashlib
import pickle
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import IO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import notes
from governance.merkle import Tile, Tree
from governance.verify import BLOCK, RowBlock, verify_log

_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_ORIGIN = "palimpsest/benchmark"
_START_US = 1_767_225_600_000_000


def measure(events: int, *, rounds: int = 3, processes: int = 2) -> dict[str, float]:
    """``verify_vs_sha256``: rate of verification ÷ rate of one-thread SHA-256, best round."""
    tree, signed, tiles = Tree(), list[str](), list[Tile]()
    with tempfile.TemporaryFile() as file:
        for first in range(1, events + 1, BLOCK):
            block = _block(first, min(BLOCK, events - first + 1))
            tiles += tree.extend(block.leaves)
            signed.append(notes.sign(notes.Checkpoint(_ORIGIN, tree.size, tree.root()), _KEY))
            pickle.dump(block, file)
        hashed, verified = [], []
        for _ in range(rounds):
            hashed.append(_hash(file))
            started = time.perf_counter()
            report = verify_log(
                _stored(file),
                signed=signed,
                public_key=_KEY.public_key().public_bytes_raw(),
                origin=_ORIGIN,
                tiles=tiles,
                processes=processes,
            )
            verified.append(time.perf_counter() - started)
            assert report.ok, report.problems
            assert report.events == events
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    helpers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "verify_vs_sha256": min(hashed) / min(verified),
        "verify_us_per_event": min(verified) / events * 1e6,
        "sha256_us_per_event": min(hashed) / events * 1e6,
        "verify_rss_mb": memory / 1024,
        "verify_helper_rss_mb": helpers / 1024,
    }


def _stored(file: IO[bytes]) -> Iterator[RowBlock]:
    file.seek(0)
    while True:
        try:
            yield pickle.load(file)  # noqa: S301  # written above
        except EOFError:
            return


def _hash(file: IO[bytes]) -> float:
    """Seconds that one thread takes to hash every header."""
    taken_s = 0.0
    for block in _stored(file):
        started = time.perf_counter()
        for header in block.headers:
            hashlib.sha256(b"\x00" + header).digest()
        taken_s += time.perf_counter() - started
    return taken_s


def _block(first: int, count: int) -> RowBlock:
    seqs = list(range(first, first + count))
    ids, subjects, commands, headers = [], [], [], []
    for seq in seqs:
        digits = hashlib.sha512(b"%d" % seq).hexdigest()
        ids.append(f"{digits[:8]}-{digits[8:12]}-7{digits[12:15]}-8{digits[15:18]}-{digits[18:30]}")
        subjects.append(f"entry:{digits[30:54]}")
        commands.append(digits[54:78])
        headers.append(
            f'{{"actor":{{"id":"desk-bot","kind":"agent"}},"causes":["{ids[-1]}"],'
            f'"command":"{commands[-1]}","episode":"run-17","event_id":"{ids[-1]}","format":1,'
            f'"payload_commit":"{digits[64:]}","policy_digest":"{digits[:64]}",'
            f'"recorded_at_us":{_START_US + seq},"scope":{{"agent":"desk","tenant":"acme",'
            f'"user":"u-1"}},"seq":{seq},"subject":"{subjects[-1]}","subject_version":1,'
            f'"type":"entry.proposed"}}'.encode()
        )
    leaves = [hashlib.sha256(b"\x00" + header).digest() for header in headers]
    times = [_START_US + seq for seq in seqs]
    kinds = ["entry.proposed"] * count
    return RowBlock(seqs, ids, kinds, times, subjects, headers, leaves, commands)


if __name__ == "__main__":
    print(measure(int(sys.argv[1]), processes=int(sys.argv[2])))
