"""Names that stand beside those of conditions, and so can be no condition's own."""

from __future__ import annotations

#: Averages over conditions, beside the conditions' own names in every table.
MICRO, MACRO = "micro", "macro"
#: Examples that show no condition, in a multi-label task.
NONE = "none"


def unwritable(name: str) -> str:
    """Return why a name cannot be written to the files of other programs; empty if it can."""
    ends = any(letter in name for letter in "\t\n\r|")
    return "holds a tab, a line end or |, which separate fields" if ends else ""


def name_problem(name: str, task: str) -> str:
    """Return why no condition, or label of real data, can have this name; empty if it can."""
    if problem := unwritable(name):
        return problem
    if name in (MICRO, MACRO):
        return "is a reserved name; tables use it for averages"
    if name == NONE and task == "multi-label":
        return "is a reserved name; it stands for examples that show no condition"
    return ""
