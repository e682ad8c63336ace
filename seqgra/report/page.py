"""Small parts of an HTML page: figures, tables and numbers, everything escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from PIL import Image

#: Grammars from which on what is told of each is folded away, for a page to be read in a minute.
MANY = 5


class Picture(NamedTuple):
    """A saved figure: path without suffix, what it shows in a line, and its caption."""

    stem: Path
    alt: str
    caption: str


class Row(NamedTuple):
    """A row of a table, and what it is about; the page's filters hide the others."""

    cells: Sequence[str]
    grammar: str = ""
    label: str = ""
    method: str = ""


class Table(NamedTuple):
    """A table; its first `texts` columns are text, others numbers."""

    heads: Sequence[str]
    rows: Sequence[Row]
    texts: int
    caption: str


def filtered_table(content: Table) -> str:
    """Return a table whose rows say what they are about."""
    empty = table(content.heads, [], texts=content.texts, caption=content.caption)
    style = dict.fromkeys(range(content.texts), ' class="text"')
    rows = (
        f"<tr{about(row.grammar, row.label, row.method)}>{_cells(row.cells, style)}</tr>"
        for row in content.rows
    )
    return empty.replace("<tbody>", f"<tbody>{''.join(rows)}", 1)


def about(grammar: str = "", label: str = "", method: str = "") -> str:
    """Return the attributes that the page's filters look at.

    >>> about("mc2", "", "a&b")
    ' data-grammar="mc2" data-method="a&amp;b"'
    """
    named = {"grammar": grammar, "architecture": label, "method": method}
    return "".join(f' data-{name}="{escape(value)}"' for name, value in named.items() if value)


def folded(summary: str, content: str, fold: bool, grammar: str = "") -> str:
    """Return content behind a line to click on, or, where it need not be folded, content as it is."""
    if not fold:
        return content
    named = about(grammar)
    return f'<details class="fold"{named}><summary>{escape(summary)}</summary>{content}</details>'


def figure(picture: Picture, share: int) -> str:
    """Embed a saved figure: as SVG, or as a picture of about `share` bytes where that is larger."""
    path = picture.stem.with_name(f"{picture.stem.name}.svg")
    kind, content = "svg+xml", path.read_bytes()
    if len(content) > share:
        kind, content = (
            "webp",
            _small_picture(picture.stem.with_name(f"{picture.stem.name}.png"), share),
        )
    data = base64.b64encode(content).decode()
    return (
        f'<figure><div class="paper"><img src="data:image/{kind};base64,{data}" '
        f'alt="{escape(picture.alt)}"></div>'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
    )


def _small_picture(path: Path, most: int) -> bytes:
    """Return a picture as the best WebP of at most so many bytes, or else the smallest tried."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    for width, quality in ((1800, 80), (1600, 60), (1200, 40)):
        if picture.width > width:
            picture = picture.resize((width, picture.height * width // picture.width))
        stream = io.BytesIO()
        picture.save(stream, "WEBP", quality=quality, method=2)  # half the time of 4, 5 % larger
        if stream.tell() <= most:
            break
    return stream.getvalue()


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    texts: int,
    long: Sequence[int] = (),
    caption: str = "",
) -> str:
    """Return a table; the first `texts` columns and the `long` ones are text, others numbers."""
    style: Mapping[int, str] = {
        i: ' class="long"' if i in long else ' class="text"' for i in {*range(texts), *long}
    }
    head = "".join(
        f'<th scope="col"{style.get(i, "")}>{escape(h)}</th>' for i, h in enumerate(heads)
    )
    body = "".join(f"<tr>{_cells(row, style)}</tr>" for row in rows)
    titled = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll" tabindex="0"><table>{titled}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cells(row: Sequence[str], style: Mapping[int, str]) -> str:
    return "".join(f"<td{style.get(i, '')}>{escape(text)}</td>" for i, text in enumerate(row))


def count(many: int, noun: str) -> str:
    """Return a number and its noun.

    >>> count(1, "run"), count(1200, "cell")
    ('1 run', '1,200 cells')
    """
    return f"{many:,} {noun}" if many == 1 else f"{many:,} {noun}s"


def percent(share: float) -> str:
    """Return a share in per cent; nothing where it is missing.

    >>> percent(0.956)
    '96 %'
    """
    return "" if pd.isna(share) else f"{100 * share:.0f} %"


def thousands(needed: str) -> str:
    """Return a size, or a bound on one, with separators.

    >>> thousands("> 16000")
    '> 16,000'
    """
    sign, _, digits = needed.rpartition(" ")
    return f"{sign} {int(digits):,}".strip()


def number(value: float, form: str) -> str:
    """Return a number in a format, or nothing where it is missing."""
    return "" if pd.isna(value) else format(value, form)
