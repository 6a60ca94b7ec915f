"""DESIGN section 2: every rule that always holds, and the tests that hold it.

``RULES`` is the table of contents of the guarantees. A test that is renamed or removed
without a successor breaks it; so does a rule without a test.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

RULES: dict[str, tuple[str, ...]] = {
    "1 one door": (
        "tests/governance/test_ledger.py::test_a_batch_is_all_or_nothing",
        "tests/governance/test_ledger.py::test_a_store_that_refuses_changes_nothing",
        "tests/governance/test_ledger.py::test_rules_are_enforced_by_the_append_itself",
        "tests/contracts/test_store_contract.py::test_a_bad_row_leaves_nothing_of_its_batch",
        "tests/architecture/test_imports.py::test_import_contracts_hold",
        "tests/architecture/test_rules.py::test_only_the_ledger_writes_to_a_store",
    ),
    "2 append-only": (
        "tests/architecture/test_rules.py::test_no_statement_changes_or_removes_an_event",
        "tests/governance/test_state.py::test_an_erased_event_moves_only_the_number",
        (
            "tests/governance/test_erasure.py::"
            "test_no_file_holds_the_text_afterwards_and_a_stray_copy_stops_it"
        ),
        (
            "tests/governance/test_verify_log.py::"
            "test_payloads_are_opened_counted_and_missing_ones_judged"
        ),
    ),
    "3 versions": (
        (
            "tests/governance/test_ledger.py::"
            "test_every_version_can_be_rebuilt_and_the_live_one_equals_the_head"
        ),
        "tests/properties/test_ledger_machine.py::test_random_histories_in_a_home",
        (
            "tests/golden/test_golden.py::"
            "test_homes_of_every_format_open_verify_and_fold_to_the_same_state"
        ),
    ),
    "4 tamper-evident": (
        "tests/faults/test_tamper.py::test_an_edit_of_the_database_is_named_and_never_opened",
        (
            "tests/faults/test_tamper.py::"
            "test_an_attacker_who_recomputes_leaf_and_tree_without_the_key_is_caught"
        ),
        "tests/faults/test_tamper.py::test_a_forged_tail_is_not_signed_on_the_next_open",
        "tests/faults/test_tamper_files.py::test_an_old_database_put_back_is_behind",
        "tests/faults/test_truncation.py::test_a_cut_write_ahead_log_is_refused_as_behind",
        "tests/faults/test_crash.py::test_fifty_kills_lose_nothing",
        "tests/governance/test_cli.py::test_verify_names_tampering_with_exit_code_3",
    ),
    "5 evidence before belief": (
        "tests/governance/test_state.py::test_evidence_before_belief",
        "tests/governance/test_verifiers_grounding.py::test_no_evidence_needs_a_named_person",
        (
            "tests/agent/running/test_program.py::"
            "test_output_that_cites_nothing_said_is_never_proposed"
        ),
    ),
    "6 fail closed": (
        "tests/governance/test_policy.py::test_no_rule_denies",
        ("tests/governance/test_policy.py::test_a_rule_that_errors_denies_whatever_the_others_say"),
        "tests/governance/test_policy.py::test_a_missing_verifier_is_missing_and_not_a_pass",
        "tests/governance/test_review.py::test_a_verifier_that_is_left_out_denies",
        "tests/agent/running/test_run.py::test_a_gateway_without_a_policy_proposes_nothing",
    ),
    "7 unapproved memory acts on nothing": (
        "tests/governance/test_state_adapters.py::test_only_approved_cards_of_one_scope_are_trained",
        "tests/governance/test_state_adapters.py::test_a_card_is_active_only_where_it_was_absorbed",
        ("tests/governance/test_state.py::test_a_new_version_never_pushes_out_what_was_decided"),
        (
            "tests/governance/test_state_rollback.py::"
            "test_a_rollback_cannot_smuggle_anything_into_force"
        ),
        ("tests/agent/memory/test_index.py::test_only_active_external_entries_of_the_scope"),
        "tests/agent/running/test_run.py::test_only_active_entries_reach_a_prompt",
        (
            "tests/agent/test_planted_troubles.py::"
            "test_no_planted_trouble_reaches_a_prompt_or_an_adapter_before_review"
        ),
        (
            "tests/governance/test_reviewers.py::"
            "test_nobody_gets_around_the_wait_by_appending_the_event"
        ),
    ),
    "8 author is not reviewer": (
        "tests/governance/test_state.py::test_author_is_not_reviewer",
        "tests/governance/test_review.py::test_the_author_is_not_the_reviewer",
        (
            "tests/governance/test_reviewers.py::"
            "test_two_different_people_agree_and_neither_is_the_author"
        ),
    ),
    "9 a rejected value stays rejected": (
        ("tests/governance/test_review.py::test_a_rejected_value_stays_rejected_under_every_guise"),
        "tests/governance/test_tombstone.py::test_a_disguised_value_keeps_its_key",
        "tests/governance/test_tombstone.py::test_a_fact_cannot_come_back_as_a_flashcard",
        (
            "tests/governance/test_rollback.py::"
            "test_what_was_rejected_before_stays_rejected_and_keeps_its_tombstone"
        ),
        ("tests/governance/test_state.py::test_a_new_version_never_pushes_out_what_was_decided"),
        (
            "tests/governance/test_refused_values.py::"
            "test_a_refused_value_does_not_come_back_and_its_twin_comes_in"
        ),
        ("tests/governance/test_transfer.py::test_an_older_backup_brings_nothing_refused_back"),
    ),
    "10 revocation reaches every derivative": (
        "tests/agent/running/test_deletion_sequence.py::test_the_deletion_sequence",
        (
            "tests/governance/test_sharing.py::"
            "test_revoking_the_original_takes_every_copy_and_what_was_made_from_it"
        ),
        (
            "tests/governance/test_transfer.py::"
            "test_revoking_withdraws_the_exports_that_list_it_and_deletes_their_files"
        ),
        (
            "tests/agent/memory/test_corrected.py::"
            "test_a_revoked_original_leaves_no_row_in_the_index_of_either_scope"
        ),
        (
            "tests/governance/test_revocation.py::"
            "test_everything_derived_goes_in_one_append_and_the_twin_stays"
        ),
        (
            "tests/governance/test_state_adapters.py::"
            "test_an_adapter_with_a_revoked_card_is_not_served_again"
        ),
        (
            "tests/agent/running/test_target.py::"
            "test_revocation_withdraws_at_once_and_rebuilds_without_the_card"
        ),
        (
            "tests/agent/running/test_target.py::"
            "test_a_rebuilt_shard_is_the_adapter_that_never_saw_the_card"
        ),
    ),
    "11 a reversal is an event": (
        (
            "tests/governance/test_state_rollback.py::"
            "test_a_rollback_restores_exactly_and_can_itself_be_rolled_back"
        ),
        "tests/governance/test_rollback.py::test_rolling_back_a_rollback_restores_the_same",
        (
            "tests/agent/running/test_target.py::"
            "test_rollback_serves_the_old_adapter_and_trains_nothing"
        ),
    ),
    "12 scope is enforced at every read": (
        "tests/governance/test_state.py::test_scopes_do_not_mix",
        "tests/governance/test_state.py::test_lineage_must_exist_and_be_visible",
        "tests/governance/test_state_rollback.py::test_a_rollback_stays_in_its_scope",
        "tests/governance/test_review.py::test_a_source_of_another_tenant_cannot_be_cited",
        "tests/agent/memory/test_recall.py::test_no_reader_sees_another_scope",
        "tests/dashboard/test_queries.py::test_other_scope_sees_nothing",
        ("tests/governance/test_service_scope.py::test_other_scopes_do_not_exist_for_a_principal"),
        (
            "tests/governance/test_service_scope.py::"
            "test_a_state_that_moves_on_stays_within_its_bounds"
        ),
        (
            "tests/agent/running/test_restricted.py::"
            "test_settling_with_a_token_sees_and_builds_one_scope_only"
        ),
        (
            "tests/agent/running/test_restricted.py::"
            "test_an_index_rebuilt_with_a_token_holds_one_scope_only"
        ),
    ),
    "13 a model never changes a status": (
        (
            "tests/governance/test_state.py::"
            "test_a_policy_may_approve_what_a_model_wrote_but_no_model_judges"
        ),
        "tests/governance/test_review.py::test_only_people_decide",
    ),
    "14 recalled text is data": (
        "tests/agent/memory/test_notes.py::test_nothing_breaks_the_fence",
        "tests/governance/test_cli.py::test_hostile_text_is_shown_and_never_obeyed",
        "tests/dashboard/test_hostile_memory.py::test_memory_text_is_inert",
    ),
}


@cache
def functions_of(file: str) -> frozenset[str]:
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def missing(nodes: tuple[str, ...]) -> list[str]:
    """Node ids that name no test function."""
    found = []
    for node in nodes:
        file, _, name = node.partition("::")
        if not name.startswith("test_") or name not in functions_of(file):
            found.append(node)
    return found


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_held_by_tests_that_exist(rule: str) -> None:
    assert RULES[rule]
    assert missing(RULES[rule]) == []
    assert missing(("tests/architecture/test_rules.py::test_gone", "tests/none.py::test_x")) == [
        "tests/architecture/test_rules.py::test_gone",
        "tests/none.py::test_x",
    ]


def test_all_fourteen_rules_are_listed() -> None:
    assert [rule.split()[0] for rule in RULES] == [str(number) for number in range(1, 15)]


def calls(tree: ast.AST, attribute: str) -> int:
    return sum(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == attribute
        and ast.unparse(node.func.value).endswith("store")
        for node in ast.walk(tree)
    )


def test_only_the_ledger_writes_to_a_store() -> None:
    """Rule 1: one call of ``store.append`` in all packages, on the append path."""
    writers = {}
    for package in ("governance", "agent", "dashboard"):
        for path in (ROOT / package).rglob("*.py"):
            count = calls(ast.parse(path.read_text("utf-8")), "append")
            if count:
                writers[path.relative_to(ROOT).as_posix()] = count
    assert writers == {"governance/log.py": 1}


def test_no_statement_changes_or_removes_an_event() -> None:
    """Rule 2: the only module that speaks SQL to the ledger never updates or deletes."""
    store = ROOT / "governance" / "store"
    sql = " ".join(
        path.read_text("utf-8") for path in [*store.rglob("*.py"), *store.rglob("*.sql")]
    )
    words = sql.upper().replace("\n", " ")
    assert "INSERT INTO" in words
    for forbidden in ("UPDATE ", "DELETE FROM", "TRUNCATE", "ON CONFLICT", "INSERT OR REPLACE"):
        found = words.replace("NEVER UPDATED", "")
        assert forbidden not in found, forbidden
