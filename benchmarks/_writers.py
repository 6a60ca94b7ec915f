"""Writers of one home, as processes of their own: how eight of them compare with one.

Each is a client of the service of the home and appends one event at a time. ``python -m
benchmarks._writers`` prints one and eight side by side, interleaved.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from governance.events import Actor, OutcomeRecorded
from governance.ledger import EventDraft, Ledger

SYSTEM = Actor(kind="system", id="benchmark")


@dataclass(frozen=True)
class Rate:
    """What some writers managed together."""

    writers: int
    events_per_s: float
    p50_ms: float
    p99_ms: float


def event(writer: int, number: int) -> EventDraft:
    """A small event like those an agent records all day."""
    payload = OutcomeRecorded(
        task_id=f"task-{writer}-{number}", run_id="run", arm="both",
        question="What is the deductible of claim C-17?", answer="300 EUR",
        expected=["300 EUR"], exact=True, f1_ppm=1_000_000, origin="ground_truth",
    )  # fmt: skip
    return EventDraft(payload, SYSTEM)


def rate(home: Path, writers: int, seconds: float) -> Rate:
    """Run so many writers for so long."""
    running = [
        subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", "benchmarks._writers", "--writer", str(number), str(home),
             str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for number in range(writers)
    ]  # fmt: skip
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()  # it is connected and has written once
    for process in running:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    times: list[float] = []
    for process in running:
        out, _ = process.communicate()
        times += json.loads(out)
    times.sort()
    return Rate(
        writers, len(times) / seconds, 1e3 * statistics.median(times),
        1e3 * times[int(len(times) * 0.99)],
    )  # fmt: skip


def write(number: int, home: Path, seconds: float) -> None:
    """One writer: prints how long each acknowledged append took."""
    times = []
    with Ledger.open(home) as ledger:
        ledger.append([event(number, -1)], key=f"warm:{os.getpid()}")
        print("ready", flush=True)
        sys.stdin.readline()
        until, done = time.perf_counter() + seconds, 0
        while time.perf_counter() < until:
            started = time.perf_counter()
            ledger.append([event(number, done)], key=f"{os.getpid()}:{done}")
            times.append(time.perf_counter() - started)
            done += 1
    print(json.dumps(times))


def compare(folder: Path, *, rounds: int, seconds: float) -> list[tuple[Rate, Rate]]:
    """One and eight writers of a fresh home behind a service, in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    Ledger.open(home, create=True).close()
    service = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "governance.cli", "serve", "--home", str(home)],
        stdout=subprocess.PIPE,
    )
    assert service.stdout is not None
    service.stdout.readline()
    while not (home / "service.json").exists():
        time.sleep(0.02)
    try:
        return [(rate(home, 1, seconds), rate(home, 8, seconds)) for _ in range(rounds)]
    finally:
        service.terminate()
        service.wait()


def measure(folder: Path, *, seconds: float, rounds: int) -> dict[str, float]:
    """The figures of ``benchmarks.ledger``: medians over the rounds, the ratio within each."""
    found = compare(folder / "writers", rounds=rounds, seconds=seconds)
    return {
        "writers8_speedup": statistics.median(
            eight.events_per_s / one.events_per_s for one, eight in found
        ),
        "writers8_p99_ms": statistics.median(eight.p99_ms for _, eight in found),
        "writers8_events_per_s": statistics.median(eight.events_per_s for _, eight in found),
        "writer1_events_per_s": statistics.median(one.events_per_s for one, _ in found),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--writer", nargs=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    known = parser.parse_args(arguments)
    if known.writer:
        number, home, seconds = known.writer
        write(int(number), Path(home), float(seconds))
        return
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for one, eight in compare(Path(folder), rounds=known.rounds, seconds=known.seconds):
            ratio = eight.events_per_s / one.events_per_s
            print(
                f"1: {one.events_per_s:6.0f}/s p50 {one.p50_ms:.2f} p99 {one.p99_ms:.2f} ms   "
                f"8: {eight.events_per_s:6.0f}/s p50 {eight.p50_ms:.2f} "
                f"p99 {eight.p99_ms:.2f} ms   ratio {ratio:.2f}"
            )


if __name__ == "__main__":
    main()
