"""Advice: right where the figures are reliable, silent where they are not or are too few."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.report_walks import letter
from cascade import (
    AuditSampling,
    Cascade,
    Deployment,
    MonitorSettings,
    RecordedAnswer,
    Recording,
    Request,
    Response,
    Scripted,
    Step,
    Tier,
    Trace,
    read_recordings,
)
from cascade.policy.monitor_types import DEFAULT_THRESHOLD
from cascade.policy.tuned_range import Expected
from cascade.reports.advice import CODES
from cascade.reports.evidence import (
    MIN_EVENTS,
    MIN_PAIRS,
    MIN_REQUESTS,
    MIN_SAMPLES,
    MIN_VERDICTS,
)
from cascade.reports.figures import Advice
from cascade.reports.reading import report_of, unknown
from cascade.reports.tiers import Watched
from cascade.simulation import simulate
from cascade.sinks.sqlite import AuditLog
from cascade.types import Price
from gates import AtLeast, GateLike, NotEmpty, StatedConfidence
from tests.excerpts import excerpt
from tests.report_logs import request, sample, skip, turn, written

Told = Callable[..., list[Advice]]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """The advice on a log of these traces, each time another one."""

    def advice(
        traces: Iterable[Trace],
        threshold: float | None = None,
        expected: Expected | None = None,
    ) -> list[Advice]:
        given = {} if expected is None else {"small": expected}
        watched = Watched(DEFAULT_THRESHOLD if threshold is None else threshold, expected=given)
        watching = unknown if threshold is None and expected is None else lambda _: watched
        with TemporaryDirectory(dir=tmp_path) as folder:
            return list(report_of(written(Path(folder), traces), watching=watching).advice)

    return advice


def codes(advice: Sequence[Advice]) -> list[str]:
    return [each.code for each in advice]


def walk(number: int, passed: bool, cheap: float = 1.0, dear: float | None = 4.0) -> Trace:
    """A request that goes on to the large tier unless the small one's answer passes."""
    if passed:
        return request(number, turn("small", cheap))
    return request(number, turn("small", cheap, passed=False), turn("large", dear, passed=None))


def mixed(count: int, every: int, cheap: float = 1.0, dear: float = 4.0) -> list[Trace]:
    """Of `every` requests one is not accepted by the small tier."""
    return [walk(n, n % every != 0, cheap, dear) for n in range(count)]


def sampled(count: int, contradicted: int, cost: float = 4.0) -> list[Trace]:
    """Accepted answers, each with a sample, so many of which say otherwise."""
    asked = [walk(n, passed=True) for n in range(count)]
    return asked + [sample(one, n >= contradicted, cost) for n, one in enumerate(asked)]


def bypassed(count: int, events: int = 40, hits: int = 36, dear: float | None = 4.0) -> list[Trace]:
    """Few answers are judged, most of them not accepted, and the other requests bypass the tier."""
    judged = [walk(n, n >= hits, dear=dear) for n in range(events)]
    past = (skip("small"), turn("large", dear, passed=None))
    return judged + [request(n, *past) for n in range(events, count)]


def priced(count: int, strongest: float) -> list[Trace]:
    return [request(n, turn("small", 1.0), strongest=strongest) for n in range(count)]


def drifting(before: int, lately: int, count: int = 4 * MIN_EVENTS) -> list[Trace]:
    """So many of a hundred answers are not accepted before, and in the last quarter."""
    return [
        walk(n, n * 37 % 100 >= (before if n < count * 3 // 4 else lately)) for n in range(count)
    ]


def rejecting(count: int, every: int = 1, dear: float = 4.0) -> list[Trace]:
    """The small tier's answers are not accepted, nor is one of `every` of the large one's."""
    first = turn("small", 1.0, passed=False)
    return [
        request(n, first, turn("large", dear, passed=n % every > 0, phase=None))
        for n in range(count)
    ]


def passing(count: int) -> list[Trace]:
    return [walk(n, passed=True) for n in range(count)]


class TestAdvice:
    @pytest.mark.parametrize(
        ("traces", "code", "tier", "subject"),
        [
            pytest.param(
                mixed(2 * MIN_PAIRS, 2, cheap=3.0, dear=1.0),
                "inverted", "small", "large", id="a lower tier is dearer on both's requests",
            ),
            pytest.param(
                sampled(MIN_PAIRS, 0, cost=0.5),
                "inverted", "small", "large", id="a lower tier is dearer than samples",
            ),
            pytest.param(
                priced(MIN_EVENTS, 0.25),
                "inverted", "small", "the strongest tier", id="a lower tier is dearer by prices",
            ),
            pytest.param(
                mixed(MIN_EVENTS, 1, cheap=1.0),
                "move-up", "small", "large", id="asking first does not pay",
            ),
            pytest.param(
                bypassed(MIN_REQUESTS),
                "move-up", "small", "large", id="the monitor bypasses a tier",
            ),
            pytest.param(
                sampled(2 * MIN_EVENTS, 2),
                "overkill", "small", "large", id="a tier needs none above it",
            ),
            pytest.param(
                rejecting(MIN_EVENTS + 10),
                "overkill", "small", "large", id="the tier above does not help",
            ),
            pytest.param(
                sampled(MIN_SAMPLES, 25),
                "false-accepts", "small", "small", id="samples contradict",
            ),
            pytest.param(
                drifting(10, 35), "drift", "small", "small", id="more is not accepted than was",
            ),
            pytest.param(
                drifting(45, 15), "drift", "small", "small", id="less is not accepted than was",
            ),
            pytest.param(
                passing(MIN_VERDICTS), "idle-gate", "small", "Gate", id="a gate never fires",
            ),
        ],
    )  # fmt: skip
    def test_is_given_where(
        self, told: Told, traces: list[Trace], code: str, tier: str, subject: str
    ) -> None:
        given = [each for each in told(traces) if each.code == code]
        assert [(each.route, each.tier, each.subject) for each in given] == [("r", tier, subject)]
        assert given[0].numbers

    @pytest.mark.parametrize(
        ("traces", "code"),
        [
            pytest.param(mixed(2 * MIN_PAIRS - 2, 2, 3.0, 1.0), "inverted", id="few pairs"),
            pytest.param(sampled(MIN_PAIRS - 1, 0, 0.5), "inverted", id="few samples of costs"),
            pytest.param(priced(MIN_EVENTS - 1, 0.25), "inverted", id="few prices"),
            pytest.param(mixed(MIN_EVENTS - 1, 1), "move-up", id="few events"),
            pytest.param(bypassed(MIN_REQUESTS - 1), "move-up", id="few requests"),
            pytest.param(sampled(MIN_EVENTS - 1, 0), "overkill", id="few answers"),
            pytest.param(rejecting(MIN_EVENTS - 1), "overkill", id="few answers of the next"),
            pytest.param(sampled(MIN_SAMPLES - 1, 25), "false-accepts", id="few samples"),
            pytest.param(drifting(10, 35, 4 * MIN_EVENTS - 1), "drift", id="few events in time"),
            pytest.param(passing(MIN_VERDICTS - 1), "idle-gate", id="few verdicts"),
        ],
    )
    def test_is_not_given_on_too_few_data(self, told: Told, traces: list[Trace], code: str) -> None:
        assert code not in codes(told(traces))

    @pytest.mark.parametrize(
        ("traces", "code"),
        [
            pytest.param(mixed(500, 4), "inverted", id="the lower tier is cheaper"),
            pytest.param(priced(500, 4.0), "inverted", id="the strongest tier is dearer"),
            pytest.param(mixed(500, 4), "move-up", id="it pays"),
            pytest.param(bypassed(1000, 40, 20), "move-up", id="the rate may be below it"),
            pytest.param(bypassed(79, 40, 36), "move-up", id="it is mostly asked"),
            pytest.param(sampled(500, 60), "overkill", id="the gate may be blind"),
            pytest.param(mixed(500, 10), "overkill", id="the tier above is asked"),
            pytest.param(passing(500), "overkill", id="nothing was sampled"),
            pytest.param(rejecting(150, 2, 100.0), "overkill", id="the tier above helps"),
            pytest.param(sampled(500, 50), "false-accepts", id="few contradict"),
            pytest.param(drifting(20, 22, 2000), "drift", id="the change is small"),
            pytest.param(drifting(10, 20), "drift", id="the change may be chance"),
            pytest.param(mixed(2000, 999), "idle-gate", id="it fired"),
        ],
    )
    def test_is_not_given_where(self, told: Told, traces: list[Trace], code: str) -> None:
        assert code not in codes(told(traces))

    def test_names_its_numbers(self, told: Told) -> None:
        (advice,) = told(mixed(MIN_EVENTS, 1))
        assert advice.title == "move this task to large"
        assert advice.text == (
            "100% of 100 answers of small were not accepted (at least 94%), and asking it first"
            " pays under 75%. Let the route start at large."
        )
        assert advice.numbers["fallback_rate"] == 1.0
        assert advice.numbers["cost_break_even"] == 0.75
        assert advice.numbers["fallback_of"] == 100

    def test_says_where_moving_up_would_cost_money(self, told: Told) -> None:
        (advice,) = told(bypassed(400, 120, 72, dear=100.0))
        assert advice.code == "move-up"
        assert "would save 28% of the cost or more" in advice.text
        (advice,) = told(bypassed(400, 120, 100, dear=5.0))
        assert "Money" not in advice.text
        (advice,) = told(bypassed(400, dear=None))
        assert "Money" not in advice.text

    def test_says_that_a_tier_pays_at_no_rate(self, told: Told) -> None:
        asked = [
            request(n, turn("small", 2.0, passed=False), turn("middle", 1.0, passed=False),
                    turn("large", 0.5, passed=None))
            for n in range(MIN_EVENTS)
        ]  # fmt: skip
        (first, *_) = told(asked)
        assert (first.code, first.tier, first.subject) == ("inverted", "small", "middle")
        unpaired = [
            walk(n, False, 2.0, 1.0) if n % 3 == 0
            else request(n, skip("small"), turn("large", 1.0, passed=None))
            for n in range(3 * MIN_EVENTS)
        ]  # fmt: skip
        assert told(unpaired)[0].code == "inverted"

    def test_goes_by_the_threshold_that_is_set(self, told: Told) -> None:
        traces = bypassed(400, 120, 72, dear=100.0)
        assert codes(told(traces, 0.3)) == ["move-up"]
        assert codes(told(traces, 0.6)) == []

    def test_is_about_costs_once_a_tier_and_about_one_tier_that_suffices(self, told: Told) -> None:
        asked = [
            request(n, turn("small", 1.0)) if n % 200 else
            request(n, turn("small", 1.0, passed=False), turn("middle", 2.0))
            for n in range(400)
        ]  # fmt: skip
        more = [request(n, turn("middle", 2.0)) for n in range(400, 600)]
        samples = [sample(one, agrees=True) for one in asked + more]
        given = told(asked + more + samples)
        assert [(each.code, each.tier, each.subject) for each in given] == [
            ("overkill", "small", "middle")
        ]

    def test_has_the_gravest_first(self, told: Told) -> None:
        given = codes(told(mixed(1200, 1, cheap=3.0, dear=1.0) + sampled(100, 50)))
        assert given == sorted(given, key=CODES.index)
        assert given[0] == "inverted"

    def test_takes_no_last_resort_for_a_tier_above(self, told: Told) -> None:
        """The tier that was bypassed is asked after those above it, and is cheaper than they."""
        steps = skip("small"), turn("large", 4.0, passed=False), turn("small", 1.0, phase=None)
        forth = [walk(n, passed=False) for n in range(120)]
        back = [request(n, *steps) for n in range(120, 200)]
        assert "inverted" not in codes(told(forth + back))


def fallbacks(share: int, count: int = 1000) -> list[Trace]:
    """So many of a hundred answers are not accepted, evenly over all of the time."""
    return [walk(n, n * 37 % 100 >= share) for n in range(count)]


def disagreeing(count: int, lately: int) -> list[Trace]:
    """Accepted answers, each with a sample, the newest of which say otherwise."""
    asked = passing(count)
    return asked + [sample(one, n < count - lately) for n, one in enumerate(asked)]


class TestTunedRange:
    """Of the route "r" tuning said what is to be expected of the small tier."""

    @pytest.mark.parametrize(
        ("traces", "expected"),
        [
            pytest.param(fallbacks(30), Expected(0.2), id="less is accepted"),
            pytest.param(fallbacks(30), Expected(0.4), id="more is accepted"),
            pytest.param(fallbacks(40, MIN_EVENTS), Expected(0.2), id="of just enough answers"),
            pytest.param(drifting(20, 30, 2400), Expected(0.2), id="lately"),
            pytest.param(sampled(MIN_SAMPLES, 20), Expected(agreement=0.9), id="fewer agree"),
            pytest.param(sampled(400, 0), Expected(agreement=0.9), id="more agree"),
            pytest.param(disagreeing(1000, 100), Expected(agreement=0.95), id="later samples"),
            pytest.param(fallbacks(30), Expected(0.2, None, 4_000), id="of many labels"),
            pytest.param(sampled(400, 12), Expected(None, 0.9, 4_000), id="agreement of many"),
        ],
    )
    def test_is_said_to_be_left(self, told: Told, traces: list[Trace], expected: Expected) -> None:
        given = [each for each in told(traces, expected=expected) if each.code == "drift"]
        assert [(each.title, each.tier) for each in given] == [("left the tuned range", "small")]

    @pytest.mark.parametrize(
        ("traces", "expected"),
        [
            pytest.param(fallbacks(30), Expected(0.3), id="as expected"),
            pytest.param(fallbacks(30), Expected(0.27), id="within what chance explains"),
            pytest.param(fallbacks(30), Expected(0.2, None, 60), id="of few labels"),
            pytest.param(sampled(400, 12), Expected(None, 0.9, 60), id="agreement of few labels"),
            pytest.param(fallbacks(40, MIN_EVENTS - 1), Expected(0.2), id="few answers"),
            pytest.param(drifting(35, 20, 2400), Expected(0.2), id="back again"),
            pytest.param(sampled(MIN_SAMPLES - 1, 20), Expected(agreement=0.9), id="few samples"),
            pytest.param(sampled(400, 40), Expected(agreement=0.9), id="as many agree"),
            pytest.param(sampled(400, 200), Expected(0.0), id="nothing is expected of samples"),
            pytest.param(
                [request(n, turn("small", passed=False, phase=None)) for n in range(500)],
                Expected(0.1), id="no monitor",
            ),
        ],
    )  # fmt: skip
    def test_is_not_said_to_be_left(
        self, told: Told, traces: list[Trace], expected: Expected
    ) -> None:
        assert "drift" not in codes(told(traces, expected=expected))

    def test_names_its_numbers(self, told: Told) -> None:
        (advice,) = told(fallbacks(30), expected=Expected(0.2))
        assert advice.text == (
            "30% of the last 500 answers of small were not accepted, 20% when its gate was tuned."
            " Tune it anew on recent traffic, or look for what has changed."
        )
        assert (advice.numbers["live_rate"], advice.numbers["live_of"]) == (0.3, 500)
        assert advice.numbers["expected_fallback"] == 0.2
        advice = next(
            each
            for each in told(sampled(200, 50), expected=Expected(agreement=0.9))
            if each.code == "drift"
        )
        assert advice.text.startswith(
            "The strongest tier agrees with 75% of the last 200 sampled answers of small, with 90%"
            " when it was tuned."
        )
        assert advice.numbers["expected_agreement"] == 0.9


steps = st.lists(
    st.builds(
        turn,
        st.sampled_from(["small", "middle", "large"]),
        st.none() | st.floats(0, 10),
        passed=st.sampled_from([True, False, None]),
        phase=st.sampled_from([None, "cascading", "probing"]),
    )
    | st.just(skip("small")),
    max_size=4,
)


@settings(max_examples=40)
@given(st.lists(st.tuples(steps, st.booleans() | st.none()), max_size=30))
def test_thirty_requests_are_never_enough(rows: list[tuple[list[Step], bool | None]]) -> None:
    asked = [request(n, *walked) for n, (walked, _) in enumerate(rows)]
    samples = [sample(one, agrees) for one, (_, agrees) in zip(asked, rows, strict=True)]
    with TemporaryDirectory() as folder:
        assert report_of(written(Path(folder), asked + samples)).advice == ()


USUAL = MonitorSettings()
PATIENT = MonitorSettings(min_calls=1000, window=1000)


def replayed(
    folder: Path,
    recordings: Sequence[Recording],
    tiers: Sequence[str],
    gate: GateLike | None = None,
    share: float | None = None,
    prices: Sequence[Price | None] = (None, None),
    monitor: MonitorSettings = USUAL,
) -> list[Advice]:
    """The advice after recordings went through the real engine, one every ten seconds."""
    log = AuditLog(folder / "audit.db", queue=100_000, key="of the test")

    def tier(model: str, price: Price | None) -> Tier:
        provider = Scripted(lambda r: _answer(recordings, r, model), model=model)
        return Tier(
            model, Deployment(provider, price=price), gate=gate if model == tiers[0] else None
        )

    async def serve() -> None:
        audit = None if share is None else AuditSampling(share, compare=_same_letter)
        async with Cascade(
            *map(tier, tiers, prices),
            sinks=[log],
            audit=audit,
            monitor=monitor,
            wall=lambda: 1_790_000_000.0 + anyio.current_time(),
            random=Random(3),
        ) as cascade:
            for number, recording in enumerate(recordings):
                await cascade.run(messages=recording.messages, tags={"n": str(number)})
                await anyio.sleep(10)

    simulate(serve)
    assert log.flush(60)
    log.close()
    watched = Watched(monitor.threshold)
    return list(report_of(folder / "audit.db", watching=lambda _: watched).advice)


def _answer(recordings: Sequence[Recording], request: Request, model: str) -> RecordedAnswer:
    return recordings[int(request.tags["n"])].answers[model]


def _same_letter(one: Response, other: Response) -> bool:
    return letter(one.text) == letter(other.text)


class TestOfRecordings:
    """The known answers, of `quality.md`: what these models are worth on these tasks."""

    @staticmethod
    def read(
        data: Path, name: str, folder: Path, *, lines: int | None = None, step: int = 1
    ) -> list[Recording]:
        return list(read_recordings(excerpt(data, name, folder, lines=lines, step=step)))

    def test_on_routerarena_the_tiers_are_inverted(self, data: Path, tmp_path: Path) -> None:
        pair = "claude-3-haiku", "gemini-2.0-flash"
        given = replayed(tmp_path, self.read(data, "routerarena", tmp_path), pair, share=0.2)
        assert next((each.code, each.tier, each.subject) for each in given) == ("inverted", *pair)
        assert given[0].numbers["surplus"] == pytest.approx(176e-6 - 47e-6, rel=0.15)

    def test_that_is_seen_by_the_list_prices_too(self, data: Path, tmp_path: Path) -> None:
        pair, prices = ("claude-3-haiku", "gemini-2.0-flash"), (Price(0.25, 1.25), Price(0.1, 0.4))
        given = replayed(tmp_path, self.read(data, "routerarena", tmp_path), pair, prices=prices)
        assert codes(given)[0] == "inverted"

    def test_mmlu_pro_is_to_be_moved_above_gpt_4_1_nano(self, data: Path, tmp_path: Path) -> None:
        recordings = self.read(data, "mmlupro_openai", tmp_path, step=4)
        pair = "gpt-4.1-nano", "gpt-4.1"
        gate = NotEmpty() & AtLeast(0.92, StatedConfidence())
        given = replayed(tmp_path, recordings, pair, gate)
        (advice,) = (each for each in given if each.code == "move-up")
        assert advice.title == "move this task to gpt-4.1"
        assert "over the threshold of 40%" in advice.text

    def test_with_a_gate_that_trusts_it_little_nano_does_not_pay(
        self, data: Path, tmp_path: Path
    ) -> None:
        recordings = self.read(data, "mmlupro_openai", tmp_path, step=12)
        pair = "gpt-4.1-nano", "gpt-4.1"
        gate = AtLeast(0.96, StatedConfidence())
        given = replayed(tmp_path, recordings, pair, gate, monitor=PATIENT)
        (advice,) = (each for each in given if each.code == "move-up")
        assert "asking it first pays under 94%" in advice.text

    def test_on_sciq_the_tier_above_deepseek_is_overkill(self, data: Path, tmp_path: Path) -> None:
        pair = "deepseek-chat", "gpt-4o"
        given = replayed(tmp_path, self.read(data, "sciq", tmp_path), pair, share=0.5)
        assert next((each.code, each.tier, each.subject) for each in given) == ("overkill", *pair)
        assert float(given[0].numbers["contradicted_high"]) < 0.05

    def test_llama_8b_on_sciq_does_need_the_tier_above(self, data: Path, tmp_path: Path) -> None:
        given = replayed(
            tmp_path, self.read(data, "sciq", tmp_path), ("llama-3.1-8b", "gpt-4o"), share=1.0
        )
        assert "overkill" not in codes(given)

    def test_mini_under_gpt_4_1_is_left_as_it_is(self, data: Path, tmp_path: Path) -> None:
        recordings = self.read(data, "mmlupro_openai", tmp_path, step=8)
        pair = "gpt-4.1-mini", "gpt-4.1"
        given = replayed(tmp_path, recordings, pair, AtLeast(0.9, StatedConfidence()))
        assert {"inverted", "move-up", "overkill"}.isdisjoint(codes(given))

    @pytest.mark.parametrize(
        ("name", "tiers"),
        [
            pytest.param("routerarena", ("claude-3-haiku", "gemini-2.0-flash"), id="routerarena"),
            pytest.param("mmlupro_openai", ("gpt-4.1-nano", "gpt-4.1"), id="mmlupro"),
            pytest.param("sciq", ("deepseek-chat", "gpt-4o"), id="sciq"),
        ],
    )
    def test_after_thirty_requests_there_is_none(
        self, data: Path, tmp_path: Path, name: str, tiers: tuple[str, str]
    ) -> None:
        recordings = self.read(data, name, tmp_path, lines=30)
        gate = NotEmpty() & AtLeast(0.92, StatedConfidence())
        assert replayed(tmp_path, recordings, tiers, gate, share=1.0) == []
