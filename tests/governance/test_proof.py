from __future__ import annotations

import base64

import pytest

from governance import canonical, notes
from governance.errors import CheckpointError, LedgerError, ProofError
from governance.merkle import leaf_hash
from governance.proof import build_proof, follow_keys, log_key, verify_proof
from tests.governance.transparent import (
    ORIGIN,
    Log,
    Stored,
    lines_of,
    log_vkey,
    naive_path,
    private,
    public,
    relined,
    witness_vkey,
)

LOG = Log().append(4).append(3)
TEXT = build_proof(LOG, 5)


def test_a_proof_file_has_the_c2sp_form() -> None:
    first, extra, index, *hashes = TEXT.partition("\n\n")[0].split("\n")
    assert first == "c2sp.org/tlog-proof@v1"
    assert base64.b64decode(extra.removeprefix("extra ")) == LOG.headers[4]
    assert index == "index 4"
    path = naive_path(4, [leaf_hash(one) for one in LOG.headers])
    assert [base64.b64decode(one) for one in hashes] == path
    assert TEXT.partition("\n\n")[2] == LOG.note()


def test_a_proof_says_what_it_proves() -> None:
    found = verify_proof(TEXT, [LOG.vkey])
    assert found.seq == 5
    assert found.header == canonical.decode(LOG.headers[4])
    assert found.checkpoint == notes.verify(LOG.note(), LOG.public_key)
    assert found.cosigners == frozenset()
    assert log_key(LOG) == LOG.vkey == log_vkey(private(1))


def test_every_event_is_proved_under_every_checkpoint_that_covers_it() -> None:
    for note, size in ((LOG.signed[1], 4), (LOG.signed[2], 7)):
        for seq in range(1, size + 1):
            found = verify_proof(build_proof(LOG, seq, note), [LOG.vkey])
            assert (found.seq, found.checkpoint.size) == (seq, size)
    with pytest.raises(LedgerError, match="event 5 is not covered by the checkpoint at 4"):
        build_proof(LOG, 5, LOG.signed[1])
    for seq in (0, 8, -1):
        with pytest.raises(LedgerError, match="does not exist"):
            build_proof(LOG, seq)


def test_the_only_event_of_a_log_needs_no_hashes() -> None:
    log = Log().append(1)
    text = build_proof(log, 1)
    assert text.partition("\n\n")[0].endswith("\nindex 0")
    assert verify_proof(text, [log.vkey]).seq == 1


def test_a_proof_that_does_not_hold_is_not_handed_out() -> None:
    log = Log().append(4)
    assert build_proof(log, 2)
    log.stored = Stored([leaf_hash(b"%d" % number) for number in range(4)])
    with pytest.raises(ProofError, match="event 2 cannot be proved") as caught:
        build_proof(log, 2)
    assert "verify" in caught.value.hint


def test_a_proof_of_another_log_is_refused() -> None:
    other = Log(origin="palimpsest/ffff").append(7)
    with pytest.raises(CheckpointError, match="another log"):
        verify_proof(build_proof(other, 5), [LOG.vkey])
    with pytest.raises(CheckpointError, match="another log"):
        verify_proof(TEXT, [LOG.vkey, other.vkey])
    assert verify_proof(build_proof(other, 5), [other.vkey]).seq == 5
    assert verify_proof(TEXT, [log_vkey(private(5)), LOG.vkey]).seq == 5
    with pytest.raises(CheckpointError, match="not signed"):
        verify_proof(TEXT, [])


def test_what_is_no_proof_file_is_refused() -> None:
    first, extra, index, *hashes = TEXT.partition("\n\n")[0].split("\n")
    note = TEXT.partition("\n\n")[2]
    verify_proof("\n".join([first, extra, index, *hashes]) + f"\n\n{note}", [LOG.vkey])
    for lines, message in (
        ([], "first line"),
        ([first.replace("v1", "v2"), extra, index, *hashes], "first line"),
        ([first], "no event header"),
        ([first, extra], "no event header"),
        ([first, index, *hashes], "no event header"),
        ([first, extra, *hashes], "not the index"),
        ([first, extra, "index 04", *hashes], "not the index"),
        ([first, extra, "index -4", *hashes], "not the index"),
        ([first, extra, f"index {'9' * 400}", *hashes], "not the index"),
        ([first, extra, index, "!", *hashes[1:]], "not base64"),
        ([first, extra, index, hashes[0][:-2] + "x=", *hashes[1:]], "not base64"),
        ([first, extra, index, "AAAA", *hashes[1:]], "32 bytes"),
        ([first, "extra é", index, *hashes], "not base64"),
    ):
        with pytest.raises(ProofError, match=message):
            verify_proof("\n".join(lines) + f"\n\n{note}", [LOG.vkey])
    with pytest.raises(ProofError, match="first line"):
        verify_proof(first, [LOG.vkey])


def test_a_quorum_counts_keys_not_names() -> None:
    one, two = witness_vkey(private(8), "w.example/1"), witness_vkey(private(9), "w.example/2")
    twin = witness_vkey(private(8), "w.example/twin")
    note = LOG.note()
    for key, name in ((8, one.name), (9, two.name), (8, twin.name)):
        note = notes.add_lines(note, notes.cosign(note, name, private(key), 7))
    text = build_proof(LOG, 5, note)
    assert verify_proof(text, [LOG.vkey], witnesses=[one, two], quorum=2).cosigners == {one, two}
    for witnesses, quorum in (([one, twin], 2), ([one], 2), ([], 1), ([one], -1)):
        with pytest.raises(LedgerError, match="different witness keys"):
            verify_proof(text, [LOG.vkey], witnesses=witnesses, quorum=quorum)


# --- changes of key ----------------------------------------------------------------------


def rotated() -> tuple[Log, list[str]]:
    """A log on its third key, and the proofs of both changes."""
    log = Log().append(2).rotate(private(2)).append(2).rotate(private(3)).append(1)
    return log, [build_proof(log, seq, log.first_note(seq)) for seq in log.rotations()]


def test_a_chain_leads_from_any_earlier_key_to_the_present_one() -> None:
    log, chain = rotated()
    assert [len(lines_of(log.first_note(seq))) for seq in log.rotations()] == [2, 2]
    first, second, third = (log_vkey(private(number)) for number in (1, 2, 3))
    assert follow_keys(first, chain) == follow_keys(second, chain) == third == log.vkey
    assert follow_keys(third, chain) == third
    assert follow_keys(first, chain[:1]) == second
    assert follow_keys(first, chain[1:]) == first  # a link is missing: it leads nowhere
    assert follow_keys(log_vkey(private(9)), chain) == log_vkey(private(9))
    text = build_proof(log, 1)
    with pytest.raises(CheckpointError, match="not signed"):
        verify_proof(text, [first])
    assert verify_proof(text, [follow_keys(first, chain)]).seq == 1


def test_a_link_must_be_signed_by_the_key_it_names() -> None:
    log, [link, _] = rotated()
    note = log.first_note(3)
    old, new = lines_of(note)
    key = log_vkey(private(1))
    assert follow_keys(key, [link]) == log_vkey(private(2))
    with pytest.raises(CheckpointError, match="did not sign"):
        follow_keys(key, [build_proof(log, 3, relined(note, [old]))])
    # Without the old key's line it is a link of somebody else, and leads nowhere.
    assert follow_keys(key, [build_proof(log, 3, relined(note, [new]))]) == key


def test_a_link_must_prove_a_change_of_key() -> None:
    log, [link, _] = rotated()
    key = log_vkey(private(1))
    assert follow_keys(key, [link]) != key
    with pytest.raises(ProofError, match="event 1 is no change of key"):
        follow_keys(key, [build_proof(log, 1, log.first_note(3))])
    with pytest.raises(ProofError):
        follow_keys(key, [link.replace("index 2", "index 1")])
    with pytest.raises(ProofError, match="first line"):
        follow_keys(key, ["nothing"])
    for subject in ("key:", f"key:{public(private(2)).hex().upper()}", "entry:x"):
        other = Log()
        other._add({"subject": subject, "type": "key.rotated"})
        other.signed.append(other.sign())
        with pytest.raises(ProofError, match="no change of key"):
            follow_keys(key, [build_proof(other, 1)])


def test_a_link_of_another_log_is_refused_or_leads_nowhere() -> None:
    log, chain = rotated()
    assert follow_keys(log_vkey(private(1)), chain) == log.vkey
    with pytest.raises(CheckpointError, match="another log"):  # the same key, for another log
        follow_keys(log_vkey(private(1), "palimpsest/ffff"), chain)
    other = log_vkey(private(9), "palimpsest/ffff")
    assert other.name != ORIGIN
    assert follow_keys(other, chain) == other
