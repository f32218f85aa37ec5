"""A loopback endpoint that sends what a test writes down, and the provider that calls it."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from cascade import OpenAI, Request
from cascade.app.loopback import HttpRequest, HttpServer, Reply, http_message

HI = Request(({"role": "user", "content": "hi"},))
COMPLETION = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}
NONE: dict[str, str] = {}


def reply(body: object, status: int = 200, headers: Mapping[str, str] = NONE) -> Reply:
    """One response; a body that is no bytes is sent as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(((0.0, http_message(status, sent, headers)),))


class Seen:
    """An endpoint with the requests that came to it."""

    def __init__(self, server: HttpServer, requests: list[HttpRequest]) -> None:
        self.server, self.requests = server, requests
        self.url = server.url

    def provider(self) -> OpenAI:
        return OpenAI("m", base_url=self.url)


@asynccontextmanager
async def served(answer: Reply | Callable[[HttpRequest], Reply]) -> AsyncIterator[Seen]:
    requests: list[HttpRequest] = []

    def respond(request: HttpRequest) -> Reply:
        requests.append(request)
        return answer if isinstance(answer, Reply) else answer(request)

    async with HttpServer(respond) as server:
        yield Seen(server, requests)
