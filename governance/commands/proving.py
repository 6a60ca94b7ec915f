"""``proof``, ``proof-check`` and ``witness``: trust that does not need this computer."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from governance.commands.options import (
    DEFAULT_HOME,
    HomeOption,
    Json,
    JsonOption,
    open_ledger,
    print_json,
)
from governance.errors import LedgerError, StoreError
from governance.textforms import visible

if TYPE_CHECKING:
    from governance.cosigned import CosignedNotes
    from governance.ledger import Ledger
    from governance.notes import VerifierKey
    from governance.proof import VerifiedProof

app = typer.Typer()
witness_app = typer.Typer(no_args_is_help=True)
app.add_typer(witness_app, name="witness", help="Vouch for a log, or have yours vouched for.")

STDIN = Path("-")
MAX_INPUT_BYTES = 4 * 1024 * 1024

InputFile = Annotated[Path, typer.Argument(help="File, or - for standard input.")]
WitnessFolder = Annotated[Path, typer.Argument(help="Folder of the witness.")]
ChainOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--chain",
        help="Proof of a change of key, oldest first; repeat for more.",
        show_default=False,
    ),
]


@app.command()
def proof(
    what: Annotated[str, typer.Argument(help="Event number, entry id, or a beginning of one.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the proof there.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that an event is in the log; of an entry, its latest event.

    The proof is a C2SP tlog-proof file: it holds the event's header, not its text, and is
    checked by `proof-check` without this home. Of several checkpoints that cover the event
    it takes the one most witnesses vouched for; of a change of key, the one both keys
    signed, so that `--chain` can follow it.
    """
    from governance import canonical, notes  # noqa: PLC0415
    from governance.proof import ROTATED, build_proof  # noqa: PLC0415

    with open_ledger(home) as ledger:
        seq = _event_number(ledger, what)
        # Read first: that there is no such event is said before any checkpoint is looked at.
        rotated = canonical.decode(ledger.header(seq)).get("type") == ROTATED
        newest = ledger.first_note(seq) if rotated else ledger.note()
        note = newest if rotated else _cosigned(home).best_note(newest, seq)
        text = build_proof(ledger, seq, note)
    if out is not None:
        _write(out, text)
    if as_json:
        size = notes.parse(note).size
        print_json({"seq": seq, "checkpoint_size": size, "proof": text,
                    "file": None if out is None else str(out)})  # fmt: skip
    elif out is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(f"{out}: proof of event {seq}")


@app.command("proof-check")
def proof_check(
    file: InputFile,
    *,
    log_key: Annotated[str, typer.Option("--key", help="Public key of the log; see `key show`.")],
    witness: Annotated[
        list[str] | None,
        typer.Option(
            "--witness", help="Public key of a witness; repeat for more.", show_default=False
        ),
    ] = None,
    quorum: Annotated[
        int | None,
        typer.Option(
            "--quorum",
            min=0,
            help="How many of the witnesses must have signed. Default: all given.",
            show_default=False,
        ),
    ] = None,
    chain: ChainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a proof against the log's key; needs no home and no network.

    Exit code 3 when the proof does not hold.
    """
    from governance.notes import COSIGNATURE, ED25519, parse_key  # noqa: PLC0415
    from governance.proof import follow_keys, verify_proof  # noqa: PLC0415

    trusted = parse_key(log_key, kind=ED25519)
    witnesses = [parse_key(one, kind=COSIGNATURE) for one in witness or ()]
    trusted = follow_keys(trusted, [_read(path) for path in chain or ()])
    different = {one.public for one in witnesses}
    found = verify_proof(
        _read(file),
        [trusted],
        witnesses=witnesses,
        quorum=len(different) if quorum is None else quorum,
    )
    if as_json:
        print_json(_proof_data(found))
    else:
        _print_proof(found, trusted)


# --- witnesses ---------------------------------------------------------------------------


@witness_app.command("init")
def witness_init(
    folder: WitnessFolder,
    *,
    name: Annotated[
        str, typer.Option("--name", help="Its name on signatures, such as audit.example/w1.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Make a witness: a folder with a key of its own, best under another account."""
    from governance.witness import Witness  # noqa: PLC0415

    made = Witness.create(folder, name)
    if as_json:
        print_json({"folder": str(folder), "name": made.key.name, "key": str(made.key)})
    else:
        typer.echo(str(made.key))


@witness_app.command("show")
def witness_show(folder: WitnessFolder, *, as_json: JsonOption = False) -> None:
    """Print a witness's public key and the newest checkpoint it vouched for, of each log."""
    from governance.commands import render  # noqa: PLC0415
    from governance.witness import Witness  # noqa: PLC0415

    found = Witness(folder)
    records = found.records()
    if as_json:
        logs: list[Json] = [
            {"origin": one.key.name, "key": str(one.key), "size": one.checkpoint.size,
             "root": one.checkpoint.root.hex(), "time_s": one.time_s}
            for one in records
        ]  # fmt: skip
        print_json({"name": found.key.name, "key": str(found.key), "logs": logs})
        return
    typer.echo(str(found.key))
    rows = [
        (one.key.name, str(one.checkpoint.size), _when(one.time_s * 1_000_000)) for one in records
    ]
    render.console().print(render.table("", ("Log", "Events", "Vouched for (UTC)"), rows))


@witness_app.command("request")
def witness_request(
    *,
    home: HomeOption = DEFAULT_HOME,
    witness: Annotated[
        str, typer.Option("--for", help="Public key of the witness; see `witness show`.")
    ],
    old: Annotated[
        int | None,
        typer.Option("--old", min=0, help="Size the witness says it is at.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a witness to cosign the newest checkpoint: prints what `witness cosign` reads."""
    from governance import notes  # noqa: PLC0415
    from governance.witness import build_request  # noqa: PLC0415

    asked = notes.parse_key(witness, kind=notes.COSIGNATURE)
    cosigned = _cosigned(home)
    with open_ledger(home) as ledger:
        start = cosigned.last_size(asked) if old is None else old
        request = build_request(ledger, start)
    cosigned.remember_request(asked, request.note)
    if as_json:
        size = notes.parse(request.note).size
        print_json({"witness": asked.name, "old": start, "size": size, "request": request.text()})
    else:
        typer.echo(request.text(), nl=False)


@witness_app.command("cosign")
def witness_cosign(
    folder: WitnessFolder,
    file: InputFile = STDIN,
    *,
    trust: Annotated[
        str,
        typer.Option(
            "--trust",
            help="Public key of the log; only needed on first contact.",
            show_default=False,
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Vouch for a log's checkpoint if it continues the last one: prints a cosignature.

    Exit code 3 when the log shows another history; both checkpoints are kept as evidence.
    """
    from governance.notes import ED25519, parse_key  # noqa: PLC0415
    from governance.witness import Witness, parse_request  # noqa: PLC0415

    trusted = parse_key(trust, kind=ED25519) if trust else None
    witness = Witness(folder)
    request = parse_request(_read(file))
    done = witness.cosign(request, now_s=int(time.time()), trust=trusted)
    if as_json:
        point = done.checkpoint
        print_json({"cosignature": done.line, "origin": point.origin, "size": point.size,
                    "root": point.root.hex(), "time_s": done.time_s})  # fmt: skip
    else:
        typer.echo(done.line, nl=False)


@witness_app.command("accept")
def witness_accept(
    file: InputFile = STDIN, *, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False
) -> None:
    """Take in a witness's cosignature, after checking it; `proof` then includes it."""
    text = _read(file)  # first of all: in a pipe, the request is remembered before this ends
    accepted = _cosigned(home).accept(text)
    if as_json:
        found: list[Json] = [
            {"witness": one.witness.name, "size": one.checkpoint.size, "time_s": one.time_s}
            for one in accepted
        ]
        print_json({"accepted": found})
        return
    for one in accepted:
        typer.echo(visible(f"{one.witness.name} vouches for {one.checkpoint.size} events"))


# --- parts -------------------------------------------------------------------------------


def _cosigned(home: Path) -> CosignedNotes:
    from governance.cosigned import CosignedNotes  # noqa: PLC0415
    from governance.home import CHECKPOINTS  # noqa: PLC0415

    return CosignedNotes(home / CHECKPOINTS)


def _event_number(ledger: Ledger, what: str) -> int:
    if what.isascii() and what.isdecimal():
        return int(what[:18])
    return ledger.state.entry(what).history[-1]


def _read(path: Path) -> str:
    """A small file, or standard input.

    Raises:
        StoreError: it cannot be read.
        LedgerError: far too long for what is expected here.
    """
    try:
        if path == STDIN:
            data = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_INPUT_BYTES + 1)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_INPUT_BYTES:
        raise LedgerError(f"{path} is longer than {MAX_INPUT_BYTES} bytes")
    return data.decode("utf-8", errors="replace")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}", hint="choose another --out"
        ) from error


def _proof_data(found: VerifiedProof) -> dict[str, Json]:
    return {
        "ok": True,
        "seq": found.seq,
        "origin": found.checkpoint.origin,
        "size": found.checkpoint.size,
        "root": found.checkpoint.root.hex(),
        "cosigners": sorted(one.name for one in found.cosigners),
        "header": found.header,
    }


def _print_proof(found: VerifiedProof, signed_by: VerifierKey) -> None:
    from governance.commands import render  # noqa: PLC0415

    # Read without the event model: a proof by a later version must still print.
    header = found.header
    actor = header.get("actor")
    who = f"{actor.get('kind')}:{actor.get('id')}" if isinstance(actor, Mapping) else ""
    size = found.checkpoint.size
    pairs = [
        ("Event", str(header.get("type"))),
        ("About", str(header.get("subject"))),
        ("Actor", who),
        ("Recorded (UTC)", _when(header.get("recorded_at_us"))),
        ("Covered by", f"the checkpoint at {size} events"),
        ("Signed by", str(signed_by)),
        ("Witnesses", ", ".join(sorted(one.name for one in found.cosigners)) or "none"),
        ("Not proved", "the text of the event: it is encrypted, the log commits to it"),
    ]
    typer.echo(visible(f"event {found.seq} is in the log {found.checkpoint.origin}"))
    render.console().print(render.fields(pairs))


def _when(time_us: object) -> str:
    from governance.commands.describe import time_of  # noqa: PLC0415

    try:
        return time_of(time_us) if isinstance(time_us, int) else str(time_us)
    except (OverflowError, ValueError):  # beyond the calendar
        return f"{time_us} µs"
