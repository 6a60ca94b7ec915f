from __future__ import annotations

import random

import pytest

from agent.models.builtin.corpus import MIXTURE, Corpus
from agent.models.builtin.dialect import BuiltinDialect
from agent.models.builtin.dialogues import DialogueMaker, labelled_windows
from agent.models.builtin.documents import EDITS, FORMATS, DocumentMaker
from agent.models.builtin.names import FIRST, LAST, STREETS, TOWNS, Names, is_held_out
from agent.models.builtin.patching import apply_patch, locate_patches
from agent.models.builtin.rehearsal import (
    IN_CONTEXT,
    STRANGERS,
    WORLD,
    control_prompts,
    rehearsal,
)
from agent.models.builtin.sgd import SgdDialogue
from agent.models.builtin.world import WORLD_FACTS
from agent.models.protocol import UNKNOWN, Turn

DIALECT = BuiltinDialect()
REAL = SgdDialogue("1_1", (Turn("user", "In Oslo."),), ((("Oslo", "city", None),),))


def texts(seed: int) -> list[str]:
    corpus = Corpus(seed, sgd=(REAL,))
    return [example.text for _ in range(60) for example in corpus.examples(0.6)]


def test_a_seed_gives_the_same_corpus_for_ever() -> None:
    assert texts(3) == texts(3)
    assert texts(3) != texts(4)


def test_every_skill_turns_up_and_targets_follow_prompts() -> None:
    corpus = Corpus(1, sgd=(REAL,))
    examples = [example for _ in range(300) for example in corpus.examples(0.6)]
    assert {example.kind for example in examples} == set(MIXTURE)
    assert all(len(example.segments) % 2 == 0 for example in examples)
    without = Corpus(1)
    assert "sgd" not in {e.kind for _ in range(200) for e in without.examples(0.5)}


def test_both_sides_of_the_hold_out_are_disjoint() -> None:
    sides = []
    for held_out in (False, True):
        names = Names(random.Random(5), held_out=held_out)
        words = {names.invented() for _ in range(300)} | {names.digits(5) for _ in range(300)}
        words |= {names.pick(pool) for pool in (FIRST, LAST, TOWNS, STREETS) for _ in range(300)}
        assert all(is_held_out(word) == held_out for word in words)
        sides.append(words)
    assert not sides[0] & sides[1]
    for pool in (FIRST, LAST, TOWNS, STREETS):
        assert any(is_held_out(word) for word in pool)
        assert any(not is_held_out(word) for word in pool)


def test_no_name_of_one_side_gives_up() -> None:
    names = Names(random.Random(5), held_out=True)
    with pytest.raises(ValueError, match="no word on this side"):
        names.draw(lambda: next(word for word in FIRST if not is_held_out(word)))


def test_training_dialogues_hold_no_held_out_name() -> None:
    held_out = {word for word in (*FIRST, *LAST, *TOWNS) if is_held_out(word)}
    maker = DialogueMaker(random.Random(2), held_out=False)
    spoken = [maker.dialogue(3) for _ in range(80)]
    told = {
        word
        for d in spoken
        for labels in d.labels
        for v, _, s in labels
        for word in f"{v} {s}".split()
    }
    assert not told & held_out
    assert told & set(LAST)


def test_labels_parse_back_from_every_sentence() -> None:
    maker = DialogueMaker(random.Random(9))
    told = placed = parsed = 0
    for _ in range(200):
        dialogue = maker.dialogue(3)
        told += sum(len(labels) for labels in dialogue.labels)
        for window, labels in labelled_windows(dialogue.turns, dialogue.labels):
            target = DIALECT.extraction_target(labels)
            placed += len(labels)
            parsed += len(DIALECT.parse_extraction(target, window, dialogue.subject))
    assert told > 500
    assert placed >= 0.995 * told
    assert parsed >= 0.995 * told


@pytest.mark.parametrize("form", sorted(set(FORMATS)))
@pytest.mark.parametrize("kind", EDITS)
def test_edits_resolve_to_their_result(form: str, kind: str) -> None:
    maker = DocumentMaker(random.Random(f"{form} {kind}"))
    for _ in range(10):
        edit = maker.edit(maker.document(6, form), kind)
        if not edit.solvable:
            continue
        patches = locate_patches(edit.target, edit.lines)
        assert apply_patch(edit.lines, patches) == edit.result != edit.lines


def test_edits_elsewhere_touch_nothing() -> None:
    maker = DocumentMaker(random.Random(4))
    for _ in range(30):
        edit = maker.elsewhere(5)
        assert edit.result == edit.lines
        assert edit.target == " none"
        assert locate_patches(edit.target, edit.lines) == ()


def test_absent_questions_are_not_answered_by_the_notes() -> None:
    corpus = Corpus("absent")
    for _ in range(200):
        facts = corpus.facts.facts(4)
        subject, attribute, _ = corpus.absent(facts)
        assert (subject, attribute) not in {(f.subject, f.attribute) for f in facts}


def test_rehearsal_is_seeded_and_fresh() -> None:
    assert rehearsal(1, 2) == rehearsal(1, 2)
    assert rehearsal(1, 2) != rehearsal(1, 3)
    pairs = rehearsal(1, 2)
    assert len(pairs) == STRANGERS + WORLD + IN_CONTEXT
    assert sum(DIALECT.parse_answer(target) == UNKNOWN for _, target in pairs) >= STRANGERS
    assert len({prompt for step in range(5) for prompt, _ in rehearsal(1, step)}) > 70


def test_controls_are_never_rehearsed() -> None:
    controls = control_prompts(1, 60)
    assert controls == control_prompts(1, 60)
    assert [control.kind for control in controls[:3]] == ["world", "stranger", "context"]
    facts = {(fact.attribute, fact.subject): fact.value for fact in WORLD_FACTS}
    for control in controls:
        if control.kind == "world":
            assert control.answer in facts.values()
        if control.kind == "stranger":
            assert control.answer == UNKNOWN
    rehearsed = {prompt for step in range(60) for prompt, _ in rehearsal(1, step)}
    assert not rehearsed & {control.prompt for control in controls}
