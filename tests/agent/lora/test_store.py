from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from agent.errors import AdapterError
from agent.lora.adapter import CONFIG, MANIFEST, TENSORS, StoredAdapter, TrainedAdapter
from agent.lora.cards import BuildInputs
from agent.lora.store import AdapterStore
from agent.models.fingerprint import bytes_digest, file_digest


def _trained(seed: int = 0) -> TrainedAdapter:
    made = torch.Generator().manual_seed(seed)
    modules = {
        f"model.layers.{i}.mlp.{name}": (
            torch.randn(4, 6, generator=made),
            torch.randn(5, 4, generator=made),
        )
        for i in range(2)
        for name in ("up_proj", "down_proj")
    }
    return TrainedAdapter(modules, 40, 0.1)


def _save(store: AdapterStore, inputs: BuildInputs, seed: int = 0) -> StoredAdapter:
    return store.save(_trained(seed), inputs, base_id="builtin", environment="here")


def test_a_build_is_found_by_its_inputs_and_loads_as_it_was(
    home: Path, inputs: BuildInputs
) -> None:
    store = AdapterStore(home)
    assert store.find(inputs.digest) is None
    saved = _save(store, inputs)
    again = AdapterStore(home)
    assert again.find(inputs.digest) == saved.digest
    loaded = again.load(saved.digest)
    assert loaded.manifest == saved.manifest
    assert loaded.manifest.inputs() == inputs
    assert loaded.manifest.seed == inputs.seed
    for name, (a, b) in _trained().modules.items():
        assert torch.equal(loaded.servable.modules[name][0], a)
        assert torch.equal(loaded.servable.modules[name][1], b)
    assert again.intact(saved.digest)


def test_saving_twice_keeps_the_digest_and_the_file(home: Path, inputs: BuildInputs) -> None:
    store = AdapterStore(home)
    first = _save(store, inputs)
    before = (store.folder(first.digest) / TENSORS).stat().st_mtime_ns
    assert _save(store, inputs).digest == first.digest
    assert (store.folder(first.digest) / TENSORS).stat().st_mtime_ns == before
    assert _save(store, inputs, seed=1).digest != first.digest


def test_the_digest_is_of_tensors_not_of_the_file(home: Path, inputs: BuildInputs) -> None:
    from safetensors.torch import load_file, save

    store = AdapterStore(home)
    saved = _save(store, inputs)
    tensors = load_file(store.folder(saved.digest) / TENSORS)
    other_metadata = save(tensors, metadata={"other": "words"})
    assert other_metadata != (store.folder(saved.digest) / TENSORS).read_bytes()
    assert bytes_digest(other_metadata) == saved.digest
    tensors[min(tensors)][0, 0] += 1
    assert bytes_digest(save(tensors)) != saved.digest


@pytest.mark.parametrize("name", [TENSORS, CONFIG, MANIFEST])
@pytest.mark.parametrize("harm", ["alter", "remove", "truncate"])
def test_a_damaged_file_is_named(home: Path, inputs: BuildInputs, name: str, harm: str) -> None:
    store = AdapterStore(home)
    saved = _save(store, inputs)
    file = store.folder(saved.digest) / name
    assert store.intact(saved.digest)
    if harm == "alter" and name == TENSORS:
        file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    elif harm == "alter":
        told = json.loads(file.read_text())
        told |= {"lora_alpha": 400} if name == CONFIG else {"recipe_digest": "0" * 64}
        file.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n")
    elif harm == "truncate":
        file.write_bytes(file.read_bytes()[:40])
    else:
        file.unlink()
    assert not store.intact(saved.digest)
    with pytest.raises(AdapterError, match=name.replace(".", r"\.")) as caught:
        store.load(saved.digest)
    assert caught.value.hint


def test_a_missing_adapter_and_a_path_in_place_of_a_digest_are_refused(
    home: Path, inputs: BuildInputs
) -> None:
    store = AdapterStore(home)
    _save(store, inputs)
    with pytest.raises(AdapterError, match="not in the store"):
        store.load("0" * 64)
    with pytest.raises(AdapterError, match="not a digest"):
        store.load("../../keys.sqlite")
    assert not store.intact("0" * 64)


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("step", range(1, 12))
def test_a_kill_at_any_step_leaves_a_whole_build_or_none(
    home: Path, inputs: BuildInputs, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    left = step

    def dies(real: object) -> object:
        def call(*arguments: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise _KilledError
            return real(*arguments)  # type: ignore[operator]

        return call

    store = AdapterStore(home)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", dies(os.fsync))
        patched.setattr(Path, "rename", dies(Path.rename))
        patched.setattr(Path, "replace", dies(Path.replace))
        # A killed process cleans nothing up.
        patched.setattr(shutil, "rmtree", lambda *_args, **_kwargs: None)
        patched.setattr(Path, "unlink", lambda *_args, **_kwargs: None)
        killed = False
        try:
            _save(store, inputs)
        except _KilledError:
            killed = True
    assert killed == (step <= 9)
    found = AdapterStore(home).find(inputs.digest)
    assert found is None or AdapterStore(home).intact(found)
    saved = _save(AdapterStore(home), inputs)
    assert AdapterStore(home).find(inputs.digest) == saved.digest
    assert AdapterStore(home).intact(saved.digest)


def test_leftovers_of_dead_writers_are_swept_and_those_of_live_ones_are_not(home: Path) -> None:
    folder = home / "blobs" / "adapters"
    dead, alive = folder / ".tmp-999999999-x", folder / f".tmp-{os.getpid()}-y"
    dead.mkdir(parents=True)
    alive.mkdir()
    AdapterStore(home)
    assert alive.exists()
    assert not dead.exists()


def test_a_certificate_lies_beside_its_adapter_under_what_it_was_judged_by(
    home: Path, inputs: BuildInputs
) -> None:
    store = AdapterStore(home)
    digest = _save(store, inputs).digest
    store.save_certificate(digest, "a" * 64, b"{}")
    assert store.certificate(digest, "a" * 64) == b"{}"
    assert store.certificate(digest, "b" * 64) is None
    assert store.intact(digest)


def test_removing_a_build_removes_every_way_to_it(home: Path, inputs: BuildInputs) -> None:
    store = AdapterStore(home)
    digest = _save(store, inputs).digest
    assert store.find(inputs.digest) == digest
    store.remove(digest)
    assert store.find(inputs.digest) is None
    assert not store.folder(digest).exists()
    store.remove(digest)


def test_a_store_that_cannot_be_written_says_so(
    home: Path, inputs: BuildInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    store = AdapterStore(home)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(AdapterError, match="No space left"):
            _save(store, inputs)
    assert store.find(inputs.digest) is None
    assert store.intact(_save(store, inputs).digest)


def test_malformed_tensor_files_are_errors_not_crashes(tmp_path: Path) -> None:
    good = tmp_path / "good.safetensors"
    from safetensors.torch import save

    good.write_bytes(save({"x": torch.ones(2)}))
    assert file_digest(good)
    for data in (b"", b"\xff" * 8, b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{"):
        bad = tmp_path / "bad.safetensors"
        bad.write_bytes(data)
        with pytest.raises(ValueError, match=r"bad\.safetensors"):
            file_digest(bad)
