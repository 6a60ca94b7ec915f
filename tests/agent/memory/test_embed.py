from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.memory.embed import HashedEmbedder

SENTENCE = "The deductible of claim CL-20417 is 350 euros."


def cosine(first: str, second: str) -> float:
    rows = HashedEmbedder().embed([first, second])
    return float(rows[0] @ rows[1])


def test_rows_are_float32_and_normalised() -> None:
    rows = HashedEmbedder(128).embed([SENTENCE, "Ilse Marwood", "?"])
    assert rows.dtype == np.float32
    assert rows.shape == (3, 128)
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 0], abs=1e-6)


def test_no_texts() -> None:
    assert HashedEmbedder(64).embed([]).shape == (0, 64)


def test_same_bytes_in_another_process_with_another_hash_seed() -> None:
    code = (
        "import hashlib; from agent.memory.embed import HashedEmbedder; "
        f"print(hashlib.sha256(HashedEmbedder().embed([{SENTENCE!r}]).tobytes()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "77", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    here = hashlib.sha256(HashedEmbedder().embed([SENTENCE]).tobytes()).hexdigest()
    assert done.stdout.strip() == here


def test_bytes_are_those_of_version_1() -> None:
    # Frozen: adapters are routed and indexes compared by these bytes. If they must
    # change, raise VERSION in embed.py and replace the digest here.
    rows = HashedEmbedder().embed([SENTENCE, "What is the adjuster of claim CL-20433?"])
    assert hashlib.sha256(rows.tobytes()).hexdigest() == (
        "11f5ed3d8f965d709e10254fecd3323532c044cc16e30ebdafdd75d4ee62da06"
    )


def test_digest_names_the_settings() -> None:
    assert HashedEmbedder().digest == HashedEmbedder().digest
    assert HashedEmbedder(256).digest != HashedEmbedder(512).digest


def test_vectors_do_not_depend_on_what_else_is_embedded() -> None:
    embedder = HashedEmbedder()
    alone = embedder.embed([SENTENCE])[0]
    assert np.array_equal(alone, embedder.embed(["other words", SENTENCE])[1])


def test_the_identifier_decides() -> None:
    question = "What is the deductible of claim CL-20417?"
    assert cosine(question, SENTENCE) > cosine(question, SENTENCE.replace("20417", "20418")) + 0.2


def test_misspellings_are_near() -> None:
    near = cosine("deductable", "deductible")
    assert near > 0.3
    assert near > cosine("deductable", "adjuster") + 0.2


@given(st.text())
def test_any_text_gives_a_unit_or_zero_row(text: str) -> None:
    norm = float(np.linalg.norm(HashedEmbedder(64).embed([text])[0].astype(np.float64)))
    assert norm == 0.0 or abs(norm - 1.0) < 1e-5
