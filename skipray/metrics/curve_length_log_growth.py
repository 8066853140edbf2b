"""How much longer layers make a curve of inputs: transient chaos."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from skipray.metrics import Absent, NetworkMetric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="curve_length.log_growth",
    definition="ln of the ratio of the lengths of a great circle through two samples: at the last hidden "
    "representation, at the first",
    source="Poole et al. 2016, section 3",
    axis="ln growth of a curve's length",
    asked="by name",
    trends=("",),
    needs_classes=False,
    at_initialisation=True,
)


def measure(network: TrainedNetwork) -> float:
    if len(network.inputs) < 2:
        raise Absent("fewer than two samples")
    if not network.inputs.is_floating_point():
        raise Absent("inputs are tokens, which lie on no curve")
    lengths = curve_lengths(network.module, network.inputs, network.representations)
    if len(lengths) < 2 or not min(lengths[0], lengths[-1]) > 0:
        raise Absent("no two hidden representations in which the curve has a length")
    return math.log(lengths[-1] / lengths[0])


def curve_lengths(
    module: nn.Module, inputs: Tensor, representations: Sequence[nn.Module], points: int = 256
) -> list[float]:
    """Length of the image of a great circle through the first two samples, at each of the network's modules.

    The circle has the first sample's norm. Its tangent's mean length over `points` angles, by forward differentiation,
    times 2 pi: chords of a curve that has folded would be too short (Poole et al. 2016, section 3).

    Raises:
        Absent: a layer cannot be differentiated forward.
    """
    import warnings

    import torch
    from torch.autograd import forward_ad

    found: list[float] = []

    def keep(layer: nn.Module, arguments: object, output: object) -> None:
        tangent = forward_ad.unpack_dual(output).tangent if isinstance(output, torch.Tensor) else None
        if tangent is not None and tangent.shape[:1] == (points,):
            found.append(float(tangent.detach().double().flatten(1).norm(dim=1).mean()) * 2 * math.pi)

    first, second = inputs[0], inputs[1]
    across = second - (second * first).sum() / first.square().sum() * first
    across = across * first.norm() / across.norm()
    angles = torch.arange(points, device=inputs.device) * (2 * math.pi / points)
    cosine, sine = (turn.to(inputs).view(-1, *[1] * first.dim()) for turn in (angles.cos(), angles.sin()))
    handles = [layer.register_forward_hook(keep) for layer in representations]
    try:
        with torch.no_grad(), forward_ad.dual_level(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch's own, of what it imports for this
            module(forward_ad.make_dual(cosine * first + sine * across, cosine * across - sine * first))
    except NotImplementedError as error:
        raise Absent(f"a layer cannot be differentiated forward: {error}") from None
    finally:
        for handle in handles:
            handle.remove()
    return found
