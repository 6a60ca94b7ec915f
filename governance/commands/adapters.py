"""Two adapters side by side: cards, weights, answers; for ``diff --adapter``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from governance import memory_target
from governance.commands import render
from governance.errors import LedgerError, PalimpsestError
from governance.events import AdapterCertified, CardBody, ModuleChange, Probe

if TYPE_CHECKING:
    from governance.commands.options import Json
    from governance.ledger import Ledger
    from governance.state import AdapterState, State

_PPM = 1_000_000

_DIGEST_CHARS: Final = 4


@dataclass(frozen=True)
class CardLine:
    """A card that only one of the two holds."""

    entry_id: str
    version: int
    question: str
    answer: str
    status: str


@dataclass(frozen=True)
class ProbeLine:
    """A probe of either certificate. ``None``: that certificate did not ask it."""

    question: str
    kind: str
    expected: str
    first: str | None
    second: str | None


@dataclass(frozen=True)
class AdapterComparison:
    """All differences. ``weights_note`` says why ``modules`` is empty, if it is."""

    first: AdapterState
    second: AdapterState
    added: tuple[CardLine, ...]
    removed: tuple[CardLine, ...]
    modules: tuple[ModuleChange, ...]
    weights_note: str
    probes: tuple[ProbeLine, ...]


def find_adapter(state: State, name: str) -> AdapterState:
    """By digest (or a unique beginning of it), ``SHARD:VERSION``, or version of the only shard.

    A beginning has at least four characters: ``2`` is a version, never a digest.

    Raises:
        LedgerError: none or several fit.
    """
    shard, colon, number = name.rpartition(":")
    version = number.removeprefix("v")
    found = [
        adapter
        for adapter in state.adapters.values()
        if (len(name) >= _DIGEST_CHARS and adapter.digest.startswith(name))
        or (colon and adapter.shard_id.startswith(shard) and str(adapter.version) == version)
    ]
    if not found and not colon and len(state.shards) == 1:
        found = [one for one in state.adapters.values() if str(one.version) == version]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{one.shard_id}:{one.version}" for one in state.adapters.values())
    raise LedgerError(
        f"adapter {name!r} {'is ambiguous' if found else 'does not exist'}",
        hint=f"known: {known}" if known else "no adapter was built yet",
    )


def compare_adapters(ledger: Ledger, first: str, second: str) -> AdapterComparison:
    """Compare two builds.

    Raises:
        LedgerError: one of them is not known.
    """
    state = ledger.state
    one, two = find_adapter(state, first), find_adapter(state, second)
    modules, note = _weights(ledger, one, two)
    return AdapterComparison(
        one, two,
        added=_only_in(state, two, one), removed=_only_in(state, one, two),
        modules=modules, weights_note=note,
        probes=_probe_lines(_probes(ledger, one), _probes(ledger, two)),
    )  # fmt: skip


def adapter_data(comparison: AdapterComparison) -> dict[str, Json]:
    """As JSON data."""

    def card(line: CardLine) -> dict[str, Json]:
        return {"entry_id": line.entry_id, "version": line.version, "question": line.question,
                "answer": line.answer, "status": line.status}  # fmt: skip

    def build(adapter: AdapterState) -> dict[str, Json]:
        return {"digest": adapter.digest, "shard": adapter.shard_id, "version": adapter.version,
                "status": adapter.status, "cards": len(adapter.cards),
                "certified_cards": adapter.certified_cards}  # fmt: skip

    return {
        "first": build(comparison.first),
        "second": build(comparison.second),
        "added": [card(line) for line in comparison.added],
        "removed": [card(line) for line in comparison.removed],
        "modules": [
            {"module": one.module, "relative": one.relative_ppm / _PPM}
            for one in comparison.modules
        ],
        "weights_note": comparison.weights_note,
        "probes": [
            {"question": one.question, "kind": one.kind, "expected": one.expected,
             "first": one.first, "second": one.second}
            for one in comparison.probes
        ],
    }  # fmt: skip


def print_adapters(comparison: AdapterComparison) -> None:
    """As tables."""
    console = render.console()
    builds = [
        (one.shard_id, str(one.version), one.digest[:12], one.status,
         f"{one.certified_cards} of {len(one.cards)}")
        for one in (comparison.first, comparison.second)
    ]  # fmt: skip
    headings = ["Shard", "Version", "Digest", "Status", "Cards absorbed"]
    console.print(render.table("Adapters", headings, builds))
    cards = [
        (sign, line.entry_id, line.question, line.answer, line.status)
        for sign, lines in (("-", comparison.removed), ("+", comparison.added))
        for line in lines
    ]
    console.print()
    if cards:
        headings = ["", "Card", "Question", "Answer", "Now"]
        console.print(render.table("Cards removed and added", headings, cards))
    else:
        console.print("Both hold the same cards.")
    console.print()
    if comparison.modules:
        largest = sorted(comparison.modules, key=lambda one: -one.relative_ppm)
        rows = [(one.module, f"{one.relative_ppm / _PPM:.4%}") for one in largest]
        headings = ["Module", "‖ΔW₂ − ΔW₁‖ / ‖W‖"]
        console.print(render.table("Weights", headings, rows))
    else:
        console.print(render.plain(comparison.weights_note, "dim"))
    changed = [one for one in comparison.probes if one.first != one.second]
    console.print()
    answers = [
        (one.question, one.expected, _answer(one.first), _answer(one.second)) for one in changed
    ]
    title = f"Answers that differ ({len(changed)} of {len(comparison.probes)} probes)"
    headings = ["Question", "Expected", "First", "Second"]
    console.print(render.table(title, headings, answers))


def _answer(text: str | None) -> str:
    return "(not asked)" if text is None else text


def _only_in(state: State, one: AdapterState, other: AdapterState) -> tuple[CardLine, ...]:
    lines = []
    for ref in one.cards:
        if ref in other.cards:
            continue
        entry = state.entries.get(ref.entry_id)
        body = entry.body if entry is not None else None
        question = body.question if isinstance(body, CardBody) else "(erased)"
        answer = body.answer if isinstance(body, CardBody) else ""
        status = entry.status if entry is not None else "erased"
        lines.append(CardLine(ref.entry_id, ref.version, question, answer, status))
    return tuple(lines)


def _weights(
    ledger: Ledger, one: AdapterState, two: AdapterState
) -> tuple[tuple[ModuleChange, ...], str]:
    """Through the memory target; a missing one must not hide the rest of the diff."""
    try:
        target = memory_target.load_target(ledger)
        if target is None:
            return (), "Weights were not compared: no memory target is installed."
        return tuple(target.weight_difference(one.digest, two.digest)), ""
    except PalimpsestError as error:
        return (), f"Weights were not compared: {error}"


def _probes(ledger: Ledger, adapter: AdapterState) -> tuple[Probe, ...]:
    if adapter.certificate_seq is None:
        return ()
    payload = ledger.event(adapter.certificate_seq).payload
    return tuple(payload.probes) if isinstance(payload, AdapterCertified) else ()


def _probe_lines(first: tuple[Probe, ...], second: tuple[Probe, ...]) -> tuple[ProbeLine, ...]:
    """Both certificates' probes, matched by question and kind."""
    ones = {(probe.kind, probe.question): probe for probe in first}
    twos = {(probe.kind, probe.question): probe for probe in second}
    lines = []
    for key in dict.fromkeys((*ones, *twos)):
        one, two = ones.get(key), twos.get(key)
        asked = one or two
        assert asked is not None
        lines.append(
            ProbeLine(
                asked.question, asked.kind, asked.expected,
                one.after if one else None, two.after if two else None,
            )
        )  # fmt: skip
    return tuple(lines)
