"""What the library logs: one record for each escalation and change, with its facts as an extra."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cascade import (
    BreakerSettings,
    Cascade,
    Deployment,
    MonitorSettings,
    Response,
    Retry,
    Scripted,
    Tier,
)
from cascade.errors import ServerFailed
from cascade.providers.scripted import Answer
from tests.asking import always

ROOT = Path(__file__).parents[1]
CANARY = "canary-77ab"
DOWN = ServerFailed("down", status=500)
NO_RETRY = Retry(max_retries=0)

simulated = [pytest.mark.asyncio, pytest.mark.simulated]


def engine(weak: Answer, **options: Any) -> Cascade:
    tiers = [Tier("weak", always(weak, "w"), retry=NO_RETRY), Tier("strong", always("fine", "s"))]
    return Cascade(*tiers, random=Random(3), **options)


def told(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    """The facts of every record of one kind."""
    found = [getattr(record, "cascade", {}) for record in caplog.records]
    return [facts for facts in found if facts.get("event") == event]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, text=True, check=True, capture_output=True
    )


class TestRecords:
    pytestmark = simulated

    async def test_an_escalation_is_one_record_with_its_facts(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "cascade")
        result = await engine("").run("hello")
        (record,) = caplog.records
        reason = "NotEmpty: 0 visible characters, 1 needed"
        assert (record.name, record.levelno) == ("cascade", logging.INFO)
        assert record.getMessage() == f"default: escalating from weak: {reason} ({result.id})"
        assert told(caplog, "escalation") == [
            {
                "event": "escalation",
                "id": result.id,
                "route": "default",
                "tier": "weak",
                "reason": reason,
            }
        ]

    async def test_an_error_that_escalates_is_named(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "cascade")
        await engine(DOWN).run("hello")
        assert [facts["reason"] for facts in told(caplog, "escalation")] == ["ServerFailed 500"]

    async def test_an_accepted_request_is_not_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "cascade")
        await engine("fine").run("hello")
        assert caplog.records == []

    async def test_a_monitors_change_is_a_warning_with_its_figures(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, "cascade")
        cascade = engine("", monitor=MonitorSettings(min_calls=5))
        for _ in range(10):
            await cascade.run("hello")
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        (facts,) = told(caplog, "monitor")
        assert (facts["route"], facts["tier"]) == ("default", "weak")
        assert (facts["before"], facts["after"]) == ("cascading", "bypassed")
        assert (facts["rate"], facts["threshold"]) == (1.0, 0.4)
        assert 5 <= facts["events"] <= 10
        assert facts["reason"] in record.getMessage()

    async def test_a_breakers_change_is_a_warning_with_its_figures(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, "cascade")
        weak = Deployment(always(DOWN, "w"), breaker=BreakerSettings(min_calls=1))
        tiers = Tier("weak", weak, retry=NO_RETRY), Tier("strong", always("fine", "s"))
        await Cascade(*tiers).run("hello")
        (facts,) = told(caplog, "breaker")
        assert (facts["deployment"], facts["before"], facts["after"]) == ("w", "closed", "open")
        assert (facts["calls"], facts["failures"]) == (1, 1)
        assert facts["reason"] == "1 of the last 1 calls failed: down"

    async def test_the_facts_are_plain_json(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "cascade")
        weak = Deployment(Scripted([DOWN] + [""] * 30, model="w"))
        tier = Tier("weak", weak, retry=NO_RETRY)
        cascade = Cascade(tier, Tier("strong", always("fine", "s")))
        for _ in range(30):
            await cascade.run("hello")
        facts = [vars(record)["cascade"] for record in caplog.records]
        assert {each["event"] for each in facts} == {"escalation", "monitor"}
        assert json.loads(json.dumps(facts, allow_nan=False)) == facts

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(Response(CANARY, "length"), id="answer"),
            pytest.param(Response("", "stop", refusal=CANARY), id="refusal"),
            pytest.param(Response(f"I cannot help with {CANARY}.", "stop"), id="refusing text"),
            pytest.param(RuntimeError(CANARY), id="foreign error"),
        ],
    )
    async def test_neither_prompts_nor_answers_are_logged(
        self, caplog: pytest.LogCaptureFixture, answer: Answer
    ) -> None:
        caplog.set_level(logging.DEBUG)
        weak = Deployment(always(answer, "w"), breaker=BreakerSettings(min_calls=1))
        tiers = [Tier(name, weak, retry=NO_RETRY) for name in ("weak", "middle")]
        cascade = Cascade(*tiers, Tier("strong", always("fine", "s")))
        for _ in range(40):
            await cascade.run(f"{CANARY}?", tags={"key": CANARY}, user=CANARY)
        assert CANARY not in "".join(str(vars(record)) for record in caplog.records)


def test_a_program_without_logging_sees_nothing_of_ours() -> None:
    code = "import logging, cascade; logging.getLogger('cascade').warning('a change')"
    assert python(code).stderr == ""


def test_a_program_with_logging_sees_the_warnings() -> None:
    code = (
        "import logging, cascade; logging.basicConfig(); logging.getLogger('cascade').warning('x')"
    )
    assert python(code).stderr == "WARNING:cascade:x\n"


def test_importing_the_library_leaves_the_root_logger_alone() -> None:
    code = "import logging, cascade, gates; r = logging.root; print(r.handlers, r.level)"
    assert python(code).stdout == f"[] {logging.WARNING}\n"
