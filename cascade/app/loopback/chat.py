"""Chat completions answered by a plain function."""

from collections import Counter
from collections.abc import Callable, Mapping

from cascade.app.loopback.requests import HttpRequest
from cascade.app.loopback.server import NO_HEADERS, HttpServer, Reply, http_message
from cascade.app.loopback.wire import (
    Answer,
    ChatRequest,
    chat_request,
    completion,
    error_body,
    to_json,
)

_ERROR_KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def json_reply(
    status: int, value: object, headers: Mapping[str, str] = NO_HEADERS, seconds: float = 0.0
) -> Reply:
    """A JSON response, sent after `seconds`."""
    return Reply(((seconds, http_message(status, to_json(value), headers)),))


def error_reply(
    status: int, message: str, code: str | None = None, headers: Mapping[str, str] = NO_HEADERS
) -> Reply:
    """An error in OpenAI's envelope, its type that of the status."""
    fallback = "server_error" if status >= 500 else "invalid_request_error"
    body = error_body(message, _ERROR_KINDS.get(status, fallback), code)
    return json_reply(status, body, headers)


class ChatServer(HttpServer):
    """Answers `POST /v1/chat/completions`, without streaming, by a function of the parsed body.

    The handler returns an Answer, or a Reply to send something else, an error say. `hits` counts
    requests by model before anything else is done with them; a body without a model counts as "".
    """

    def __init__(
        self,
        handler: Callable[[ChatRequest], Answer | Reply],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(self._route, host=host, port=port)
        self._handler = handler
        self.hits: Counter[str] = Counter()

    def _route(self, request: HttpRequest) -> Reply:
        if request.path != "/v1/chat/completions":
            return error_reply(404, f"There is nothing at {request.path}.")
        if request.method != "POST":
            return error_reply(405, "Send a POST.", headers={"allow": "POST"})
        return self._chat(chat_request(request.body))

    def _chat(self, request: ChatRequest | str) -> Reply:
        self.hits["" if isinstance(request, str) else request["model"]] += 1
        if isinstance(request, str):
            return error_reply(400, request)
        if request.get("stream"):
            return error_reply(400, "This server does not stream.")
        answer = self._handler(request)
        if isinstance(answer, Reply):
            return answer
        number = self.hits.total()
        return json_reply(200, completion(answer, request, number), seconds=answer.seconds)
