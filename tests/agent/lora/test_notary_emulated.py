"""The same bytes on emulated processors. Needs Debian's ``qemu-user``; takes minutes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.agent.lora.test_notary import run_build

QEMU = shutil.which("qemu-x86_64")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(QEMU is None, reason="no qemu-x86_64 here: apt-get install qemu-user"),
]


@pytest.mark.parametrize("processor", ["Haswell", "Nehalem", "EPYC"])
def test_an_emulated_processor_builds_the_same_bytes(tiny_folder: Path, processor: str) -> None:
    assert QEMU is not None
    on_it = (QEMU, "-cpu", processor)
    native = run_build("notary", tiny_folder)
    assert run_build("notary", tiny_folder, before=on_it, timeout_s=3600) == native


def test_float32_differs_on_an_emulated_processor(tiny_folder: Path) -> None:
    assert QEMU is not None
    emulated = run_build("float32", tiny_folder, before=(QEMU, "-cpu", "Nehalem"), timeout_s=3600)
    assert emulated != run_build("float32", tiny_folder)
