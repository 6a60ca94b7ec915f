"""Adapters on their way out of a home and into one: ordinary PEFT folders with a manifest.

Out: the files of the store as they are, with the certificate and a proof that the build is
in the log. An adapter says what its cards say, so an export is recorded with the entries in
it, and taking one of them back lists the export (``governance.exports``).

In: bytes are believed only when this home can say where they come from.

1. The folder holds nothing that could run code, and its parts agree with one another.
2. It was built on this base, by this recipe, from exactly the cards that a shard of this
   home should hold now: the digest of its inputs is that of a shard's plan.
3. Its bytes are those of the build that this home has or the log names, or else those that
   building it here again gives.

An adapter whose training data is unknown is refused: nothing in it could be taken back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from pydantic import ValidationError

from agent.errors import AdapterError
from agent.lora.adapter import (
    CONFIG,
    MANIFEST,
    TENSORS,
    Manifest,
    StoredAdapter,
    TrainedAdapter,
    read_adapter,
)
from agent.lora.durable import write_folder
from agent.lora.shards import ShardBuilder, ShardPlan, plan_shards
from agent.lora.store import AdapterStore
from governance.authority import require_role
from governance.errors import LedgerError, StoreError
from governance.events import (
    Actor,
    AdapterCertified,
    AdapterTrained,
    CardBody,
    ExportIssued,
    Scope,
    Status,
)
from governance.exports import FOLDER as EXPORTS
from governance.ledger import EventDraft, Ledger, Receipt
from governance.ports import Progress
from governance.proof import build_proof
from governance.refusals import recording
from governance.state import AdapterState, EntryState, State

CERTIFICATE: Final = "certificate.json"
DISCLOSURE: Final = "trained.json"
PROOF: Final = "trained.tlog-proof"
IN_FORCE: Final[frozenset[Status]] = frozenset({"active", "approved"})
"""What a card of an adapter that is handed out must be: approved is one not absorbed."""
_PICKLED: Final = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"})
_ID_CHARS: Final = 12
_UNKNOWN_DATA: Final = (
    "put what it should know through review (palimpsest import) and let it be built here, or "
    "merge it into the base and use that as --model local:PATH, where its digest names it"
)


# --- what is there ----------------------------------------------------------------------


@dataclass(frozen=True)
class KnownAdapter:
    """One build, as the log and the store know it.

    ``standing`` is ``served``, ``certified`` (may be served, is not), ``refused`` (by its
    certificate), ``withdrawn``, or ``trained``: not judged yet.
    """

    state: AdapterState
    scope: Scope
    standing: str
    stored: bool
    trained: AdapterTrained | None
    """``None`` once its event was erased."""

    @property
    def environment(self) -> str:
        """What it was built on."""
        return self.trained.environment if self.trained else "(erased)"


def known_adapters(ledger: Ledger) -> Iterator[KnownAdapter]:
    """Every build of the ledger, shard by shard, oldest first. Reads no tensors."""
    builds = ledger.state.adapters.values()
    for adapter in sorted(builds, key=lambda one: (one.shard_id, one.version, one.seq)):
        yield known_adapter(ledger, adapter)


def known_adapter(ledger: Ledger, adapter: AdapterState) -> KnownAdapter:
    """What is known of one build."""
    payload = ledger.event(adapter.seq).payload
    return KnownAdapter(
        adapter,
        ledger.state.shards[adapter.shard_id].scope,
        "served" if adapter.status == "active" else adapter.status,
        ledger.has_home and AdapterStore(ledger.home).folder(adapter.digest).is_dir(),
        payload if isinstance(payload, AdapterTrained) else None,
    )


def certificate_of(ledger: Ledger, adapter: AdapterState) -> AdapterCertified | None:
    """The newest certificate of a build; ``None`` when it was never judged, or erased."""
    if adapter.certificate_seq is None:
        return None
    payload = ledger.event(adapter.certificate_seq).payload
    return payload if isinstance(payload, AdapterCertified) else None


def manifest_of(ledger: Ledger, digest: str) -> Manifest | None:
    """The manifest in the store, its tensors unread; ``None`` when it is not there.

    Raises:
        AdapterError: it is malformed.
    """
    if not ledger.has_home:
        return None
    path = AdapterStore(ledger.home).folder(digest) / MANIFEST
    return _manifest(path) if path.is_file() else None


# --- out --------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExportedAdapter:
    """A folder that was handed out."""

    export_id: str
    folder: Path
    files: tuple[str, ...]
    entries: int
    sha256: str
    receipt: Receipt


def export_adapter(
    ledger: Ledger, adapter: AdapterState, folder: Path, *, actor: Actor
) -> ExportedAdapter:
    """Write a build as a PEFT folder with its manifest, certificate and proof.

    ``adapter_config.json`` and ``adapter_model.safetensors`` are read by PEFT and by LoRA
    servers; ``trained.json`` discloses the event ``adapter.trained`` (payload and nonce)
    that ``trained.tlog-proof`` proves to be in the log.

    Args:
        ledger: Where it is known.
        adapter: Which.
        folder: To make; it must not exist.
        actor: The officer or admin who hands it out.

    Raises:
        NotAuthorisedError: the actor may not hand memory out.
        LedgerError: a card of it is not in force, or the folder is no place for it.
        AdapterError: its bytes are missing or altered.
        StoreError: it cannot be written.

    Side effects: appends ``export.issued`` with its cards and the SHA-256 of
    ``adapter_model.safetensors``, then writes the folder, for its owner only.
    """
    scope = ledger.state.shards[adapter.shard_id].scope
    about = f"shard:{adapter.shard_id}"
    with recording(ledger, "adapter export", about, actor=actor, scope=scope):
        require_role(ledger.state, actor, "officer")
        _check_place(ledger, folder)
        entries = _held(ledger.state, adapter)
        contents = _contents(ledger, adapter)
        digest = hashlib.sha256(contents[TENSORS]).hexdigest()
        identity = f"export:{ledger.head.seq}:{scope}:{adapter.digest}"
        export_id = ledger.keyed(identity)[:_ID_CHARS]
        issued = ExportIssued(
            export_id=export_id, purpose="adapter", path=None, sha256=digest,
            entries=[entry.entry_id for entry in entries],
        )  # fmt: skip
        # The event first: a folder that nobody knows of could not be asked back.
        receipt = ledger.append([EventDraft(issued, actor, scope)])
    try:
        write_folder(folder, contents)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written: {error.strerror or error}",
            hint="the export is on record; export again to another folder",
        ) from error
    return ExportedAdapter(
        export_id, folder, tuple(sorted(contents)), len(entries), digest, receipt
    )


def _check_place(ledger: Ledger, folder: Path) -> None:
    if folder.exists() or folder.is_symlink():
        raise LedgerError(f"{folder} exists", hint="an export overwrites nothing; name a new one")
    home = ledger.home.resolve()
    if folder.resolve().is_relative_to(home):
        raise LedgerError(
            f"{folder} is inside the home", hint=f"name one outside; {EXPORTS}/ is for files"
        )


def _held(state: State, adapter: AdapterState) -> list[EntryState]:
    """The cards of a build, all of them in force.

    Raises:
        LedgerError: one was taken back, or is another version by now.
    """
    entries = []
    for ref in adapter.cards:
        entry = state.entries.get(ref.entry_id)
        now = entry.status if entry is not None else "unknown"
        if entry is None or now not in IN_FORCE or entry.version != ref.version:
            raise LedgerError(
                f"adapter {adapter.digest[:12]} holds {ref.entry_id} version {ref.version}, "
                f"which is not in force (it is {now})",
                hint="what was taken back is not handed out; export the build that is served",
            )
        entries.append(entry)
    return entries


def _contents(ledger: Ledger, adapter: AdapterState) -> dict[str, bytes]:
    """The files, those of the store byte for byte and checked."""
    store = AdapterStore(ledger.home)
    store.load(adapter.digest)
    folder = store.folder(adapter.digest)
    contents = {name: (folder / name).read_bytes() for name in (TENSORS, CONFIG, MANIFEST)}
    certified = certificate_of(ledger, adapter)
    if certified is not None:
        contents[CERTIFICATE] = _json(certified.model_dump(mode="json"))
    opened = ledger.disclose(adapter.seq)
    if opened is not None:
        said = {"payload": json.loads(opened.payload), "nonce": opened.nonce.hex()}
        contents[DISCLOSURE] = _json(said)
    contents[PROOF] = build_proof(ledger, adapter.seq).encode()
    return contents


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


# --- in ---------------------------------------------------------------------------------


Because: TypeAlias = Literal["stored", "recorded", "rebuilt"]


@dataclass(frozen=True)
class ImportedAdapter:
    """A build that is in the store, and why its bytes are believed.

    ``because``: ``stored`` (it was there), ``recorded`` (the log names these bytes for these
    inputs; the store had lost them), ``rebuilt`` (building it here gave the same bytes).
    """

    digest: str
    shard_id: str
    scope: Scope
    because: Because


def import_adapter(
    ledger: Ledger, builder: ShardBuilder, folder: Path, progress: Progress | None = None
) -> ImportedAdapter:
    """Take in a build that was made elsewhere from the inputs of a shard of this home.

    Nothing is served by it: settling finds the build in the store, judges it here, and
    records it.

    Args:
        ledger: Whose shards.
        builder: Of this home.
        folder: As :func:`export_adapter` writes it.
        progress: Told how a rebuild goes.

    Raises:
        AdapterError: it was altered, holds pickled weights, names no inputs, was built from
            other inputs, or building it here gave other bytes.
        ModelError: the base cannot be loaded.

    Side effects: writes to the store; after other bytes the home's own build is in it.
    """
    found = read_foreign(folder)
    plan = _matching_plan(ledger, builder, found.manifest)

    def done(because: Because) -> ImportedAdapter:
        return ImportedAdapter(found.digest, plan.shard_id, plan.scope, because)

    present = builder.find(plan)
    if present is not None and builder.store.intact(present):
        _check_same(found, present, "this home's build of the same inputs")
        return done("stored")
    recorded = [
        one.digest
        for one in ledger.state.adapters.values()
        if one.inputs_digest == found.manifest.inputs_digest
    ]
    if found.digest in recorded:
        manifest = found.manifest
        trained = TrainedAdapter(found.servable.modules, manifest.steps, 0.0)
        builder.store.save(
            trained, manifest.inputs(), base_id=builder.model.model_id,
            environment=manifest.environment,
        )  # fmt: skip
        return done("recorded")
    built = builder.build(plan, ledger.state, progress)
    _check_same(found, built.trained.digest, f"a rebuild on [{built.trained.environment}]")
    return done("rebuilt")


def read_foreign(folder: Path) -> StoredAdapter:
    """A folder from elsewhere, its parts held against one another.

    Raises:
        AdapterError: no folder, a file is missing or altered, pickled weights, or no manifest.
    """
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise AdapterError(
            f"{folder} cannot be read: {error.strerror}", hint="name a PEFT folder"
        ) from error
    pickled = sorted(name for name in names if Path(name).suffix.lower() in _PICKLED)
    if pickled:
        raise AdapterError(
            f"{folder.name} holds pickled weights ({pickled[0]}): opening them can run code",
            hint=f"an adapter is {TENSORS}, {CONFIG} and {MANIFEST}; nothing else is needed",
        )
    missing = [name for name in (TENSORS, CONFIG) if name not in names]
    if missing:
        raise AdapterError(
            f"{folder.name} lacks {missing[0]}", hint="`palimpsest adapter export` writes it"
        )
    if MANIFEST not in names:
        raise AdapterError(
            f"{folder.name} has no {MANIFEST}: it does not say what it was trained on, and "
            "unknown training data cannot be taken back",
            hint=_UNKNOWN_DATA,
        )
    manifest = _manifest(folder / MANIFEST)
    try:
        found = read_adapter(folder, manifest.digest)
    except AdapterError as error:
        raise AdapterError(
            f"{folder.name} was altered or is damaged: {_rank_problem(folder) or error}",
            hint="export it once more where it was built, and copy the folder as it is",
        ) from error
    return found


def _manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise AdapterError(
            f"{path.parent.name}: {MANIFEST} cannot be read as one",
            hint="export it once more where it was built",
        ) from error


def _rank_problem(folder: Path) -> str | None:
    """Said in its own words, since it is what a hand most often changes."""
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - imports numpy or torch

    try:
        told = json.loads((folder / CONFIG).read_bytes()).get("r")
        with safe_open(folder / TENSORS, framework="np") as tensors:
            shapes = [
                tensors.get_slice(name).get_shape()
                for name in tensors.keys()  # noqa: SIM118 - it is no mapping
                if name.endswith(".lora_A.weight")
            ]
    except (OSError, ValueError, AttributeError, SafetensorError):
        return None
    ranks = {shape[0] for shape in shapes}
    if ranks == {told}:
        return None
    return f"{CONFIG} says rank {told}, the tensors have {', '.join(map(str, sorted(ranks)))}"


def _matching_plan(ledger: Ledger, builder: ShardBuilder, manifest: Manifest) -> ShardPlan:
    """The plan of this home that has these inputs.

    Raises:
        AdapterError: there is none; says which input differs.
    """
    model = builder.model
    if manifest.base_digest != model.digest:
        raise AdapterError(
            f"it was built on base {manifest.base_id} ({manifest.base_digest[:12]}), this home "
            f"uses {model.model_id} ({model.digest[:12]})",
            hint="import it into a home of that base",
        )
    if manifest.recipe_digest != builder.recipe.digest:
        raise AdapterError(
            f"it was built by recipe {manifest.recipe_digest[:12]}, this home builds by "
            f"{builder.recipe.name} ({builder.recipe.digest[:12]})",
            hint="build it with the same recipe, that is, with the same version of this program",
        )
    closest: tuple[int, ShardPlan] | None = None
    for plan in _plans(ledger):
        inputs = builder.inputs(plan)
        if inputs.digest == manifest.inputs_digest:
            return plan
        shared = len({*inputs.cards} & {*manifest.cards})
        if inputs.realm == manifest.realm and (closest is None or shared > closest[0]):
            closest = (shared, plan)
    total = len(manifest.cards)
    if closest is None:
        problem = "it was built from cards of a scope that has none here"
    elif closest[0] == total == len(closest[1].cards):
        problem = "it was built with another subspace or other rehearsal prompts"
    else:
        shared, plan = closest
        problem = (
            f"it was built from {total} card(s), of which {shared} are in the nearest shard "
            f"here, {plan.shard_id} with {len(plan.cards)}"
        )
    raise AdapterError(
        f"no shard of this home has the inputs {manifest.inputs_digest[:12]}: {problem}",
        hint="have the same cards approved here first; other cards are other knowledge",
    )


def _plans(ledger: Ledger) -> Iterator[ShardPlan]:
    """What every shard of the home should hold now; those that hold something."""
    state = ledger.state
    scopes = {
        str(entry.scope): entry.scope
        for status in sorted(IN_FORCE)
        for entry in state.entries.with_status(status)
        if isinstance(entry.body, CardBody)
    }
    seen: set[str] = set()
    for scope in scopes.values():
        for plan in plan_shards(state, scope, now_us=ledger.now_us()):
            if plan.cards and plan.shard_id not in seen:
                seen.add(plan.shard_id)
                yield plan


def _check_same(found: StoredAdapter, digest: str, other: str) -> None:
    if found.digest != digest:
        raise AdapterError(
            f"its bytes ({found.digest[:12]}, built on [{found.manifest.environment}]) are not "
            f"those of {other} ({digest[:12]})",
            hint="equal bytes are promised on equal environments only; this home uses its own",
        )
