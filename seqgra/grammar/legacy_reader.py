"""Reading the parts of a published XML data definition, with every problem and where it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping

from seqgra.errors import Problem, raise_problems
from seqgra.grammar.xmltree import Node
from seqgra.yamlfile import suggest

#: Children and attributes of each tag; those that are not here hold text only.
_TAGS = {
    "seqgradata": ("general background datageneration conditions sequenceelements", ""),
    "general": ("name label description task sequencespace seed", "id"),
    "background": ("minlength maxlength alphabetdistributions", ""),
    "alphabetdistributions": ("alphabetdistribution", ""),
    "alphabetdistribution": ("letter", "setname cid"),
    "letter": ("", "probability"),
    "datageneration": ("seed sets postprocessing", ""),
    "sets": ("set", ""),
    "set": ("example", "name"),
    "example": ("conditionref", "samples"),
    "conditionref": ("", "cid"),
    "postprocessing": ("operation", ""),
    "operation": ("", "labels k"),
    "conditions": ("condition", ""),
    "condition": ("label description mode grammar", "id"),
    "grammar": ("mode rule", ""),
    "rule": ("position probability sequenceelementrefs spacingconstraints", ""),
    "position": ("letter", ""),
    "sequenceelementrefs": ("sequenceelementref", ""),
    "sequenceelementref": ("", "sid"),
    "spacingconstraints": ("spacingconstraint", ""),
    "spacingconstraint": ("", "sid1 sid2 mindistance maxdistance order"),
    "sequenceelements": ("sequenceelement", ""),
    "sequenceelement": ("kmerbased matrixbased", "id"),
    "kmerbased": ("kmer", ""),
    "kmer": ("", "probability"),
    "matrixbased": ("position", ""),
}
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]+")
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Reader:
    """What reading a file has found so far.

    Attributes
    ----------
    file
        What messages name.
    problems, notes
        What is wrong; what differs from the definition.
    lines
        The line behind each place of the grammar, such as ``conditions.c1.rules[0].position``.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.lines: dict[str, int] = {}

    def complain(self, node: Node, message: str) -> None:
        """Add a problem of a node."""
        self.problems.append(Problem(self.file, f"line {node.line}", f"<{node.tag}>: {message}"))

    def note(self, node: Node, message: str) -> None:
        """Add a note on a node."""
        self.notes.append(f"XML line {node.line}: {message}")

    def raise_problems(self) -> None:
        """Raise all problems, in the file's order.

        Raises
        ------
        InputError
            If there is a problem.
        """
        order = sorted(dict.fromkeys(self.problems), key=lambda p: int(p.path.split()[1]))
        raise_problems(order)

    def located(self, problem: Problem) -> Problem:
        """Return a problem of the grammar as one of the XML file: with the line, where it is known."""
        place = problem.path
        while place and place not in self.lines:
            place = place[: max(place.rfind("."), place.rfind("["), 0)]
        if not place:
            return problem
        return Problem(self.file, f"line {self.lines[place]}: {problem.path}", problem.message)

    def check_tags(self, node: Node) -> None:
        """Look for tags and attributes that the format does not have, at any depth."""
        children, attributes = (part.split() for part in _TAGS.get(node.tag, ("", "")))
        for name in node.attributes:
            if name not in attributes and not name.startswith(("xmlns", "xsi:")):
                advice = suggest(name, attributes) if attributes else "it takes none"
                self.complain(node, f"unknown attribute {name!r}; {advice}")
        for child in node.children:
            if child.tag in children:
                self.check_tags(child)
            else:
                advice = suggest(child.tag, children) if children else "only text belongs here"
                self.complain(child, f"unknown tag in <{node.tag}>; {advice}")

    def child(self, node: Node, tag: str) -> Node | None:
        """Return the one child of a tag; a problem if there is none, or more."""
        found = node.all(tag)
        if not found:
            self.complain(node, f"has no <{tag}>")
        elif len(found) > 1:
            self.complain(found[1], f"is given twice in <{node.tag}>; delete one")
        return found[0] if found else None

    def items(self, node: Node, tag: str, item: str) -> list[Node]:
        """Return the items of a list; a problem if there is no list, or nothing in it."""
        holder = self.child(node, tag)
        found = holder.all(item) if holder else []
        if holder and not found:
            self.complain(holder, f"holds no <{item}>")
        return found

    def attribute(self, node: Node, name: str) -> str:
        """Return an attribute; a problem if there is none."""
        if name not in node.attributes:
            self.complain(node, f"has no attribute {name}")
            return ""
        return node.attributes[name].strip()

    def identifier(self, node: Node, name: str) -> str:
        """Return an attribute that is an id: letters, digits, _ and -."""
        text = self.attribute(node, name)
        if name in node.attributes and not _IDENTIFIER.fullmatch(text):
            self.complain(node, f"{name} is {text!r}; ids hold letters, digits, _ and - only")
        return text

    def choice(
        self, node: Node | None, known: Mapping[str, str], text: str | None = None
    ) -> str | None:
        """Return what one of the `known` words (in lower case) stands for; a node's text by default."""
        if node is None or (text is not None and not text):
            return None
        text = node.text if text is None else text
        if text.lower() not in known:
            self.complain(node, f"is {text!r}; {suggest(text.lower(), list(known))}")
        return known.get(text.lower())

    def integer(self, node: Node, text: str, else_: str = "") -> int | None:
        """Read a whole number; a problem if it is none."""
        if _INTEGER.fullmatch(text):
            return int(text)
        if not (text == "" and self._told(node)):
            self.complain(node, f"is {text!r}; expected a whole number{else_}")
        return None

    def number(self, node: Node, text: str) -> float:
        """Read a number; a problem if it is none."""
        if _NUMBER.fullmatch(text):
            return float(text)
        if not (text == "" and self._told(node)):
            self.complain(node, f"is {text!r}; expected a number")
        return 0.0

    def _told(self, node: Node) -> bool:
        """Return whether a missing attribute of this node is among the problems already."""
        start = f"<{node.tag}>: has no attribute"
        return any(
            problem.path == f"line {node.line}" and problem.message.startswith(start)
            for problem in self.problems
        )

    def letters(self, node: Node, place: str, tag: str = "letter") -> dict[str, float]:
        """Return the probabilities of letters or k-mers, which become upper case."""
        found: dict[str, float] = {}
        if place:
            self.lines[place] = node.line
        for item in node.all(tag):
            text = item.text.upper()
            if not text:
                self.complain(item, "is empty")
            elif text in found:
                self.complain(item, f"{text!r} is given twice")
            elif tag == "letter" and len(text) > 1:
                self.complain(item, f"is {text!r}; expected one letter")
            found[text] = self.number(item, self.attribute(item, "probability"))
            self.lines[f"{place}.{text}"] = item.line
        if not found:
            self.complain(node, f"holds no <{tag}>")
        return found
