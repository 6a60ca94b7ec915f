"""Fixtures of the fault tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.faulty import Faulty


@pytest.fixture(scope="session")
def faulty(fast_root: Path) -> Iterator[Faulty]:
    """A process whose system calls can be made to fail; needs a C compiler."""
    process = Faulty(Path(tempfile.mkdtemp(dir=fast_root)))
    yield process
    process.close()
