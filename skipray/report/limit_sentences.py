"""The trainability limits of a few groups in one sentence, made from the counts, and what they are limits of."""

from skipray.spec.depth_words import plain_depth
from skipray.trends import Limit
from skipray.trends.limit_words import DepthName, bound_words, count_words, exception_words, listed, missing_words


def limit_sentence(found: "list[tuple[str, Limit]]", means: str = "", at: DepthName = plain_depth) -> str:
    """The limits in one sentence, the definition in the next; empty without limits.

    Args:
        found: labels of groups, and their limits.
        means: what `fits` means, as a main clause such as `A network fits where its train accuracy is 0.55`.
        at: what a depth is called.
    """
    one, many = ("fits", "fit") if means else ("trains", "train")
    within = [
        f"at {at(x.depth)} ({bound_words(x)}){exception_words(x)}{missing_words(x)} for {label}"
        for label, x in found
        if x.depth is not None
    ]
    parts = [f"half of the seeds no longer {many} {listed(within)}"] if within else []
    parts += _at_an_end(found, one, many)
    for label, x in found:
        if x.depth is None and x.censored == "none":
            tried = [count_words(c) for c in x.counts if c.trials]
            seen = (
                f": its seeds do not {many} less often with depth ({listed(tried)})" if tried and not x.monotone else ""
            )
            parts.append(f"no limit can be given for {label}{seen}{missing_words(x)}")
    if not parts:
        return ""
    text = "; ".join(parts) + "."
    return text[0].upper() + text[1:] + (f" {means}." if means else "")


def _at_an_end(found: "list[tuple[str, Limit]]", one: str, many: str) -> list[str]:
    """Limits beyond the deepest or below the shallowest depth: how many trained there."""
    groups: dict[tuple[str, int], list[tuple[str, Limit]]] = {}
    for label, x in found:
        tried = [c for c in x.counts if c.trials]
        if x.censored != "none" and tried:
            end = tried[-1] if x.censored == "above" else tried[0]
            groups.setdefault((x.censored, end.depth), []).append((label, x))
    parts = []
    for (side, depth), members in groups.items():
        words = []
        for label, x in members:
            tried = [c for c in x.counts if c.trials]
            end = tried[-1] if side == "above" else tried[0]
            words.append(count_words(end, f"of {label}"))
        single = len(members) == 1 and words[0].startswith("1 ")
        verb = ("still " if side == "above" else "") + (one if single else many)
        where = "deepest" if side == "above" else "shallowest"
        but = "".join(f"{odd} for {label}" for label, x in members if (odd := exception_words(x)))
        gaps = "".join(f"{gap} of {label}" for label, x in members if (gap := missing_words(x)))
        parts.append(f"at {depth}, the {where} tried, {listed(words)} {verb}{but}{gaps}")
    return parts
