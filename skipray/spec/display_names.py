"""Display names of families: `PlainNet` in sentences and figures; files, commands and tables of data have the key."""

from functools import lru_cache

from skipray.extension import catalog
from skipray.spec.cell import Group, short_name


def family_title(group: Group) -> str:
    """The display name of a group's family in its sweep.

    A family of the user's own has the name of its object, with its module where skipray has a family of that display
    name.

    >>> family_title(Group("plainnet")), family_title(Group("nets:vit")), family_title(Group("nets:PlainNet"))
    ('PlainNet', 'vit', 'nets:PlainNet')
    """
    if ":" not in group.architecture:
        return display_name(group.architecture)
    return group.architecture if group.family in _titles() else group.family


@lru_cache
def display_name(architecture: str) -> str:
    """The display name that a family's file declares (`DISPLAY_NAME`), else its key; of one's own, the object
    without its module.

    >>> display_name("resnext"), display_name("nets:vit")
    ('ResNeXt', 'vit')
    """
    if ":" in architecture:
        return short_name(architecture)
    try:
        return str(getattr(catalog.find("architectures", architecture), "DISPLAY_NAME", architecture))
    except ValueError:  # a family of a later release, in an old one's store
        return architecture


@lru_cache
def _titles() -> frozenset[str]:
    return frozenset(display_name(name) for name in catalog.names("architectures"))
