"""Fixtures every package shares: a fast folder for homes, a still clock, no network."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from governance.ledger import Ledger
from tests.governance.drafts import StepClock

settings.register_profile(
    "palimpsest",
    max_examples=60,
    deadline=None,  # the machine may be busy; a slow example is not a wrong one
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("palimpsest")

_LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Only this machine may be talked to, and no service is started behind a test's back."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PALIMPSEST_SERVICE", "0")
    patch.delenv("PALIMPSEST_URL", raising=False)
    patch.delenv("PALIMPSEST_TOKEN", raising=False)
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in _LOCAL:
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def fast_root() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of fsyncs then cost nothing."""
    shared = Path("/dev/shm")
    usable = shared.is_dir() and os.access(shared, os.W_OK)
    folder = Path(tempfile.mkdtemp(prefix="palimpsest-", dir=shared if usable else None))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def fast_path(fast_root: Path) -> Iterator[Path]:
    """An empty folder of one test."""
    folder = Path(tempfile.mkdtemp(dir=fast_root))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(fast_path: Path) -> Path:
    """Where a home may be made; it does not exist yet."""
    return fast_path / "home"


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
def ledger(clock: StepClock) -> Iterator[Ledger]:
    """A ledger in memory."""
    with Ledger.in_memory(clock=clock) as opened:
        yield opened


@pytest.fixture
def duck_ledger(home: Path, clock: StepClock) -> Iterator[Ledger]:
    """A ledger in a real home."""
    with Ledger.open(home, create=True, clock=clock) as opened:
        yield opened
