"""What a policy file may say, read with line numbers; nothing is evaluated here.

Unknown, missing and repeated keys, anchors and wrong types are refused with file and
line: a mistyped key that is silently ignored would be a rule that silently does not hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governance.errors import PolicyFileError

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


class PolicyFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)
    version: int = Field(ge=1)
    description: str = Field(min_length=1)
    rules: list[Rule] = Field(min_length=1)


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
