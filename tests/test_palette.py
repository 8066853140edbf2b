"""Colours of families: one's own stand out as those of skipray do."""

import colorsys

from skipray.palette import COLOURS, family_styles


def saturation(colour: str) -> float:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return colorsys.rgb_to_hls(red, green, blue)[2]


def test_families_of_ones_own_have_hues_before_any_is_grey() -> None:
    names = [f"nets:own{i}" for i in range(5)]
    for style in family_styles({name: name for name in names}).values():
        light, dark = COLOURS[style.colour]
        assert saturation(light) > 0.2 < saturation(dark), style
    assert saturation(COLOURS["muted"][0]) < 0.2, "what axes and notes have"
