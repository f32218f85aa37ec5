"""A fast model server on loopback, with faults, for benchmarks and tests.

It speaks OpenAI's chat completions, and Anthropic's Messages at the same place.

    async with ModelServer({"weak": Model("Paris", latency=0.05, faults={"http_500": 0.1})}) as s:
        ...  # s.url is the base URL; s.hits counts by model, s.fault_hits by (model, fault)

Also a program:

    python benchmarks/model_server.py --port 8000 --model weak:latency=0.05,http_500=0.1
"""

import asyncio
import signal
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.messages_wire import MESSAGES
from benchmarks.model_faults import FaultSettings, check_fault, faulty_answer, faulty_reply
from benchmarks.recorded import recorded_answers
from benchmarks.wire import CHAT, Exchange, Wire, reply_to, with_logprobs
from cascade.app.loopback import (
    Answer,
    ChatRequest,
    HttpRequest,
    HttpServer,
    Reply,
    error_reply,
    json_reply,
)
from cascade.app.loopback.wire import chat_request

AnswerFunction = Callable[[ChatRequest], Answer | Reply]
"""Answers a parsed request; a Reply is sent as it is, an error say."""


@dataclass(frozen=True, slots=True)
class Model(FaultSettings):
    """How one model behaves.

    `answer` is given with probability `skill`, else `wrong`. `latency` seconds pass before the
    first byte, faults included, and the answer's own `seconds` after them; streamed tokens then
    come at `tokens_per_second`, 0 for all at once. Every word has the log probability `logprob`,
    None for a model without; answers that carry their own keep them.

    `script` names the faults of the first calls in order, "" for none; after it each of `faults`
    strikes with its probability. Their names: `benchmarks.model_faults`.
    """

    answer: str | AnswerFunction = "ok"
    latency: float = 0.0
    tokens_per_second: float = 0.0
    skill: float = 1.0
    wrong: str = "I do not know."
    logprob: float | None = -0.05
    faults: Mapping[str, float] = field(default_factory=dict)
    script: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (*self.faults, *filter(None, self.script)):
            check_fault(name)
        if sum(self.faults.values()) > 1:
            raise ValueError("the probabilities of the faults sum to more than 1")


class ModelServer(HttpServer):
    """Serves chat completions and Messages of `models`; an async context manager with `url`.

    `models` may be changed while it serves. Each model draws from its own random numbers, seeded
    by `seed` and its name. `hits` counts what is asked of each model before anything else is done
    with it, "" for a body that names none; `fault_hits` by (model, fault).
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        *,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(self._route, host=host, port=port)
        self.models = dict(models)
        self.hits: Counter[str] = Counter()
        self.fault_hits: Counter[tuple[str, str]] = Counter()
        self._seed = seed
        self._randoms: dict[str, Random] = {}
        self._number = 0

    def _route(self, request: HttpRequest) -> Reply:
        wanted = _METHODS.get(request.path)
        if wanted is None:
            return self._one_model(request)
        if request.method != wanted:
            return error_reply(405, f"Send a {wanted}.", headers={"allow": wanted})
        wire = _WIRES.get(request.path)
        return self._list() if wire is None else self._asked(wire, request)

    def _list(self) -> Reply:
        return json_reply(200, {"object": "list", "data": [_card(name) for name in self.models]})

    def _one_model(self, request: HttpRequest) -> Reply:
        prefix, _, name = request.path.partition("/v1/models/")
        if request.method == "GET" and not prefix and name in self.models:
            return json_reply(200, _card(name))
        return error_reply(404, f"There is nothing at {request.path}.")

    def _asked(self, wire: Wire, http: HttpRequest) -> Reply:
        request = chat_request(http.body)
        name = "" if isinstance(request, str) else request["model"]
        self.hits[name] += 1
        if isinstance(request, str):
            return wire.error(400, request, None, {})
        model = self.models.get(name)
        if model is None:
            return wire.error(404, f"The model {name!r} does not exist.", "model_not_found", {})
        problem = wire.problem(request, http.headers)
        if problem:
            return wire.error(400, problem, None, {})
        return self._answer_as(model, wire, request)

    def _answer_as(self, model: Model, wire: Wire, request: ChatRequest) -> Reply:
        name = request["model"]
        random = self._randoms.setdefault(name, Random(f"{self._seed}:{name}"))
        fault = _draw_fault(model, random, self.hits[name] - 1)
        answer = _draw_answer(model, random, request)
        if isinstance(answer, Reply):
            return answer
        self._number += 1
        if fault:
            self.fault_hits[name, fault] += 1
        exchange = _exchange(model, wire, request, faulty_answer(answer, fault), self._number)
        return faulty_reply(fault, exchange, model) if fault else reply_to(exchange)


_WIRES = {"/v1/chat/completions": CHAT, "/v1/messages": MESSAGES}
_METHODS = {**dict.fromkeys(_WIRES, "POST"), "/v1/models": "GET"}


def _card(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "loopback"}


def _draw_fault(model: Model, random: Random, call: int) -> str:
    if call < len(model.script):
        return model.script[call]
    if not model.faults:
        return ""
    left = random.random()
    for name, probability in model.faults.items():
        left -= probability
        if left < 0:
            return name
    return ""


def _draw_answer(model: Model, random: Random, request: ChatRequest) -> Answer | Reply:
    if model.skill < 1 and random.random() >= model.skill:
        return Answer(model.wrong)
    return Answer(model.answer) if isinstance(model.answer, str) else model.answer(request)


def _exchange(
    model: Model, wire: Wire, request: ChatRequest, answer: Answer, number: int
) -> Exchange:
    if request.get("logprobs") is True and answer.logprobs is None and model.logprob is not None:
        answer = with_logprobs(answer, model.logprob)
    pace = 1 / model.tokens_per_second if model.tokens_per_second else 0.0
    return Exchange(wire, request, answer, number, model.latency + answer.seconds, pace)


def recorded_models(path: Path, **settings: Any) -> dict[str, Model]:
    """The models of a recording (.jsonl or .jsonl.gz), each answering what it answered there.

    A request is known by its last user message, and by all its messages where several recorded
    ones end alike; an unknown one is answered 404. `settings` are those of `Model`.
    """
    return {name: Model(answer, **settings) for name, answer in recorded_answers(path).items()}


def model_option(option: str) -> tuple[str, dict[str, Any]]:
    """`name:key=value,...` as a model's name and settings; a key that is none is a fault.

    Raises ArgumentTypeError.
    """
    name, _, rest = option.partition(":")
    settings: dict[str, Any] = {"faults": {}}
    for pair in filter(None, rest.split(",")):
        key, _, value = pair.partition("=")
        try:
            _set(settings, key, value)
        except ValueError as error:
            raise ArgumentTypeError(f"{pair}: {error}") from None
    return name, settings


def _set(settings: dict[str, Any], key: str, value: str) -> None:
    kind = _SETTINGS.get(key)
    if kind is not None:
        settings[key] = kind(value)
        return
    check_fault(key)
    settings["faults"][key] = float(value)


_SETTINGS: dict[str, Callable[[str], object]] = {
    "answer": str,
    "latency": float,
    "tokens_per_second": float,
    "skill": float,
    "wrong": str,
    "logprob": lambda text: None if text == "none" else float(text),
    "retry_after": str,
    "size": int,
    "drip_seconds": float,
}


async def serve(models: Mapping[str, Model], *, port: int, seed: int) -> None:
    """Serve until SIGINT or SIGTERM; prints the URL once it is open."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with ModelServer(models, seed=seed, port=port) as server:
        print(server.url, flush=True)
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = ArgumentParser(description="A model server on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=model_option, action="append", default=[])
    parser.add_argument("--recording", type=Path, help="answers from a .jsonl or .jsonl.gz file")
    parser.add_argument("--uvloop", action="store_true", help="run on uvloop, which must be there")
    options = parser.parse_args(arguments)
    models = recorded_models(options.recording) if options.recording else {}
    for name, settings in options.model:
        models[name] = replace(models.get(name, Model()), **settings)
    loop = import_module("uvloop").new_event_loop if options.uvloop else None
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(serve(models or {"model": Model()}, port=options.port, seed=options.seed))


if __name__ == "__main__":
    main()
