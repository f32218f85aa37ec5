"""Ready-made rules for the classic kinds of tasks, on prompts as people write them."""

import subprocess
import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.policy.rules import Rulebook
from cascade.policy.task_rules import TASKS, task_rules
from cascade.types import Request

PROMPTS = {
    "classification": (
        "Classify the sentiment of this review as positive, negative or neutral: 'Arrived late.'",
        "Is the following email spam or not spam?\n\nYou have won a cruise! Click here.",
        "Label each of these tickets as billing, technical or other.\n1. My invoice is wrong",
        "Which category does this product belong to: kitchen, garden or toys? 'Silicone spatula'",
        "Tag the message with one of: urgent, normal, low.\nMessage: the server room is on fire",
        "You are given a tweet. Decide whether it is sarcastic. Answer yes or no.\nGreat, rain!",
        "Categorise this expense: Uber to the airport, 43 EUR",
        "Please assign the following bug report to one of the teams: frontend, backend, infra.",
        "What is the sentiment of this sentence? 'I wrote a summary of it and hated every line.'",
        "Detect the language of this text: 'Je ne sais pas pourquoi il pleut.'",
    ),
    "extraction": (
        "Extract all email addresses from the text below.\n\nContact jo@example.org or al@x.net",
        "Pull out the invoice number, date and total: 'Invoice 4711 of 3 May, total 93.20 EUR'",
        "List every person mentioned in this article.\n\nMs Rivera met Dr. Chen in Oslo on Monday.",
        "From this CV, give me the candidate's name, email and years of experience.\n\nJane Roe",
        "Find all dates in the following contract.",
        "What is the order number in this message? 'Hi, about order AB-1234567, where is it?'",
        "Get the ingredients from this recipe: Mix 200 g flour with two eggs ...",
        "Identify the named entities (people, places, organisations) in: 'Ada moved to Turin.'",
        "Parse the following address into street, city and postcode: 10 Downing St, London SW1A",
        "Extract the key terms of the report and return them as JSON.",
    ),
    "formatting": (
        "Convert this CSV to a markdown table:\nname,age\nAnn,31\nBo,28",
        "Reformat the following JSON with two spaces of indentation: {\"a\":1,\"b\":[2,3]}",
        "Turn this list into a comma-separated line:\n- apples\n- pears",
        "Fix the punctuation and capitalisation: 'hi john how are you see you on monday'",
        "Rewrite these dates in ISO 8601 format: 3/4/2024, 12 May 1999",
        "Put the following names in alphabetical order: Zoe, Adam, Mia",
        "Change all headings below to title case.\n\n# how to boil an egg",
        "Make this into bullet points: We sell tea. We ship worldwide. We close on Sundays.",
        "Format the phone numbers as +49 ...: 0171 123456, 030/998877",
        "Please convert the YAML below into JSON.\n\nname: web\nports: [80, 443]",
    ),
    "summarisation": (
        "Summarize the following article in three sentences.\n\nThe council met on Tuesday ...",
        "TL;DR of this thread please: Anna: the build is red again. Bob: on it.",
        "Give me a short summary of the bug report below, without the stack trace.",
        "What are the key takeaways from this meeting transcript? ...",
        "Condense this email into one paragraph.\n\nDear all, as you may have heard ...",
        "Can you sum up the plot of Moby-Dick for me?",
        "Write a two-sentence summary of this research paper on coral reefs.",
        "Boil this down to the main points: Our quarterly figures show ...",
        "Please provide an abstract for the following report.",
        "Recap what we have agreed on so far in this conversation.",
    ),
    "generation": (
        "Write a short story about a lighthouse keeper who collects clocks.",
        "Draft an email to my landlord asking for the heating to be repaired.",
        "Compose a haiku about autumn rain.",
        "Come up with ten names for a coffee shop run by cats.",
        "Write a product description for a bamboo toothbrush.",
        "Create a LinkedIn post announcing our new office in Lisbon.",
        "Give me a tagline for a company that plans weddings.",
        "Write a poem in which a programmer falls in love with a function.",
        "I need a cover letter for a job as a data analyst.",
        "Please write a blog post on how to classify wild mushrooms.",
    ),
    "code": (
        "Write a Python function that returns the n-th prime number.",
        "Implement a binary search tree in Rust with insert and delete.",
        "Refactor this class so that it no longer uses global state:\n```java\nclass A {}\n```",
        "Add unit tests for the function below.\n\ndef add(a, b):\n    return a + b",
        "Convert this JavaScript to TypeScript:\n```js\nconst f = (x) => x\n```",
        "Write a SQL query that lists the ten customers with the highest revenue.",
        "Create a regex that matches German licence plates.",
        "How do I reverse a linked list in C++?",
        "Write a bash script that deletes log files older than 30 days.",
        "Write code to classify images of cats and dogs with PyTorch.",
        "Build a React component that shows a summary of the cart.",
    ),
    "analysis": (
        "Analyse the strengths and weaknesses of this business model: subscriptions for socks.",
        "Compare PostgreSQL and MongoDB for a chat application with 10 million users.",
        "What are the pros and cons of working four days a week?",
        "Evaluate the argument in the following essay. Is it sound?",
        "Analyze the sales figures below and tell me which trends you see.\n\nQ1 12, Q2 19, Q3 7",
        "How would a rise in interest rates affect small banks? Discuss both sides.",
        "Do a SWOT analysis of a bakery that starts to sell online.",
        "Critically assess the methodology of this study.",
        "Interpret these survey results: 63 % agree, 20 % disagree, the rest did not answer.",
        "What are the implications of the new ruling for landlords?",
    ),
    "diagnosis": (
        "My Postgres server crashes every night at 3 am. What could be the cause?",
        "Why does this code throw a NullPointerException?\n```java\ns = null; s.size();\n```",
        "I get 'connection refused' when I start the container. How do I fix it?",
        "Debug this: TypeError: unsupported operand type(s) for +: 'int' and 'str'",
        "The washing machine stops in the middle of the spin cycle and beeps. What is wrong?",
        "Find the root cause of the outage from these logs.\n\n03:01 ERROR pool exhausted",
        "My tomato plants have yellow leaves with brown spots. What's the problem?",
        "Since the update my laptop won't wake up from sleep. Help me troubleshoot.",
        "Traceback (most recent call last):\n  File \"a.py\", line 3\nKeyError: 'id'",
        "Why is my query so slow although there is an index?",
    ),
    "planning": (
        "Plan a three-day trip to Kyoto for a family with two small children.",
        "Create a project plan for moving our data centre to the cloud.",
        "Break this goal down into steps with deadlines: learn enough Spanish to work in Madrid.",
        "Make me a training schedule for a first marathon in October.",
        "Draw up a roadmap for launching a mobile app in six months.",
        "Help me plan my week: gym three times, 20 hours of work, one evening off.",
        "What steps should I take to open a restaurant, and in which order?",
        "Design a migration strategy from a monolith to microservices.",
        "Write a study plan for the bar exam, ten weeks, weekends free.",
        "Prepare an agenda for a two-hour kickoff meeting.",
    ),
    "report": (
        "Write a report on the state of renewable energy in Spain.",
        "Prepare a quarterly report for the board from these figures: revenue 4.1 m, costs 3.2 m",
        "Create an incident report for yesterday's outage, with a timeline and follow-ups.",
        "Draft a white paper about zero-trust networks.",
        "Generate a market research report on electric bikes in Europe.",
        "Write a literature review on sleep and memory.",
        "Produce a detailed status report of the project for the steering committee.",
        "I need a post-mortem document for the failed deployment on Friday.",
        "Compile a due diligence report on Acme Ltd.",
        "Write up the findings of our user interviews as a formal report.",
    ),
}  # fmt: skip
"""Written before the rules that read them."""

UNKNOWN = {
    "classification": (
        "Hi! Could you sort these support messages into complaints, questions and praise?\n1. ...",
        "For each sentence, say if it is a fact or an opinion.\n1. Water is wet.",
        "Here is a headline: 'Stocks tumble'. Choose the right section: sports, business, arts.",
    ),
    "extraction": (
        "Here is an email. Which meeting time does it propose?\n\nHi, let's say 3 pm on Friday.",
        'Fill this JSON schema from the text: {"name": "", "age": 0}. Text: Bo is 31.',
    ),
    "formatting": (
        "Can you make this table prettier? |a|b| |1|2|",
        "I want this text in upper case: hello world",
        "Make everything upper case: hello",
    ),
    "summarisation": (
        "Too long, didn't read: give me the essence of these terms of service.",
        "I missed the meeting. What were the most important points? Transcript: ...",
    ),
    "code": ("function to check whether a string is a palindrome, in Go please",),
    "diagnosis": (
        "nginx returns 502 since this morning, nothing in the logs, any idea?",
        "The test passes locally but fails in CI. What might be going on?",
        "npm ERR! code ERESOLVE, what now?",
        "There's a rattling noise when I brake at low speed.",
    ),
    "planning": (
        "I have four weeks to prepare for a chemistry exam. How should I divide my time?",
        "We want to hire five people by June. Lay out how we get there.",
    ),
    "of none of these kinds": (
        "Hi",
        "Thanks, that helped!",
        "What is the capital of Australia?",
        "Translate 'good morning' into Polish.",
        "What does 'ubiquitous' mean?",
        "Let's play chess. You begin.",
        "Tell me about the Ottoman Empire.",
        "Is it safe to eat raw eggs?",
        "12 * 37",
    ),
}
"""What no rule tells, by what it is: the limits of telling a task by how it is asked for."""

EVERYTHING = Rulebook(task_rules())


def asked(*texts: str, task: str | None = None) -> Request:
    return Request(tuple({"role": "user", "content": text} for text in texts), task=task)


def told(text: str) -> str | None:
    found = EVERYTHING.first_match(asked(text))
    return None if found is None else found[0].route


def table(prompts: dict[str, tuple[str, ...]]) -> list[object]:
    return [
        pytest.param(prompt, task, id=f"{task}-{number}")
        for task, each in prompts.items()
        for number, prompt in enumerate(each, 1)
    ]


@pytest.mark.parametrize(("prompt", "task"), table(PROMPTS))
def test_a_request_is_told_by_how_it_is_put(prompt: str, task: str) -> None:
    assert told(prompt) == task


@pytest.mark.parametrize(("prompt", "kind"), table(UNKNOWN))
def test_what_is_put_otherwise_is_left_to_the_default_route(prompt: str, kind: str) -> None:
    assert told(prompt) is None


def test_every_kind_has_prompts_here() -> None:
    assert sorted(PROMPTS) == sorted(TASKS)
    assert min(map(len, PROMPTS.values())) >= 8


def test_a_summary_report_is_taken_for_a_summary() -> None:
    assert told("Produce a summary report of the audit.") == "summarisation"


def test_the_last_wish_of_a_conversation_counts_where_the_first_was_none() -> None:
    found = EVERYTHING.first_match(asked("Hello there!", "Write a poem about rain."))
    assert found is not None
    assert found[0].route == "generation"


def test_a_request_whose_caller_named_a_task_is_left_alone() -> None:
    prompts = [prompt for each in PROMPTS.values() for prompt in each]
    assert not any(EVERYTHING.first_match(asked(prompt, task="mine")) for prompt in prompts)


@given(st.sets(st.sampled_from(TASKS), min_size=1), st.randoms())
def test_names_choose_rules_and_leave_their_order(names: set[str], random: Random) -> None:
    shuffled = sorted(names)
    random.shuffle(shuffled)
    assert task_rules(*shuffled) == tuple(rule for rule in task_rules() if rule.route in names)
    assert {rule.route for rule in task_rules(*shuffled)} == names


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("summarization", "did you mean 'summarisation'", id="near"),
        pytest.param("xyz", "there are classification, extraction", id="far"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        task_rules("code", name)


@given(
    st.text() | st.lists(st.sampled_from(["write", "a", "make", " ", "\n", "\ud800"])).map("".join)
)
def test_any_text_is_of_one_kind_or_none(text: str) -> None:
    assert told(text) in {None, *TASKS}


def test_importing_the_rules_does_not_load_re2() -> None:
    code = "import sys, cascade.policy.task_rules; print('re2' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
