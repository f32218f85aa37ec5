"""`DeploymentTable`: one model at one endpoint, as a settings file describes it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from cascade.capabilities import Capabilities
from cascade.config._keys import VARIABLE, is_set, key_in_environment, key_in_file, not_set
from cascade.config._parts import blamed, made_of
from cascade.config._registry import KEYS, PROVIDERS
from cascade.config._tables import Table, invalid, unknown
from cascade.deployment import Deployment
from cascade.errors import ConfigError
from cascade.limits import Limits
from cascade.policy.breaker import BreakerSettings
from cascade.types import RESERVED, Price, Provider

Name = Annotated[str, Field(min_length=1)]
Seconds = Annotated[float, Field(gt=0)]

_CARRIES_KEY = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key"})
_SECRET = re.compile(r"key|token|secret|password|credential|auth", re.IGNORECASE)
_NO_KEY_HERE = (
    "a key does not belong in this file; name the environment variable that holds it "
    '(api_key_env = "MY_API_KEY") or a file (api_key_file = "path")'
)
_OF_DEPLOYMENT = {
    "name", "price", "timeout", "weight", "reserve_tokens", "limits", "breaker", "capabilities",
}  # fmt: skip
_OF_PROVIDER = frozenset(name for names in KEYS.values() for name in names)
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


def _without_secret(options: dict[str, Any]) -> dict[str, Any]:
    found = [name for name in options if _SECRET.search(name)]
    if found:
        raise invalid(((name,), _NO_KEY_HERE) for name in found)
    return options


def _without_key(headers: dict[str, str]) -> dict[str, str]:
    found = [name for name in headers if name.lower() in _CARRIES_KEY]
    if found:
        raise invalid(((name,), _NO_KEY_HERE) for name in found)
    return headers


def sendable(parameters: dict[str, Any]) -> dict[str, Any]:
    found = [(name, not_sendable(name, value)) for name, value in parameters.items()]
    if any(words for _, words in found):
        raise invalid(((name,), words) for name, words in found if words)
    return parameters


def not_sendable(name: str, value: object) -> str:
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
    api_base: str | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    options: Annotated[dict[str, Any], AfterValidator(_without_secret)] = Field({}, repr=False)
    headers: Annotated[dict[str, str], AfterValidator(_without_key)] = Field({}, repr=False)
    allow_http: bool = False
    name: Name | None = None
    price: Annotated[Price | None, made_of(Price)] = None
    timeout: Seconds | None = None
    weight: Annotated[float, Field(gt=0)] = 1.0
    reserve_tokens: Annotated[int, Field(ge=1)] | None = None
    limits: Annotated[Limits | None, made_of(Limits)] = None
    breaker: Annotated[BreakerSettings | None, made_of(BreakerSettings)] = None
    capabilities: Annotated[Capabilities | None, made_of(Capabilities)] = None

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.api_key_env is not None and self.api_key_file is not None:
            raise invalid([(("api_key_file",), "give api_key_env or api_key_file, not both")])
        for name in self.given(_OF_PROVIDER - KEYS[self.provider]):
            owners = [provider for provider, names in KEYS.items() if name in names]
            words = f'is for {" and ".join(owners)}, not for provider = "{self.provider}"'
            raise invalid([((name,), words)])
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
        chosen = self.given(KEYS[self.provider])
        given = {name: getattr(self, name) for name in chosen}
        if self.provider == "litellm":  # which has no such parameter
            variable = given.pop("api_key_env", None)
            key = key or (key_in_environment(variable) if variable else None)
            given |= given.pop("options", {})
        return PROVIDERS[self.provider](self.model, api_key=key, **given)
