"""The purse of a cascade: what is spent each day, in all and route by route."""

from typing import Any, Final, Self

from cascade.policy.money import Account, Budget, BudgetState, DailyAccount, pico

_VERSION: Final = 1


class Purse:
    """The daily accounts of a cascade: one for everything, one for each route with a budget.

    They count with or without a limit for the day. `budget` is that of the whole cascade: its
    `per_day` is for all routes together, its `per_request` for each request, beside its route's.
    """

    __slots__ = ("_budget", "_routes", "_today")

    def __init__(self, budget: Budget | None = None) -> None:
        self._budget = budget
        self._routes: dict[str, DailyAccount] = {}
        self._today = DailyAccount("today")
        _limit(self._today, budget)

    def take(self, former: "Purse") -> None:
        """Go on with what another purse has spent and reserved, under the budget of this one."""
        self._routes, self._today = former._routes, former._today
        _limit(self._today, self._budget)

    def accounts(self, route: str, budget: Budget | None, now: float) -> tuple[Account, ...]:
        """The accounts of one request, to be asked for once: those of "request" are new.

        `budget` is that of the route as it stands now.
        """
        daily = [self._today]
        if budget is not None:
            account = self._routes.setdefault(route, DailyAccount(_route_name(route)))
            _limit(account, budget)
            daily = [account, self._today]
        for account in daily:
            account.turn(now)
        return (*_request_accounts(budget), *_request_accounts(self._budget), *daily)

    def snapshot(self, now: float) -> dict[str, BudgetState]:
        """A reading of each daily account by its name, that of everything last."""
        daily = [*self._routes.values(), self._today]
        return {account.name: account.state(now) for account in daily}

    def to_json(self) -> dict[str, Any]:
        """What is spent, without the budgets, as plain JSON values.

        What is reserved counts as spent: after a crash nobody knows whether those calls are billed.
        """
        routes = {route: _saved(account) for route, account in self._routes.items()}
        return {"version": _VERSION, "today": _saved(self._today), "routes": routes}

    @classmethod
    def from_json(cls, state: dict[str, Any], budget: Budget | None = None) -> Self:
        """The purse that `to_json` described, under the budget of now.

        Raises ValueError when `state` is not of this version and shape.
        """
        purse = cls(budget)
        try:
            if state["version"] != _VERSION:
                raise ValueError(f"version {state['version']!r}")
            _restore(purse._today, state["today"])
            for route, saved in state["routes"].items():
                purse._routes[route] = DailyAccount(_route_name(route))
                _restore(purse._routes[route], saved)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            remedy = f"give what to_json (version {_VERSION}) returned"
            raise ValueError(f"no state of a purse ({error!r}): {remedy}") from error
        return purse


def _route_name(route: str) -> str:
    return f"route {route} today"


def _limit(account: DailyAccount, budget: Budget | None) -> None:
    per_day = None if budget is None else budget.per_day
    account.limit = None if per_day is None else pico(per_day)
    account.soft = account.soft if budget is None else budget.soft


def _request_accounts(budget: Budget | None) -> tuple[Account, ...]:
    if budget is None or budget.per_request is None:
        return ()
    return (Account("request", pico(budget.per_request), budget.soft),)


def _saved(account: DailyAccount) -> dict[str, int]:
    return {"day": account.day, "spent": account.spent + account.reserved}


def _restore(account: DailyAccount, saved: dict[str, Any]) -> None:
    day, spent = saved["day"], saved["spent"]
    if type(day) is not int or type(spent) is not int or spent < 0:
        raise ValueError(f"day {day!r}, spent {spent!r}")
    account.day, account.spent = day, spent
