"""Verify a Palimpsest evidence bundle. One file, nothing but Python's standard library.

    python verify.py BUNDLE.zip [--key HEX]      or, in the unpacked folder: python verify.py

Read it before you run it, or take it from a release of Palimpsest that you trust instead of
from the bundle: whoever made the bundle could have changed this file too. ``--key`` names a
signing key of the log that you know from elsewhere; without it you only learn that *some*
key signed all this. Exit status: 0 all of it holds, 3 something does not, 2 wrong usage.

What is checked, numbered as in the code (6, stored tiles, is for whoever has the ledger):

0. Every file has the SHA-256 that ``manifest.json`` states.
1. Every checkpoint names this log, sizes never shrink, and it is signed by the key in force
   at its size: the first one in ``key.txt``, then the one that each ``key.rotated`` event
   names. The first checkpoint that covers such an event is signed by both.
2. Sequence numbers run 1, 2, 3, … without gap, repeat or swap; event ids are unique.
3. Each header is canonical JSON. 4. Each leaf is SHA-256(0x00 ‖ header).
5. At every checkpointed size the RFC 9162 root over the leaves equals the signed one.
7. The log is not shorter than its last checkpoint.
8. Each disclosed payload is the one its header commits to: HMAC-SHA256(nonce, payload);
   the policies listed are those that the log put in force.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

MAX_PROBLEMS, MAX_LINE_BYTES, MAX_INTEGER, MAX_DEPTH = 20, 1 << 20, 2**53 - 1, 64
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, RuntimeError)  # the last: encrypted, or unknown
# In which order problems are told: what makes the others follow comes first.
MANIFEST, CHECKPOINT, EVENT, LENGTH, REST = range(5)


class BadBundleError(Exception):
    """A part of the bundle is not what it should be."""


class Report:
    """What was checked, and everything that is wrong, first cause first."""

    def __init__(self) -> None:
        self.events = self.checkpoints = self.disclosed = self.policies = 0
        self.root = self.origin = ""
        self.keys: list[bytes] = []
        self.first_bad: int | None = None
        self._problems: list[tuple[int, int, int, str]] = []

    def add(self, rank: int, place: int, problem: str) -> None:
        """Note a problem; of very many, the first ones."""
        self._problems.append((rank, place, len(self._problems), problem))
        if len(self._problems) > 50 * MAX_PROBLEMS:
            self._problems = sorted(self._problems)[:MAX_PROBLEMS]

    def bad(self, event: int, problem: str, rank: int = EVENT) -> None:
        """A problem that shows that this event is not what was logged."""
        self.add(rank, event, problem)
        self.first_bad = min(event, self.first_bad or event)

    def problems(self) -> list[str]:
        """In the order of cause."""
        return [problem for *_, problem in sorted(self._problems)[:MAX_PROBLEMS]]


# --- canonical JSON: RFC 8785 without floats, ASCII keys, integers within ±(2^53 - 1) --------


def canonical(value: object) -> bytes:
    """The one spelling of ``value``; ``BadBundleError`` if it has none."""
    _check(value, MAX_DEPTH)
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise BadBundleError("lone surrogate in text") from error


def parse(data: bytes) -> dict[str, Any]:
    """The object in ``data``, which must be in its canonical spelling."""
    value = load(data)
    if canonical(value) != data:  # spaces, key order, duplicate keys, needless escapes
        raise BadBundleError("bytes are not the canonical form of a JSON object")
    return value


def load(data: bytes) -> dict[str, Any]:
    """A JSON object in any spelling."""
    try:
        value = json.loads(data.decode(), parse_float=int, parse_constant=int)  # refuse 1.0
    except (ValueError, RecursionError) as error:
        raise BadBundleError("JSON expected") from error
    if not isinstance(value, dict):
        raise BadBundleError("a JSON object expected")
    return value


def _check(value: object, depth: int) -> None:
    if depth == 0:
        raise BadBundleError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise BadBundleError("integer beyond ±(2^53-1)")
    if isinstance(value, dict) and not "".join(value).isascii():
        raise BadBundleError("a key is not ASCII text")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth - 1)


# --- Ed25519 verification (RFC 8032), strict ---------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z
ZERO: Point = (0, 1, 1, 0)


def _add(p: Point, q: Point) -> Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _decode_point(data: bytes) -> Point | None:
    """The point, or ``None`` for bytes that are not the one encoding of a point."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if len(data) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


_BASE = _decode_point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def ed25519_holds(public_key: bytes, signature: bytes, data: bytes) -> bool:
    """Whether ``signature`` over ``data`` is by ``public_key``: [S]B = R + [k]A."""
    point, s = _decode_point(public_key), int.from_bytes(signature[32:], "little")
    if point is None or _BASE is None or len(signature) != 64 or s >= L:
        return False
    r = signature[:32]
    k = int.from_bytes(hashlib.sha512(r + public_key + data).digest(), "little") % L
    minus_a = (P - point[0], point[1], 1, P - point[3])
    both = _add(_BASE, minus_a)
    result = ZERO  # [S]B - [k]A, both products in one pass
    for bit in range(max(s.bit_length(), k.bit_length()) - 1, -1, -1):
        result = _add(result, result)
        chosen = (s >> bit & 1) + 2 * (k >> bit & 1)
        if chosen:
            result = _add(result, (_BASE, minus_a, both)[chosen - 1])
    inverse = pow(result[2], -1, P)
    x, y = result[0] * inverse % P, result[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == r  # bytes: R has one encoding, too


# --- signed notes (C2SP signed-note, tlog-checkpoint) ------------------------------------------


_SIGNATURE_LINES = re.compile(r"(?:— [^\s+]{1,200} [A-Za-z0-9+/=]{8,}\n){1,64}")


class Note:
    """A checkpoint: the log ``origin`` had ``size`` events and this ``root``."""

    def __init__(self, text: str) -> None:  # nothing the text says is trusted yet
        body, blank, lines = text.partition("\n\n")
        self.origin, size, root, *more = [*body.split("\n"), "", ""]
        self.root, self.size, self.wrong = _from_base64(root), 0, ""
        if not blank or len(more) != 2 or not self.origin:
            self.wrong = "not a checkpoint: origin, size and root expected"
        elif len(self.root) != 32:
            self.wrong = "checkpoint root is not 32 bytes of base64"
        elif not re.fullmatch("0|[1-9][0-9]{0,17}", size):
            self.wrong = f"checkpoint size {size[:24]!r} is not a plain number"
        elif not _SIGNATURE_LINES.fullmatch(lines):
            self.wrong = "a checkpoint ends in 1 to 64 whole signature lines"
        else:
            self.size = int(size)
        self._signed = f"{body}\n".encode()
        self._lines = [line.split(" ") for line in lines.split("\n")]

    def signed_by(self, key: bytes) -> bool:
        """Whether a line holds the log's signature by this Ed25519 key (type 0x01)."""
        name = self.origin.encode()
        wanted = hashlib.sha256(name + b"\n\x01" + key).digest()[:4]
        raws = [_from_base64(line[-1]) for line in self._lines if line[:-1] == ["—", self.origin]]
        ours = [raw[4:] for raw in raws if raw[:4] == wanted]
        return bool(ours) and all(ed25519_holds(key, raw, self._signed) for raw in ours)


def _from_base64(text: str) -> bytes:
    """The bytes, or none unless ``text`` is their one standard spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return b""
    return data if base64.b64encode(data).decode() == text else b""


def read_notes(data: bytes) -> list[Note]:
    """Notes follow each other, each ended by an empty line."""
    parts = data.decode("utf-8", errors="replace").split("\n\n")
    pairs = zip(parts[0:-1:2], [*parts[1:-1:2], ""], strict=False)
    return [Note(f"{body}\n\n{lines}\n") for body, lines in pairs]


# --- the Merkle tree (RFC 9162) ----------------------------------------------------------------


class Tree:
    """Roots of the perfect trees that cover the log so far, largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def append(self, header: bytes) -> None:
        """Add a leaf."""
        carry = hashlib.sha256(b"\x00" + header).digest()  # step 4
        size = self.size
        while size & 1:
            carry, size = self._node(self._peaks.pop(), carry), size >> 1
        self._peaks.append(carry)
        self.size += 1

    def root(self) -> bytes:
        """Root of all leaves added so far."""
        if not self._peaks:
            return hashlib.sha256(b"").digest()
        *peaks, root = self._peaks
        while peaks:
            root = self._node(peaks.pop(), root)
        return root

    @staticmethod
    def _node(left: bytes, right: bytes) -> bytes:
        return hashlib.sha256(b"\x01" + left + right).digest()


class Bundle:
    """A zip file or the folder it was unpacked to; only members it names are read."""

    def __init__(self, path: Path) -> None:
        self._folder = path
        self._zip = None if path.is_dir() else zipfile.ZipFile(path)
        names = self._zip.namelist() if self._zip is not None else []
        if len(set(names)) < len(names):
            raise BadBundleError("the zip file holds two files of one name")

    def open(self, name: str) -> IO[bytes]:
        """A member, for reading."""
        if self._zip is not None:
            return self._zip.open(name)
        return (self._folder / Path(name).name).open("rb")

    def read(self, name: str) -> bytes:
        """A whole member."""
        with self.open(name) as file:
            return file.read()

    def lines(self, name: str) -> Iterator[bytes]:
        """Lines of a member, without their ends."""
        with self.open(name) as file:
            while line := file.readline(MAX_LINE_BYTES):
                if not line.endswith(b"\n"):
                    raise BadBundleError(f"{name} is cut short, or holds a line that is too long")
                yield line[:-1]


# --- verification ------------------------------------------------------------------------------


def verify(bundle: Bundle, known_key: bytes | None = None) -> Report:
    """Steps 0 to 8; raises ``BadBundleError`` only for what cannot be read."""
    report = Report()
    _check_manifest(bundle, report)
    origin, first_key = _read_key(bundle)
    notes = read_notes(bundle.read("checkpoints.txt"))
    cosigned = read_notes(bundle.read("cosigned.txt"))
    scan = _Scan(report, {note.size for note in notes + cosigned}, _read_disclosed(bundle))
    for line in bundle.lines("headers.jsonl"):
        scan.add(line)
    keys = _Keys(first_key, scan.rotations)
    largest = _check_notes(report, notes, origin, keys, scan.roots)
    report.keys = keys.used
    report.events, report.root, report.origin = scan.tree.size, scan.tree.root().hex(), origin
    gone = largest - report.events
    if gone > 0:  # step 7
        ends = f"the log ends at event {report.events}, but a checkpoint was signed at {largest}"
        report.bad(report.events + 1, f"{ends}: {gone} acknowledged event(s) are missing", LENGTH)
    for note in cosigned:
        if note.wrong or note.origin != origin or scan.roots.get(note.size) != note.root:
            report.add(REST, note.size, "cosigned.txt holds a checkpoint of another log")
    for event in scan.disclosed:
        report.bad(event, f"event {event}: a payload is disclosed, but there is no such event")
    if bundle.read("policies.jsonl") != b"".join(scan.policies):
        report.add(REST, 0, "policies.jsonl lists others than the disclosed events activated")
    report.policies = len(scan.policies)
    if known_key is not None and known_key not in report.keys:
        report.add(MANIFEST, 0, f"the log was never signed with the key {known_key.hex()}")
    return report


def _check_manifest(bundle: Bundle, report: Report) -> None:
    """Step 0."""
    files = load(bundle.read("manifest.json")).get("files")
    if not isinstance(files, dict):
        raise BadBundleError("manifest.json lists no files")
    for place, (name, stated) in enumerate(sorted(files.items())):
        digest = hashlib.sha256()
        with bundle.open(name) as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        if digest.hexdigest() != stated:
            report.add(MANIFEST, place, f"{name} is not the file that the manifest lists")


def _read_key(bundle: Bundle) -> tuple[str, bytes]:
    """Name of the log and the key it began with."""
    found = re.fullmatch(rb"origin (.+)\nfirst-key ([0-9a-f]{64})\n", bundle.read("key.txt"))
    if found is None:
        raise BadBundleError("key.txt names no origin and first-key")
    return found[1].decode(errors="replace"), bytes.fromhex(found[2].decode())


def _read_disclosed(bundle: Bundle) -> dict[int, dict[str, Any]]:
    """Disclosed payloads by event; nothing may stand there that is not checked."""
    found: dict[int, dict[str, Any]] = {}
    for record in map(parse, bundle.lines("disclosed.jsonl")):
        seq = record.get("seq")
        if set(record) != {"nonce", "payload", "seq"} or not isinstance(seq, int) or seq in found:
            raise BadBundleError("disclosed.jsonl holds something that is no payload, or one twice")
        found[seq] = record
    return found


class _Scan:
    """Steps 2 to 4 and 8, header by header, remembering the root at each size wanted."""

    def __init__(self, report: Report, sizes: set[int], disclosed: dict[int, Any]) -> None:
        self.tree, self.roots = Tree(), {0: Tree().root()}
        self.disclosed = disclosed
        self.policies: list[bytes] = []
        self.rotations: list[tuple[int, bytes]] = []
        self._report, self._sizes, self._ids = report, sizes, dict[str, int]()

    def add(self, data: bytes) -> None:
        """The next header."""
        self.tree.append(data)
        event = self.tree.size
        if event in self._sizes:
            self.roots[event] = self.tree.root()
        try:
            header = parse(data)  # step 3
        except BadBundleError as error:
            self._report.bad(event, f"event {event}: header altered ({error})")
            return
        if header.get("seq") != event:  # step 2
            found = f"found event {header.get('seq')} instead"
            self._report.bad(event, f"event {event} is missing or out of order: {found}")
        first = self._ids.setdefault(str(header.get("event_id")), event)
        if first != event:
            self._report.bad(event, f"event {event}: its id is that of event {first}")
        key = re.fullmatch("key:([0-9a-f]{64})", str(header.get("subject")))
        if header.get("type") == "key.rotated" and key:
            self.rotations.append((event, bytes.fromhex(key[1])))
        elif header.get("type") == "key.rotated":
            self._report.bad(event, f"event {event}: its subject names no signing key")
        if event in self.disclosed:
            self._open(event, header, self.disclosed.pop(event))

    def _open(self, event: int, header: dict[str, Any], record: dict[str, Any]) -> None:
        """Step 8 for one event."""
        nonce, payload = str(record["nonce"]), record["payload"]
        known = bytes.fromhex(nonce) if re.fullmatch("[0-9a-f]{64}", nonce) else b""
        digest = hmac.new(known, canonical(payload), hashlib.sha256).hexdigest()
        if not known or digest != header.get("payload_commit"):
            text = f"event {header.get('seq')}: payload does not match its commitment"
            self._report.bad(event, text)
            return
        self._report.disclosed += 1
        if header.get("type") == "policy.activated" and isinstance(payload, dict):
            text = hashlib.sha256(str(payload.get("text")).encode()).hexdigest()
            line = canonical({"digest": text, "name": payload.get("name"), "seq": event})
            self.policies.append(line + b"\n")


class _Keys:
    """The key in force, moved on by the checkpoints that cover a rotation (step 1)."""

    def __init__(self, first: bytes, rotations: list[tuple[int, bytes]]) -> None:
        self.used, self._ahead, self._retired = [first], rotations, dict[bytes, int]()

    def check(self, note: Note, origin: str) -> tuple[str, bool]:
        """What is wrong with a note, and whether the key in force signed it all the same."""
        if note.wrong or note.origin != origin:
            return note.wrong or f"checkpoint of another log: {note.origin[:80]!r}", False
        at = f"checkpoint at size {note.size}"
        if not note.signed_by(self.used[-1]):
            by = [event for key, event in self._retired.items() if note.signed_by(key)]
            only = f", only by one that event {by[0]} retired" if by else ""
            return f"{at} is not signed by the ledger's key{only}", False
        covered = [rotation for rotation in self._ahead if rotation[0] <= note.size]
        if covered:
            event, key = covered[-1]
            if not note.signed_by(key):
                return f"{at} is not signed by the key that event {event} puts in force", True
            self._retired[self.used[-1]] = event
            self._retired.pop(key, None)
            self.used.append(key)
            del self._ahead[: len(covered)]
        return "", True


def _check_notes(
    report: Report, notes: list[Note], origin: str, keys: _Keys, roots: dict[int, bytes]
) -> int:
    """Steps 1 and 5; returns the largest size that was signed."""
    last: Note | None = None
    agreed: int | None = 0  # roots agree up to here; None after the first that does not
    for number, note in enumerate(notes, start=1):
        wrong, ours = keys.check(note, origin)
        report.checkpoints += not wrong
        if ours and last is not None and note.size < last.size:
            wrong, ours = f"goes back from size {last.size} to {note.size}", False
        if wrong:
            report.add(CHECKPOINT, number, f"checkpoint {number}: {wrong}")
        if not ours:
            continue
        same, at = roots.get(note.size, note.root) == note.root, f"at event {note.size}"
        if last is not None and last.size == note.size and last.root != note.root:
            report.bad(note.size, f"{at} two different roots were signed: the log forked")
        elif agreed is not None:
            if not same:
                differs = f"{at} the root differs from the recomputed one: an event after {agreed}"
                what = "was changed, removed or inserted after it was acknowledged"
                report.bad(note.size, f"{differs} {what}")
            agreed = note.size if same else None
        last = note
    if last is None:
        none = "there is no valid signed checkpoint: the log could have been cut or rewritten"
        report.add(CHECKPOINT, len(notes) + 1, none)
    return 0 if last is None else last.size


def show(report: Report) -> str:
    """The result for a person; control characters cannot act on a terminal."""
    first = report.first_bad
    lines = [
        f"verified: {report.events} events under {report.checkpoints} signed checkpoints",
        f"disclosed payloads that match: {report.disclosed}, policies: {report.policies}",
        f"log {report.origin}, root {report.root}",
        "signed with " + ", then ".join(key.hex() for key in report.keys),
    ]
    if problems := report.problems():
        lines = [f"FAILED: {len(problems)} problem(s)", *problems]
        lines.append("no event is provably bad" if first is None else f"first bad event: {first}")
    return "".join(ascii(line)[1:-1] + "\n" for line in lines)


def main(arguments: list[str]) -> int:
    """Run as a program; returns the exit status."""
    parser = argparse.ArgumentParser(description="Verify a Palimpsest evidence bundle.")
    here = Path(__file__).parent
    parser.add_argument("bundle", nargs="?", type=Path, default=here, help="zip file or folder")
    parser.add_argument("--key", type=bytes.fromhex, help="a signing key you know, in hex")
    chosen = parser.parse_args(arguments)
    try:
        report = verify(Bundle(chosen.bundle), chosen.key)
    except (BadBundleError, OSError, KeyError, EOFError, *_ZIP_ERRORS) as error:
        sys.stdout.write(f"FAILED: unreadable: {ascii(str(error))[1:-1]}\n")
        return 3
    sys.stdout.write(show(report))
    if not report.problems() and chosen.key is None:
        sys.stdout.write("no --key given: compare the key with one you know from elsewhere\n")
    return 3 if report.problems() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
