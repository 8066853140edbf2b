"""How cells become the groups that have a trend and a limit each."""

from pathlib import Path

from skipray.spec import Group, load_sweep

SWEEPS = Path(__file__).parents[2] / "sweeps"


def test_a_family_that_lacks_a_factor_is_a_group_without_it():
    sweep = load_sweep(SWEEPS / "cardinality.yaml")
    assert Group("resnext", (("cardinality", 2), ("group_width", 38))) in sweep.groups
    assert [g for g in sweep.groups if g.architecture == "resnet"] == [Group("resnet")]
    assert all(isinstance(value, int) for group in sweep.groups for _, value in group.factors)


def test_a_shipped_sweeps_families_are_not_split_by_what_they_lack():
    imagenet = load_sweep(SWEEPS / "paper-imagenet.yaml")
    assert imagenet.groups == (Group("plainnet"), Group("resnet"), Group("resnext", (("group_width", 4),)))
    controls = load_sweep(SWEEPS / "controls.yaml")
    plain = [g.label for g in controls.groups if g.architecture == "plainnet"]
    assert plain == [f"plainnet normalization={n}" for n in ("batch", "layer", "none")]
    assert "resnet normalization=batch residual_scale=1" in [g.label for g in controls.groups]
