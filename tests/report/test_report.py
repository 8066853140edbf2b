"""The report's files: what is in them, at any state of a sweep, whatever the names in it."""

import html.parser
import itertools
import json
import re
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from importlib import resources

import numpy as np
import pandas as pd
import pytest

from skipray.analysis.limits import LimitTable
from skipray.report import sweep_answer, write
from skipray.report.page import prose
from skipray.results import document
from skipray.results.judged import aggregate_result
from skipray.spec import Group
from skipray.tracking import Address
from skipray.trends import fit_depth_trend


class Reader(html.parser.HTMLParser):
    """Text, tags and scripts of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style", "h1", "h2", "caption"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def words(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.text))


LIBRARY = resources.files("skipray.report").joinpath("templates", "vega-embed.js").read_text("utf-8")


def traces_of(panels: dict) -> dict[str, set[str]]:
    """Names of the traces of each panel."""
    return {place: {name for name, *_ in spec["usermeta"]["traces"]} for place, spec in panels.items()}


@pytest.fixture(scope="module")
def written(whole, tmp_path_factory):
    return write(whole, tmp_path_factory.mktemp("report") / "new" / "folder")


@pytest.fixture(scope="module")
def page(written):
    return written.html.read_text(encoding="utf-8")


def test_question_answer_claims_and_main_figure_come_first_in_this_order(page, whole):
    places = [
        page.index(mark)
        for mark in ("<h1", 'class="answer"', 'id="claims"', 'id="accuracy-by-depth"', 'id="coverage"', 'id="fits"')
    ]
    assert places == sorted(places)
    words = Reader(page).words()
    limit = next(lim for group, lim in whole.limits if group.architecture == "plainnet")
    definition = "A network fits its training set with a train accuracy of at least 0.5"
    answer = words.partition(f"Half of the seeds no longer fit at depth {limit.depth:.0f}")[2]
    rest = answer.partition("at 110, the deepest tried, 3 of 3 seeds of ResNet and 3 of 3 seeds of ResNeXt still fit. ")
    assert rest[2].startswith(definition), "the answer opens the page, and what it is a limit of comes next"
    assert "A network learns anything with a train accuracy of at least 0.19" in words
    assert "A network keeps up with a train accuracy less than 0.05 below the best of its twins" in words
    for claim in whole.claims:
        for said in (claim.sentence, claim.statement):
            assert Reader(prose(said)).words().strip() in words, claim.id


def test_the_page_asks_nothing_of_the_network_and_is_light(written, page):
    reader = Reader(page)
    for tag, attributes in reader.tags:
        for name in ("src", "href", "action", "poster", "data"):
            value = attributes.get(name)
            assert not value or not re.match(r"(?i)(https?:)?//", value), (tag, value)
    assert "@import" not in page
    own = page.replace(LIBRARY, "")
    assert len(own) == len(page) - len(LIBRARY), "the drawing library stands in the page once, unchanged"
    assert own.count("url(") == 0
    policy = next(a["content"] for t, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert written.html.stat().st_size < len(LIBRARY.encode()) + 900_000


def test_links_lead_to_files_and_places_that_exist(written, page):
    reader = Reader(page)
    ids = [a["id"] for _, a in reader.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    for tag, attributes in reader.tags:
        target = attributes.get("href") or ""
        if tag != "a":
            continue
        if target.startswith("#"):
            assert target[1:] in ids
        else:
            assert (written.html.parent / target).is_file(), target
    for _, attributes in reader.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(name) is None or attributes[name] in ids


def test_readable_by_a_screen_reader(page):
    reader = Reader(page)
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("h1") == 1
    assert tags.count("main") == 1
    assert tags.count("table") == tags.count("caption")
    assert all(a.get("scope") in ("row", "col") for t, a in reader.tags if t == "th")
    drawings = [a for _, a in reader.tags if a.get("class") == "plot"]
    assert len(drawings) > 10
    assert all(a.get("role") == "img" and a.get("aria-label") for a in drawings)
    levels = [int(t[1]) for t in tags if re.fullmatch("h[1-6]", t)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), "no level is skipped"


def test_every_figure_of_the_paper_is_drawn_with_its_data(written):
    names = {p.stem for p in written.figures}
    assert names == {
        "accuracy-by-depth",
        "limits",
        "condition-by-depth",
        "rank-by-depth",
        "predictions-at-initialisation",
        "condition-by-layer",
        "condition-by-layer-and-depth",
        "training-by-epoch",
        "activations-by-value",
        "weights-by-value",
        "spread-by-layer",
        "singularity-generalization",
    }
    assert {p.stem for p in written.data} == names
    for path in written.figures:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        else:
            assert path.read_bytes().startswith(b"%PDF-")
    assert len(written.figures) == 2 * len(names)
    assert all(path.is_file() for path in written.all())


def test_the_data_behind_a_figure_are_the_trials(written, whole):
    frame = pd.read_csv(next(p for p in written.data if p.stem == "accuracy-by-depth"))
    rows = frame[(frame["kind"] == "trial") & (frame["metric"] == "train.accuracy")]
    merged = rows.merge(whole.trials, on=["architecture", "depth", "seed"])
    assert len(rows) == len(merged) == 54
    np.testing.assert_allclose(merged["value"], merged["train.accuracy"])
    profile = pd.read_csv(next(p for p in written.data if p.stem == "condition-by-layer"))
    layers = whole.layers.merge(whole.trials[["trial_id", "architecture", "depth"]], on="trial_id")
    at = (layers["architecture"] == "resnet") & (layers["depth"] == 38) & (layers["layer_index"] == 7)
    at &= (layers["tensor"] == "hidden") & (layers["statistic"] == "log10_condition") & (layers["epoch"] == 6)
    mine = profile[
        (profile["architecture"] == "resnet")
        & (profile["depth"] == 38)
        & (profile["layer_index"] == 7)
        & (profile["tensor"] == "hidden")
        & (profile["stage"] == "end")
    ]
    assert mine["value"].tolist() == pytest.approx([float(np.median(layers[at]["value"]))])
    assert mine["seeds"].tolist() == [3]


def test_trends_and_claims_files(written, whole):
    trends = pd.read_parquet(written.trends)
    assert len(trends) == len(whole.series)
    row = trends[(trends["metric"] == "train.accuracy") & (trends["architecture"] == "plainnet")].iloc[0]
    truth = next(s for s in whole.series if s.metric == "train.accuracy" and s.group.architecture == "plainnet")
    assert row["curve"] == truth.trend.curve == "logistic"
    assert json.loads(row["parameters"])["midpoint"] == list(truth.trend.parameters["midpoint"])
    assert row["limit_censored"] == "none"
    assert row["limit_low"] < row["limit_depth"] < row["limit_high"]
    told = json.loads(written.claims.read_text(), parse_constant=lambda c: pytest.fail(f"{c} is not JSON"))
    assert [c["id"] for c in told["claims"]] == [c.id for c in whole.claims]
    assert told["trials"] == 54
    assert {g["architecture"]: g["censored"] for g in told["limits"]}["resnet"] == "above"


def test_the_same_input_gives_the_same_bytes(written, whole, tmp_path, bands):
    bands.clear()
    again = write(whole, tmp_path)
    for first, second in zip(written.all(), again.all(), strict=True):
        one, other = first.read_bytes(), second.read_bytes()
        if first.suffix == ".pdf":  # whose objects, fonts say, the converter numbers in an order that changes by chance
            one, other = (b"\n".join(sorted(re.sub(rb"\d", b"", pdf).splitlines())) for pdf in (one, other))
        assert one == other, first.name


def test_censored_values_are_marked(written, page, drawings):
    places = drawings(page)["condition-by-depth-0"]
    bounds = [row for layer in places["layer"] for row in layer["data"]["values"] if row.get("b") == 1]
    assert len(bounds) >= 3
    assert "Hollow arrowheads" in page
    frame = pd.read_csv(next(p for p in written.data if p.stem == "condition-by-depth"))
    assert set(frame["censored"].dropna()) == {0, 1}


def test_open_ends_of_intervals_are_drawn_and_written(whole, tmp_path):
    """A level beyond the bound of censored values has no upper limit: null in JSON, which has no infinity."""
    depth, seed = np.repeat([8.0, 20.0, 38.0, 56.0, 74.0, 110.0], 3), np.tile(np.arange(3), 6)
    value = 7 / (1 + (depth / 60) ** -4) + 0.1 * np.random.default_rng(1).standard_normal(18)
    signs, cut = (value > 3).astype(int), np.minimum(value, 3.0)
    trend = fit_depth_trend(depth, cut, censored=signs, seed=seed, curves=["logistic"], resamples=50)
    assert trend.parameters["midpoint"][2] == np.inf
    rows = {"depth": depth.astype(int), "value": cut, "seed": seed, "censored": signs}
    open_ended = replace(whole.series[0], trend=trend, **{k: tuple(v.tolist()) for k, v in rows.items()})
    aggregate = replace(whole, series=(open_ended,))
    files = write(aggregate, tmp_path)
    assert "∞" in Reader(files.html.read_text(encoding="utf-8")).words()
    told = json.loads(json.dumps(document("aggregate", aggregate_result(aggregate)), allow_nan=False))
    assert told["trends"][0]["parameters"]["midpoint"][2] is None
    saved = json.loads(pd.read_parquet(files.trends)["parameters"][0], parse_constant=pytest.fail)
    assert saved["midpoint"][2] is None


def test_no_finished_trial(load, make, tmp_path):
    files = write(make(load(), share=0.0), tmp_path)
    words = Reader(files.html.read_text(encoding="utf-8")).words()
    assert "none of the 54 trials has finished" in words
    assert "54 missing" in words
    assert files.figures == ()
    assert pd.read_parquet(files.trends).empty
    assert json.loads(files.claims.read_text())["claims"] == []


def test_a_partial_sweep_says_so(load, make, tmp_path):
    # Two families are whole, of the third five trials of the two shallowest depths: too few depths, empty panels.
    partial = make(load(), share=41 / 54)
    files = write(partial, tmp_path)
    words = Reader(files.html.read_text(encoding="utf-8")).words()
    # The answer, and the caption of each table: limits, accuracies, costs, claims, comparisons, fits.
    assert words.count("Preliminary, from 41 of 54 trials.") >= 7
    assert "13 missing" in words
    assert "13 of 54 trials are not in these results (13 missing)." in words
    assert " (2 of 3)" in words, "a mean of some seeds"
    told = json.loads(files.claims.read_text())
    assert (told["trials"], told["trials_planned"]) == (41, 54)
    answer = sweep_answer(partial, Address("sqlite://", "1", "x", ""))
    assert "Preliminary, from 41 of 54 trials. PlainNet:" in answer.headline
    tags = {key: text for key, text in answer.tags.items() if text != "not tested"}
    assert all(text.endswith("(41 of 54 trials)") for text in tags.values())
    assert "too few depths" in words


def test_one_trial_alone(load, make, tmp_path):
    files = write(make(load(), share=1 / 54), tmp_path)
    assert "Preliminary, from 1 of 54 trials." in Reader(files.html.read_text(encoding="utf-8")).words()


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \"quoted\" 'single' $x_1$ {{ 7*7 }} \a"


def test_names_stay_text(load, make, tmp_path, drawings):
    aggregate = make(load(("How deep can each of them go?", json.dumps(HOSTILE))), layered=False)
    trials = aggregate.trials.assign(**{"environment.device_name": HOSTILE})
    evil = Group(f"module:{HOSTILE}", (("normalization", "<b>batch</b>"),))
    series = tuple(type(s)(**{**s.__dict__, "group": evil}) for s in aggregate.series[:1])
    first = aggregate.limit_tables[0]
    told = type(aggregate)(
        **{
            **aggregate.__dict__,
            "trials": trials,
            "series": (*aggregate.series, *series),
            "limit_tables": (LimitTable(first.definition, (*first.of_groups, (evil, first.of_groups[0][1]))),),
            "audit": (HOSTILE,),
            "provenance": {HOSTILE: HOSTILE},
        }
    )
    files = write(told, tmp_path)
    page = files.html.read_text(encoding="utf-8")
    reader = Reader(page)
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("script") == 3, "the drawings, the library and the page's own script"
    assert "img" not in tags
    assert "b" not in [t for t, a in reader.tags if a.get("onerror")]
    assert not any(name.startswith("on") for _, a in reader.tags for name in a)
    assert HOSTILE.replace("\a", "\ufffd") in "".join(reader.text)
    data = page.split('id="drawings">')[1].split("</script>")[0]
    assert "<" not in data
    assert any("alert" in name for names in traces_of(drawings(page)).values() for name in names)
    for path in files.figures:
        if path.suffix == ".svg":
            tree = ElementTree.parse(path)
            assert not [e for e in tree.iter() if e.tag.endswith("script")]
    assert "alert(2)" in (tmp_path / "figures" / "accuracy-by-depth.svg").read_text(encoding="utf-8")


def test_many_combinations_of_factors_stay_readable(load, make, tmp_path):
    sweep = load(
        ("normalization: [batch]", "normalization: [batch, layer, none]\n  activation: [relu, tanh]"),
        ("  activation: relu\n", ""),
        ("  initialisation: he_normal\n", ""),
        ("depth: [8, 20, 38, 56, 74, 110]", "depth: [8, 20, 56]\n  initialisation: [he_normal]\n  width: [32, 64]"),
        ("  width: 64\n", ""),
    )
    aggregate = make(sweep, layered=False)
    assert len(aggregate.limits) == 36
    files = write(aggregate, tmp_path)
    page = files.html.read_text(encoding="utf-8")
    assert files.html.stat().st_size < len(LIBRARY.encode()) + 1_500_000
    assert "combinations of factors are drawn" in page
    for name in ("accuracy-by-depth", "condition-by-depth"):
        assert 1 < len(re.findall(f'class="plot" id="{name}-', page)) <= 9
    assert "width 32" in page
    assert "initialisation he_normal" not in Reader(page).words(), "a factor of one value distinguishes nothing"
    frame = pd.read_csv(tmp_path / "data" / "accuracy-by-depth.csv")
    assert frame.groupby(["architecture", "normalization", "activation", "width"]).ngroups == 36


def test_a_family_without_a_factor_is_drawn_beside_those_that_have_it(load, make, tmp_path, drawings):
    aggregate = make(load(("normalization: [batch]", "normalization: [batch, layer]")), layered=False)

    def bare(group):
        return Group("plainnet") if group.architecture == "plainnet" else group

    dropped = Group("plainnet", (("normalization", "layer"),))
    keep = [s for s in aggregate.series if s.group != dropped]
    series = tuple(type(s)(**{**s.__dict__, "group": bare(s.group)}) for s in keep)
    limits = tuple((bare(g), lim) for g, lim in aggregate.limits if g != dropped)
    table = LimitTable(aggregate.limit_tables[0].definition, limits)
    files = write(replace(aggregate, series=series, limit_tables=(table,)), tmp_path)
    drawn = traces_of(drawings(files.html.read_text(encoding="utf-8")))
    for place in (0, 1):  # with batch, then with layer normalization
        assert drawn[f"accuracy-by-depth-{place}"] >= {"PlainNet", "ResNet", "ResNeXt"}


def test_a_thousand_times_as_many_points_take_seconds(whole, tmp_path):
    """10,000 trials: of 185 seeds per cell, which no sweep has in a picture's worth."""
    parts = []
    for i in range(185):
        parts.append(
            whole.trials.assign(trial_id=whole.trials["trial_id"] + f"-{i}", seed=whole.trials["seed"] + 3 * i)
        )
    trials = pd.concat(parts, ignore_index=True)
    assert len(trials) == 9990
    histories = pd.concat(
        [whole.histories.assign(trial_id=whole.histories["trial_id"] + f"-{i}") for i in range(185)], ignore_index=True
    )
    groups = {f"{trial_id}-{i}": group for trial_id, group in whole.groups.items() for i in range(185)}
    series = tuple(
        type(s)(**{**s.__dict__, **{k: getattr(s, k) * 185 for k in ("depth", "value", "seed", "censored")}})
        for s in whole.series
    )
    started = time.process_time()
    files = write(replace(whole, trials=trials, groups=groups, histories=histories, series=series), tmp_path)
    assert time.process_time() - started < 20, "about 5 s on a quiet core"
    assert files.html.stat().st_size < len(LIBRARY.encode()) + 1_500_000


def test_sentences_have_code_and_minus_signs_and_names_stay_text():
    assert prose("tau -0.7 (a-1): run `--set a=-1`.") == "tau −0.7 (a-1): run <code>--set a=-1</code>."
    assert prose("<b> `<i>` of `") == "&lt;b&gt; `&lt;i&gt;` of `"
    assert prose("`<i>`") == "<code>&lt;i&gt;</code>"
