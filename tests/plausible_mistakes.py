"""Valid settings files with a plausible mistake each: where it is found, and in which words."""

import pytest

HOME = 'base_url = "http://127.0.0.1:8000/v1"\n'


def tier(name: str, input_price: float, more: str = "", url: str = HOME) -> str:
    """Six lines: a tier whose model is called after it; `more` comes after them."""
    return (
        f'[[tiers]]\nname = "{name}"\n[[tiers.deployments]]\nmodel = "{name}-model"\n{url}'
        f"price = {{ input = {input_price}, output = {4 * input_price} }}\n{more}"
    )


def at(url: str, *models: str) -> str:
    """One tier, with a deployment for each of the models."""
    lines = (
        f'[[tiers.deployments]]\nmodel = "{model}"\nbase_url = "{url}"\n'
        "price = { input = 1, output = 1 }\n"
        for model in models
    )
    return '[[tiers]]\nname = "t"\n' + "".join(lines)


CHEAP, STRONG = tier("cheap", 0.1), tier("strong", 2)
BOTH = CHEAP + STRONG
SURE = 'gates = [\n{ gate = "NotEmpty" },\n{ gate = "AtLeast", threshold = %s, scorer = %s } ]\n'
MEAN = '{ scorer = "MeanProbability" }'
NO_LOGPROBS = "capabilities = { logprobs = false }\n"


def cheap(gates: str, more: str = "") -> str:
    """The cheap tier with gates, which have to stand before its deployments."""
    return CHEAP.replace("[[tiers.deployments]]", f"{gates}[[tiers.deployments]]") + more


def route(text: str) -> str:
    """Both tiers, which are 12 lines, and a route."""
    return f"{BOTH}[[routes]]\n{text}"


def rules(*more: str) -> str:
    """Three routes in 18 lines, then rules."""
    routes = "".join(f'[[routes]]\nname = "{name}"\n' for name in ("a", "b", "default"))
    return BOTH + routes + "".join(f"[[rules]]\n{each}\n" for each in more)


def elsewhere(url: str) -> str:
    """A cheap tier at another place than its key's, which is set."""
    return f'base_url = "{url}"\napi_key_env = "SET_KEY"\n'


GATES = [
    pytest.param(
        cheap(SURE % ("0.9", MEAN), NO_LOGPROBS) + STRONG,
        ("missing-logprobs", 5, "tiers[0].gates[1]"),
        "AtLeast(0.9, MeanProbability) needs log probabilities, which no deployment of"
        ' "cheap" gives',
        id="log probabilities from a tier without them",
    ),
    pytest.param(
        cheap(SURE % ("0.9", MEAN)) + f'[[tiers.deployments]]\nmodel = "other"\n{HOME}'
        f"price = {{ input = 0.1, output = 0.4 }}\n{NO_LOGPROBS}" + STRONG,
        ("missing-logprobs", 5, "tiers[0].gates[1]"),
        "needs log probabilities, which other does not give",
        id="log probabilities from one of two deployments",
    ),
    pytest.param(
        CHEAP + NO_LOGPROBS + STRONG + '[[routes]]\nname = "faq"\n[[routes.gates.cheap]]\n'
        f'gate = "AtLeast"\nthreshold = 0.5\nscorer = {MEAN}\n',
        ("missing-logprobs", 16, "routes[0].gates.cheap[0]"),
        "needs log probabilities",
        id="log probabilities for a route",
    ),
    pytest.param(
        cheap(SURE % ("90", MEAN)) + STRONG,
        ("threshold-out-of-range", 5, "tiers[0].gates[1].threshold"),
        "MeanProbability measures 0 to 1: no measure reaches 90; set a threshold over 0, up to 1",
        id="a threshold in per cent",
    ),
    pytest.param(
        cheap(SURE % ("0", '{ scorer = "TextLength" }')) + STRONG,
        ("threshold-out-of-range", 5, "tiers[0].gates[1].threshold"),
        "TextLength measures 0 to inf: every measure reaches 0; set a threshold over 0",
        id="a threshold that turns nothing down",
    ),
]

MONEY = [
    pytest.param(
        STRONG + CHEAP,
        ("tiers-out-of-order", 1, "tiers[0]"),
        '"strong" is asked before "cheap" and costs more: $0.0034 against $0.00017 for 500 tokens',
        id="the dearer tier first",
    ),
    pytest.param(
        route('name = "faq"\ntiers = [\n"strong",\n"cheap"]\n'),
        ("tiers-out-of-order", 16, "routes[0].tiers[0]"),
        '"strong" is asked before "cheap" and costs more',
        id="the dearer tier first on a route",
    ),
    pytest.param(
        tier("cheap", 1.4) + STRONG,
        ("low-break-even", 1, "tiers[0]"),
        'asking "cheap" before "strong" pays only where under 30 % of its answers are turned down'
        " (for 500 tokens in and 300 out); the monitor goes on up to 40 %; take a cheaper model for"
        ' "cheap", or set threshold = "auto" or 0.3 in [monitor]',
        id="a break-even below 40 %",
    ),
    pytest.param(
        tier("cheap", 0.8) + STRONG + "[monitor]\nthreshold = 0.7\n",
        ("low-break-even", 1, "tiers[0]"),
        "pays only where under 60 % of its answers are turned down",
        id="a break-even below the threshold",
    ),
    pytest.param(
        tier("cheap", 1.96) + STRONG + '[monitor]\nthreshold = "auto"\n',
        ("low-break-even", 1, "tiers[0]"),
        "under 2 % of its answers",
        id="a break-even below all that the monitor takes",
    ),
    pytest.param(
        tier("cheap", 2) + STRONG,
        ("low-break-even", 1, "tiers[0]"),
        'the monitor goes on up to 40 %; take a cheaper model for "cheap"',
        id="two tiers of one price",
    ),
    pytest.param(
        CHEAP.rpartition("price")[0] + STRONG,
        ("no-price", 3, "tiers[0].deployments[0]"),
        "no price is known for cheap-model: its cost is not counted",
        id="no price",
    ),
    pytest.param(
        tier("cheap", 1e-7) + STRONG,
        ("price-per-token", 6, "tiers[0].deployments[0].price"),
        "4e-07 USD per million tokens is less than anybody asks; give the price of a million",
        id="a price for each token",
    ),
    pytest.param(
        BOTH + "[budget]\nper_request = 0.01\n",
        ("budget-too-small", 14, "budget.per_request"),
        'per_request does not hold a call of "strong", which may cost $0.03377: it is never asked',
        id="a budget below one call",
    ),
    pytest.param(
        route('name = "faq"\n[routes.budget]\nper_day = 0.03\n'),
        ("budget-too-small", 16, "routes[0].budget.per_day"),
        'per_day does not hold a call of "strong"',
        id="a day's budget below one call",
    ),
]

DEPLOYMENTS = [
    pytest.param(
        tier("cheap", 0.1, url='api_key_env = "UNSET_KEY"\n') + STRONG,
        ("key-not-set", 3, "tiers[0].deployments[0]"),
        "no API key: the environment variable UNSET_KEY is not set; set it, or name another",
        id="a key that is not set",
    ),
    pytest.param(
        tier("cheap", 0.1, url='api_key_file = "no/such/file"\n') + STRONG,
        ("key-not-set", 3, "tiers[0].deployments[0]"),
        "api_key_file no/such/file cannot be read",
        id="a key file that is not there",
    ),
    pytest.param(
        tier("cheap", 0.1, url='base_url = "https://models.example/v1"\n') + STRONG,
        ("key-not-set", 3, "tiers[0].deployments[0]"),
        "has no API key: name its environment variable with api_key_env",
        id="no key at all",
    ),
    pytest.param(
        CHEAP + STRONG.replace("strong-model", "cheap-model"),
        ("same-deployment", 9, "tiers[1].deployments[0]"),
        '"strong" asks cheap-model at the same endpoint as "cheap"',
        id="one model in two tiers",
    ),
    pytest.param(
        tier("cheap", 0.1, "allow_http = true\n", elsewhere("http://models.example.com/v1"))
        + STRONG,
        ("plain-http", 8, "tiers[0].deployments[0].allow_http"),
        "key and prompts go to models.example.com unencrypted; use https",
        id="plain HTTP to a public name",
    ),
    pytest.param(
        tier("cheap", 0.1, "allow_http = true\n", elsewhere("http://8.8.8.8/v1")) + STRONG,
        ("plain-http", 8, "tiers[0].deployments[0].allow_http"),
        "key and prompts go to 8.8.8.8 unencrypted",
        id="plain HTTP to a public address",
    ),
    pytest.param(
        CHEAP.replace("8000/v1", "8000") + STRONG,
        ("wrong-path", 5, "tiers[0].deployments[0].base_url"),
        "base_url has no path; nearly all servers of one's own answer under /v1; set base_url = ",
        id="no version in the URL",
    ),
    pytest.param(
        CHEAP.replace("8000/v1", "8000/v1/chat/completions") + STRONG,
        ("wrong-path", 5, "tiers[0].deployments[0].base_url"),
        "/chat/completions is appended to base_url, which ends in it; leave /chat/completions out",
        id="the whole URL of the endpoint",
    ),
    pytest.param(
        "timeout = 20\n" + tier("cheap", 0.1, "timeout = 60\n") + STRONG,
        ("timeout-too-long", 8, "tiers[0].deployments[0].timeout"),
        "one call may take 60 s, and a whole request 20 s",
        id="a call longer than the request",
    ),
    pytest.param(
        f'max_attempts = 2\n{BOTH}[[tiers.deployments]]\nmodel = "other"\n{HOME}'
        "price = { input = 2, output = 8 }\n",
        ("no-failover", 1, "max_attempts"),
        'when "strong" has been asked once, 2 calls may have been made, and max_attempts is 2:'
        " its retries and further deployments are not used; set max_attempts = 3 or more",
        id="no call left for the second deployment",
    ),
    pytest.param(
        f"max_attempts = 1\n{CHEAP}[tiers.retry]\nmax_retries = 3\n{STRONG}",
        ("no-failover", 1, "max_attempts"),
        'when "cheap" has been asked once, 1 call',
        id="no call left for retries",
    ),
]

ROUTES = [
    pytest.param(
        rules('route = "a"\ncontains = ["x", "y"]', 'route = "b"\ncontains = ["y"]\ntools = true'),
        ("unreachable-rule", 22, "rules[1]"),
        'rule "b" never decides: rule "a" on line 19 takes all of its requests',
        id="a rule after a wider one",
    ),
    pytest.param(
        rules('route = "b"')
        + '[[routes]]\nname = "c"\n[[rules]]\nroute = "a"\nlatency = "batch"\n',
        ("unreachable-route", 21, "routes[3]"),
        'nothing leads to the route "c": rule "b" takes every request, and no rule names it',
        id="a rule that takes everything",
    ),
    pytest.param(
        route('name = "faq"\ntasks = []\n'),
        ("unreachable-route", 13, "routes[0]"),
        'nothing leads to the route "faq": it serves no task, and no rule names it',
        id="a route without tasks",
    ),
    pytest.param(
        f'{BOTH}[[routes]]\nname = "default"\n'
        '[router]\ntasks = { default = "anything", faq = "a common question" }\n',
        ("unserved-task", 16, "router.tasks.faq"),
        'no route serves the task "faq": its requests take the default route',
        id="a task of the router for which there is no route",
    ),
    pytest.param(
        route('name = "default"\ntiers = ["strong"]\n'),
        ("unused-tier", 1, "tiers[0]"),
        'no route asks the tier "cheap"; name it in the tiers of a route, or take it out',
        id="a tier that no route asks",
    ),
    pytest.param(
        route('name = "faq"\nstart = "strong"\n[[routes.gates.cheap]]\ngate = "ValidJson"\n'),
        ("dead-gate", 16, "routes[0].gates.cheap"),
        'route "faq" starts at "strong": this gate of "cheap" would judge only where a budget runs',
        id="a gate before the start",
    ),
    pytest.param(
        route('name = "faq"\ntiers = ["cheap"]\n[[routes.gates.cheap]]\ngate = "ValidJson"\n'),
        ("nothing-to-cascade", 16, "routes[0].gates.cheap"),
        'route "faq" asks only "cheap": where its gate says no, nobody else is asked',
        id="a gate with nobody after it",
    ),
    pytest.param(
        route('name = "faq"\ntiers = ["strong"]\n[routes.monitor]\nthreshold = 0.3\n'),
        ("nothing-to-cascade", 16, "routes[0].monitor"),
        'route "faq" asks only "strong": there is nothing that monitor could decide',
        id="a monitor for one tier",
    ),
    pytest.param(
        route('name = "faq"\ntiers = ["strong"]\nlatency_objective = 5\n'),
        ("nothing-to-cascade", 16, "routes[0].latency_objective"),
        "there is nothing that latency_objective could decide",
        id="a latency objective for one tier",
    ),
    pytest.param(
        f"{STRONG}[monitor]\nthreshold = 0.3\n",
        ("nothing-to-cascade", 7, "monitor"),
        "there is one tier, and nothing to bypass it for; add a tier",
        id="a monitor for the only tier",
    ),
    pytest.param(
        route('name = "faq"\ntimeout = 10\nlatency_objective = 30\n'),
        ("objective-over-timeout", 16, "routes[0].latency_objective"),
        "an answer is wanted within 30 s, and given up after 10 s",
        id="an objective over the timeout",
    ),
    pytest.param(
        route('name = "faq"\n[routes.expected_fallback]\nstrong = 0.1\n'),
        ("unwatched-expectation", 16, "routes[0].expected_fallback.strong"),
        'route "faq" does not go on from "strong": there are no answers to compare with what is'
        " expected; take it out",
        id="a fallback rate of the last tier",
    ),
    pytest.param(
        route('name = "faq"\nstart = "strong"\nexpected_agreement = { cheap = 0.9 }\n'),
        ("unwatched-expectation", 16, "routes[0].expected_agreement.cheap"),
        'route "faq" does not go on from "cheap"',
        id="an agreement before the start",
    ),
    pytest.param(
        route('name = "faq"\n[routes.expected_fallback]\ncheap = 0.5\n'),
        ("expected-to-be-bypassed", 16, "routes[0].expected_fallback.cheap"),
        '50 % of the answers of "cheap" are expected to be turned down, and over 40 % its monitor'
        ' bypasses it; let the route start at "strong", or set a higher threshold',
        id="an expected rate over the threshold",
    ),
    pytest.param(
        tier("cheap", 1) + STRONG + '[[routes]]\nname = "faq"\nmonitor = { threshold = "auto" }\n'
        "expected_fallback = { cheap = 0.6 }\n",
        ("expected-to-be-bypassed", 16, "routes[0].expected_fallback.cheap"),
        "over 50 % its monitor bypasses it",
        id="an expected rate over the break-even",
    ),
]
