"""Time of `singular_values` against float64 SVDs, side by side in one run; prints ratios and the targets.

    python tests/benchmarks/bench_spectrum.py [threads ...]

Targets: at most 0.4 of `torch.linalg.svdvals(x.double())` as stored where the condition number is below 1e4, at most
0.7 where it is 1e7, never slower in between. Beside it the same matrix stored upright (tall), where LAPACK is several
times faster: skipray's time on that, and its ratio. Each time is the best of several, in CPU seconds of the process, so
that a busy machine does not decide.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable

SHAPES = ((512, 16384), (256, 4096), (16, 100_000))
CONDITIONS = ((1e2, 0.4), (9e3, 0.4), (1e5, 1.0), (1e6, 1.0), (1e7, 0.7))


def best(function: Callable[[], object], seconds: float = 1.0) -> float:
    function()
    times: list[float] = []
    while (sum(times) < seconds and len(times) < 7) or len(times) < 2:
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def table(threads: int) -> bool:
    import numpy as np
    import torch

    from skipray.spectrum import singular_values

    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    print(f"{threads} thread(s); CPU milliseconds, best; ratio to the float64 SVD as stored")
    print(f"{'shape':>14} {'kappa':>7} {'skipray':>9} {'f64':>9} {'f64 tall':>9} {'f32':>9} {'ratio':>6} {'target':>6} "
          f"{'of tall':>9} {'ratio':>6} {'error':>8}")  # fmt: skip
    good = True
    for rows, columns in SHAPES:
        v = torch.linalg.qr(torch.randn(columns, rows, generator=generator, dtype=torch.float64)).Q
        u = torch.linalg.qr(torch.randn(rows, rows, generator=generator, dtype=torch.float64)).Q
        for condition, target in CONDITIONS:
            s = torch.logspace(0, -np.log10(condition), rows, dtype=torch.float64)
            x = ((u * s) @ v.T).float()
            expected = torch.linalg.svdvals(x.double().T).numpy()
            error = float(np.abs(singular_values(x) / expected - 1).max())
            upright = x.T.contiguous()
            error = max(error, float(np.abs(singular_values(upright) / expected - 1).max()))
            mine = best(lambda x=x: singular_values(x))
            stored = best(lambda x=x: torch.linalg.svdvals(x.double()))
            mine_tall = best(lambda x=upright: singular_values(x))
            tall = best(lambda x=upright: torch.linalg.svdvals(x.double()))
            single = best(lambda x=x: torch.linalg.svdvals(x))
            good &= mine <= target * stored and error < 1e-6
            print(f"{rows:>6}x{columns:<7} {condition:>7.0e} {1e3 * mine:>9.2f} {1e3 * stored:>9.2f} "
                  f"{1e3 * tall:>9.2f} {1e3 * single:>9.2f} {mine / stored:>6.2f} {target:>6.2f} "
                  f"{1e3 * mine_tall:>9.2f} {mine_tall / tall:>6.2f} {error:>8.0e}", flush=True)  # fmt: skip
    return good


if __name__ == "__main__":
    if os.environ.get("BENCH_THREADS"):
        raise SystemExit(0 if table(int(os.environ["BENCH_THREADS"])) else 1)
    codes = []
    for count in sys.argv[1:] or ("1", "2"):
        environment = os.environ | {"OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count, "BENCH_THREADS": count}
        codes.append(subprocess.run([sys.executable, __file__], env=environment, check=False).returncode)
    raise SystemExit(max(codes))
