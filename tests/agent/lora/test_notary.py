from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from agent.errors import AdapterError
from agent.lora.notary import Notary, rounded, rounded_rows
from agent.models.local import LocalModel

PROGRAM = Path(__file__).with_name("notary_build.py")


def run_build(
    arithmetic: str, folder: Path, *, threads: int = 1, env: Mapping[str, str] = {},
    before: tuple[str, ...] = (), timeout_s: int = 300,
) -> str:  # fmt: skip
    finished = subprocess.run(
        [*before, sys.executable, str(PROGRAM), arithmetic, str(threads), str(folder)],
        capture_output=True, text=True, check=True, timeout=timeout_s,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), **env},
    )  # fmt: skip
    return finished.stdout.strip()


def test_other_kernels_and_two_threads_build_the_same_bytes_and_float32_does_not(
    tiny_folder: Path,
) -> None:
    compatible = {"MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "default"}
    notary = run_build("notary", tiny_folder)
    assert run_build("notary", tiny_folder, env=compatible) == notary
    assert run_build("notary", tiny_folder, threads=2) == notary
    # The check can fail: the same change of kernels moves a float32 build.
    float32 = run_build("float32", tiny_folder)
    assert run_build("float32", tiny_folder, env=compatible) != float32


def test_the_model_is_float64_inside_and_the_very_same_after(tiny_model: LocalModel) -> None:
    ids = torch.arange(9, 19)[None]
    with tiny_model.exclusive() as hf:
        before = {name: (t.data_ptr(), t.clone()) for name, t in hf.state_dict().items()}
        tables = {name: t.clone() for name, t in hf.named_buffers()}
        logits = hf(ids).logits
        with Notary().prepare(hf):
            wide = hf(ids).logits
            assert wide.dtype == torch.float64
            assert torch.allclose(wide.float(), logits, atol=1e-4)
        assert torch.equal(hf(ids).logits, logits)
        after = hf.state_dict()
        assert all(after[name].data_ptr() == place for name, (place, _) in before.items())
        assert all(torch.equal(after[name], kept) for name, (_, kept) in before.items())
        assert all(torch.equal(t, tables[name]) for name, t in hf.named_buffers())
        assert not any("forward" in module.__dict__ for module in hf.modules())


class _NarrowNorm(torch.nn.Module):
    """Casts in a way that no request can be widened: through NumPy."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(x.detach().numpy().astype("float32")).to(x.dtype)


def test_a_module_that_stays_narrow_is_named_and_the_model_restored(
    tiny_model: LocalModel,
) -> None:
    with tiny_model.exclusive() as hf:
        kept = hf.model.norm
        hf.model.norm = _NarrowNorm()
        try:
            named = r"module model\.norm \(_NarrowNorm\)"
            with pytest.raises(AdapterError, match=named), Notary().prepare(hf):
                pass
            assert all(p.dtype == torch.float32 for p in hf.parameters())
        finally:
            hf.model.norm = kept
        with Notary().prepare(hf):
            assert all(p.dtype == torch.float64 for p in hf.parameters())


def test_rounding_is_exact_symmetric_and_has_one_zero() -> None:
    values = torch.tensor([[1.0, 0.3, -0.3, 1e-9, -1e-9], [0.0, 0.0, 0.0, -0.0, 0.0]]).double()
    found = rounded_rows(values, 12)
    assert torch.equal(found[0, 1], -found[0, 2])
    assert torch.equal(found * 2**12, (found * 2**12).round())
    assert not torch.signbit(found)[:, [0, 1, 3, 4]].any()
    assert float((found - values).abs().max()) <= 2.0**-13
    one = torch.tensor([0.1]).double()
    assert abs(float(rounded(one, one, 12)) - 0.1) <= 0.0625 * 2.0**-13
