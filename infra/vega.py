"""Write the drawing library of the report's page: Vega, Vega-Lite and Vega-Embed in one file, by vl-convert."""

import sys
from importlib.metadata import version
from pathlib import Path

import vl_convert

HEADER = """\
/*! Vega {vega}, Vega-Lite {lite}, Vega-Embed {embed} in one file, made by `make vega` with vl-convert-python {convert}.
 * Vega, Vega-Lite, Vega-Embed: Copyright (c) University of Washington Interactive Data Lab, BSD-3-Clause.
 * D3: Copyright (c) Mike Bostock, ISC. Licences: vega-embed.LICENSE.txt beside this file. */
"""


def library() -> str:
    """The file's text."""
    header = HEADER.format(
        vega=vl_convert.get_vega_version(),
        lite=vl_convert.get_vegalite_versions()[-1],
        embed=vl_convert.get_vega_embed_version(),
        convert=version("vl-convert-python"),
    )
    return header + str(vl_convert.javascript_bundle("globalThis.vegaEmbed = vegaEmbed;"))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(library(), encoding="utf-8")
