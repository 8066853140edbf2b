"""Singular values against LAPACK's float64 SVD, over shapes, condition numbers, ranks and scales."""

import numpy as np
import pytest
import torch

from skipray.metrics.singularity import numerical_rank, with_bound
from skipray.spectrum import gram, singular_values, sketch, triangle
from skipray.spectrum.modes import TensorSpectra
from skipray.spectrum.stack import raw_and_centred_spectra, raw_spectra
from skipray.spectrum.unfolding import CHUNK_ELEMENTS, pieces

SHAPES = [
    (1, 1), (1, 7), (9, 1), (2, 3), (5, 5), (8, 8), (16, 40), (40, 16), (33, 32), (64, 64),
    (64, 256), (256, 64), (17, 1000), (1000, 17), (100, 130), (130, 100), (16, 5000), (128, 1500),
]  # fmt: skip
CONDITIONS = [1.0, 1e2, 9e3, 1e5, 1e7, 1e8]
SCALES = [1e-30, 1.0, 1e30]


def matrix(rows: int, columns: int, condition: float, *, seed: int = 0) -> torch.Tensor:
    """Singular values evenly spaced on a log scale from 1 to 1 / condition, float64."""
    generator = torch.Generator().manual_seed(seed)
    k = min(rows, columns)
    u = torch.linalg.qr(torch.randn(rows, k, generator=generator, dtype=torch.float64)).Q
    v = torch.linalg.qr(torch.randn(columns, k, generator=generator, dtype=torch.float64)).Q
    s = torch.logspace(0, -np.log10(condition), k, dtype=torch.float64)
    return (u * s) @ v.T


def truth(tensor: torch.Tensor, mode: int = 0) -> np.ndarray:
    unfolded = tensor.double().movedim(mode, 0).reshape(tensor.shape[mode], -1)
    tall = unfolded if unfolded.shape[0] >= unfolded.shape[1] else unfolded.T
    return np.linalg.svd(tall.numpy(), compute_uv=False)


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == np.float64
    assert found.shape == expected.shape
    assert (np.diff(found) <= 0).all()
    seen = expected > 1e-7 * expected[0]
    np.testing.assert_allclose(found[seen], expected[seen], rtol=1e-6)
    np.testing.assert_allclose(found[~seen], expected[~seen], atol=1e-13 * expected[0], rtol=1e-5)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_value_is_within_a_millionth(shape, condition, scale):
    """18 shapes x 6 condition numbers x 3 scales = 324 tensors."""
    tensor = (matrix(*shape, condition, seed=hash((shape, condition)) % 1000) * scale).float()
    assert_close(singular_values(tensor), truth(tensor))


@pytest.mark.parametrize("condition", [1e2, 1e7])
def test_large(condition):
    generator = torch.Generator().manual_seed(1)
    tall = torch.randn(16384, 256, generator=generator) * torch.logspace(0, -np.log10(condition), 256)
    assert sketch.gram_promises(tall.T, 0) == (condition < 1e4)
    assert_close(singular_values(tall.T), truth(tall))


@pytest.mark.parametrize("mode", [0, 1, 2, 3, -1])
@pytest.mark.parametrize("shape", [(6, 5, 4, 3), (32, 8, 7, 7), (2, 70, 3, 3), (1, 1, 1, 1)])
def test_modes_of_a_map(shape, mode):
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    assert_close(singular_values(tensor, mode), truth(tensor, mode))
    assert_close(singular_values(tensor.contiguous(memory_format=torch.channels_last), mode), truth(tensor, mode))


@pytest.mark.parametrize("rank", [1, 3, 20])
@pytest.mark.parametrize("shape", [(40, 40), (30, 200), (400, 50), (100, 3000)])
def test_rank_deficient(shape, rank):
    """Repeated rows and integer factors: the rank is exact in float32 too."""
    generator = torch.Generator().manual_seed(rank)
    left = torch.randint(-3, 4, (shape[0], rank), generator=generator).float()
    right = torch.randint(-3, 4, (rank, shape[1]), generator=generator).float()
    values = singular_values(left @ right)
    assert numerical_rank(values) == np.linalg.matrix_rank((left @ right).double().numpy()) == rank
    assert with_bound("log10_condition", values) == (pytest.approx(np.log10(2**23)), 1)


def test_streaming_folds_piece_by_piece():
    tensor = matrix(200_000, 12, 1e7).float()
    assert tensor.numel() > 4 * 2**18
    assert_close(triangle.values(triangle.triangle(tensor, 0)), truth(tensor))
    assert_close(singular_values(tensor), truth(tensor))


def test_the_look_saves_a_gram_matrix_that_would_not_suffice(monkeypatch):
    made = []
    original = gram.gram
    monkeypatch.setattr(gram, "gram", lambda t, *a, **k: made.append(t.shape) or original(t, *a, **k))
    tensor = matrix(128, 16384, 1e6).float()
    assert_close(singular_values(tensor), truth(tensor))
    assert made == [(256, 128)]


def test_the_look_at_a_centred_unfolding_does_not_see_the_mean():
    generator = torch.Generator().manual_seed(6)
    tensor = torch.randn(64, 16, 40, 40, generator=generator) + 1e5
    mean = tensor.double().mean(0, keepdim=True)
    assert not sketch.gram_promises(tensor, 1)
    assert sketch.gram_promises(tensor, 1, mean=mean)


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_maps_are_read_in_small_pieces_along_the_memory(layout, mode):
    tensor = torch.randn(24, 8, 64, 64, generator=torch.Generator().manual_seed(7)).contiguous(memory_format=layout)
    found = list(pieces(tensor, mode))
    assert sum(len(p) for p in found) * tensor.shape[mode] == tensor.numel()
    assert len(found) >= 3
    assert max(p.numel() for p in found) <= CHUNK_ELEMENTS["cpu"]
    whole = torch.cat(found)
    np.testing.assert_allclose(np.linalg.svd(whole.numpy(), compute_uv=False), truth(tensor, mode), rtol=1e-9)


def test_double_precision_far_from_one():
    for scale in (1e-250, 1e250, 5e-324 * 2**60):
        tensor = matrix(12, 30, 1e3) * scale
        assert_close(singular_values(tensor), np.linalg.svd((tensor / scale).numpy(), compute_uv=False) * scale)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int32, torch.bool])
def test_other_number_formats(dtype):
    tensor = (torch.randn(9, 14, generator=torch.Generator().manual_seed(3)) * 3).to(dtype)
    assert_close(singular_values(tensor), truth(tensor))


def test_zeros():
    assert (singular_values(torch.zeros(3, 5)) == np.zeros(3)).all()
    assert (singular_values(torch.zeros(2, 3, 4, 5), mode=3) == np.zeros(5)).all()


def test_zero_rows_are_exact_zeros():
    tensor = torch.randn(10, 100, generator=torch.Generator().manual_seed(4))
    tensor[::2] = 0
    assert (singular_values(tensor)[5:] == 0).all()


@pytest.mark.parametrize("condition", [1e2, 3e4, 1e7])
@pytest.mark.parametrize("shape", [(256, 4096), (512, 300), (16, 20_000)])
def test_several_threads(shape, condition):
    threads = torch.get_num_threads()
    tensor = matrix(*shape, condition).float()
    torch.set_num_threads(2)
    try:
        found = singular_values(tensor)
        tensor[::2] = 0
        halved = singular_values(tensor)
    finally:
        torch.set_num_threads(threads)
    assert_close(found, truth(matrix(*shape, condition).float()))
    assert_close(halved[: shape[0] // 2], truth(tensor)[: shape[0] // 2])


def test_a_tensor_is_not_changed_and_arrays_will_do():
    array = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    tensor = torch.from_numpy(array.copy()).requires_grad_()
    assert_close(singular_values(tensor), singular_values(array))
    assert (tensor.detach().numpy() == array).all()


@pytest.mark.parametrize(
    ("tensor", "mode", "words"),
    [
        (torch.zeros(0, 3), None, "empty"),
        (torch.zeros(2, 0, 3), 1, "empty"),
        (torch.tensor([[1.0, float("nan")]]), None, "NaN"),
        (torch.tensor([[1.0, float("inf")]]), None, "infinite"),
        (torch.tensor([[1.0, -float("inf")]]), None, "infinite"),
        (torch.zeros(3), None, "a matrix, or a mode"),
        (torch.zeros(2, 2, 2), None, "a matrix, or a mode"),
        (torch.zeros(2, 2, 2), 3, "modes 0 to 2"),
        (torch.zeros(2, 2), -3, "modes 0 to 1"),
    ],
)
def test_bad_input(tensor, mode, words):
    with pytest.raises(ValueError, match=words):
        singular_values(tensor, mode)


def test_complex_is_refused():
    with pytest.raises(TypeError, match="complex64"):
        singular_values(torch.zeros(2, 2, dtype=torch.complex64))


def _generated(kind: str, shape: tuple[int, ...]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(shape, generator=generator)
    samples = torch.randn(shape[0], *[1] * (len(shape) - 1), generator=generator)
    tensors = {
        "plain": noise,
        "rectified": noise.relu(),
        "far from zero": noise + 1e3,
        "common direction": noise * 1e-4 + 10 * noise[:1],
        "nearly rank 1": samples * noise[:1] + 1e-5 * noise,
        "ones": torch.ones(shape),
        "huge doubles": noise.double() * 1e200,
    }
    if kind in tensors:
        return tensors[kind]
    dead = noise.relu()
    dead[:, ::2] = 0
    if kind == "dead and constant":
        dead[:, -1] = 3.0
    return dead


KINDS = [
    "plain", "rectified", "far from zero", "common direction", "nearly rank 1", "ones", "huge doubles", "dead",
    "dead and constant",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(256, 64), (64, 256), (1, 5), (5, 1), (8, 3, 5, 7), (32, 16, 9, 9), (4, 40, 1, 1)])
def test_raw_and_centred_modes(shape, kind):
    tensor = _generated(kind, shape)
    work = TensorSpectra(tensor, tensor.amin(0), tensor.amax(0), centred=True)
    modes = range(len(shape)) if len(shape) > 2 else (0,)
    found = work.spectra(modes)
    assert [(s.mode, s.centred) for s in found] == [(m, c) for m in modes for c in (False, True)]
    for spectrum in found:
        wide = tensor.double()
        wide = wide - wide.mean(0, keepdim=True) if spectrum.centred else wide
        expected = truth(wide, spectrum.mode)
        scale = truth(tensor.double(), spectrum.mode)[0]
        assert (spectrum.values[spectrum.rank :] == 0).all()
        seen = expected > max(1e-7 * expected[0], 1e-14 * scale)
        np.testing.assert_allclose(spectrum.values[seen], expected[seen], rtol=1e-6)
        np.testing.assert_allclose(spectrum.values, expected, atol=1e-13 * scale, rtol=1e-6)


def test_structural_ranks_and_counts():
    tensor = _generated("dead and constant", (32, 16, 9, 9))
    work = TensorSpectra(tensor, tensor.amin(0), tensor.amax(0), centred=True)
    found = {(s.mode, s.centred): (s.rank, s.zero_rows, s.zero_columns) for s in work.spectra((0, 1))}
    assert found == {
        (0, False): (32, 0, 8 * 81),
        (0, True): (31, 0, 9 * 81),
        (1, False): (8, 8, None),
        (1, True): (7, 9, None),
    }


def test_a_stack_of_matrices_equals_one_by_one():
    tensors = torch.stack([_generated(kind, (256, 64)) for kind in KINDS if kind != "huge doubles"])
    whole = tensors.double().numpy()
    for tensor, (raw, centred) in zip(
        tensors, raw_and_centred_spectra(whole, whole.max(1) != whole.min(1)), strict=True
    ):
        expected = TensorSpectra(tensor, tensor.amin(0), tensor.amax(0), centred=True).spectra((0,))
        for one, other in zip((raw, centred), expected, strict=True):
            assert (one.rank, one.zero_rows, one.zero_columns) == (other.rank, other.zero_rows, other.zero_columns)
            np.testing.assert_allclose(one.values, other.values, rtol=1e-6, atol=1e-12 * expected[0].values[0])
    for tensor, raw in zip(tensors, raw_spectra(whole.transpose(0, 2, 1)), strict=True):
        np.testing.assert_allclose(raw.values, truth(tensor), rtol=1e-6, atol=1e-12 * raw.values[0])
