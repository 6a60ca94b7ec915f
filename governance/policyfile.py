"""What a policy file may say, read with line numbers; nothing is evaluated here.

Unknown, missing and repeated keys, anchors and wrong types are refused with file and
line: a mistyped key that is silently ignored would be a rule that silently does not hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governance.errors import PolicyFileError
from governance.events import EntryKind, PolicyTerms

Outcome: TypeAlias = Literal["deny", "quarantine", "review", "allow"]
Severity: TypeAlias = Literal["low", "medium", "high", "critical"]
Place: TypeAlias = tuple[str | int, ...]
"""Where a value stands, as a path of keys and positions: ``("rules", 2, "when")``."""


class Rule(BaseModel):
    """One rule of the policy, readable by whoever is responsible for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=60)
    when: str = Field(min_length=1)
    outcome: Outcome
    severity: Severity
    message: str = Field(min_length=1)
    clause: str = ""


class Review(BaseModel):
    """What a policy asks of the people who decide.

    Args:
        approval_delay_s: Seconds before an approval acts, in which it can be withdrawn.
        two_people: Whether two different reviewers must agree; true, false or a CEL condition on
            the same facts as rules.
        signed: Whether a decision acts only once its reviewer has signed it.
        rollback_people: How many people a rollback takes.
        bulk_cap: The most entries one command may decide on.
        bulk_risk: Entries above this risk are decided on one by one.
        claim_minutes: How long a claimed entry stays with one reviewer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    approval_delay_s: int = Field(default=30, ge=0, le=86_400)
    two_people: bool | str = False
    signed: bool = False
    rollback_people: int = Field(default=1, ge=1, le=2)
    bulk_cap: int = Field(default=25, ge=1, le=1_000)
    bulk_risk: float = Field(default=0.3, ge=0, le=1, allow_inf_nan=False)
    claim_minutes: int = Field(default=15, ge=1, le=1_440)


class PolicyFile(BaseModel):
    """The whole file. ``retention`` is days by kind of entry; what is not named stays."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)
    version: int = Field(ge=1)
    description: str = Field(min_length=1)
    rules: list[Rule] = Field(min_length=1)
    review: Review = Review()
    retention: dict[EntryKind, Annotated[int, Field(ge=1, le=36_500)]] = {}

    @property
    def terms(self) -> PolicyTerms:
        """What the ledger holds people to, whatever they decide on."""
        asked = self.review
        return PolicyTerms(
            rollback_people=asked.rollback_people,
            bulk_cap=asked.bulk_cap,
            bulk_risk_ppm=round(asked.bulk_risk * 1_000_000),
            claim_s=asked.claim_minutes * 60,
            ttl_days={str(kind): days for kind, days in self.retention.items()},
        )


def read_policy_file(text: str, file: str) -> tuple[PolicyFile, dict[Place, int]]:
    """The file's content and the line of every key.

    Args:
        text: The YAML.
        file: What messages name.

    Raises:
        PolicyFileError: not YAML, empty, or not of this form.
    """
    reader = _Reader(file)
    data = reader.read(text)
    try:
        content = PolicyFile.model_validate(data)
    except ValidationError as error:
        raise reader.error(error) from error
    known: set[str] = set()
    for index, rule in enumerate(content.rules):
        if rule.id in known:
            raise PolicyFileError(
                f"rule id {rule.id!r} is used twice",
                file=file,
                line=reader.lines[("rules", index, "id")],
            )
        known.add(rule.id)
    return content, reader.lines


class _Reader:
    """YAML nodes to plain data, remembering lines."""

    def __init__(self, file: str) -> None:
        self.lines: dict[Place, int] = {}
        self._file = file
        self._seen: set[int] = set()
        self._loader = yaml.SafeLoader("")

    def read(self, text: str) -> object:
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            if node is not None:
                return self._plain(node, ())
        except RecursionError as error:
            raise PolicyFileError("is nested too deeply", file=self._file, line=1) from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "is not YAML"
            line = mark.line + 1 if mark else None
            raise PolicyFileError(str(problem), file=self._file, line=line) from error
        raise PolicyFileError(
            "is empty", file=self._file, line=1, hint="an empty policy would deny everything"
        )

    def error(self, error: ValidationError) -> PolicyFileError:
        """The first problem pydantic found, as ours, at its line."""
        first = error.errors()[0]
        place: Place = tuple(first["loc"])
        where = ".".join(str(part) for part in place) or "the file"
        while place not in self.lines:
            place = place[:-1]
        message = {
            "extra_forbidden": f"unknown key {where!r}",
            "missing": f"key {where!r} is missing",
        }.get(first["type"], f"{where}: {first['msg']}")
        return PolicyFileError(message, file=self._file, line=self.lines[place])

    def _plain(self, node: yaml.Node, place: Place) -> object:
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        if id(node) in self._seen:
            raise PolicyFileError("anchors are not allowed", file=self._file, line=line)
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, (*place, index)) for index, item in enumerate(node.value)]
        return cast("object", self._loader.construct_object(node))

    def _mapping(self, node: yaml.MappingNode, place: Place) -> Mapping[str, object]:
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in data:
                raise PolicyFileError(f"key {key!r} is given twice", file=self._file, line=line)
            self.lines[(*place, key)] = line
            data[key] = self._plain(value_node, (*place, key))
        return data
