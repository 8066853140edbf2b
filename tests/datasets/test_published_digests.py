"""Our own copies of published digests, held against torchvision's."""

import hashlib

import pytest
import torchvision
from torchvision.datasets.imagenet import ARCHIVE_META

from skipray.datasets import cifar10, cifar100, imagenet, svhn

TV = torchvision.datasets


@pytest.mark.parametrize(
    ("module", "published"),
    [
        (cifar10, dict(TV.CIFAR10.train_list + TV.CIFAR10.test_list)),
        (cifar100, dict(TV.CIFAR100.train_list + TV.CIFAR100.test_list)),
        (svhn, {file: md5 for _, file, md5 in (TV.SVHN.split_list[s] for s in ("train", "test"))}),
        (imagenet, dict(ARCHIVE_META[part] for part in ("train", "val"))),
    ],
)
def test_digests_and_the_fingerprint_that_follows_from_them(module, published):
    assert published == module.MD5S
    lines = "\n".join(sorted(published.values())) + "\n"
    assert hashlib.sha256(lines.encode()).hexdigest() == module.FINGERPRINT
