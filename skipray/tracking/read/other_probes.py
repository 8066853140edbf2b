"""Finished trials that lack what the sweep's probe asks for by now: they are not run again, and can be measured."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from skipray.extension import reaching
from skipray.spec import ProbeSpec, SweepSpec, TrialSpec
from skipray.spec.cell import value_text
from skipray.tracking.address import resolve_uri
from skipray.tracking.read.former import aliases
from skipray.tracking.read.ledger import child_runs
from skipray.tracking.read.row import object_of
from skipray.tracking.schema import CODE

PRESETS = ("none", "default", "full")
"""Each measures what those before it do."""
WHILE_TRAINED = "every_epochs"
"""What final weights cannot tell."""


def other_probes(sweep: SweepSpec, tracking_uri: str | None, trials: Sequence[TrialSpec]) -> list[str]:
    """A sentence for each way in which finished trials were measured with less than, or otherwise than, the file asks
    for. Of runs that were measured again since nothing is said.

    Args:
        trials: that the sweep has by now.
    """
    uri = resolve_uri(sweep, tracking_uri)
    today = aliases(sweep, uri, trials)
    asked = {t.trial_id: t.probe for t in trials}
    code = {name: reaching.source_of(name).hash for t in trials for name in t.probe.metrics if ":" in name}
    finished: defaultdict[tuple[str, ProbeSpec], set[str]] = defaultdict(set)
    for row in child_runs(uri, sweep.name):
        trial_id = today.get(row.trial_id, row.trial_id)
        if trial_id in asked and row.probe is not None and row.is_finished and row.study is None and not row.measured:
            finished[row.probe, asked[trial_id]].add(trial_id)
    counts: Counter[tuple[str, ...]] = Counter()
    edited: Counter[str] = Counter()
    for (had, wanted), ids in finished.items():
        counts[tuple(_lacking(object_of(had), wanted.model_dump(mode="json")))] += len(ids)
        edited.update({name: len(ids) for name in _edited(object_of(had), wanted, code)})
    told = [_sentence(words, count, sweep.name) for words, count in counts.items() if words]
    return told + [
        f"{count} were measured with another {name}, and keep its values: under another key, skipray measure "
        f"{sweep.name} measures it of their saved weights"
        for name, count in edited.items()
    ]


def _edited(had: Mapping[str, Any], wanted: ProbeSpec, code: Mapping[str, str]) -> Iterator[str]:
    """The user's own metrics whose code was another one."""
    parts = [part.split(" ") for part in str(had.get(CODE, "")).split(", ")]
    then = {part[0]: part[1] for part in parts if len(part) == 2}
    yield from (n for n in wanted.metrics if n in then and n in code and not code[n].startswith(then[n]))


def _lacking(had: Mapping[str, Any], asks: Mapping[str, Any]) -> Iterator[str]:
    """`probe.samples 256, now 512` for each setting by which the probe asks for what was not measured."""
    if asks["preset"] == "none":
        return
    for name, field in ProbeSpec.model_fields.items():
        old, new = had.get(name, field.get_default(call_default_factory=True)), asks[name]
        if name == "gradients" and had.get("preset") == "full":
            continue  # has them anyway
        if name == "preset":
            lacks = old in PRESETS and PRESETS.index(new) > PRESETS.index(old)
        elif name == "metrics":
            lacks = not set(new) <= set(old)
        elif isinstance(new, bool) or name == WHILE_TRAINED:
            lacks = bool(new) and old != new
        else:
            lacks = _text(old) != _text(new)
        if lacks:
            yield f"probe.{name} {_text(old)}, now {_text(new)}"


def _text(value: Any) -> str:
    return (" ".join(map(str, value)) or "none") if isinstance(value, list | tuple) else value_text(value)


def _sentence(words: Sequence[str], count: int, name: str) -> str:
    """What is lacking, and what to do."""
    told = f"{count} finished without what the probe asks for now ({'; '.join(words)})"
    if all(word.startswith(f"probe.{WHILE_TRAINED} ") for word in words):
        return f"{told}, which their final weights cannot tell"
    return f"{told}: skipray measure {name} measures their saved weights"
