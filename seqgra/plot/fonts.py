"""The font of all figures, cut down to the letters they mostly need, so that a PDF takes half the time."""

from __future__ import annotations

import atexit
import tempfile
from functools import lru_cache
from pathlib import Path

from fontTools import subset
from matplotlib.font_manager import FontEntry, FontProperties, findfont, fontManager

#: The font that knows every letter drawn; the cut one is an extract of it.
WHOLE = "DejaVu Sans"
_CUT = "Seqgra Sans"
#: Latin and Greek letters, punctuation, arrows, signs of mathematics.
_LETTERS = (
    *range(0x20, 0x180),
    *range(0x391, 0x3CA),
    *range(0x2010, 0x2040),
    *range(0x2190, 0x2194),
    *range(0x2200, 0x2270),
)


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """Return the font families to draw with: the cut font, then the whole one for all other letters.

    Embedding a font in a PDF reads all of it, tables of fifty scripts included. The cut font is
    written to a temporary folder once a process; its shapes, widths and kerning are the whole font's.
    """
    folder = tempfile.TemporaryDirectory(prefix="seqgra-font-")
    atexit.register(folder.cleanup)
    for weight in (400, 700):
        path = Path(folder.name) / f"{weight}.ttf"
        _cut(findfont(FontProperties(family=WHOLE, weight=weight)), path, str(weight))
        entry = FontEntry(str(path), name=_CUT, weight=weight, size="scalable")
        fontManager.ttflist.append(entry)
    return _CUT, WHOLE


def _cut(source: str, target: Path, weight: str) -> None:
    options = subset.Options(glyph_names=True, layout_features=["*"], name_IDs=["*"])
    options.drop_tables += ["FFTM"]
    font = subset.load_font(source, options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=_LETTERS)
    cutter.subset(font)
    for record in font["name"].names:
        if record.nameID == 6:  # PostScript's: figures tell glyphs of two fonts apart by it
            record.string = f"SeqgraSans-{weight}"
    subset.save_font(font, str(target), options)
    font.close()
