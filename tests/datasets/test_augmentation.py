"""The batched augmentation against a slow one, image by image."""

import pytest
import torch

from skipray.datasets.preparing.augmentation import draw, standard
from skipray.datasets.preparing.batches import batches


def one_by_one(images, drawn):
    out = torch.zeros_like(images)
    for i, (down, right, flip) in enumerate(drawn.tolist()):
        for y in range(images.shape[2]):
            for x in range(images.shape[3]):
                source_y = y + down - 4
                source_x = (images.shape[3] - 1 - x if flip else x) + right - 4
                if 0 <= source_y < images.shape[2] and 0 <= source_x < images.shape[3]:
                    out[i, :, y, x] = images[i, :, source_y, source_x]
    return out


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("shape", [(40, 3, 6, 5), (7, 1, 8, 8)])
def test_against_the_slow_one(dtype, shape):
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    drawn = draw(torch.Generator().manual_seed(1), shape[0], flip=True)
    found = standard(images, drawn)
    assert found.dtype == dtype
    assert torch.equal(found, one_by_one(images, drawn))


def test_draws_cover_all_offsets_evenly_and_flip_only_where_it_may():
    drawn = draw(torch.Generator().manual_seed(0), 9000, flip=True)
    for column in (0, 1):
        counts = drawn[:, column].bincount(minlength=9)
        assert len(counts) == 9
        assert (counts - 1000).abs().max() < 5 * 30  # five standard errors, sqrt(9000 x 1/9 x 8/9) = 30
    assert abs(drawn[:, 2].float().mean() - 0.5) < 5 * 0.0053
    assert not draw(torch.Generator().manual_seed(0), 100, flip=False)[:, 2].any()


def test_no_offset_and_no_flip_is_the_image_itself():
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).view(2, 3, 4, 4)
    assert torch.equal(standard(images, torch.tensor([[4, 4, 0]] * 2)), images)


def test_what_happens_to_a_sample_does_not_depend_on_its_batch():
    images, labels = torch.randint(0, 256, (20, 1, 8, 8), dtype=torch.uint8), torch.arange(20)
    order = torch.randperm(20)

    def epoch(pieces, seed):
        found = batches(images, labels, order.tensor_split(pieces), augmentation_seed=seed, flip=True)
        return torch.cat([x for x, _ in found])

    assert torch.equal(epoch(1, 3), epoch(7, 3))
    assert not torch.equal(epoch(1, 3), epoch(1, 4))
    assert torch.equal(epoch(2, None), images[order])
