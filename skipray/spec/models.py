"""Which fields of a model its family reads, and which it has to have."""

from collections.abc import Iterator, Mapping
from typing import Any

from skipray.extension.contract import unknown_words
from skipray.spec.fields import COMMON_FIELDS, OPTIONAL_FIELDS, ModelSpec
from skipray.spec.values import Frozen, as_text
from skipray.spec.words import allowed_words, written_fields

OPTION = "options."
"""What a factor's name begins with that is an option of the model."""
AS_BUILT = "as_built"
ALWAYS_READ = ("architecture", "depth", "options", "rules")
OF_SCHEMES = ("weight_gain", "bias_variance")
"""Fields that the initialisation reads."""


def model_data(section: Mapping[str, Any], cell: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one cell's model: the file's section, with the cell's factors over it."""
    data = dict(section) | {key: value for key, value in cell.items() if key in ModelSpec.model_fields}
    named = {key.removeprefix(OPTION): value for key, value in cell.items() if key.startswith(OPTION)}
    if named and isinstance(data.get("options", {}), Mapping):
        data["options"] = {**data.get("options", {}), **named}
    return data


def value_of(model: ModelSpec, key: str) -> Any:
    """The value of a field, or of an option that is written `options.heads`."""
    return model.options.get(key.removeprefix(OPTION)) if key.startswith(OPTION) else getattr(model, key, None)


def is_factor(bare: str) -> bool:
    """Whether the model has a field, or may have an option, of a factor's name."""
    return bare in written_fields(ModelSpec) or (bare.startswith(OPTION) and len(bare) > len(OPTION))


def activation_names(model: ModelSpec) -> list[str]:
    """The `module:name` of a model's activation, where it has one."""
    found = model.activation
    name = found if isinstance(found, str) else (found or {}).get("name", "")
    return [name] if ":" in name else []


def missing(model: ModelSpec, family: Any) -> Iterator[tuple[str, str]]:
    """(Field, message) of what the family needs and the model has not.

    Raises:
        ValueError: a family of one's own whose `fields` name what no model has.
    """
    own = ":" in model.architecture
    read = family.fields(model.kind) if hasattr(family, "fields") and (own or model.kind is not None) else set()
    for mistake in unknown_words("fields", tuple(read), written_fields(ModelSpec)):
        raise ValueError(f"found {model.architecture!r}, {mistake}")
    needed = (set(read) if own else set(read) | set(COMMON_FIELDS) - unread_common(family)) - set(OPTIONAL_FIELDS)
    for key in sorted(needed, key=list(ModelSpec.model_fields).index):
        if getattr(model, key) is None:
            allowed = allowed_words(ModelSpec, (key,), {})
            kind = f" ({model.kind})" if model.kind else ""
            if own or key not in COMMON_FIELDS:
                yield key, f"found nothing, but {model.architecture}{kind} needs it; allowed: {allowed}"
            else:  # as every family does: said once, not once per family
                yield key, f"found nothing; allowed: {allowed} (in model or as a factor)"


def senseless(model: ModelSpec, family: Any) -> Iterator[tuple[str, str]]:
    """(Field, message) of the optional fields that the model has and its family cannot have.

    What needs a skip is dropped from a family without any (`DROPPED`), as its residual scale is, so that twins can be
    compared; any other would be left out in silence of one of two networks that are taken for twins.
    """
    if ":" in model.architecture or not hasattr(family, "fields"):
        return
    for key in OPTIONAL_FIELDS:
        value = getattr(model, key)
        if value is None or key in family.fields(model.kind) or key in getattr(family, "DROPPED", ()):
            continue
        kind = f" ({model.kind})" if model.kind else ""
        yield key, f"found {as_text(value)}, which {model.architecture}{kind} does not have; allowed: left out"


def read_fields(model: ModelSpec, family: Any) -> ModelSpec:
    """The model without what its family does not read, so that two models of the same network are one.

    A user's own family without `fields` may read anything. Its initialisation, where it is left out, is its own.
    """
    own = ":" in model.architecture
    update: dict[str, Any] = {}
    if hasattr(family, "fields"):
        kept = {*ALWAYS_READ, *OF_SCHEMES, *COMMON_FIELDS} - unread_common(family)
        update = dict.fromkeys(set(ModelSpec.model_fields) - kept - set(family.fields(model.kind)))
    taken = option_names(family, own=own)
    if taken is not None:
        update["options"] = Frozen({key: value for key, value in model.options.items() if key in taken})
    if own and model.initialisation is None:
        update["initialisation"] = AS_BUILT
    return model.model_copy(update=update)


def unread_common(family: Any) -> frozenset[str]:
    """Of the fields that skipray's families share, those that this one does not read (`UNREAD`)."""
    return frozenset(getattr(family, "UNREAD", ()))


def option_names(family: Any, *, own: bool) -> frozenset[str] | None:
    """The options that a family takes; None for a user's own that does not say (`OPTIONS`), which may take any."""
    if hasattr(family, "OPTIONS"):
        return frozenset(family.OPTIONS)
    return None if own else frozenset()


def unknown_options(model: ModelSpec, family: Any, cell: Mapping[str, Any]) -> Iterator[str]:
    """Options that the family does not take and no factor gives (a factor is dropped, as a field is)."""
    taken = option_names(family, own=":" in model.architecture)
    if taken is not None:
        yield from (key for key in model.options if key not in taken and OPTION + key not in cell)
