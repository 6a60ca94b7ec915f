"""Edit predicates, and the checker of edit pairs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from governance.drift import (
    EditPair,
    Element,
    Expectation,
    check_pair,
    derive_expectation,
    domain_for,
    edits,
    plan_relay,
)
from governance.drift.domains.ledger import LedgerDomain
from governance.errors import DriftError

LEDGER = "claim,payee,amount\nC-1,Anna Keller,96.50\nC-2,Bela Nagy,40\nC-3,Anna Keller,40\n"
EXAMPLE = Path(__file__).parents[3] / "examples" / "claims-desk"


@pytest.mark.parametrize(
    ("instruction", "appear", "disappear"),
    [
        ('Change "96.50" to "104.00" in the first row.', ["104.00"], ["96.50"]),
        ("Change the amount of C-1 from 96.50 to 104.00.", ["104.00"], ["96.50"]),
        ("Replace 'Bela Nagy' with 'Bea Nagy'.", ["Bea Nagy"], ["Bela Nagy"]),
        ("Delete the row with “C-2”.", [], ["C-2"]),
        ("Add the row `C-4,Dora Weiss,5` after 'C-3'.", ["C-4,Dora Weiss,5"], []),
        ("Change the amount of C-9 from 1.00 to 2.00.", None, None),
        ("Sort the rows by amount.", None, None),
        ("Remove the smallest row.", None, None),
    ],
)
def test_predicates_follow_from_the_wording(
    instruction: str, appear: list[str] | None, disappear: list[str] | None
) -> None:
    found = derive_expectation(instruction, LEDGER)
    if appear is None or disappear is None:
        assert found is None
    else:
        assert found == Expectation(tuple(appear), tuple(disappear))
        assert not found.met(LEDGER, LEDGER)


def test_a_predicate_counts_whole_words() -> None:
    rename = Expectation(appear=("Anna-Maria",), disappear=("Anna",))
    once = LEDGER.replace("Anna", "Anna-Maria", 1)
    everywhere = LEDGER.replace("Anna", "Anna-Maria")
    assert rename.met(LEDGER, once)
    assert rename.met(LEDGER, everywhere)
    assert not rename.met(LEDGER, LEDGER.replace("Anna", "Annabel"))
    assert rename.reversed().met(everywhere, LEDGER)
    exact = Expectation(rename.appear, rename.disappear, exact=True)
    assert exact.met(LEDGER, everywhere)
    assert not exact.met(LEDGER, once)


def test_a_predicate_explains_the_elements_it_is_about() -> None:
    change = Expectation(appear=("104.00",), disappear=("96.50",))
    assert change.explains("C-1,Anna Keller,96.50", "C-1,Anna Keller,104.00")
    assert not change.explains("C-2,Bela Nagy,40", "C-2,Bela Nagy,41")
    assert change.explains(None, "C-9,104.00")
    assert change.explains("C-1,Anna Keller,96.50", None)


GOOD = EditPair(
    "amount",
    "ledger",
    "Change the amount of C-1 from 96.50 to 104.00.",
    "Change the amount of C-1 from 104.00 to 96.50.",
)


def replace(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


def test_a_good_pair_has_no_problems() -> None:
    assert check_pair(LEDGER, GOOD, replace("96.50", "104.00"), replace("104.00", "96.50")) == ()


@pytest.mark.parametrize(
    ("document", "pair", "forward", "backward", "problem"),
    [
        ("", GOOD, str, str, "no ledger document"),
        (LEDGER, GOOD, str, str, "changes nothing"),
        (LEDGER, GOOD, replace("96.50", "104.00"), str, "round trip scores"),
        (LEDGER, GOOD, replace("96.50", "105.00"), replace("105.00", "96.50"), "not met"),
        (LEDGER, GOOD, replace("claim", '"claim'), replace('"claim', "claim"), "cannot be read"),
        (
            LEDGER,
            EditPair("x", "ledger", "Sort by payee.", "Undo the sorting."),
            replace("96.50", "97"),
            replace("97", "96.50"),
            "hints at a way back",
        ),
        (
            LEDGER,
            EditPair("x", "ledger", "Sort by ```payee```.", "Sort by claim."),
            replace("96.50", "97"),
            replace("97", "96.50"),
            "code fence",
        ),
        (
            LEDGER,
            EditPair("x", "ledger", "Sort by payee.", "Sort by claim."),
            replace("96.50", "97"),
            replace("97", "96.50"),
            "no edit predicate",
        ),
        (
            LEDGER,
            EditPair("x", "ledger", "Go.", "Back.", Expectation()),
            replace("96.50", "97"),
            replace("97", "96.50"),
            "met by doing nothing",
        ),
        (
            LEDGER,
            GOOD,
            lambda text: text + "C-4,Dora Weiss,5\n",
            replace("C-4,Dora Weiss,5\n", ""),
            "only adds",
        ),
        (
            LEDGER,
            GOOD,
            replace("96.50", "104.00"),
            replace("104.00", "96.5"),
            "reversed edit predicate",
        ),
    ],
)
def test_what_is_wrong_with_a_pair_is_said(
    document: str,
    pair: EditPair,
    forward: Callable[[str], str],
    backward: Callable[[str], str],
    problem: str,
) -> None:
    problems = check_pair(document, pair, forward, backward)
    assert any(problem in text for text in problems), problems


def test_a_domain_that_is_not_sure_of_itself_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unsteady(LedgerDomain):
        parses = 0

        def parse(self, text: str) -> tuple[Element, ...]:
            self.parses += 1
            return super().parse(text)[: 4 - self.parses % 2]

    monkeypatch.setattr(edits, "domain_named", lambda _name: Unsteady())
    problems = check_pair(LEDGER, GOOD, replace("96.50", "104.00"), replace("104.00", "96.50"))
    assert "the seed does not score exactly 1 against itself" in problems
    with pytest.raises(DriftError, match="does not score 1"):
        plan_relay("a.csv", Unsteady(), LEDGER, [GOOD], seed=1, round_trips=1)
    sure = plan_relay("a.csv", LedgerDomain(), LEDGER, [GOOD], seed=1, round_trips=1)
    assert sure.order == ("amount",)


def obey(document: str, instruction: str) -> str:
    """A perfect editor for the wording of the shipped example."""
    lines = document.split("\n")
    if match := re.fullmatch(r"Rename (.+) to (.+)\.", instruction):
        return document.replace(match[1], match[2])
    if match := re.fullmatch(r"Change (.*?) from (.+) to (.+)\.", instruction):
        return _changed(lines, match)
    if match := re.fullmatch(r"Delete the (?:row|line) (?:for )?(.+?)\.?", instruction):
        (doomed,) = [i for i, line in enumerate(lines) if match[1] in line]
        return "\n".join(lines[:doomed] + lines[doomed + 1 :])
    match = re.fullmatch(r"Insert a (?:row|line) after (.+?): (.+)", instruction)
    if match is None:
        raise AssertionError(f"the perfect editor does not know: {instruction}")
    for colon in (m.start() for m in re.finditer(": ", instruction)):
        anchor, text = instruction[:colon].partition(" after ")[2], instruction[colon + 2 :]
        if sum(anchor in line for line in lines) == 1:
            at = next(i for i, line in enumerate(lines) if anchor in line)
            indent = re.match(r"\s*", lines[at])
            return "\n".join(
                [*lines[: at + 1], f"{indent[0] if indent else ''}{text}", *lines[at + 1 :]]
            )
    raise AssertionError(f"no anchor: {instruction}")


def _changed(lines: list[str], match: re.Match[str]) -> str:
    key = match[1].split(" of ")[-1]
    near = next(i for i, line in enumerate(lines) if key in line)
    at = next(i for i in range(near, len(lines)) if match[2] in lines[i])
    lines[at] = lines[at].replace(match[2], match[3])
    return "\n".join(lines)


@pytest.mark.skipif(not (EXAMPLE / "edits.jsonl").exists(), reason="the example is not shipped")
def test_every_pair_of_the_example_is_lossless_under_a_perfect_editor() -> None:
    rows = [json.loads(line) for line in (EXAMPLE / "edits.jsonl").read_text().splitlines()]
    assert rows
    for row in rows:
        text = (EXAMPLE / row["document"]).read_text()
        expect = Expectation(
            tuple(part for part in row["expect"]["present"] if part not in text),
            tuple(row["expect"]["absent"]),
            exact=True,
        )
        domain = domain_for(row["document"]).name
        pair = EditPair(row["id"], domain, row["forward"], row["backward"], expect)
        problems = check_pair(
            text,
            pair,
            lambda document, row=row: obey(document, row["forward"]),  # type: ignore[misc]
            lambda document, row=row: obey(document, row["backward"]),  # type: ignore[misc]
        )
        assert problems == (), row["id"]
