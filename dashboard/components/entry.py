"""One entry on the right-hand pane: text or diff, evidence, checks, history."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.components import states, when
from dashboard.components.html import (
    Column,
    Html,
    badge,
    box,
    fields,
    icon,
    joined,
    spaced,
    span,
    table,
    tag,
    text,
)
from dashboard.queries.comparison import Comparison
from dashboard.queries.entries import AuditRow, Check, EntryDetail, Evidence
from dashboard.queries.people import People
from dashboard.text import counted, plain
from governance.textdiff import WordDiff, word_diff

REPLACED_BELOW_PPM = 300_000


def heading(detail: EntryDetail) -> Html:
    """Title, state, id and where it came from."""
    item = detail.item
    model = f" ({detail.model})" if detail.model and detail.model not in detail.author else ""
    facts = [
        states.risk_badge(item.band, item.risk_ppm),
        text(f"{states.KIND[item.kind]} for {states.CHANNEL[item.channel]}"),
        text(f"by {detail.author}{model}"),
        text(when.clock(item.proposed_at_us)),
        span(text(f"{item.entry_id} v{item.version}"), "pl-mono"),
    ]
    status = states.status_badge(item.status, waiting=item.waiting)
    badges = span(_people(detail.people) + status, "pl-line")
    title = tag("div", tag("strong", plain(item.title, limit=120)) + badges, "pl-line", "pl-title")
    line = tag("div", spaced(facts), "pl-line", "pl-muted", "pl-small")
    return title + line + _why(detail)


def _people(people: People) -> Html:
    """Approvals so far, and who is deciding."""
    shown: list[Html] = []
    if people.approved_by:
        by = " and ".join(people.approved_by)
        words = f"{len(people.approved_by)} of {people.needed}, by {by}"
        shown.append(badge(words, "group", "blue", title="two reviewers must approve it"))
    if people.claimed_by:
        whose = "Yours" if people.claim_is_viewers else f"With {people.claimed_by}"
        until = when.hour(people.claimed_until_us)
        shown.append(badge(f"{whose} until {until}", "lock", "orange"))
    return joined(shown)


def _why(detail: EntryDetail) -> Html:
    """Why it waits, or who decided and for what reason."""
    if detail.item.status == "verified" and detail.review_message:
        words, symbol, colour = detail.review_message, "schedule", "pl-orange"
    elif detail.decided_by:
        comment = f": {detail.comment}" if detail.comment else ""
        reason = detail.reason_code.replace("-", " ")
        words = detail.decided_by + (f", {reason}" if reason != "policy" else "") + comment
        symbol = "gavel"
        colour = "pl-violet" if detail.item.status == "quarantined" else "pl-muted"
    else:
        return Html("")
    return tag("div", icon(symbol) + text(f" {plain(words, limit=220)}"), colour, "pl-small")


def content(detail: EntryDetail) -> Html:
    """Side by side with what it replaces or contradicts; else its parts."""
    if detail.comparison is None:
        head = tag("strong", "What would be remembered" if detail.item.waiting else "What it says")
        return box(head, fields(detail.fields))
    return sides(detail.comparison, detail)


def sides(other: Comparison, detail: EntryDetail) -> Html:
    """The word diff of another entry and this one."""
    diff = word_diff(other.text, other.own or detail.text)
    status = states.STATUS.get(other.status, (other.status, "", ""))[0].lower()
    left = tag("strong", f"{status} now") + span(f"{other.entry_id} v{other.version}", "pl-mono")
    this = "proposed" if detail.item.waiting else detail.item.status
    right = tag("strong", this) + span(f"{detail.item.entry_id} v{detail.item.version}", "pl-mono")
    before, after = halves(diff)
    pair = tag("div", box(left, before) + box(right, after), "pl-sides")
    return pair + tag("div", summary_of(diff, other.why), "pl-muted", "pl-small")


def halves(diff: WordDiff) -> tuple[Html, Html]:
    """Left and right side of a word diff; strike and underline survive without colour."""
    before, after = [], []
    for part in diff.parts:
        if part.operation == "equal":
            before.append(text(part.before))
            after.append(text(part.after))
            continue
        if part.before:
            before.append(tag("del", part.before))
        if part.after:
            after.append(tag("ins", part.after))
    return joined(before), joined(after)


def inline(diff: WordDiff) -> Html:
    """Both sides in one text, for long documents."""
    parts = []
    for part in diff.parts:
        if part.operation == "equal":
            parts.append(text(part.before))
        else:
            parts.append(tag("del", part.before) if part.before else Html(""))
            parts.append(tag("ins", part.after) if part.after else Html(""))
    return joined(parts)


def summary_of(diff: WordDiff, why: str = "") -> Html:
    """How much changed, in words."""
    if not diff.changed:
        return text("The same words.")
    lead = f"The left one {why}. " if why else ""
    if diff.similarity_ppm < REPLACED_BELOW_PPM:
        return text(f"{lead}Replaced entirely. Hidden characters are shown as codes.")
    return text(
        f"{lead}{counted(diff.removed_words, 'word')} removed, {diff.added_words} added. "
        "Hidden characters are shown as codes."
    )


def evidence(items: Sequence[Evidence]) -> Html:
    """Each span in its source, marked."""
    if not items:
        return box(tag("strong", "Evidence"), text("A named person stands for it; no source."))
    return joined(_evidence(item) for item in items)


def _evidence(item: Evidence) -> Html:
    trust = {
        "trusted": ("Trusted", "verified", "green"),
        "internal": ("Internal", "badge", "blue"),
        "customer": ("Customer", "person", "orange"),
        "unknown": ("Unknown", "help", "orange"),
    }
    word, symbol, colour = trust[item.trust]
    head = tag("strong", "Evidence") + span(
        icon("description") + text(f" {item.name}, line {item.line} ")
        + badge(word, symbol, colour, title="how far this voice is trusted")  # type: ignore[arg-type]  # one of the colours above
    )  # fmt: skip
    body = (
        text(("… " if item.cut_before else "") + item.before)
        + tag("mark", item.quote)
        + text(item.after + (" …" if item.cut_after else ""))
    )
    return box(head, body, "pl-context")


def checks(results: Sequence[Check]) -> Html:
    """What each verifier found: what did not pass first and in full, the rest in short."""
    if not results:
        return tag("div", "No verifier has looked at it yet.", "pl-muted")
    ordered = sorted(results, key=lambda result: result.outcome == "pass")
    return tag("div", joined(_check(result) for result in ordered), "pl-checks")


def _check(result: Check) -> Html:
    word, symbol, colour = states.OUTCOME[result.outcome]
    name = states.CHECKS.get(result.verifier, result.verifier)
    mark = span(icon(symbol), f"pl-{colour}")
    if result.outcome == "pass":
        return tag("div", mark + span(name, title=f"{word}: {result.detail}"), "pl-check")
    found = span(f"{result.verifier} {word}", f"pl-{colour}", "pl-strong")
    detail = span(plain(result.detail, limit=300), "pl-muted")
    return tag("div", mark + found + detail, "pl-check", "pl-check-wide")


def trail(rows: Sequence[AuditRow]) -> Html:
    """Everything that happened to it, with leaf hashes."""
    columns = [Column("When"), Column("Event"), Column("Who"), Column("What", wide=True),
               Column("No.", "right"), Column("Leaf")]  # fmt: skip
    return table(
        columns,
        [
            [
                span(when.exact(row.at_us), "pl-nowrap"), row.event, span(row.actor, "pl-nowrap"),
                plain(row.detail, limit=160), str(row.seq),
                span(row.leaf[:10], "pl-mono", title=row.leaf),
            ]
            for row in rows
        ],
    )  # fmt: skip


def use(detail: EntryDetail) -> Html:
    """Where it acts."""
    pairs: list[tuple[str, Html | str]] = []
    if detail.item.channel == "parametric":
        held = (
            span(detail.adapter_digest[:16], "pl-mono") if detail.adapter_digest else "no adapter"
        )
        pairs += [("Shard", detail.shard_id or "–"), ("Adapter", held)]
    if detail.recalled and detail.last_recalled_at_us:
        last = when.exact(detail.last_recalled_at_us)
        pairs.append(("Put into prompts", f"{detail.recalled} times, last {last}"))
    else:
        pairs.append(("Put into prompts", "never"))
    derived = ", ".join(detail.derived) or "nothing"
    pairs.append(("Derived from it", derived))
    if detail.decided_by:
        pairs.append(("Decided by", f"{detail.decided_by} ({detail.reason_code})"))
    return fields(pairs)
