"""The figures of a report: each equals one computed from what was recorded, never from the log."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import report as benchmark
from benchmarks.report import KINDS, check, make, traffic
from benchmarks.report_measures import differences
from cascade import (
    ConfigError,
    Outcome,
    RecordedAnswer,
    Recording,
    Response,
    Trace,
    Usage,
    write_recordings,
)
from cascade.reports.figures import Report, Share, Spread, TierFigures
from cascade.reports.interval import Mean, difference, share_of
from cascade.reports.period import Period, instant_of
from cascade.reports.reading import report_of
from cascade.reports.tiers import Watched
from cascade.reports.times import MAX_SLOTS, slot_seconds
from gates import Status, Verdict
from tests.excerpts import excerpt
from tests.report_logs import START, call, failure, request, sample, skip, turn, written

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return lambda *traces: written(tmp_path, traces)


def made_up(folder: Path, seed: int) -> None:
    """Recordings of every kind, with answers of all the sorts that gates tell apart."""
    random = Random(seed)

    def answer() -> RecordedAnswer:
        said = {"answer": random.choice("AB"), "confidence": random.choice([0.5, 0.9, 1.0, None])}
        text = random.choice(["", json.dumps(said), json.dumps(said) + " and so on" * 80])
        usage = Usage(random.randrange(1, 500), random.randrange(1, 500))
        response = Response(text, "stop", usage=usage, cost=random.random())
        return RecordedAnswer(response)

    for kind in KINDS:
        rows = [
            Recording(
                str(n),
                ({"role": "user", "content": "?"},),
                {kind.cheap: answer(), kind.strong: answer()},
            )
            for n in range(60)
        ]
        write_recordings(folder / f"{kind.file}.jsonl.gz", rows)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_figure_is_that_of_the_recordings(tmp_path: Path, seed: int) -> None:
    made_up(tmp_path, seed)
    found = check(make(tmp_path / "audit.db", traffic(tmp_path, 700), seed))
    assert found.wrong == ()
    assert found.samples > 10
    assert found.figures > 10_000


def test_every_figure_is_that_of_the_shared_recordings(data: Path, tmp_path: Path) -> None:
    requests = 3000
    for kind in KINDS:
        excerpt(data, kind.file, tmp_path, lines=requests // len(KINDS))
    found = check(make(tmp_path / "audit.db", traffic(tmp_path, requests)))
    assert found.wrong == ()


def test_the_benchmark_tells_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_up(tmp_path, 1)
    assert benchmark.main([str(tmp_path), "--requests", "60", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["requests"], found["wrong"], found["met"]) == (1, 60, [], True)
    assert benchmark.main([str(tmp_path), "--requests", "60"]) == 0
    assert "figures compared, 0 wrong" in capsys.readouterr().out


def test_the_benchmark_tells_of_wrong_figures(capsys: pytest.CaptureFixture[str]) -> None:
    found = benchmark.Found(9, 1, 100, (".total.cost: 1, not 2",), 0.5, 0.5)
    assert not found.met
    benchmark.tell(found, as_json=False)
    assert ".total.cost: 1, not 2" in capsys.readouterr().out


def test_the_benchmark_says_where_it_looks_for_recordings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main([str(tmp_path)]) == 2
    assert "CASCADE_DATA" in capsys.readouterr().err


def test_a_wrong_figure_is_found() -> None:
    found = {"a": [1.0, {"b": 2}], "c": 3, "d": "x"}
    assert list(differences(found, {"a": [1.0, {"b": 2}], "c": 3})) == []
    wanted = {"a": [1.1, {"b": 3}], "c": [3], "d": 1.0}
    assert len(list(differences(found, wanted))) == 4


class TestAReport:
    def test_of_an_empty_log_has_nothing(self, write: Write) -> None:
        found = report_of(write())
        assert (found.total.requests, found.total.saving, found.first) == (0, None, None)
        assert (found.routes, found.groups, found.gates, found.advice) == ((), (), (), ())

    def test_of_no_log_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no audit log"):
            report_of(tmp_path / "none.db")

    def test_leaves_out_what_started_before_or_not_before_the_end(self, write: Write) -> None:
        log = write(*(request(n, turn("small")) for n in range(10)))
        found = report_of(log, Period(START + 120, START + 300))
        assert (found.total.requests, found.first, found.last) == (3, START + 120, START + 240)
        assert [call.calls for call in found.models] == [3]
        assert [gate.verdicts for gate in found.gates] == [3]

    def test_says_what_is_unpriced_and_compares_only_the_rest(self, write: Write) -> None:
        log = write(
            request(1, turn("small", 1.0), strongest=4.0),
            request(2, turn("small", None), strongest=4.0),
            request(3, turn("small", 2.0)),
        )
        total = report_of(log).total
        assert (total.cost, total.unpriced) == (3.0, 1)
        assert (total.compared, total.compared_cost, total.strongest_cost) == (1, 1.0, 4.0)
        assert (total.saving, total.saving_share) == (3.0, 0.75)

    def test_takes_rejected_drafts_and_samples_off_the_saving(self, write: Write) -> None:
        one = request(1, turn("small", 1.0), strongest=4.0)
        two = request(2, turn("small", 1.0, passed=False), turn("large", 4.0), strongest=4.0)
        total = report_of(write(one, two, sample(one, agrees=True, cost=4.0))).total
        assert (total.requests, total.samples, total.audit_cost) == (2, 1, 4.0)
        assert (total.cost, total.rejected_cost) == (6.0, 1.0)
        assert total.saving == 8.0 - 6.0 - 4.0

    def test_tells_what_finding_routes_cost(self, write: Write) -> None:
        found = replace(request(1, turn("small", 1.0)), routing=(call("tiny", 0.25),))
        report = report_of(write(found))
        assert (report.total.cost, report.total.routing_cost) == (1.25, 0.25)
        assert {each.model: each.cost for each in report.models} == {"small": 1.0, "tiny": 0.25}

    def test_times_the_first_text_of_streams_alone(self, write: Write) -> None:
        streams = [replace(request(n, turn("small")), first_text=n / 8) for n in range(1, 4)]
        found = report_of(write(*streams, request(9, turn("small"))))
        assert found.total.first_text == Spread(3, 0.25, 0.375, 0.375)
        assert found.total.seconds.count == 4

    def test_counts_requests_that_have_no_steps(self, write: Write) -> None:
        lost = replace(request(1), outcome=Outcome.CANCELLED)
        found = report_of(write(lost, request(2, turn("small"))))
        assert found.total.outcomes == {"cancelled": 1, "accepted": 1}
        assert [(part.tier, part.requests) for part in found.total.parts] == [
            ("small", 1),
            (None, 1),
        ]

    def test_names_the_errors_of_each_deployment(self, write: Write) -> None:
        failed = replace(turn("small"), attempts=(failure("a"), failure("a", "X"), call("small")))
        found = report_of(write(request(1, failed), request(2, failed)))
        assert {d.deployment: dict(d.errors) for d in found.deployments} == {
            "a": {"ServerFailed 500": 2, "X": 2},
            "small": {},
        }


class TestGroups:
    @pytest.mark.parametrize(
        ("by", "names"),
        [
            pytest.param("route", ["r", "q"], id="route"),
            pytest.param("model", ["small", "large"], id="model"),
            pytest.param("day", ["2026-09-21", "2026-09-22"], id="day"),
            pytest.param("tag:team", ["red", None], id="tag"),
        ],
    )
    def test_have_their_names(self, write: Write, by: str, names: list[str | None]) -> None:
        log = write(
            request(1, turn("small"), team="red"),
            request(2, turn("small"), team="red"),
            request(1440, turn("large", passed=None), route="q"),
        )
        groups = report_of(log, by=by).groups
        assert [(group.name, group.requests) for group in groups] == list(
            zip(names, (2, 1), strict=True)
        )

    def test_of_models_have_the_samples_of_their_answers(self, write: Write) -> None:
        one, gone = request(1, turn("small"), team="red"), request(2, turn("small"))
        log = write(one, sample(one, agrees=True), sample(gone, agrees=True))
        named = {group.name: group.samples for group in report_of(log, by="model").groups}
        assert named == {"small": 1, None: 1}
        named = {group.name: group.samples for group in report_of(log, by="tag:team").groups}
        assert named == {"red": 1, None: 1}

    @pytest.mark.parametrize("by", ["tier", "tag", "tag:", "day:x", ""])
    def test_of_other_kinds_are_refused(self, tmp_path: Path, by: str) -> None:
        with pytest.raises(ValueError, match="route, model, day or tag:NAME"):
            report_of(tmp_path / "none.db", by=by)


def tier_of(report: Report, name: str) -> TierFigures:
    (route,) = report.routes
    return next(tier for tier in route.tiers if tier.tier == name)


class TestTiers:
    def test_are_in_the_order_in_which_they_are_mostly_walked(self, write: Write) -> None:
        forth = [turn("a", passed=False), turn("b", passed=False), turn("c", passed=None)]
        resort = [skip("a"), turn("b", passed=False), turn("a", phase=None)]
        log = write(request(1, *forth), request(2, *forth), request(3, *resort))
        assert [tier.tier for tier in report_of(log).tiers] == ["a", "b", "c"]

    def test_have_an_order_even_where_they_are_walked_in_a_circle(self, write: Write) -> None:
        circle = [("a", "b"), ("b", "c"), ("c", "a")]
        log = write(
            *(
                request(n, turn(one, passed=False), turn(other, passed=None))
                for n, (one, other) in enumerate(circle)
            )
        )
        assert sorted(tier.tier for tier in report_of(log).tiers) == ["a", "b", "c"]

    def test_have_the_break_evens_of_the_accepted_requests(self, write: Write) -> None:
        log = write(
            request(1, turn("small", 1.0, seconds=1.0)),
            request(
                2, turn("small", 3.0, passed=False, seconds=3.0), turn("large", 8.0, passed=None)
            ),
            request(3, skip("small"), turn("large", 12.0, passed=None, seconds=9.5)),
            request(4, turn("small", 50.0, passed=False), turn("large", 60.0, passed=False)),
        )
        small = tier_of(report_of(log), "small")
        assert small.cost_break_even == pytest.approx(1 - 2 / 10)
        assert small.latency_break_even == pytest.approx(1 - 2 / 5)
        assert small.onward_cost == pytest.approx(10)
        assert (small.turns, small.skipped, small.fallback.hits) == (3, 1, 2)

    def test_leave_out_of_them_what_is_unpriced_or_came_twice(self, write: Write) -> None:
        log = write(
            request(1, turn("small", None, passed=False), turn("large", 8.0, passed=None)),
            request(2, turn("small", 2.0, passed=False), turn("large", None, passed=None)),
            request(3, skip("small"), turn("large", 5.0, passed=False), turn("small", 7.0)),
        )
        small = tier_of(report_of(log), "small")
        assert small.cost_break_even == 1 - 2.0 / 8.0
        assert (small.turn_cost, small.unpriced) == (4.5, 1)

    @pytest.mark.parametrize(
        ("watched", "threshold", "source"),
        [
            pytest.param(None, 0.4, "default", id="no settings"),
            pytest.param(Watched(0.25), 0.25, "settings", id="a number"),
            pytest.param(Watched("auto"), 0.75, "auto", id="auto"),
            pytest.param(Watched("auto", latency_objective=True), 0.5, "auto", id="with latency"),
        ],
    )
    def test_have_the_threshold_that_the_settings_say(
        self, write: Write, watched: Watched | None, threshold: float, source: str
    ) -> None:
        log = write(
            request(1, turn("small", 1.0, passed=False), turn("large", 4.0, passed=None, seconds=1))
        )
        found = report_of(log, watching=lambda route: watched if route == "r" else None)
        small, large = (tier_of(found, name) for name in ("small", "large"))
        assert (small.threshold, small.threshold_from) == (threshold, source)
        assert (large.threshold, large.threshold_from, large.monitored) == (None, None, False)

    @pytest.mark.parametrize(
        ("cost", "threshold"),
        [pytest.param(4.2, 0.05, id="low"), pytest.param(0.1, 0.9, id="high")],
    )
    def test_keep_an_automatic_threshold_in_its_range(
        self, write: Write, cost: float, threshold: float
    ) -> None:
        log = write(request(1, turn("small", cost, passed=False), turn("large", 4.0, passed=None)))
        found = report_of(log, watching=lambda _: Watched("auto"))
        assert tier_of(found, "small").threshold == threshold

    def test_have_the_default_threshold_while_costs_are_unknown(self, write: Write) -> None:
        found = report_of(write(request(1, turn("small"))), watching=lambda _: Watched("auto"))
        assert tier_of(found, "small").threshold == 0.4

    def test_have_samples_that_never_got_an_answer(self, write: Write) -> None:
        one = request(1, turn("small"))
        cut = replace(sample(one, None), steps=(), outcome=Outcome.CANCELLED)
        found = report_of(write(one, cut))
        assert (found.total.samples, tier_of(found, "small").false_accepts.total) == (1, 0)

    def test_count_what_samples_contradict(self, write: Write) -> None:
        asked = [request(n, turn("small")) for n in range(5)]
        answers = [True, False, False, None]
        samples = [sample(one, agrees) for one, agrees in zip(asked, answers, strict=False)]
        false = tier_of(report_of(write(*asked, *samples)), "small").false_accepts
        assert (false.hits, false.total) == (2, 3)


class TestGates:
    @staticmethod
    def judged(number: int, verdict: Verdict) -> Trace:
        step = turn("small", passed=verdict.passed)
        return request(number, replace(step, verdict=verdict))

    def test_that_combine_others_are_left_out_and_the_first_to_object_is_named(
        self, write: Write
    ) -> None:
        good, bad = Verdict(Status.PASS, "A"), Verdict(Status.FAIL, "B", reason="no")
        unsure = Verdict(Status.ABSTAIN, "A", reason="?")
        log = write(
            self.judged(1, Verdict(Status.PASS, "AllOf", parts=(good,))),
            self.judged(2, Verdict(Status.FAIL, "AllOf", parts=(good, bad))),
            self.judged(3, Verdict(Status.ABSTAIN, "AllOf", parts=(unsure, good))),
            self.judged(4, Verdict(Status.FAIL, "AllOf", parts=(unsure, bad))),
        )
        found = report_of(log).gates
        assert [(g.gate, g.verdicts, g.turned_down, g.failed, g.abstained) for g in found] == [
            ("B", 2, 2, 2, 0),
            ("A", 5, 1, 0, 2),
        ]
        assert found[0].reasons == {"no": 2}

    def test_that_turn_another_round_stand_for_it(self, write: Write) -> None:
        def turned(status: Status) -> Verdict:
            return Verdict(~status, "Not", reason="turned", parts=(Verdict(status, "A"),))

        statuses = (Status.PASS, Status.FAIL, Status.ABSTAIN)
        log = write(*(self.judged(n, turned(each)) for n, each in enumerate(statuses)))
        (found,) = report_of(log).gates
        counts = (found.gate, found.verdicts, found.turned_down, found.failed, found.abstained)
        assert counts == ("Not", 3, 2, 1, 1)

    def test_of_samples_are_none(self, write: Write) -> None:
        one = request(1, turn("small"))
        other = replace(sample(one, agrees=True), steps=(turn("large", gate="Other"),))
        assert [gate.gate for gate in report_of(write(one, other)).gates] == ["Gate"]


class TestHistory:
    def test_tells_of_each_phase_from_when_until_when_and_how_it_went(self, write: Write) -> None:
        large = turn("large", passed=None)
        probing = skip("small", "probing: 70% of 20 answers not accepted")
        log = write(
            *(request(n, turn("small", passed=False), large) for n in range(3)),
            *(request(n, skip("small"), large) for n in range(3, 5)),
            request(5, probing, large),
            request(6, turn("small", phase="probing")),
        )
        spans = report_of(log).history
        assert [(span.phase, span.requests, span.fallback.hits) for span in spans] == [
            ("cascading", 3, 3),
            ("bypassed", 2, 0),
            ("probing", 2, 0),
        ]
        at = [START + 60 * n for n in (0, 3, 5, 6)]
        assert [(span.since, span.until) for span in spans] == list(pairwise(at))
        assert tier_of(report_of(log), "small").phase == "probing"

    def test_goes_by_when_a_turn_began(self, write: Write) -> None:
        slow = turn("a", passed=False, seconds=100.0)
        log = write(
            request(0, slow, turn("b", phase="bypassed")),
            request(1, replace(slow, seconds=1.0), turn("b")),
        )
        spans = [span for span in report_of(log).history if span.tier == "b"]
        assert [(span.phase, span.since - START) for span in spans] == [
            ("cascading", 61.0),
            ("bypassed", 100.0),
        ]

    def test_knows_nothing_of_skips_that_are_not_the_monitors(self, write: Write) -> None:
        log = write(request(1, skip("small", "it lacks tools"), turn("large", passed=None)))
        assert report_of(log).history == ()
        assert not tier_of(report_of(log), "small").monitored


def test_only_the_largest_routes_are_shown_over_time(write: Write) -> None:
    log = write(*(request(n, turn("small"), route=f"r{n % 25:02}") for n in range(26)))
    found = report_of(log)
    assert [timeline.route for timeline in found.timelines[:3]] == [None, "r00", "r01"]
    assert (len(found.timelines), len(found.routes)) == (21, 25)
    assert sum(slot.requests for slot in found.timelines[0].slots) == 26


def test_a_report_is_plain_json(write: Write) -> None:
    one = request(1, turn("small", passed=False), turn("large", passed=None), strongest=4.0)
    found = json.loads(json.dumps(report_of(write(one)).to_dict(), allow_nan=False))
    assert found["version"] == 1
    assert found["routes"][0]["tiers"][0]["fallback"]["share"] == 1.0


durations = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


@given(durations)
def test_a_quantile_is_the_smallest_value_that_enough_do_not_exceed(values: list[float]) -> None:
    found = Spread.of(values)
    for share, value in ((0.5, found.p50), (0.95, found.p95), (0.99, found.p99)):
        assert value is not None
        assert sum(v <= value for v in values) >= share * len(values)
        assert sum(v < value for v in values) < share * len(values)


def test_nothing_has_no_quantiles() -> None:
    assert Spread.of([]) == Spread(0, None, None, None)


counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_an_interval_holds_its_share_and_a_surer_one_is_wider(pair: tuple[int, int]) -> None:
    found, wider = share_of(*pair), share_of(*pair, 2.6)
    assert found.share is not None
    assert 0 <= wider.low <= found.low <= found.share + 1e-12
    assert found.share - 1e-12 <= found.high <= wider.high <= 1


@given(counts, counts)
def test_a_difference_turned_round_changes_its_sign(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    first, second = share_of(*one), share_of(*other)
    assert difference(first, second) == pytest.approx(-difference(second, first))


def test_a_share_of_nothing_is_unknown_and_differs_from_none() -> None:
    nothing = share_of(0, 0)
    assert nothing == Share(0, 0, None, 0.0, 1.0)
    assert difference(nothing, share_of(1, 2)) == 0
    assert difference(share_of(0, 9), share_of(0, 9)) == 0


@given(st.lists(st.floats(-100, 100), max_size=30), st.lists(st.floats(-100, 100), max_size=30))
def test_means_taken_apart_and_merged_are_those_of_all(
    one: list[float], other: list[float]
) -> None:
    apart, rest, whole = Mean(), Mean(), Mean()
    for mean, values in ((apart, one), (rest, other), (whole, one + other)):
        for value in values:
            mean.add(value)
    apart.merge(rest)
    assert apart.count == whole.count
    assert apart.mean == pytest.approx(whole.mean, abs=1e-9)
    assert apart.error == pytest.approx(whole.error, abs=1e-6)


def test_a_mean_of_few_values_is_as_uncertain_as_can_be() -> None:
    assert Mean().known is None
    one = Mean()
    one.add(3.0)
    assert (one.known, one.low, one.high) == (3.0, -math.inf, math.inf)


@given(st.floats(0, 2e9), st.floats(0, 2e9))
def test_slots_are_at_most_96(first: float, length: float) -> None:
    width, last = slot_seconds(first, first + length), first + length
    assert last // width - first // width + 1 <= MAX_SLOTS


NOW = START


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("90m", -5400, id="minutes"),
        pytest.param("24h", -86_400, id="hours"),
        pytest.param("7d", -604_800, id="days"),
        pytest.param("1w", -604_800, id="weeks"),
        pytest.param("2026-09-21", -51_200, id="a day"),
        pytest.param("2026-09-21T14:13:20", 0, id="a time"),
        pytest.param("2026-09-21T16:13:20+02:00", 0, id="a time elsewhere"),
    ],
)
def test_instants_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert instant_of(text, NOW) - NOW == seconds


@pytest.mark.parametrize("text", ["", "7", "7y", "yesterday", "2026-13-01", "-7d"])
def test_what_is_no_instant_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="give an age"):
        instant_of(text, NOW)


def test_a_period_does_not_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="--since"):
        Period(2.0, 1.0)
