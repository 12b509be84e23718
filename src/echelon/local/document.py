"""A YAML document read field by field, so that whatever is wrong is told with file, line and field.

Values are not what YAML makes of them but the texts as they stand: ``1.30`` is a version here, not the
number 1.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

import yaml

T = TypeVar("T")

_TRUTH = {"true": True, "false": False}
_NUMBER = re.compile(r"\d+(\.\d+)?")


class BadDocument(ValueError):
    """A document that cannot be taken; the message is for the user."""


class Item:
    """A value of a document, and where it stands."""

    def __init__(self, file: str, node: yaml.Node, path: str = "") -> None:
        self._file = file
        self._node = node
        self._path = path

    def bad(self, what: str) -> BadDocument:
        """The error that says what is wrong here, and what would be accepted."""
        where = f"{self._file}:{self._node.start_mark.line + 1}"
        return BadDocument(f"{where}: {self._path}: {what}" if self._path else f"{where}: {what}")

    @property
    def is_text(self) -> bool:
        return isinstance(self._node, yaml.ScalarNode)

    def fields(self, known: Collection[str], required: Collection[str] = ()) -> Mapping[str, Item]:
        """The fields of a mapping, all of them known."""
        found = self.entries()
        for name, item in found.items():
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
                raise item.bad(f"there is no field of this name; {hint}")
        for name in required:
            if name not in found:
                raise self.bad(f"the field {name} is missing")
        return found

    def entries(self) -> Mapping[str, Item]:
        """The entries of a mapping with any keys."""
        if not isinstance(self._node, yaml.MappingNode):
            raise self.bad(f"{self._shown()} is not a mapping; want fields, each as name: value")
        found: dict[str, Item] = {}
        for key, value in self._node.value:
            name = str(key.value)
            item = Item(self._file, value, f"{self._path}.{name}" if self._path else name)
            if name in found:
                raise item.bad("the field is given twice")
            found[name] = item
        return found

    def items(self) -> Sequence[Item]:
        """The items of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.bad(f"{self._shown()} is not a list; want items, each after a hyphen")
        return [Item(self._file, node, f"{self._path}[{index}]") for index, node in enumerate(self._node.value)]

    def text(self) -> str:
        """A text, as it stands in the file."""
        if not isinstance(self._node, yaml.ScalarNode):
            raise self.bad("a single value is wanted here")
        return str(self._node.value)

    def read(self, read: Callable[[str], T]) -> T:
        """A text, read by a function whose ``ValueError`` says what is wrong."""
        try:
            return read(self.text())
        except BadDocument:
            raise
        except ValueError as error:
            raise self.bad(str(error)) from error

    def truth(self) -> bool:
        text = self.text()
        if text not in _TRUTH:
            raise self.bad(f"{text!r} is neither true nor false")
        return _TRUTH[text]

    def number(self, what: str, most: float) -> float:
        """A number from 0 to ``most``; ``what`` names what it counts."""
        text = self.text()
        if not _NUMBER.fullmatch(text) or float(text) > most:
            raise self.bad(f"{text!r} is no number of {what}; want one from 0 to {most:g}")
        return float(text)

    def count(self, what: str, most: int) -> int:
        """As ``number``, without a fraction."""
        number = self.number(what, most)
        if number != int(number):
            raise self.bad(f"{self.text()!r} is no number of {what}; want a whole one")
        return int(number)

    def _shown(self) -> str:
        return repr(self._node.value) if isinstance(self._node, yaml.ScalarNode) else "this"


def read_document(file: str, text: str) -> Item:
    """The one document of a file.

    Raises:
        BadDocument: it is no YAML, or empty.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadDocument(f"{file}:{line}: this is no YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise BadDocument(f"{file}: this is no YAML: {error}") from error
    if node is None:
        raise BadDocument(f"{file}: the file is empty")
    return Item(file, node)
