"""Adapters go out as PEFT folders and come in only with inputs that this home has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from agent.errors import AdapterError
from agent.lora.adapter import CONFIG, MANIFEST, TENSORS
from agent.lora.cards import TrainingCard
from agent.lora.interop import export_adapter, import_adapter, known_adapters, read_foreign
from agent.lora.recipe import Recipe
from agent.lora.shards import ShardBuilder, plan_shards
from agent.models.local import LocalModel
from governance import revocation
from governance.events import CardBody, EntryApproved
from governance.ledger import EventDraft, Ledger
from tests.governance import drafts

LATER = 2**62


def _approve(ledger: Ledger, cards: tuple[TrainingCard, ...]) -> None:
    ledger.append([drafts.draft(drafts.source())])
    for number, card in enumerate(cards):
        body = CardBody(
            topic=card.topic, attribute=card.attribute, question=card.question,
            answer=card.answer, rewordings=list(card.rewordings), probes=list(card.probes),
        )  # fmt: skip
        name = f"c{number}"
        ledger.append(
            [
                EventDraft(drafts.proposed(name, body), drafts.BOT, drafts.HERE),
                EventDraft(drafts.verified(name), drafts.SYSTEM, drafts.HERE),
                EventDraft(drafts.decided(EntryApproved, name, body), drafts.ANN, drafts.HERE),
            ]
        )


def test_an_export_goes_out_on_record_and_comes_in_by_rebuild_only(
    duck_ledger: Ledger,
    tiny_model: LocalModel,
    recipe: Recipe,
    cards: tuple[TrainingCard, ...],
    tmp_path: Path,
    fast_path: Path,
) -> None:
    ledger = duck_ledger
    _approve(ledger, cards[:2])
    builder = ShardBuilder(tiny_model, ledger.home, recipe=recipe)
    (plan,) = plan_shards(ledger.state, drafts.HERE, now_us=LATER)
    built = builder.build(plan, ledger.state)
    ledger.append([drafts.draft(built.trained), drafts.draft(built.certified)])
    (known,) = known_adapters(ledger)
    assert (known.standing, known.stored) == ("certified", True)
    out = tmp_path / "out"
    done = export_adapter(ledger, known.state, out, actor=drafts.ANN)
    assert read_foreign(out).digest == built.trained.digest
    assert {TENSORS, CONFIG, MANIFEST, "certificate.json", "trained.tlog-proof"} <= {*done.files}
    taken = revocation.plan_revocation(ledger, "c0")
    assert (taken.exports, taken.elsewhere) == ((done.export_id,), (done.export_id,))

    assert import_adapter(ledger, builder, out).because == "stored"
    builder.forget(built.trained.digest)
    assert import_adapter(ledger, builder, out).because == "recorded"
    assert builder.store.intact(built.trained.digest)
    with Ledger.open(fast_path / "second", create=True) as other:
        elsewhere = ShardBuilder(tiny_model, other.home, recipe=recipe)
        with pytest.raises(AdapterError, match="no shard of this home"):
            import_adapter(other, elsewhere, out)
        _approve(other, cards[:2])
        assert import_adapter(other, elsewhere, out).because == "rebuilt"
        assert elsewhere.store.intact(built.trained.digest)

    for name, harm, message in (
        (MANIFEST, None, "unknown training data"),
        (TENSORS, None, "lacks"),
        ("adapter_model.bin", b"x", "pickled"),
        (MANIFEST, b"{}", "cannot be read"),
        (CONFIG, json.dumps({"r": 3}).encode(), "says rank 3"),
    ):
        bad = tmp_path / f"bad-{name}-{message[:4]}"
        shutil.copytree(out, bad)
        if harm is None:
            (bad / name).unlink()
        else:
            (bad / name).write_bytes(harm)
        with pytest.raises(AdapterError, match=message):
            read_foreign(bad)
    assert read_foreign(out).digest == built.trained.digest
