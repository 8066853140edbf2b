"""How often verdicts on claims are wrong, and how often planted effects are found.

Run: python tests/benchmarks/bench_claims.py [repetitions, default 40] [whole | claims ..., default all] [seeds=3,5,10].

`whole` judges whole sweeps with all metrics at once (_whole_claims.py): `null` (nothing differs), `edges` (every
quantity at its margin) and `planted` (two standard deviations of one comparison beyond it). Told: the share of sweeps
with at least one wrong supported or refuted part or claim (asked: at most 0.05), and of planted claims that are found
(0.8). Claims by themselves (_planted_claims.py) have effects of two standard deviations of what one seed says.
Another release is measured by the same file: PYTHONPATH=its-checkout. The standard error of a share of 0.05 is 0.034
at 40 repetitions.
"""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from _planted_claims import MAKERS, SIZES
from _whole_claims import EDGES, NULL, PLANTED, make

from skipray.claims import PAPER_SOURCE, Claim, judge

TAIL = 0.025
"""Of one direction."""
HOLDS = {
    "null": ("C1b", "rise of", "log10 kappa of", "PlainNet above ResNeXt"),
    "edges": ("change of", "PlainNet above ResNet"),
}
"""Claims and parts that hold: where nothing differs, train error does not rise, kappa is finite and weights are alike;
where all is at its margin, ranks and cosines change, and a weight that is all but far above is above."""
FAILS = {
    "null": ("C3", "C6", "C10", "PlainNet far above", "ResNet's change", "effective rank at", "mean cosine at"),
    "edges": ("nothing",),
}
"""Those that do not, so that to refute them is right. Everything else lies at its margin: either verdict is wrong."""


def wrong(claims: Sequence[Claim], kind: str) -> set[str]:
    """Directions in which some claim is judged wrongly: supported, refuted. Where parts have verdicts, these count."""
    found = set()
    for claim in claims:
        if claim.source != PAPER_SOURCE:
            continue  # a claim that was added: what holds of it here is not known
        parts = [(p.label, p.verdict) for p in claim.parts] if hasattr(claim, "p_against") else []
        for name, verdict in parts or [(claim.id, claim.verdict)]:
            if verdict == "supported" and not name.startswith(HOLDS[kind]):
                found.add("supported")
            if verdict == "refuted" and not name.startswith(FAILS[kind]):
                found.add("refuted")
    return found


def whole_rates(seeds: int, repetitions: int) -> dict[str, float]:
    """Shares of sweeps."""
    out: dict[str, float] = {}
    for kind, truth in (("null", NULL), ("edges", EDGES)):
        seen: Counter[str] = Counter()
        for repetition in range(repetitions):
            rng = np.random.default_rng([repetition, seeds, len(kind)])
            trials, layers = make(truth, seeds, rng)
            ways = wrong(judge(trials, layers, factors=()), kind)
            seen.update(ways)
            seen["either"] += bool(ways)
        out |= {f"{kind}: wrongly {way}": seen[way] / repetitions for way in ("supported", "refuted", "either")}
    return out


def found_rates(seeds: int, repetitions: int) -> tuple[dict[str, float], dict[str, float]]:
    """Share of planted sweeps in which each claim is supported; and in which it would be were no other claim tested,
    beyond which no rule for several claims can go."""
    seen: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for repetition in range(repetitions):
        rng = np.random.default_rng([repetition, seeds, 99])
        trials, layers = make(PLANTED, seeds, rng)
        claims = judge(trials, layers, factors=())
        seen.update(c.id for c in claims if c.verdict == "supported")
        alone.update(c.id for c in claims if c.p is not None and c.p <= TAIL)
    order = sorted(alone, key=lambda c: (len(c), c))
    return ({c: seen[c] / repetitions for c in order}, {c: alone[c] / repetitions for c in order})


def rates(claim: str, kind: str, seeds: int, repetitions: int) -> dict[str, float]:
    """Share of each verdict on one claim."""
    seen: Counter[str] = Counter()
    for repetition in range(repetitions):
        rng = np.random.default_rng([repetition, seeds, list(MAKERS).index(claim), list(SIZES).index(kind)])
        trials, layers = MAKERS[claim](kind, seeds, rng)
        seen[next(c.verdict for c in judge(trials, layers) if c.id.lower() == claim)] += 1
    return {v: seen[v] / repetitions for v in ("supported", "refuted", "in part", "leaning", "inconclusive")}


def show_claims(claims: list[str], seeds: int, repetitions: int) -> None:
    print(f"{'claim':6} {'null: supported':>16} {'edge: supported':>16} {'planted: supp.':>15} {'reversed: ref.':>15}")
    for claim in claims:
        null, edge, planted, reverse = (
            rates(claim, k, seeds, repetitions) for k in ("null", "edge", "planted", "reversed")
        )
        print(
            f"{claim.upper():6} {null['supported']:16.2f} {edge['supported']:16.2f} {planted['supported']:15.2f} "
            f"{reverse['refuted']:15.2f}",
            flush=True,
        )


def show_whole(seeds: int, repetitions: int) -> None:
    for what, share in whole_rates(seeds, repetitions).items():
        print(f"{seeds} seeds  {what:26} {share:.3f} ± {np.sqrt(share * (1 - share) / repetitions):.3f}", flush=True)
    for what, shares in zip(("supported", "each by itself"), found_rates(seeds, repetitions), strict=True):
        found = ", ".join(f"{claim} {share:.2f}" for claim, share in shares.items())
        print(f"{seeds} seeds  planted, {what}: {found}", flush=True)


def main() -> None:
    words = sys.argv[1:]
    counts = next((w.removeprefix("seeds=").split(",") for w in words if w.startswith("seeds=")), ["3", "5", "10"])
    repetitions = next((int(w) for w in words if w.isdigit()), 40)
    chosen = [w.lower() for w in words if w.lower() in MAKERS]
    for seeds in map(int, counts):
        start = time.process_time()
        if not chosen:
            show_whole(seeds, repetitions)
        if "whole" not in words:
            show_claims(chosen or list(MAKERS), seeds, repetitions)
        print(f"{seeds} seeds, {repetitions} repetitions each, {time.process_time() - start:.0f} s of CPU")


if __name__ == "__main__":
    main()
