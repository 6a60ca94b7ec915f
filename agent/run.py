"""One whole run: ingest, learn, answer, relay, sum up.

Every step is idempotent through the ledger, so a run that was stopped — Ctrl-C, a crash,
a full disk — is continued by running the same command again, and a run that was finished
changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, get_args

from agent.answering import ARMS, Answered, Answerer, Asked
from agent.errors import AgentError
from agent.gateway import Gateway
from agent.models.protocol import LanguageModel
from agent.program import Chunk, Learned, Learner, chunks
from agent.relay import RelayDriver
from agent.summary import Summary, summarise
from agent.target import AgentMemory, remember_model
from agent.workspace import Source, Workspace
from governance import canonical
from governance.errors import ForgottenError
from governance.events import Actor, Arm, PolicyActivated, Scope
from governance.housekeeping import housekeep
from governance.ledger import SYSTEM, EventDraft, Ledger
from governance.policy import Policy


class Observer(Protocol):
    """Told how a run moves on; ``agent.console`` shows it as progress bars."""

    def stage(self, name: str, total: int) -> None:
        """A stage of ``total`` steps begins."""
        ...

    def step(self, note: str = "") -> None:
        """One step of the present stage is done."""
        ...

    def note(self, text: str) -> None:
        """What is being done right now, within a step."""
        ...


@dataclass(frozen=True)
class RunOptions:
    """What the command line decides; ``model`` is how the user named it."""

    home: Path
    policy: Policy
    model: str = "builtin"


def run(
    workspace: Workspace, model: LanguageModel, options: RunOptions, observer: Observer
) -> Summary:
    """Take an agent through ``workspace`` and report what came of it.

    Side effects: creates or extends the home; appends everything to its ledger; writes
    adapters to its blobs.

    Raises:
        StoreError, CheckpointError, ChainError: the home cannot be used.
        ModelError, AdapterError: the model or an adapter cannot be used.
    """
    started = time.monotonic()
    scope = workspace.settings.scope
    model.count_tokens("")  # fail before the home is touched if the model cannot be used
    with Ledger.open(options.home, create=True) as ledger:
        options.home.mkdir(parents=True, exist_ok=True)  # with a token only, it is not there yet
        remember_model(options.home, options.model)
        _activate(ledger, options.policy, scope)
        housekeep(ledger, thorough=True)
        actor = Actor(kind="agent", id=model.model_id)
        gateway = Gateway(ledger, scope=scope, actor=actor, policy=options.policy)
        memory = AgentMemory(ledger, model)
        run_id = _identity(gateway, workspace, model, options.policy)
        _ingest(gateway, workspace, observer)
        _learn(gateway, memory, workspace, model, observer)
        _answer(gateway, memory, workspace, model=model, run_id=run_id, observer=observer)
        _relay(gateway, workspace, model, run_id, observer)
        observer.stage("Verify", 1)
        summary = summarise(
            ledger,
            scope=scope,
            run_id=run_id,
            seed=workspace.settings.seeds.bootstrap,
            seconds=time.monotonic() - started,
            model=(model.model_id, model.digest),
        )
        observer.step()
    return summary


def ask_home(home: Path, question: str, arm: str, model: LanguageModel) -> Answered:
    """Put one question to the memory of ``home``, recording what was recalled for it.

    Raises:
        AgentError: no such arm.
    """
    if arm not in get_args(Arm):
        raise AgentError(f"unknown arm {arm!r}", hint=f"use one of {', '.join(ARMS)}")
    with Ledger.open(home) as ledger:
        housekeep(ledger)
        scope = _only_scope(ledger)
        actor = Actor(kind="agent", id=model.model_id)
        gateway = Gateway(ledger, scope=scope, actor=actor, policy=None)
        answerer = Answerer(gateway, model, AgentMemory(ledger, model))
        asked = Asked("ask", question, ())
        chosen = next(one for one in ARMS if one == arm)
        answered = answerer.ask(asked, chosen, run_id=f"ask:{ledger.head.seq}")
        gateway.record([answered.recalled], key=None)
    return answered


def _activate(ledger: Ledger, policy: Policy, scope: Scope) -> None:
    """Say in the ledger which rules decide from here on, when they are not the same.

    Whoever works with a token is not asked: the policy in force decides.
    """
    if ledger.bounds is not None:
        return
    state = ledger.state
    if state.active_policy == policy.name and state.policies.get(policy.name) == policy.digest:
        return
    payload = PolicyActivated(
        name=policy.name, digest=policy.digest, text=policy.text, terms=policy.terms
    )
    ledger.append([EventDraft(payload, SYSTEM, scope)])


def _identity(gateway: Gateway, workspace: Workspace, model: LanguageModel, policy: Policy) -> str:
    """The same inputs are the same run, so repeating it repeats nothing."""
    settings = workspace.settings
    return gateway.new_id(
        "run",
        canonical.digest(
            {
                "workspace": workspace.name,
                "sources": [gateway.source_id(source) for source in workspace.sources],
                "model": model.digest,
                "policy": policy.digest,
                "seeds": settings.seeds.model_dump(mode="json"),
                "budget_tokens": settings.context.budget_tokens,
                "round_trips": settings.relay.round_trips,
            }
        ),
    )


def _only_scope(ledger: Ledger) -> Scope:
    """The scope of the home's sources; a home of several scopes needs a principal."""
    scopes = {str(source.scope): source.scope for source in ledger.state.sources.values()}
    if len(scopes) > 1:
        raise AgentError(
            "this home holds several scopes, and a question must be asked in one of them",
            hint="ask on a home of one workspace",
        )
    return next(iter(scopes.values()), Scope())


def _ingest(gateway: Gateway, workspace: Workspace, observer: Observer) -> None:
    observer.stage("Ingest", len(workspace.sources))
    for source in workspace.sources:
        observer.step(f"{source.source_id}{_registered(gateway, source)}")


def _registered(gateway: Gateway, source: Source) -> str:
    """Register ``source``; what to add to its name. One that may not be read stops no run."""
    try:
        if gateway.register(source):
            return ""
    except ForgottenError:
        return " (about a person who was erased: left out)"
    return " (known)" if gateway.readable(source) else " (erased: left out)"


def _learn(
    gateway: Gateway,
    memory: AgentMemory,
    workspace: Workspace,
    model: LanguageModel,
    observer: Observer,
) -> None:
    """Feed sources in order; after every chunk the memory is brought in line and cleared."""
    learner = Learner(gateway, model)
    budget = workspace.settings.context.budget_tokens
    parts = [chunk for source in _remaining(gateway, workspace)
             for chunk in _feed(source, model, budget)]  # fmt: skip
    observer.stage("Learn", len(parts))
    for position, chunk in enumerate(parts):
        observer.note(f"{chunk.source.source_id}, part {chunk.number + 1}: extracting")
        learned = learner.learn(chunk)
        last = position + 1 == len(parts) or parts[position + 1].source is not chunk.source
        if last:
            learner.finish(chunk.source)
        memory.settle(gateway.scope, observer.note)
        observer.step(_learned(learned))


def _learned(learned: Learned) -> str:
    if learned.repeated:
        return "known"
    unread = f", {learned.unreadable} reply(ies) unreadable" if learned.unreadable else ""
    return f"{learned.proposed} proposed{unread}"


def _feed(source: Source, model: LanguageModel, budget: int) -> Iterable[Chunk]:
    return chunks(source, model, budget) if source.kind == "transcript" else ()


def _remaining(gateway: Gateway, workspace: Workspace) -> list[Source]:
    return [source for source in workspace.sources if gateway.readable(source)]


def _answer(
    gateway: Gateway,
    memory: AgentMemory,
    workspace: Workspace,
    *,
    model: LanguageModel,
    run_id: str,
    observer: Observer,
) -> None:
    questions = [Asked(one.id, one.question, one.answers) for one in workspace.questions]
    arms = ARMS if memory.has_weights else ("none", "external")
    observer.stage("Answer", len(questions) * len(arms))
    for outcome in Answerer(gateway, model, memory).run(questions, run_id=run_id, arms=arms):
        observer.step("known" if outcome is None else f"{outcome.arm}: {outcome.question}")


def _relay(
    gateway: Gateway, workspace: Workspace, model: LanguageModel, run_id: str, observer: Observer
) -> None:
    settings = workspace.settings
    rounds = settings.relay.round_trips
    observer.stage("Relay", 2 * rounds * len(workspace.relay_documents))
    driver = RelayDriver(gateway, model)
    for name in workspace.relay_documents:
        if not gateway.readable(workspace.source(name)):
            continue
        steps = 0
        for step in driver.run(
            workspace.source(name),
            workspace.edits_of(name),
            seed=settings.seeds.relay,
            round_trips=rounds,
            run_id=run_id,
        ):
            steps += 1
            observer.step(f"{name}: {step.direction} {step.pair_id} — {step.status}")
        for _ in range(2 * rounds - steps):
            observer.step(f"{name} (known)")
