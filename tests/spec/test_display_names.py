"""A family has one name in sentences and figures, and one where it is typed: its key."""

import pytest

from skipray.extension import catalog
from skipray.spec import Group
from skipray.spec.display_names import display_name, family_title


@pytest.mark.catalog
def test_a_display_name_is_its_key_in_other_letters() -> None:
    """So that who reads one finds the other; no two families share one."""
    names = catalog.names("architectures")
    shown = [display_name(name) for name in names]
    assert [name.lower() for name in shown] == list(names)
    assert {"PlainNet", "ResNet", "ResNeXt"} <= set(shown)


def test_ones_own_family_is_never_taken_for_skiprays() -> None:
    own, ours = Group("nets:ResNet"), Group("resnet")
    assert (family_title(own), family_title(ours)) == ("nets:ResNet", "ResNet")
    assert family_title(Group("nets:vit")) == "vit"


def test_a_family_that_is_not_known_here_has_its_key() -> None:
    assert display_name("of-a-later-release") == "of-a-later-release"
