"""Relays with a model as the editor: it names a patch, code applies it.

Whole-document rewriting is beyond a small model and hides what it loses, so a step asks
for a patch on the part of the document that the instruction is about. Every step is an
event that holds the whole document after it; a relay that was stopped goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.gateway import Gateway
from agent.models.builtin.patching import apply_patch
from agent.models.protocol import LanguageModel
from agent.workspace import EditPair as WorkspacePair
from agent.workspace import Source
from governance import drift
from governance.events import RelayScore, RelayScored, RelayStarted, RelayStepped
from governance.facts import conserved_facts


class PatchEditor:
    """Carries out one instruction on a document by asking a model for a patch."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    def __call__(self, document: str, instruction: str) -> drift.EditResult:
        """The edited document; unchanged when the model proposes no edit that resolves.

        Raises:
            ModelError: the model cannot be asked; the relay can be resumed.
        """
        lines = document.split("\n")
        dialect = self._model.dialect
        windows = relevant_windows(lines, instruction, dialect.limits.patch_lines)
        prompts = [dialect.patch_prompt(lines[at:end], instruction) for at, end in windows]
        texts = self._model.generate(prompts, max_new_tokens=dialect.limits.patch_tokens)
        # From the end, so that an insertion does not move the windows before it.
        for (at, end), text in reversed(list(zip(windows, texts, strict=True))):
            shown = lines[at:end]
            lines[at:end] = apply_patch(shown, dialect.parse_patch(text, shown))
        return drift.EditResult("\n".join(lines))


def relevant_windows(lines: Sequence[str], instruction: str, size: int) -> list[tuple[int, int]]:
    """Stretches of at most ``size`` lines that hold what the instruction names.

    Those with the most conserved facts (numbers, dates, identifiers, names) in common with
    it; all of them where none has any.
    """
    windows = [(at, min(at + size, len(lines))) for at in range(0, len(lines), size)]
    wanted = conserved_facts(instruction)
    shared = [len(wanted & conserved_facts("\n".join(lines[at:end]))) for at, end in windows]
    most = max(shared, default=0)
    return [window for window, count in zip(windows, shared, strict=True) if count == most]


class RelayDriver:
    """Runs relays against a ledger."""

    def __init__(self, gateway: Gateway, model: LanguageModel) -> None:
        self._gateway = gateway
        self._model = model
        self._editor = PatchEditor(model)

    def run(
        self,
        document: Source,
        pairs: Sequence[WorkspacePair],
        *,
        seed: int,
        round_trips: int,
        run_id: str,
    ) -> Iterator[drift.RelayStep]:
        """Relay one document, yielding each new step after it was recorded.

        A relay that already ended yields nothing.

        Raises:
            DriftError, DocumentParseError: the document cannot be relayed.
            ModelError: the model cannot be asked.
        """
        plan = drift.plan_relay(
            document.source_id,
            drift.domain_for(document.source_id),
            document.text,
            [drift_pair(pair, document.text) for pair in pairs],
            seed=seed,
            round_trips=round_trips,
        )
        relay_id = self._start(plan, document, run_id)
        recorded = self._recorded(relay_id, plan.text)
        for step in drift.run_relay(plan, self._editor, recorded):
            self._gateway.record(
                [RelayStepped.model_validate({"relay_id": relay_id, **step.to_event()})],
                key=f"{relay_id}:{step.index}",
                episode=run_id,
                data_subject=document.data_subject,
            )
            yield step
        steps = drift.measure_relay(plan, self._recorded(relay_id, plan.text))
        self._gateway.record(
            [_scored(relay_id, drift.summarise_relay(plan, steps))],
            key=f"{relay_id}:scored",
            episode=run_id,
            data_subject=document.data_subject,
        )

    def _start(self, plan: drift.RelayPlan, document: Source, run_id: str) -> str:
        identity = f"{run_id}:{plan.document}:{plan.seed}:{','.join(plan.order)}:{plan.text}"
        relay_id = self._gateway.new_id("relay", identity)
        started = RelayStarted(
            relay_id=relay_id,
            source_id=self._gateway.source_id(document),
            document=plan.document,
            domain=plan.domain.name,
            model_id=self._model.model_id,
            editor="patch",
            seed=plan.seed,
            order=list(plan.order),
            round_trips=plan.round_trips,
        )
        self._gateway.record(
            [started],
            key=f"{relay_id}:started",
            episode=run_id,
            data_subject=document.data_subject,
        )
        return relay_id

    def _recorded(self, relay_id: str, seed_text: str) -> list[drift.EditResult]:
        """Results of the steps already in the ledger."""
        ledger = self._gateway.ledger
        results: list[drift.EditResult] = []
        before = seed_text
        for seq in ledger.state.relays[relay_id].step_seqs:
            step = ledger.event(seq).payload
            assert isinstance(step, RelayStepped)
            # An editor's error leaves the text as it was; a parser's is found again.
            error = step.error if step.text == before else None
            results.append(drift.EditResult(step.text, error))
            before = step.text
        return results


def drift_pair(pair: WorkspacePair, text: str) -> drift.EditPair:
    """The workspace's pair as the relay wants it.

    What a workspace expects to be *present* afterwards may have been there before; only
    what is new proves that the edit was made.
    """
    expect = drift.Expectation(
        appear=tuple(part for part in pair.expect.present if part not in text),
        disappear=tuple(part for part in pair.expect.absent if part in text),
        exact=True,
    )
    given = expect if expect.appear or expect.disappear else None
    domain = drift.domain_for(pair.document).name
    return drift.EditPair(pair.id, domain, pair.forward, pair.backward, given, pair.document)


def _scored(relay_id: str, result: drift.RelayResult) -> RelayScored:
    return RelayScored(
        relay_id=relay_id,
        rs=[
            RelayScore(k=2 * number, score_ppm=score)
            for number, score in enumerate(result.rs_ppm, start=1)
        ],
        applied_ppm=result.applied_ppm,
        critical=result.critical,
        errors=result.errors,
    )
