"""Skills of the builtin model on names, numbers and dialogues it was never trained on.

Everything goes through the same dialect and the same program steps as in use: drafts are
parsed strictly, patches are applied by code. Generated tests draw names from the held-out
side (``names.is_held_out``); ``hand_*`` tests were written by hand, outside all templates;
``sgd_*`` are dialogues of the development split of Schema-Guided Dialogue.

Metrics (shares in 0..1, ``_n`` the sample, ``_low``/``_high`` a 95 % interval: Wilson for
shares, bootstrap over dialogues for F1):

* ``qa_em``: exact match of the answer with 3 to 6 notes in the prompt.
* ``unknown``: says "unknown" where the notes lack it, half of the questions about another
  attribute of an entity in the notes (``unknown_attribute``), half about another entity
  (``unknown_entity``), both as near to the notes as the generator makes them.
* ``closed_world_em``, ``closed_unknown``: without notes, world facts and strangers.
* ``cards_f1``: (subject, attribute, value) of the cards of dialogues with three facts.
* ``patch_applied``, ``patch_untouched``, ``patch_exact``, ``patch_applied_KIND``: one edit
  of 3 to 10 lines as a patch that code applies: the edit is made, share of other lines
  kept in order, and nothing else differs.
* ``rewrite_*``: the same edits by writing the whole document anew (reported, not relied on).
* ``sgd_value_f1``: distinct card values of a dialogue against its distinct annotated span
  values; ``sgd_slot_value_f1``: with the slot's name too; ``sgd_final_f1``: the last value
  of each slot, as the program keeps cards. All normalised.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scipy.stats import binomtest

from agent.extraction import confident_lines
from agent.models.builtin import WEIGHTS, BuiltinDialect
from agent.models.builtin.corpus import Corpus
from agent.models.builtin.documents import EDITS, Edit
from agent.models.builtin.patching import apply_patch
from agent.models.builtin.sgd import read_sgd
from agent.models.builtin.world import WORLD_FACTS
from agent.models.local import LocalModel
from agent.models.protocol import UNKNOWN, Draft, Turn

SEED: Final = 20_260
_DIALECT: Final = BuiltinDialect()
_NOISE: Final = re.compile(r"\b(the|a|an)\b|[^\w$€£%.:]")

Ask = Callable[[Sequence[str], int], list[str]]


@dataclass(frozen=True)
class Counts:
    """True positives, predictions and gold items of one dialogue."""

    hits: int
    predicted: int
    gold: int


def f1_of(counts: Iterable[Counts]) -> float:
    """Micro F1 over dialogues."""
    rows = list(counts)
    total = sum(row.predicted + row.gold for row in rows)
    return 2 * sum(row.hits for row in rows) / total if total else 1.0


def share(name: str, right: Sequence[bool]) -> dict[str, float]:
    """A proportion with its Wilson interval."""
    interval = binomtest(sum(right), len(right)).proportion_ci(method="wilson")
    return {
        name: sum(right) / len(right),
        f"{name}_low": float(interval.low),
        f"{name}_high": float(interval.high),
        f"{name}_n": float(len(right)),
    }


def f1(name: str, counts: Sequence[Counts]) -> dict[str, float]:
    """Micro precision, recall and F1 with a percentile bootstrap over dialogues."""
    rng = random.Random(SEED)
    samples = sorted(f1_of(rng.choices(counts, k=len(counts))) for _ in range(1000))
    hits = sum(row.hits for row in counts)
    return {
        f"{name}_f1": f1_of(counts),
        f"{name}_f1_low": samples[25],
        f"{name}_f1_high": samples[974],
        f"{name}_precision": hits / max(1, sum(row.predicted for row in counts)),
        f"{name}_recall": hits / max(1, sum(row.gold for row in counts)),
        f"{name}_n": float(len(counts)),
    }


def normalise(value: str) -> str:
    """Lower case, no articles, no punctuation but in numbers; single blanks."""
    return " ".join(_NOISE.sub(" ", value.casefold()).replace(". ", " ").rstrip(".").split())


def answers(ask: Ask, prompts: Sequence[str]) -> list[str]:
    """Parsed answers."""
    return [_DIALECT.parse_answer(text) for text in ask(prompts, _DIALECT.limits.answer_tokens)]


def in_context(ask: Ask, n: int) -> dict[str, float]:
    """Answers and refusals with 3 to 6 notes."""
    corpus = Corpus(f"benchmark qa {SEED}", held_out=True)
    known: list[tuple[str, str]] = []
    attribute: list[tuple[str, str]] = []
    entity: list[tuple[str, str]] = []
    while min(len(known), len(attribute), len(entity)) < n:
        facts = corpus.facts.facts(corpus.rng.randint(3, 6))
        notes = [corpus.facts.note(fact) for fact in facts]
        fact = corpus.rng.choice(facts)
        question = corpus.facts.question(fact.subject, fact.attribute, fact.kind)
        known.append((_DIALECT.answer_prompt(question, notes), fact.value))
        subject, missing, kind = corpus.absent(facts)
        question = corpus.facts.question(subject, missing, kind)
        present = any(subject == each.subject for each in facts)
        pool = attribute if present else entity
        pool.append((_DIALECT.answer_prompt(question, notes), UNKNOWN))
    right = {
        name: [g == a for g, (_, a) in zip(_asked(ask, pairs[:n]), pairs, strict=False)]
        for name, pairs in (("qa", known), ("attribute", attribute), ("entity", entity))
    }
    return (
        share("qa_em", right["qa"])
        | share("unknown", right["attribute"] + right["entity"])
        | share("unknown_attribute", right["attribute"])
        | share("unknown_entity", right["entity"])
    )


def _asked(ask: Ask, pairs: Sequence[tuple[str, str]]) -> list[str]:
    return answers(ask, [prompt for prompt, _ in pairs])


def closed_book(ask: Ask, n: int) -> dict[str, float]:
    """World facts and strangers without notes."""
    corpus = Corpus(f"benchmark closed {SEED}", held_out=True)
    facts = WORLD_FACTS[:: max(1, len(WORLD_FACTS) // n)]
    prompts = [
        _DIALECT.answer_prompt(f"What is the {fact.attribute} of {fact.subject}?", ())
        for fact in facts
    ]
    strangers = [_DIALECT.answer_prompt(corpus.stranger(), ()) for _ in range(n)]
    got = answers(ask, prompts)
    return share(
        "closed_world_em", [g == fact.value for g, fact in zip(got, facts, strict=True)]
    ) | share("closed_unknown", [g == UNKNOWN for g in answers(ask, strangers)])


def drafts_of(ask: Ask, dialogues: Sequence[tuple[str, Sequence[Turn]]]) -> list[list[Draft]]:
    """Drafts of each (subject, turns), in order, asked window by window."""
    windows = [
        (index, subject, window)
        for index, (subject, turns) in enumerate(dialogues)
        for window in _DIALECT.extraction_windows(turns)
    ]
    prompts = [_DIALECT.extraction_prompt(window, subject) for _, subject, window in windows]
    found: list[list[Draft]] = [[] for _ in dialogues]
    texts = ask(prompts, _DIALECT.limits.extraction_tokens)
    for (index, subject, window), text in zip(windows, texts, strict=True):
        found[index] += _DIALECT.parse_extraction(text, window, subject)
    return found


def latest(facts: Iterable[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """The last value of each (subject, attribute), as the program keeps them."""
    kept = {(subject, attribute): value for subject, attribute, value in facts}
    return {(*key, value) for key, value in kept.items()}


def compare(predicted: set[tuple[str, ...]], gold: set[tuple[str, ...]]) -> Counts:
    """Counts of one dialogue."""
    return Counts(len(predicted & gold), len(predicted), len(gold))


def cards(ask: Ask, n: int) -> dict[str, float]:
    """Cards from generated dialogues with exactly three facts."""
    corpus = Corpus(f"benchmark cards {SEED}", held_out=True)
    dialogues: list[tuple[str, Sequence[Turn]]] = []
    gold: list[set[tuple[str, str, str]]] = []
    while len(dialogues) < n:
        dialogue = corpus.dialogues.dialogue(3)
        facts = latest(
            (subject or dialogue.subject, attribute, value)
            for labels in dialogue.labels
            for value, attribute, subject in labels
        )
        if len(facts) == 3:  # noqa: PLR2004 - three facts, as the metric says
            dialogues.append((dialogue.subject, dialogue.turns))
            gold.append(facts)
    found = drafts_of(ask, dialogues)
    triples = [latest((d.subject, d.attribute, d.answer) for d in drafts) for drafts in found]
    counts = [compare({*p}, {*g}) for p, g in zip(triples, gold, strict=True)]
    values = [
        compare({(v,) for _, _, v in p}, {(v,) for _, _, v in g})
        for p, g in zip(triples, gold, strict=True)
    ]
    return f1("cards", counts) | {"cards_value_f1": f1_of(values)}


def kept_in_order(lines: Sequence[str], result: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(result) + 1)
    for line in lines:
        before = 0
        for j, other in enumerate(result, 1):
            before, row[j] = row[j], before + 1 if line == other else max(row[j], row[j - 1])
    return row[-1]


@dataclass(frozen=True)
class Outcome:
    """How an edited document compares with what was asked for."""

    applied: bool
    untouched: float
    exact: bool


def judge(edit: Edit, result: Sequence[str]) -> Outcome:
    """Whether the edit was really made, and what else happened to the document."""
    untouched = [line for line in edit.lines if line in edit.result]
    made = [line for line in edit.result if line not in edit.lines]
    gone = [line for line in edit.lines if line not in edit.result]
    applied = all(line in result for line in made) and not any(line in result for line in gone)
    if applied and edit.kind == "insert":
        at = edit.result.index(made[0])
        applied = edit.result[at - 1] == list(result)[list(result).index(made[0]) - 1]
    kept = kept_in_order(untouched, result) / len(untouched) if untouched else 1.0
    return Outcome(applied, kept, tuple(result) == edit.result)


def edits_for(n: int) -> list[Edit]:
    """``n`` solvable edits, the four kinds in turn, on documents of 3 to 10 lines."""
    corpus = Corpus(f"benchmark edits {SEED}", held_out=True)
    found: list[Edit] = []
    while len(found) < n:
        document = corpus.documents.document(corpus.rng.randint(3, 10))
        edit = corpus.documents.edit(document, EDITS[len(found) % len(EDITS)])
        if edit.solvable:
            found.append(edit)
    return found


def edits(ask: Ask, n: int) -> dict[str, float]:
    """Patches, and beside them whole-document rewriting, on the same edits."""
    tasks = edits_for(n)
    prompts = [_DIALECT.patch_prompt(edit.lines, edit.instruction) for edit in tasks]
    outcomes = [
        judge(edit, apply_patch(edit.lines, _DIALECT.parse_patch(text, edit.lines)))
        for edit, text in zip(tasks, ask(prompts, _DIALECT.limits.patch_tokens), strict=True)
    ]
    result = _outcomes("patch", tasks, outcomes)
    tasks = tasks[: max(1, n // 3)]
    prompts = [_DIALECT.rewrite_prompt("\n".join(e.lines), e.instruction) for e in tasks]
    texts = ask(prompts, _DIALECT.limits.rewrite_tokens)
    outcomes = [
        judge(edit, _DIALECT.parse_rewrite(text).split("\n"))
        for edit, text in zip(tasks, texts, strict=True)
    ]
    return result | _outcomes("rewrite", tasks, outcomes)


def _outcomes(name: str, tasks: Sequence[Edit], outcomes: Sequence[Outcome]) -> dict[str, float]:
    result = share(f"{name}_applied", [outcome.applied for outcome in outcomes])
    result[f"{name}_untouched"] = sum(o.untouched for o in outcomes) / len(outcomes)
    result[f"{name}_exact"] = sum(o.exact for o in outcomes) / len(outcomes)
    for kind in EDITS:
        of_kind = [o.applied for t, o in zip(tasks, outcomes, strict=True) if t.kind == kind]
        if of_kind:
            result[f"{name}_applied_{kind}"] = sum(of_kind) / len(of_kind)
    return result


def data_folder() -> Path:
    """Where real data lies: ``PALIMPSEST_DATA``, else ``shared/data`` beside the project."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("PALIMPSEST_DATA", beside))


def real_dialogues(ask: Ask, n: int) -> dict[str, float]:
    """Cards from SGD development dialogues; nothing when the data is absent."""
    path = data_folder() / "sgd" / "dev.jsonl.gz"
    if not path.exists():
        return {}
    every = list(read_sgd(path))
    sample = random.Random(SEED).sample(every, n)
    found = drafts_of(ask, [(f"booking {each.id}", each.turns) for each in sample])
    by_value, by_slot, final = [], [], []
    for dialogue, drafts in zip(sample, found, strict=True):
        gold = [(a, normalise(v)) for labels in dialogue.labels for v, a, _ in labels]
        got = [(draft.attribute, normalise(draft.answer)) for draft in drafts]
        by_value.append(compare({(v,) for _, v in got}, {(v,) for _, v in gold}))
        by_slot.append(compare({*got}, {*gold}))
        final.append(compare({*dict(got).items()}, {*dict(gold).items()}))
    result = f1("sgd_value", by_value)
    return result | {"sgd_slot_value_f1": f1_of(by_slot), "sgd_final_f1": f1_of(final)}


def run(quick: bool, weights: Path = WEIGHTS) -> dict[str, float]:  # noqa: FBT001 - the harness's form
    """All metrics; ``quick`` takes a fifth of the samples."""
    model = LocalModel(weights, model_id="builtin", dialect=_DIALECT)

    def ask(prompts: Sequence[str], limit: int) -> list[str]:
        return model.generate(prompts, max_new_tokens=limit)

    def read(prompts: Sequence[str], limit: int) -> list[str]:
        """As the program extracts: lines the model is unsure of are dropped."""
        floor = _DIALECT.limits.extraction_floor
        return confident_lines(model, prompts, ask(prompts, limit), floor=floor)

    n = 60 if quick else 300
    result = in_context(ask, n) | closed_book(ask, n)
    result |= cards(read, n) | edits(ask, n)
    return result | real_dialogues(read, 40 if quick else 200)


def main() -> None:
    """Command line: a table, or one JSON object with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a fifth of the samples")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="another checkpoint")
    options = parser.parse_args()
    result = run(options.quick, options.weights)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print("\n".join(f"{name:32} {value:8.3f}" for name, value in result.items()))


if __name__ == "__main__":
    main()
