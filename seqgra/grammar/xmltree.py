"""XML from elsewhere as a tree that knows its line numbers: no DOCTYPE, so no entities of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from seqgra.errors import bad_input

#: Beyond these a file is no data definition.
_MOST_BYTES, _DEEPEST = 64 << 20, 50


@dataclass
class Node:
    """An XML element: its tag, attributes, line (from 1), children, and the text between them."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Node] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text, with white space trimmed and runs of it made one blank."""
        return " ".join("".join(self.parts).split())

    def all(self, tag: str) -> list[Node]:
        """Return the children of this tag."""
        return [child for child in self.children if child.tag == tag]


class _Builder:
    """Handlers of the parser: the open nodes, outermost first, below a root that holds the document's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.top = Node("", {}, 0)
        self._open = [self.top]
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype

    @property
    def innermost(self) -> Node | None:
        """The innermost open node."""
        return self._open[-1] if len(self._open) > 1 else None

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        line = self.parser.CurrentLineNumber
        if len(self._open) > _DEEPEST:
            raise bad_input(self.path, f"line {line}", f"nests more than {_DEEPEST} tags")
        node = Node(tag, attributes, line)
        self._open[-1].children.append(node)
        self._open.append(node)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _characters(self, text: str) -> None:
        self._open[-1].parts.append(text)

    def _doctype(self, *_: object) -> None:
        place = f"line {self.parser.CurrentLineNumber}"
        message = "has a DOCTYPE, which can define entities and name other files; delete it"
        raise bad_input(self.path, place, message)


def read_xml(path: Path) -> Node:
    """Return the root node of an XML file. Nothing but the file itself is read.

    Raises
    ------
    InputError
        If the file cannot be read, is no XML, or has a DOCTYPE.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise bad_input(path, "", f"is larger than {_MOST_BYTES >> 20} MiB")
        content = path.read_bytes()
    except OSError as error:
        raise bad_input(path, "", f"cannot be read ({error.strerror})") from None
    if not content.strip():
        raise bad_input(path, "", "is empty")
    builder = _Builder(path)
    try:
        builder.parser.Parse(content, True)
    except expat.ExpatError as error:
        place = f"line {error.lineno}, column {error.offset + 1}"
        message = f"is not XML: {expat.ErrorString(error.code)}"
        if innermost := builder.innermost:
            message += f"; <{innermost.tag}> of line {innermost.line} is open here"
        raise bad_input(path, place, message) from None
    except (LookupError, ValueError) as error:  # an encoding that cannot be decoded
        raise bad_input(path, "line 1", f"is not XML: {error}") from None
    return builder.top.children[0]
