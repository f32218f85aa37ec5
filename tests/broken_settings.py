"""Broken settings files, each with how the one message about it begins."""

import pytest

TIER = '[[tiers]]\nname = "cheap"\n'
GATES = TIER + "gates = [\n  "
DEPLOYMENT = TIER + '[[tiers.deployments]]\nmodel = "small"\n'
ROUTE = TIER + '[[tiers]]\nname = "strong"\n[[routes]]\nname = "faq"\n'


SHAPES = [
    pytest.param(
        "max_attemps = 4",
        'c.toml:1: max_attemps: unknown key "max_attemps": did you mean "max_attempts"? '
        "the file takes tiers, routes, rules, task_rules, router, router_timeout, monitor, budget, "
        "audit, limits, sinks, timeout, max_attempts, on_exhausted",
        id="unknown key",
    ),
    pytest.param(
        "zzz = 4",
        'c.toml:1: zzz: unknown key "zzz": '
        "the file takes tiers, routes, rules, task_rules, router, router_timeout, monitor, budget, "
        "audit, limits, sinks, timeout, max_attempts, on_exhausted",
        id="unknown key like no other",
    ),
    pytest.param("\ntimeout = 0", "c.toml:2: timeout: must be over 0", id="zero seconds"),
    pytest.param("timeout = nan", "c.toml:1: timeout: must be a finite number", id="nan"),
    pytest.param("timeout = '9'", "c.toml:1: timeout: must be a number", id="text for a number"),
    pytest.param(
        "max_attempts = 1.5", "c.toml:1: max_attempts: must be a whole number", id="no whole number"
    ),
    pytest.param(
        'on_exhausted = "bset"',
        'c.toml:1: on_exhausted: must be "raise" or "best"',
        id="none of the words",
    ),
    pytest.param(
        "[monitor]\n\nthreshold = 'aut'",
        'c.toml:3: monitor.threshold: must be a number or "auto"',
        id="none of the kinds",
    ),
    pytest.param(
        "[monitor]\nthreshold = 0.95",
        "c.toml:2: monitor.threshold: monitor setting threshold = 0.95: "
        'set a share over 0 and at most 0.9, or "auto"',
        id="refused by the class",
    ),
    pytest.param(
        "[monitor]\nwindow = 10",
        "c.toml:2: monitor.window: monitor setting window = 10: set at least min_calls (20)",
        id="two parameters that do not fit",
    ),
    pytest.param(
        "monitor = 3", "c.toml:1: monitor: must be a table, such as { name = value }", id="no table"
    ),
    pytest.param("tiers = 3", "c.toml:1: tiers: must be an array", id="no array"),
    pytest.param("tiers = [3]", "c.toml:1: tiers[0]: must be a table", id="no tables"),
    pytest.param("[[tiers]]\nretry = {}", 'c.toml:1: tiers[0]: a tier needs "name"', id="no name"),
    pytest.param(
        "[[tiers]]\nname = ''", "c.toml:2: tiers[0].name: must not be empty", id="an empty name"
    ),
    pytest.param(
        TIER + "[tiers.retry]\nretires = 3",
        'c.toml:4: tiers[0].retry.retires: unknown key "retires": did you mean "max_retries"? '
        "Retry takes max_retries, initial_delay, max_delay, ",
        id="retry",
    ),
    pytest.param(
        TIER * 2,
        'c.toml:4: tiers[1].name: the tier "cheap" stands twice; names must differ',
        id="one tier twice",
    ),
]

GATE_TABLES = [
    pytest.param(
        GATES + '{ gate = "notempyt" } ]',
        'c.toml:4: tiers[0].gates[0].gate: unknown gate "notempyt": did you mean "NotEmpty"? '
        "known: AllOf, AnyOf, AtLeast, Complete, ",
        id="unknown gate",
    ),
    pytest.param(
        GATES + '{ gaet = "NotEmpty" } ]',
        "c.toml:4: tiers[0].gates[0]: needs the name of a gate, "
        'such as { gate = "NotEmpty" }; known: AllOf, ',
        id="no gate named",
    ),
    pytest.param(
        GATES + "{ gate = 3 } ]",
        "c.toml:4: tiers[0].gates[0].gate: needs the name of a gate",
        id="a number for a gate",
    ),
    pytest.param(
        GATES + '"NotEmpty" ]',
        'c.toml:4: tiers[0].gates[0]: must be a table, such as { gate = "NotEmpty" }',
        id="a bare name",
    ),
    pytest.param(
        TIER + 'gates = "NotEmpty"',
        'c.toml:3: tiers[0].gates: must be an array of gates, such as [ { gate = "NotEmpty" } ]',
        id="no array of gates",
    ),
    pytest.param(
        GATES + '{ gate = "MeanProbability" } ]',
        'c.toml:4: tiers[0].gates[0].gate: "MeanProbability" is a scorer: it measures, and AtLeast '
        'cuts: { gate = "AtLeast", threshold = 0.9, scorer = { scorer = "MeanProbability" } }',
        id="a scorer for a gate",
    ),
    pytest.param(
        GATES + '{ gate = "AtLeast", threshold = 0, scorer = { scorer = "NotEmpty" } } ]',
        'c.toml:4: tiers[0].gates[0].scorer.scorer: "NotEmpty" is a gate, not a scorer; known: ',
        id="a gate for a scorer",
    ),
    pytest.param(
        TIER + '[[tiers.gates]]\ngate = "AtLeast"\nthreshold = 0.5\n'
        '[tiers.gates.scorer]\nscorer = "MeanProbabilty"',
        "c.toml:7: tiers[0].gates[0].scorer.scorer: "
        'unknown scorer "MeanProbabilty": did you mean "MeanProbability"? known: ',
        id="unknown scorer",
    ),
    pytest.param(
        GATES + '{ gate = "Length", at_mots = 3, at_least = 1 } ]',
        'c.toml:4: tiers[0].gates[0].at_mots: unknown key "at_mots": did you mean "at_most"? '
        "Length takes at_least, at_most, unit, max_chars",
        id="unknown parameter",
    ),
    pytest.param(
        GATES + '{ gate = "Length" } ]',
        "c.toml:4: tiers[0].gates[0]: Length: give at_least, at_most or both",
        id="refused by the gate",
    ),
    pytest.param(
        TIER + '[[tiers.gates]]\ngate = "Length"\nunit = "letters"\nat_least = 3',
        'c.toml:5: tiers[0].gates[0].unit: must be "words" or "characters"',
        id="a word of its own",
    ),
    pytest.param(
        GATES + '{ gate = "AtLeast", scorer = { scorer = "MeanProbability" } } ]',
        'c.toml:4: tiers[0].gates[0]: AtLeast needs "threshold"',
        id="a missing parameter",
    ),
    pytest.param(
        GATES + '{ gate = "AtLeast", threshold = inf, scorer = { scorer = "MeanProbability" } } ]',
        "c.toml:4: tiers[0].gates[0].threshold: must be a finite number",
        id="an endless threshold",
    ),
    pytest.param(
        GATES + '{ gate = "AnyOf", gates = [\n{ gate = "NotEmpty" },\n{ gate = "Compelte" } ] } ]',
        'c.toml:6: tiers[0].gates[0].gates[1].gate: unknown gate "Compelte": '
        'did you mean "Complete"? ',
        id="deep in an inline table",
    ),
    pytest.param(
        GATES + '{ gate = "Not", of = { gate = "Not" } } ]',
        'c.toml:4: tiers[0].gates[0].of: Not needs "of"',
        id="Not of nothing",
    ),
    pytest.param(
        GATES + '{ gate = "NotRefusal", languages = ["en",\n3] } ]',
        "c.toml:5: tiers[0].gates[0].languages[1]: must be text",
        id="an element of an array",
    ),
    pytest.param(
        TIER + '[[tiers.gates]]\ngate = "MatchesSchema"\n[tiers.gates.schema]\ntype = "objekt"',
        "c.toml:5: tiers[0].gates[0].schema: ",
        id="a schema that is none",
    ),
    pytest.param(
        TIER + '[[tiers.gates]]\ngate = "MatchesSchema"\nschema = "x.json"',
        "c.toml:5: tiers[0].gates[0].schema: must be a table or true or false",
        id="a schema by its name",
    ),
]

DEPLOYMENTS = [
    pytest.param(
        DEPLOYMENT + 'api_key = "sk-very-secret"',
        "c.toml:5: tiers[0].deployments[0].api_key: a key does not belong in this file; "
        "name the environment variable that holds it",
        id="a key in the file",
    ),
    pytest.param(
        DEPLOYMENT + 'apikey = "sk-very-secret"',
        'c.toml:5: tiers[0].deployments[0].apikey: unknown key "apikey": did you mean "api_key_',
        id="a key under another name",
    ),
    pytest.param(
        DEPLOYMENT + 'api_key_env = "sk-very-secret"',
        "c.toml:5: tiers[0].deployments[0].api_key_env: must be the name of a variable; ",
        id="a key for a variable",
    ),
    pytest.param(
        DEPLOYMENT + 'headers = { Authorization = "Bearer sk-very-secret" }',
        "c.toml:5: tiers[0].deployments[0].headers.Authorization: a key does not belong",
        id="a key in a header",
    ),
    pytest.param(
        DEPLOYMENT + 'headers = { "x y" = 3 }',
        'c.toml:5: tiers[0].deployments[0].headers."x y": must be text',
        id="a number in a header",
    ),
    pytest.param(
        DEPLOYMENT + 'api_key_env = "A"\napi_key_file = "b"',
        "c.toml:6: tiers[0].deployments[0].api_key_file: give api_key_env or api_key_file",
        id="two places for a key",
    ),
    pytest.param(
        DEPLOYMENT + 'provider = "opnai"',
        'c.toml:5: tiers[0].deployments[0].provider: unknown provider "opnai": '
        'did you mean "openai"? known: openai',
        id="unknown provider",
    ),
    pytest.param(
        DEPLOYMENT + 'base_url = "models.example/v1"',
        "c.toml:5: tiers[0].deployments[0].base_url: base_url must look like https://host/v1",
        id="no URL",
    ),
    pytest.param(
        DEPLOYMENT + 'base_url = "http://models.example/v1"',
        "c.toml:5: tiers[0].deployments[0].base_url: base_url",
        id="in the clear",
    ),
    pytest.param(
        DEPLOYMENT + "[tiers.deployments.price]\ninput = -1\noutput = 1",
        "c.toml:6: tiers[0].deployments[0].price.input: Price: input is USD per million tokens",
        id="a price below nothing",
    ),
    pytest.param(
        TIER + 'deployments = [{ base_url = "https://models.example/v1" }]',
        'c.toml:3: tiers[0].deployments[0]: a deployment needs "model"',
        id="no model",
    ),
]

ROUTES = [
    pytest.param(
        ROUTE + 'start = "strnog"',
        'c.toml:7: routes[0].start: unknown tier of this route "strnog": did you mean "strong"?',
        id="a start that is no tier",
    ),
    pytest.param(
        ROUTE + '[[rules]]\nroute = "fqa"',
        'c.toml:8: rules[0].route: unknown route "fqa": did you mean "faq"? known: default, faq',
        id="a rule that leads nowhere",
    ),
    pytest.param(
        ROUTE + '[[rules]]\nroute = "faq"\nmatches = "("',
        "c.toml:9: rules[0].matches: ",
        id="a rule's pattern that re2 refuses",
    ),
    pytest.param(
        ROUTE + "[routes.budget]\nper_day = 0",
        "c.toml:8: routes[0].budget.per_day: budget setting per_day = 0",
        id="no money",
    ),
    pytest.param(
        '[[sinks]]\nsink = "AuditLgo"',
        'c.toml:2: sinks[0].sink: unknown sink "AuditLgo": did you mean "AuditLog"?',
        id="no such sink",
    ),
    pytest.param(
        '[[sinks]]\nsink = "AuditLog"',
        'c.toml:1: sinks[0]: an audit log needs "path"',
        id="no path",
    ),
    pytest.param(
        "[[sinks]]", "c.toml:1: sinks[0]: needs the name of a sink", id="a sink of no kind"
    ),
    pytest.param("[audit]\nshare = 2", "c.toml:2: audit.share: ", id="more samples than answers"),
    pytest.param(
        '[audit]\nshare = 0.1\ncompare = "fuzzy"',
        'c.toml:3: audit.compare: must be "exact", "json" or "number"',
        id="no such comparison",
    ),
    pytest.param(
        "[router]\ntasks = { faq = 'short' }", "c.toml:2: router.tasks: ", id="a single task"
    ),
    pytest.param("[router]", "c.toml:1: router: takes either file", id="a router of no kind"),
    pytest.param(
        'task_rules = ["code", "poem"]',
        'c.toml:1: task_rules: unknown task "poem": ',
        id="no such ready-made rules",
    ),
    pytest.param(
        'routes = "atuo"', 'c.toml:1: routes: must be "auto" or tables: [[routes]]', id="no routes"
    ),
    pytest.param("routes = [3]", "c.toml:1: routes[0]: must be a table", id="no route"),
    pytest.param(
        ROUTE + 'tiers = ["cheap",\n  "stong"]',
        'c.toml:8: routes[0].tiers[1]: unknown tier "stong": did you mean "strong"? '
        "known: cheap, strong",
        id="unknown tier",
    ),
    pytest.param(
        '[[routes]]\nname = "faq"\ntiers = ["cheap"]',
        'c.toml:3: routes[0].tiers[0]: unknown tier "cheap": known: none',
        id="no tiers at all",
    ),
    pytest.param(
        ROUTE + "tiers = []",
        "c.toml:7: routes[0].tiers: must have at least 1",
        id="a route without tiers",
    ),
    pytest.param(
        ROUTE + 'tiers = ["cheap", "strong", "cheap"]',
        'c.toml:7: routes[0].tiers[2]: the tier "cheap" stands twice; names must differ',
        id="a tier walked twice",
    ),
    pytest.param(
        ROUTE + 'tiers = ["strong"]\n[routes.gates]\ncheap = []',
        'c.toml:9: routes[0].gates.cheap: unknown tier of this route "cheap": known: strong',
        id="a gate beside the way",
    ),
    pytest.param(
        ROUTE + "[routes.expected_fallback]\nchep = 0.2",
        'c.toml:8: routes[0].expected_fallback.chep: unknown tier of this route "chep": did you'
        ' mean "cheap"?',
        id="a rate of a tier that is not there",
    ),
    pytest.param(
        ROUTE + 'tiers = ["strong"]\n[routes.expected_agreement]\ncheap = 0.2',
        'c.toml:9: routes[0].expected_agreement.cheap: unknown tier of this route "cheap"',
        id="an agreement beside the way",
    ),
    pytest.param(
        ROUTE + "[routes.expected_fallback]\ncheap = 23",
        "c.toml:8: routes[0].expected_fallback.cheap: must be 1 or less",
        id="a rate in per cent",
    ),
    pytest.param(
        ROUTE + "expected_labels = { cheap = 0 }",
        "c.toml:7: routes[0].expected_labels.cheap: must be 1 or more",
        id="a rate of no labels",
    ),
    pytest.param(
        ROUTE + "[routes.expected_labels]\nchep = 100",
        'c.toml:8: routes[0].expected_labels.chep: unknown tier of this route "chep"',
        id="labels of a tier that is not there",
    ),
    pytest.param(
        ROUTE + "expected_agreement = { cheap = -0.1 }",
        "c.toml:7: routes[0].expected_agreement.cheap: must be 0 or more",
        id="a share below nothing",
    ),
    pytest.param(
        ROUTE + '[routes.gates]\ncheap = [{ gate = "NotEmty" }]',
        'c.toml:8: routes[0].gates.cheap[0].gate: unknown gate "NotEmty"',
        id="a gate of a route",
    ),
    pytest.param(
        ROUTE + '[[routes]]\nname = "faq"',
        'c.toml:8: routes[1].name: the route "faq" stands twice; names must differ',
        id="one route twice",
    ),
    pytest.param(
        ROUTE + '[[routes]]\nname = "b"\ntasks = ["b", "faq"]',
        'c.toml:9: routes[1].tasks[1]: the task "faq" stands twice; names must differ',
        id="one task twice",
    ),
    pytest.param(
        ROUTE + 'tasks = ["a", 3]', "c.toml:7: routes[0].tasks[1]: must be text", id="no task"
    ),
    pytest.param(
        ROUTE + 'parameters = { model = "x" }',
        "c.toml:7: routes[0].parameters.model: cannot be set: a deployment names its model",
        id="a parameter that is not the caller's",
    ),
    pytest.param(
        ROUTE + "parameters.seed = 1979-05-27",
        "c.toml:7: routes[0].parameters.seed: must be a value that JSON knows",
        id="a date",
    ),
    pytest.param(
        ROUTE + "[routes.monitor]\nprobe_shar = 0.1",
        'c.toml:8: routes[0].monitor.probe_shar: unknown key "probe_shar": '
        'did you mean "probe_share"? ',
        id="a monitor of a route",
    ),
]
