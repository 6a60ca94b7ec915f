"""The owner is killed with ``kill -9`` while four processes append through it."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from governance.client import connected
from governance.ledger import Ledger

CLIENTS = 4


def started(home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "governance.cli", "serve", "--home", str(home)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def answers(home: Path, process: subprocess.Popen[bytes]) -> bool:
    """Whether the service is up; it is not when a client took the home over before it."""
    while process.poll() is None:
        found = connected(home)
        if found is not None:
            found.close()
            return True
        time.sleep(0.02)
    return False


def storm(home: Path, *, commands: int, kills: int, seed: int) -> None:
    """Nothing acknowledged is lost, nothing happens twice, whatever is killed when."""
    chance = random.Random(seed)
    Ledger.open(home, create=True).close()
    notes = home.with_name("acknowledged")
    service = started(home)
    assert answers(home, service)
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.service_child", str(home), str(notes),
             f"c{number}", str(commands)]
        )
        for number in range(CLIENTS)
    ]  # fmt: skip
    killed = 0
    while any(client.poll() is None for client in clients):
        if service.poll() is not None:
            service = started(home)
        if answers(home, service) and killed < kills:
            time.sleep(chance.uniform(0.0, 0.4))
            service.kill()
            killed += 1
        service.poll()
        time.sleep(0.02)
    service.terminate()
    service.wait(30)
    assert [client.wait() for client in clients] == [0] * CLIENTS
    assert killed > 0
    told = [line.split() for line in notes.read_text().splitlines()]
    assert len(told) == CLIENTS * commands
    with Ledger.open(home) as ledger:
        held = {
            event.header.subject.partition(":")[2]: event.header.seq
            for event in ledger.events(types=["source.ingested"])
        }
        assert {name: int(seq) for name, seq in told} == held
        assert len(held) == CLIENTS * commands
        assert ledger.verify().ok


def test_clients_retry_by_key_against_whoever_owns_the_home_next(home: Path) -> None:
    storm(home, commands=150, kills=3, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_storms(home: Path, seed: int) -> None:
    storm(home, commands=600, kills=10, seed=seed)
