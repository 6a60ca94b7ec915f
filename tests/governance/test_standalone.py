"""The stand-alone verifier: the same verdict and the same first bad event as ``verify_log``.

Trust tests 2 (any change of a header), 3 (everything recomputed, without the signing key)
and 18 (bundles of every released format) on the level of evidence bundles.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import canonical, standalone
from governance.errors import PalimpsestError
from governance.evidence import verifier
from tests.governance.bundles import LENGTH, Parts, bundle, resigned
from tests.governance.verify_logs import ORIGIN, key, public

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle-format-1.zip"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(tmp_path_factory.mktemp("bundle") / "evidence.zip")


@pytest.fixture
def parts(made: Path, tmp_path: Path) -> Parts:
    whole = Parts.of(made)
    report = whole.stand_alone(tmp_path, public(1))
    assert report.problems() == []
    assert whole.independent().problems == []
    assert (report.events, report.checkpoints, report.disclosed, report.policies) == (
        LENGTH, 6, 2, 1,
    )  # fmt: skip
    return whole


# --- the same verdicts ---------------------------------------------------------------------

Tamper = Callable[[Parts], None]


def _headers(change: Callable[[list[bytes]], list[bytes]]) -> Tamper:
    def tamper(parts: Parts) -> None:
        parts.headers = change(parts.headers)

    return tamper


def _edit(seq: int, old: bytes, new: bytes) -> Tamper:
    def change(lines: list[bytes]) -> list[bytes]:
        assert old in lines[seq - 1]
        return [*lines[: seq - 1], lines[seq - 1].replace(old, new), *lines[seq:]]

    return _headers(change)


def _signed(change: Callable[[list[str]], list[str]]) -> Tamper:
    def tamper(parts: Parts) -> None:
        parts.signed = change(parts.signed)

    return tamper


def _disclosed(change: Callable[[list[dict[str, Any]]], Any]) -> Tamper:
    def tamper(parts: Parts) -> None:
        records = parts.disclosed
        change(records)
        parts.disclosed = records

    return tamper


def _rewritten(*signers: int) -> Tamper:
    """Event 5 changed and every later note made anew by whoever holds these keys."""

    def tamper(parts: Parts) -> None:
        _edit(5, b'"kind":"agent"', b'"kind":"human"')(parts)
        headers = parts.headers
        kept = [note for note in parts.signed if int(note.split("\n")[1]) < 5]
        parts.signed = [*kept, *(resigned(headers, size, *signers) for size in (8, 12, LENGTH))]

    return tamper


TAMPERS: dict[str, tuple[Tamper, int | None]] = {
    "a word": (_edit(6, b'"agent":"desk"', b'"agent":"disk"'), 8),
    "a space": (_edit(6, b'"seq":6', b'"seq": 6'), 6),
    "a key twice": (_edit(6, b'"seq":6', b'"seq":6,"seq":6'), 6),
    "a float": (_edit(6, b'"subject_version":1', b'"subject_version":1.0'), 6),
    "an exponent": (_edit(6, b'"subject_version":1', b'"subject_version":1e2'), 6),
    "a big number": (_edit(6, b'"subject_version":1', b'"subject_version":9007199254740992'), 6),
    "not a number": (_edit(6, b'"subject_version":1', b'"subject_version":NaN'), 6),
    "a lone surrogate": (_edit(6, b'"desk"', b'"\\ud800"'), 6),
    "a needless escape": (_edit(6, b'"desk"', b'"d\\u0065sk"'), 6),
    "bad text": (_edit(6, b'"desk"', b'"\xff"'), 6),
    "a key that is not ASCII": (_edit(6, b'"type"', '"typé"'.encode()), 6),
    "another number": (_edit(6, b'"seq":6', b'"seq":7'), 6),
    "no JSON": (_headers(lambda lines: [*lines[:5], b"", *lines[6:]]), 6),
    "a list": (_headers(lambda lines: [*lines[:5], b"[]", *lines[6:]]), 6),
    "too deep": (_headers(lambda lines: [*lines[:5], b'{"a":' * 70 + b"1" + b"}" * 70,
                                         *lines[6:]]), 6),
    "far too deep": (_headers(lambda lines: [*lines[:5], b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
                                             *lines[6:]]), 6),
    "dropped": (_headers(lambda lines: lines[:6] + lines[7:]), 7),
    "swapped": (_headers(lambda lines: [*lines[:6], lines[7], lines[6], *lines[8:]]), 7),
    "twice": (_headers(lambda lines: [*lines[:7], lines[6], *lines[7:]]), 8),
    "inserted": (_headers(lambda lines: [lines[0].replace(b'"seq":1,', b'"seq":0,'), *lines]), 1),
    "cut": (_headers(lambda lines: lines[:20]), 21),
    "empty": (_headers(lambda _: []), 1),
    "an id twice": (lambda parts: _edit(
        6, json.loads(parts.headers[5])["event_id"].encode(),
        json.loads(parts.headers[1])["event_id"].encode())(parts), 6),
    "rewritten without a key": (_rewritten(3), None),
    "rewritten by the retired key": (_rewritten(1), None),
    "another new key": (_edit(10, public(2).hex().encode(), public(3).hex().encode()), 12),
    "a rotation without a key": (_edit(10, b"key:", b"kez:"), 10),
    "a rotation hidden": (_edit(10, b"key.rotated", b"key.rotatee"), 12),
    "no notes": (_signed(lambda _: []), None),
    "the last note dropped": (_signed(lambda signed: signed[:-1]), None),
    "a size": (_signed(lambda signed: [signed[0], signed[1].replace("\n1\n", "\n2\n"),
                                       *signed[2:]]), None),
    "a size with a zero": (_signed(lambda signed: [signed[1].replace("\n1\n", "\n01\n"),
                                                   *signed[2:]]), None),
    "another origin": (_signed(lambda signed: [signed[0].replace(ORIGIN, "other", 1),
                                               *signed[1:]]), None),
    "a root cut": (_signed(lambda signed: [signed[0].replace("\n\n", "A\n\n", 1),
                                           *signed[1:]]), None),
    "a line too many": (_signed(lambda signed: [signed[0].replace("\n\n", "\nx\n\n", 1),
                                                *signed[1:]]), None),
    "a signature": (_signed(lambda signed: [signed[0][:-8] + "AAAA" + signed[0][-4:],
                                            *signed[1:]]), None),
    "a signature stripped": (_signed(lambda signed: [
        *signed[:3], "".join(signed[3].rpartition("— ")[0]), *signed[4:]]), None),
    "notes swapped": (_signed(lambda signed: [signed[0], signed[2], signed[1], *signed[3:]]), None),
    "a fork": (_signed(lambda signed: [
        *signed[:2], resigned([b"other"], 1, 1), *signed[2:]]), 1),
    "a payload": (_disclosed(lambda records: records[1]["payload"].update(text="better")), 7),
    "a nonce": (_disclosed(lambda records: records[1].update(nonce="00" * 32)), 7),
    "payloads exchanged": (_disclosed(lambda records: [
        one.update(seq=10 - one["seq"]) for one in records]), 3),
}  # fmt: skip

HOLDS = {"the last note dropped"}
"""What is left proves less, and truly."""


def told(problems: list[str]) -> list[str]:
    """Problems but for how each JSON library says what is wrong, and for "forged"."""
    forged = "is not signed by the ledger's key"
    return [
        problem.partition(" (")[0].replace(": the signature is forged", f" {forged}")
        for problem in problems
    ]


@pytest.mark.parametrize("name", TAMPERS)
def test_both_verifiers_say_the_same_of_every_change(
    parts: Parts, tmp_path: Path, name: str
) -> None:
    tamper, first_bad = TAMPERS[name]
    tamper(parts)
    alone = parts.agree().stand_alone(tmp_path)
    independent = parts.independent()
    bundles_only = ("policies.jsonl", "cosigned.txt", "event 3: a payload", "event 7: a payload")
    problems = [one for one in alone.problems() if not one.startswith(bundles_only)]
    assert told(problems) == told(independent.problems)
    assert bool(alone.problems()) == (name not in HOLDS)
    assert alone.first_bad == independent.first_bad == first_bad


EDITS = st.lists(
    st.tuples(st.integers(0, 20_000), st.integers(0, 3), st.sampled_from([
        b"", b"0", b"-1", b'"', b"\\", b"\\n", b" ", b"{", b"}", b"\xc3\xa9", b"\xff", b"\x01",
        b"\x7f", b"null", b"1.5", b'"a":[[]],',
    ])),
    min_size=1, max_size=2,
)  # fmt: skip


@settings(max_examples=60)
@given(EDITS)
def test_random_edits_of_headers_get_the_same_verdict(
    made: Path, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int, bytes]]
) -> None:
    parts = Parts.of(made)
    lines = parts.headers
    for place, drop, insert in edits:
        at, offset = place % len(lines), place // len(lines) % len(lines[place % len(lines)])
        lines[at] = lines[at][:offset] + insert + lines[at][offset + drop :]
    unchanged = lines == parts.headers
    parts.headers = lines
    alone = parts.agree().stand_alone(tmp_path_factory.mktemp("edit"))
    independent = parts.independent()
    assert alone.first_bad == independent.first_bad
    assert (not alone.problems()) == independent.ok == unchanged


@given(st.binary(max_size=40) | st.sampled_from([b'{"a":1}', b'{"a":-0}', b'{"a":[true,null]}']))
def test_both_read_canonical_json_alike(data: bytes) -> None:
    try:
        expected: Any = canonical.decode(data)
    except PalimpsestError:
        with pytest.raises(standalone.BadBundleError):
            standalone.parse(data)
    else:
        assert standalone.parse(data) == expected
        assert standalone.canonical(expected) == data


# --- what only a bundle has ------------------------------------------------------------------


def test_files_that_the_manifest_does_not_know_are_named(parts: Parts, tmp_path: Path) -> None:
    for name in sorted(parts.files.keys() - {"manifest.json"}):
        changed = Parts(parts.files | {name: parts.files[name] + b" \n"})
        try:
            problems = changed.stand_alone(tmp_path).problems()
        except standalone.BadBundleError:
            assert name in {"disclosed.jsonl", "key.txt"}  # nothing of it may be left unread
        else:
            assert problems[0] == f"{name} is not the file that the manifest lists"


def test_the_list_of_policies_must_be_what_was_activated(parts: Parts, tmp_path: Path) -> None:
    parts.files["policies.jsonl"] = parts.files["policies.jsonl"].replace(b"default", b"strict")
    assert parts.agree().stand_alone(tmp_path).problems() == [
        "policies.jsonl lists others than the disclosed events activated"
    ]
    parts.files["policies.jsonl"] = b""
    assert parts.agree().stand_alone(tmp_path).problems()


def test_cosigned_checkpoints_must_be_of_this_log(parts: Parts, tmp_path: Path) -> None:
    for note in (
        resigned([b"other"], 1, 1), resigned(parts.headers, 99, 2), "x\n\ny\n",
        resigned(parts.headers, 16, 2, origin="palimpsest/other"),
    ):  # fmt: skip
        parts.files["cosigned.txt"] = f"{note}\n".encode()
        assert parts.agree().stand_alone(tmp_path).problems() == [
            "cosigned.txt holds a checkpoint of another log"
        ]
    parts.files["cosigned.txt"] = f"{resigned(parts.headers, 5, 2)}\n".encode()
    assert parts.agree().stand_alone(tmp_path).problems() == []


def test_only_whole_signature_lines_may_follow_a_checkpoint(parts: Parts, tmp_path: Path) -> None:
    first, *others = parts.signed
    for lines in ("", "junk\n", f"{first.partition('— ')[2]}", "— a b c\n"):
        parts.signed = [first.partition("— ")[0] + lines, *others]
        assert parts.agree().stand_alone(tmp_path).problems()[0].startswith("checkpoint 1: ")
    parts.signed = [first.replace(ORIGIN, "", 1), *others]
    assert "origin, size and root" in parts.agree().stand_alone(tmp_path).problems()[0]
    parts.signed = [f"{first}— witness.example/1 AAAAAAAA\n", *others]
    assert parts.agree().stand_alone(tmp_path).problems() == []


def test_a_known_key_must_be_one_of_the_log(parts: Parts, tmp_path: Path) -> None:
    for known in (public(1), public(2)):
        assert parts.stand_alone(tmp_path, known).problems() == []
    report = parts.stand_alone(tmp_path, public(3))
    assert report.problems() == [f"the log was never signed with the key {public(3).hex()}"]


def test_a_bundle_made_anew_with_other_keys_fails_for_whoever_knows_one(
    parts: Parts, tmp_path: Path
) -> None:
    """Trust test 3: whoever rewrites everything lacks one thing, the key the reader knows."""
    _edit(5, b'"kind":"agent"', b'"kind":"human"')(parts)
    _edit(10, public(2).hex().encode(), public(4).hex().encode())(parts)
    headers = parts.headers
    parts.signed = [resigned(headers, 8, 3), resigned(headers, LENGTH, 3, 4)]
    parts.files["cosigned.txt"] = b""
    parts.files["key.txt"] = f"origin {ORIGIN}\nfirst-key {public(3).hex()}\n".encode()
    forged = parts.agree()
    assert forged.stand_alone(tmp_path).problems() == []  # why the program asks for a key
    for known in (public(1), public(2)):
        assert forged.stand_alone(tmp_path, known).problems()


def test_what_is_disclosed_must_all_be_checked(parts: Parts, tmp_path: Path) -> None:
    good = parts.files["disclosed.jsonl"]
    line = good.splitlines()[1]
    for bad in (
        good + line + b"\n",  # one event twice: a reader could see the other one
        good.replace(b'{"nonce"', b'{"nonce":"","nonce"', 1),
        good.replace(b'"seq":7}', b'"seq":7,"zusatz":"free text"}'),
        good.replace(b'"seq":7}', b'"seq":"7"}'),
        good.removesuffix(b"\n"),
        good + b"\n",
    ):
        parts.files["disclosed.jsonl"] = bad
        with pytest.raises(standalone.BadBundleError):
            parts.agree().stand_alone(tmp_path)
    parts.files["disclosed.jsonl"] = good.replace(b'"seq":7}', b'"seq":70}')
    report = parts.agree().stand_alone(tmp_path)
    assert "a payload is disclosed, but there is no such event" in report.problems()[0]
    parts.disclosed = [one | {"nonce": one["nonce"].upper()} for one in parts.disclosed]
    assert parts.agree().stand_alone(tmp_path).problems()
    parts.files["disclosed.jsonl"] = good
    assert parts.agree().stand_alone(tmp_path).problems() == []


def test_a_policy_event_without_a_policy_is_no_policy(parts: Parts, tmp_path: Path) -> None:
    from governance.sealing import commit
    from tests.governance.verify_logs import event, signed_at

    made = commit(b'["no","object"]')
    row = event(1, type="policy.activated", payload_commit=made.digest)
    parts.headers = [row.header]
    parts.signed = [signed_at([row], 1, 1)]
    parts.files |= {"cosigned.txt": b"", "policies.jsonl": b""}
    record: dict[str, Any] = {"nonce": made.nonce.hex(), "payload": ["no", "object"], "seq": 1}
    parts.files["disclosed.jsonl"] = canonical.encode(record) + b"\n"
    report = parts.agree().stand_alone(tmp_path)
    assert (report.problems(), report.disclosed, report.policies) == ([], 1, 0)


def test_of_very_many_problems_the_first_are_kept() -> None:
    report = standalone.Report()
    for number in reversed(range(5_000)):
        report.bad(number + 1, f"event {number + 1}")
    assert report.problems() == [f"event {number}" for number in range(1, 21)]
    assert report.first_bad == 1


# --- Ed25519 -----------------------------------------------------------------------------------


@given(number=st.integers(1, 3), data=st.binary(max_size=80), bit=st.integers(0, 511))
@settings(max_examples=40)
def test_signatures_are_judged_as_by_openssl(number: int, data: bytes, bit: int) -> None:
    signature = key(number).sign(data)
    assert standalone.ed25519_holds(public(number), signature, data)
    assert not standalone.ed25519_holds(public(number % 3 + 1), signature, data)
    assert not standalone.ed25519_holds(public(number), signature, data + b"x")
    broken = bytearray(signature)
    broken[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public(number)).verify(bytes(broken), data)
    assert not standalone.ed25519_holds(public(number), bytes(broken), data)


def test_rfc_8032_vectors_and_malleable_signatures() -> None:
    public_key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
        "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    holds = standalone.ed25519_holds
    assert holds(public_key, signature, b"")
    raised = int.from_bytes(signature[32:], "little") + standalone.L
    assert not holds(public_key, signature[:32] + raised.to_bytes(32, "little"), b"")
    assert not holds(public_key, signature[:63], b"")
    assert not holds(public_key, signature + b"\0", b"")
    assert not holds(public_key[:31], signature, b"")
    assert not holds((2).to_bytes(32, "little"), signature, b"")  # on no point of the curve
    # y + p encodes the same point as y; x = 0 has no negative.
    for bad in (standalone.P + 1, 1 | 1 << 255, standalone.P - 1 | 1 << 255):
        assert standalone._decode_point(bad.to_bytes(32, "little")) is None
    for good in (1, standalone.P - 1):
        assert standalone._decode_point(good.to_bytes(32, "little")) is not None


# --- as a program ------------------------------------------------------------------------------


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_it_runs_alone_on_the_zip_and_in_the_unpacked_folder(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(made) as file:
        file.extractall(unpacked)
    for arguments in (["verify.py"], ["verify.py", str(made), "--key", public(2).hex()]):
        result = run(*arguments, folder=unpacked)
        assert (result.returncode, result.stderr) == (0, "")
        assert f"verified: {LENGTH} events under 6 signed checkpoints" in result.stdout
        assert ("no --key given" in result.stdout) == (len(arguments) == 1)
    assert standalone.main([str(unpacked)]) == 0
    monkeypatch.setattr(sys, "argv", ["verify.py", str(made)])
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_path(standalone.__file__, run_name="__main__")
    headers = unpacked / "headers.jsonl"
    headers.write_bytes(headers.read_bytes().replace(b'"seq":9', b'"seq":8'))
    result = run("verify.py", folder=unpacked)
    assert (result.returncode, result.stderr) == (3, "")
    assert "first bad event: 9\n" in result.stdout
    assert "headers.jsonl is not the file that the manifest lists" in result.stdout
    assert run("verify.py", "--key", "xyz", folder=unpacked).returncode == 2


def test_what_cannot_be_read_proves_nothing(
    made: Path, parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def status(path: Path) -> int:
        return standalone.main([str(path)])

    assert status(made) == 0
    data = made.read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: len(data) // 2])
    (tmp_path / "text").write_text("no zip")
    damaged = bytearray(data)
    damaged[data.index(b"headers.jsonl") + 200] ^= 0xFF
    (tmp_path / "flipped.zip").write_bytes(damaged)
    for name in ("cut.zip", "text", "flipped.zip", "absent"):
        assert status(tmp_path / name) == 3, name
    for gone in parts.files.keys() - {"README.txt", "verify.py"}:
        left = {name: data for name, data in parts.files.items() if name != gone}
        assert status(Parts(left).write(tmp_path / "less.zip")) == 3
    for name, text in (("key.txt", b"origin x\n"), ("manifest.json", b'{"files":[]}')):
        assert status(Parts(parts.files | {name: text}).write(tmp_path / "bad.zip")) == 3
    with (
        pytest.warns(UserWarning, match="Duplicate"),
        zipfile.ZipFile(parts.write(tmp_path / "two.zip"), "a") as file,
    ):
        file.writestr("key.txt", b"another")
    assert status(tmp_path / "two.zip") == 3
    long = parts.files["headers.jsonl"] + b"x" * standalone.MAX_LINE_BYTES + b"\n"
    parts.files["headers.jsonl"] = long
    assert status(parts.agree().write(tmp_path / "long.zip")) == 3
    out = capsys.readouterr().out
    assert out.count("FAILED: ") == 4 + len(parts.files) - 2 + 2 + 2
    assert out.isascii()


def test_text_from_a_bundle_cannot_act_on_a_terminal(
    parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts.signed = [parts.signed[0].replace(ORIGIN, "\x1b[31m\u202e", 1), *parts.signed[1:]]
    assert standalone.main([str(parts.agree().write(tmp_path / "x.zip"))]) == 3
    out = capsys.readouterr().out
    assert "checkpoint of another log" in out
    assert "no event is provably bad" in out
    assert out.isascii()
    assert "\x1b" not in out


def test_it_is_short_enough_to_be_read() -> None:
    assert verifier() == Path(standalone.__file__).read_bytes()
    assert len(verifier().splitlines()) < 500


# --- trust test 18 -----------------------------------------------------------------------------


def test_bundles_of_every_released_format_verify(tmp_path: Path) -> None:
    """With today's verifier, and with the one that came with them."""
    report = standalone.verify(standalone.Bundle(GOLDEN), public(1))
    assert report.problems() == []
    assert (report.events, report.disclosed) == (LENGTH, 2)
    with zipfile.ZipFile(GOLDEN) as file:
        (tmp_path / "verify.py").write_bytes(file.read("verify.py"))
    result = run("verify.py", str(GOLDEN), "--key", public(1).hex(), folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    parts = Parts.of(GOLDEN)
    _edit(5, b'"kind":"agent"', b'"kind":"human"')(parts)
    changed = parts.agree().write(tmp_path / "changed.zip")
    assert run("verify.py", str(changed), folder=tmp_path).returncode == 3
    assert standalone.main([str(changed)]) == 3
