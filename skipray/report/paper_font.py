"""The font of figures for a paper: DejaVu Sans, cut to the letters that figures need.

matplotlib embeds the letters that a PDF uses, for which it reads the whole font: 0.16 s of processor time a file, which
the cut font saves. A letter that was cut away comes from the whole font.
"""

import tempfile
from functools import cache
from pathlib import Path

import matplotlib as mpl
from fontTools import subset
from matplotlib import font_manager

NAME = "Skipray DejaVu Sans"
_LETTERS = (
    *range(0x20, 0x180),  # Latin
    *range(0x370, 0x400),  # Greek
    *range(0x2010, 0x2028),  # dashes, quotes, ellipsis
    *range(0x2070, 0x20A0),  # superscripts and subscripts
    *(0x200B, 0x2190, 0x2192, 0x2212, 0x221E, 0xFFFD),
)


@cache
def families() -> list[str]:
    """What `font.sans-serif` is set to. Makes the cut font known to matplotlib, once a process."""
    source = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    options = subset.Options(layout_features=[], hinting=False, name_IDs=["*"])
    options.drop_tables += ["FFTM"]
    font = subset.load_font(str(source), options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=_LETTERS)
    cutter.subset(font)
    for record in font["name"].names:
        if record.nameID in (1, 4, 6, 16):
            record.string = NAME.replace(" ", "") if record.nameID == 6 else NAME
    # Kept until the process ends: matplotlib reads it whenever it saves.
    path = Path(_folder().name) / "skipray.ttf"
    font.save(path)
    font_manager.fontManager.addfont(path)
    return [NAME, "DejaVu Sans"]


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="skipray-font-")
