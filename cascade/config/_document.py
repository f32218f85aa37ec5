"""The one schema of settings files: which tables there are, and what they say."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    SecretStr,
    TypeAdapter,
    model_validator,
)

from cascade.capabilities import Capabilities
from cascade.config._keys import VARIABLE, is_set, key_in_file, not_set
from cascade.config._parts import GateTables, blamed, made_of
from cascade.config._registry import PROVIDERS
from cascade.config._tables import Listed, Table, invalid, unknown
from cascade.deployment import Deployment
from cascade.errors import ConfigError
from cascade.limits import Limits
from cascade.policy.breaker import BreakerSettings
from cascade.policy.monitor import MonitorSettings
from cascade.policy.order import Order
from cascade.policy.retry import Retry
from cascade.policy.routing import OnExhausted, Route
from cascade.types import RESERVED, Price, Provider

Name = Annotated[str, Field(min_length=1)]
Seconds = Annotated[float, Field(gt=0)]
Monitor = Annotated[MonitorSettings | None, made_of(MonitorSettings)]

_CARRIES_KEY = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key"})
_NO_KEY_HERE = (
    "a key does not belong in this file; name the environment variable that holds it "
    '(api_key_env = "MY_API_KEY") or a file (api_key_file = "path")'
)
_OF_DEPLOYMENT = {"name", "price", "timeout", "weight", "limits", "breaker", "capabilities"}
_UNCHECKED = SecretStr("not-the-key")
"""Stands in for the key while all else about a deployment is checked."""


def _known_provider(name: str) -> str:
    if name not in PROVIDERS:
        raise invalid([((), unknown("provider", name, PROVIDERS))])
    return name


def _variable(name: str) -> str:
    if not VARIABLE.fullmatch(name):
        raise invalid([((), f"must be the name of a variable; {_NO_KEY_HERE}")])
    return name


def _without_key(headers: dict[str, str]) -> dict[str, str]:
    found = [name for name in headers if name.lower() in _CARRIES_KEY]
    if found:
        raise invalid(((name,), _NO_KEY_HERE) for name in found)
    return headers


def _sendable(parameters: dict[str, Any]) -> dict[str, Any]:
    found = [(name, _not_sendable(name, value)) for name, value in parameters.items()]
    if any(words for _, words in found):
        raise invalid(((name,), words) for name, words in found if words)
    return parameters


def _not_sendable(name: str, value: object) -> str:
    if name in RESERVED:
        return f"cannot be set: {RESERVED[name]}"
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return "must be a value that JSON knows: no date, nan or inf"
    return ""


class DeploymentTable(Table):
    """One model at one endpoint, and where its key is to be found."""

    title: ClassVar[str] = "a deployment"
    refused: ClassVar[Mapping[str, str]] = {"api_key": _NO_KEY_HERE}

    model: Name
    provider: Annotated[str, AfterValidator(_known_provider)] = "openai"
    base_url: str | None = None
    api_key_env: Annotated[str, AfterValidator(_variable)] | None = None
    api_key_file: Name | None = None
    headers: Annotated[dict[str, str], AfterValidator(_without_key)] = Field({}, repr=False)
    allow_http: bool = False
    name: Name | None = None
    price: Annotated[Price | None, made_of(Price)] = None
    timeout: Seconds | None = None
    weight: Annotated[float, Field(gt=0)] = 1.0
    limits: Annotated[Limits | None, made_of(Limits)] = None
    breaker: Annotated[BreakerSettings | None, made_of(BreakerSettings)] = None
    capabilities: Annotated[Capabilities | None, made_of(Capabilities)] = None

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.api_key_env is not None and self.api_key_file is not None:
            raise invalid([(("api_key_file",), "give api_key_env or api_key_file, not both")])
        try:
            self._provider(_UNCHECKED)
        except (ConfigError, TypeError, ValueError) as error:
            words = str(error)
        else:
            return self
        raise invalid([(blamed(words, self.model_fields_set), words)])

    def deployment(self, folder: Path) -> Deployment:
        """The deployment, with its key.

        Args:
            folder: where a relative `api_key_file` begins.

        Raises:
            ConfigError: the key is not to be found, or no header could carry it.
        """
        key = None if self.api_key_file is None else key_in_file(folder, self.api_key_file)
        try:
            provider = self._provider(key)
        except ConfigError:
            if key is not None or self.api_key_env is None or is_set(self.api_key_env):
                raise
            raise not_set(self.api_key_env) from None
        chosen = self.given(_OF_DEPLOYMENT)
        return Deployment(provider, **{name: getattr(self, name) for name in chosen})

    def _provider(self, key: SecretStr | None) -> Provider:
        chosen = self.given({"base_url", "headers", "allow_http", "api_key_env"})
        given = {name: getattr(self, name) for name in chosen}
        return PROVIDERS[self.provider](self.model, api_key=key, **given)


class TierTable(Table):
    """A tier; without deployments it only says how its answers are judged."""

    title: ClassVar[str] = "a tier"

    name: Name
    deployments: Listed[DeploymentTable] = ()
    gate: Annotated[GateTables | None, Field(alias="gates")] = None
    retry: Annotated[Retry | None, made_of(Retry)] = None
    order: Order = "in_order"


class RouteTable(Table):
    """A route, by the names of `Route`."""

    title: ClassVar[str] = "a route"

    name: Name
    tasks: Listed[str] | None = None
    tiers: Annotated[Listed[str], Field(min_length=1)] | None = None
    gates: dict[str, GateTables] = Field({})
    parameters: Annotated[dict[str, Any], AfterValidator(_sendable)] = Field({})
    monitor: Monitor = None
    timeout: Seconds | None = None

    def route(self) -> Route:
        """The route that it describes."""
        return Route(**{name: getattr(self, name) for name in self.given(RouteTable.model_fields)})


def _read_routes(value: object) -> Literal["auto"] | tuple[RouteTable, ...]:
    if value == "auto":
        return "auto"
    if not isinstance(value, list):
        raise invalid([((), 'must be "auto" or tables: [[routes]]')])
    return _ROUTE_LIST.validate_python(value)


_ROUTE_LIST: TypeAdapter[tuple[RouteTable, ...]] = TypeAdapter(Listed[RouteTable])


class Document(Table):
    """The whole file."""

    title: ClassVar[str] = "the file"

    tiers: Listed[TierTable] = ()
    routes: Annotated[Literal["auto"] | tuple[RouteTable, ...], PlainValidator(_read_routes)] = ()
    monitor: Monitor = None
    timeout: Seconds | None = None
    max_attempts: Annotated[int, Field(ge=1)] | None = None
    on_exhausted: OnExhausted = "raise"
