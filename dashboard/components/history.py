"""Timeline and rollback: the log as a table, the preview by effect, typed confirmation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from dashboard import actions, session
from dashboard.components import result, states, when
from dashboard.components.html import (
    Colour,
    Column,
    Html,
    Row,
    Tile,
    badge,
    empty,
    icon,
    joined,
    span,
    table,
    tag,
    text,
    tiles,
)
from dashboard.queries.desk import Desk
from dashboard.queries.entries import title_of
from dashboard.queries.timeline import FAMILIES, LogRow, event_line, log_page
from dashboard.text import plain
from governance.rollback import EFFECTS, Effect, EntryMove, RollbackPlan

TARGET: Final = "to"
PAGE: Final = "rollback"
TABS: Final = "history_tab"
BACK, LOG = "Roll back", "All events"
_SHOWN: Final = 200
_PAGE_SIZE: Final = 40
_EFFECT: Final[dict[Effect, tuple[str, str]]] = {
    "acts again": ("Used again", "redo"),
    "stops acting": ("Stop being used", "block"),
    "returns to the queue": ("Back in the queue", "schedule"),
    "leaves the queue": ("Leave the queue", "inbox"),
    "changes otherwise": ("Other changes", "swap_horiz"),
}


def form(desk: Desk, plan: RollbackPlan | None) -> None:
    """Which version, why, and the typed confirmation."""
    head = desk.ledger.head.seq
    st.number_input(
        "Event number", min_value=0, max_value=head, value=head, key=TARGET, step=1,
        bind="query-params",
        help="The memory goes back to how it stood right after this event.",
    )  # fmt: skip
    if plan is None or plan.to_seq == head:
        return
    line = event_line(desk, plan.to_seq)
    at = f"{when.exact(line.at_us)} · {line.type} · {line.actor}" if line else "before everything"
    st.html(tag("div", plain(at), "pl-muted", "pl-small").code)
    two = desk.state.terms.rollback_people > 1
    st.html(tag("div", _how(two=two), "pl-note").code)
    if not plan.entries and not plan.shards:
        return
    codes = actions.reasons("rollback")
    reason = st.selectbox(
        "Reason", list(codes), key="rollback_reason", index=None, placeholder="Choose a reason",
        format_func=lambda code: f"{code.replace('-', ' ')}: {codes[code]}",
    )  # fmt: skip
    st.text_input("Comment", key="rollback_comment", max_chars=500)
    typed = st.text_input(f"Type {plan.to_seq} to confirm", key="rollback_typed")
    st.button(
        "Ask for it" if two else "Roll back", key="rollback", type="primary",
        icon=":material/group_add:" if two else ":material/undo:",
        disabled=reason is None or typed.strip() != str(plan.to_seq),
        on_click=_apply, args=(plan,),
    )  # fmt: skip


def _how(*, two: bool) -> Html:
    words = (
        "Under the policy in force a rollback takes two people: you ask, another accepts. "
        "Until then nothing changes. A newer request takes the place of one that waits."
        if two
        else "A rollback appends an event. Nothing is deleted, and it can be rolled back in turn."
    )
    return icon("group" if two else "info") + text(f" {words}")


def target(head: int) -> int:
    """The chosen version; before the field exists, the address's, else the head."""
    wanted = st.session_state.get(TARGET, st.query_params.get(TARGET, head))
    try:
        return min(max(int(wanted), 0), head)
    except (TypeError, ValueError):
        return head


def _apply(plan: RollbackPlan) -> None:
    place = session.workplace()
    command = actions.RollBack(
        session.actor(), plan, str(st.session_state.get("rollback_reason") or ""),
        str(st.session_state.get("rollback_comment") or ""),
        str(st.session_state.get("rollback_typed") or ""),
    )  # fmt: skip
    with place.lock:
        came_to = actions.roll_back(place.ledger, place.settler, command)
    if isinstance(came_to, actions.Done):
        st.session_state["rollback_typed"] = st.session_state["rollback_comment"] = ""
        st.session_state["rollback_reason"] = None
    st.session_state[TABS] = BACK
    result.keep(PAGE, came_to)


def last_result() -> None:
    """The receipt or the refusal, beside the button."""
    result.show(PAGE)


def preview(desk: Desk, plan: RollbackPlan) -> None:
    """Counts by effect, then every affected shard and entry."""
    if not plan.entries and not plan.shards:
        words = "Nothing that acts was added, changed or taken back since that event."
        st.html(empty("done_all", "The memory already stands like this", words).code)
        return
    counted = [
        Tile(_EFFECT[effect][0], f"{len(plan.with_effect(effect)):,}")
        for effect in EFFECTS
        if plan.with_effect(effect) or effect in {"acts again", "stops acting"}
    ]
    st.html(tiles([*counted, Tile("Adapters change", f"{len(plan.shards):,}")]).code)
    undone = [move for move in plan.entries if move.undoes_refusal]
    if undone:
        noun = "entry" if len(undone) == 1 else "entries"
        words = f" {len(undone)} refused or revoked {noun} would act again: look twice."
        st.html(tag("div", icon("warning") + text(words), "pl-red").code)
    if plan.shards:
        st.html(_shards(plan).code)
    if plan.entries:
        st.html(_entries(desk, plan.entries).code)
    if len(plan.entries) > _SHOWN:
        st.html(tag("div", f"First {_SHOWN} of {len(plan.entries):,} entries.", "pl-muted").code)


def _shards(plan: RollbackPlan) -> Html:
    columns = [Column("Shard", wide=True), Column("Serves now"), Column("Then")]
    rows: list[Row] = [
        [move.shard_id, _adapter(move.before), _adapter(move.after)] for move in plan.shards
    ]
    return table(columns, rows)


def _adapter(digest: str | None) -> Html:
    return span(digest[:12], "pl-mono", title=digest) if digest else span("none", "pl-muted")


def _entries(desk: Desk, moves: Sequence[EntryMove]) -> Html:
    order = {effect: number for number, effect in enumerate(EFFECTS)}
    ordered = sorted(moves, key=lambda m: (not m.undoes_refusal, order[m.effects[0]]))[:_SHOWN]
    columns = [Column("Entry", wide=True), Column("Channel"), Column("Now"), Column("Then"),
               Column("Effect")]  # fmt: skip
    rows: list[Row] = [
        [
            plain(title_of(desk.state.entries[move.entry_id].body), limit=60),
            states.CHANNEL[move.channel],
            states.status_badge(move.before),
            states.status_badge(move.after),
            joined(_effect(effect, alarming=move.undoes_refusal) for effect in move.effects),
        ]
        for move in ordered
    ]  # fmt: skip
    return table(columns, rows, height="24rem")


def _effect(effect: Effect, *, alarming: bool) -> Html:
    words, symbol = _EFFECT[effect]
    return tag("div", icon(symbol) + text(f" {words.lower()}"), *(["pl-red"] if alarming else []))


_FAMILY: Final[dict[str, tuple[str, Colour]]] = {
    "taken back": ("undo", "red"),
    "refused": ("shield", "violet"),
    "waiting": ("schedule", "orange"),
    "learned": ("school", "blue"),
    "used": ("chat", "gray"),
    "measured": ("straighten", "gray"),
    "set up": ("settings", "gray"),
}


def _family(name: str) -> Html:
    symbol, colour = _FAMILY[name]
    return badge(name, symbol, colour)


def log(rows: Sequence[LogRow], target: int) -> Html:
    """Events one by one; the chosen version is marked."""
    columns = [Column("No.", "right"), Column("When"), Column("Event"), Column("Family"),
               Column("Subject"), Column("Who"), Column("What", wide=True)]  # fmt: skip
    shown: list[Row] = [
        [
            f"{row.seq:,}",
            span(when.exact(row.at_us), "pl-nowrap"),
            span(row.type, "pl-nowrap"),
            _family(row.family),
            span(plain(row.subject, limit=34), "pl-mono", "pl-nowrap"),
            span(plain(row.actor, limit=34), "pl-nowrap"),
            plain(row.detail, limit=110),
        ]
        for row in rows
    ]
    marked = frozenset(number for number, row in enumerate(rows) if row.seq == target)
    return table(columns, shown, marked=marked)


def events(desk: Desk, target: int) -> None:
    """All events, narrowed by family, a page at a time."""
    families = st.pills("Family", list(FAMILIES), selection_mode="multi", key="family",
                        label_visibility="collapsed", bind="query-params")  # fmt: skip
    place = st.empty()
    page = int(st.session_state.get("log_page") or 1)
    rows, total = log_page(desk, families=families or (), page=page, size=_PAGE_SIZE)
    place.html(log(rows, target if target < desk.ledger.head.seq else 0).code)
    st.html(tag("div", text(f"{total:,} events"), "pl-muted", "pl-small").code)
    if total > _PAGE_SIZE:
        st.pagination(-(-total // _PAGE_SIZE), key="log_page")
