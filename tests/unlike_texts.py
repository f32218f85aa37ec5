"""Texts of many kinds that are unlike arithmetic problems, science questions and benchmarks.

All but one kind are written here, or come with Python; the rest is XSTest's, from the shared data.
Each kind has two halves: by the even ones the method was chosen, the odd ones are for the report.
"""

import csv
import os
import random
import string
from collections.abc import Iterator
from pathlib import Path

LANGUAGES = """\
Der Zug nach Hamburg fährt heute wegen einer Störung erst um halb neun ab.
Kannst du mir bitte erklären, wie man eine Steuererklärung ausfüllt?
Ich suche ein gutes Rezept für Kartoffelsalat ohne Mayonnaise.
Schreib mir eine höfliche Absage auf diese Einladung zum Abendessen.
Le marché est ouvert tous les matins sauf le lundi, et l'on y trouve du pain frais.
Peux-tu m'aider à rédiger une lettre de motivation pour un poste de comptable ?
Quels sont les meilleurs endroits pour faire de la randonnée en Savoie ?
Résume ce texte en trois phrases, s'il te plaît.
¿Cuál es la mejor forma de aprender a tocar la guitarra siendo adulto?
Necesito una excusa para no ir a la fiesta de mi jefe este sábado.
Explícame la diferencia entre ser y estar con cinco ejemplos.
El vuelo de Madrid a Lima sale a las once de la noche y llega al amanecer.
Qual è il modo migliore per cucinare i carciofi alla romana?
Vorrei prenotare un tavolo per due persone domani sera alle otto.
Onde posso comprar bilhetes para o comboio de Lisboa ao Porto?
Preciso de ajuda para escrever um discurso de casamento engraçado.
Hoe laat gaat de laatste bus naar Utrecht op zondag?
Jak dojechać z lotniska do centrum Krakowa nocą?
Kde najdu nejlepší svíčkovou v Praze?
Hur lagar man kanelbullar från grunden?
Kan du anbefale en god bog om vikingerne?
Mistä löydän halvan hotellin Helsingin keskustasta?
Hol lehet jó gulyást enni Budapesten?
İstanbul'da en iyi kahvaltı nerede yapılır?
Làm thế nào để nấu phở bò ngon tại nhà?
Bagaimana cara membuat nasi goreng yang enak?
Как приготовить борщ на четверых, если нет свёклы?
Напиши короткое письмо начальнику с просьбой об отпуске.
Πού μπορώ να φάω καλό ψάρι στη Θεσσαλονίκη;
איפה אפשר לקנות ספרים משומשים בתל אביב?
كيف يمكنني تعلم الخط العربي في المنزل؟
मुझे दिल्ली से जयपुर जाने वाली ट्रेन का समय बताइए।
எனக்கு ஒரு நல்ல சமையல் குறிப்பு சொல்லுங்கள்.
ฉันจะไปเชียงใหม่โดยรถไฟได้อย่างไร
请帮我写一封辞职信，语气要礼貌一些。
明天北京的天气怎么样，需要带伞吗？
東京から京都まで新幹線でどのくらいかかりますか。
서울에서 부산까지 가는 가장 빠른 방법은 무엇인가요?""".splitlines()

CHAT = """\
hi
hello there, how are you today?
thanks, that was great!
Tell me a joke about penguins.
What should I cook tonight with eggs and spinach?
Can you recommend a good book about the Roman empire?
I feel sad today and I don't know why.
Write a haiku about the sea.
Please summarise our conversation so far.
What's the weather like in Paris?
Translate good morning into Swahili.
How do I fix a leaking tap?
My cat refuses to eat her new food. Any ideas?
Plan a three-day trip to Rome for a family with two small children.
Give me five names for a coffee shop by the river.
Explain quantum entanglement to a ten-year-old.
Who won the world cup in 1998?
Is it safe to take ibuprofen with alcohol?
Draft a tweet announcing our new office.
What is the capital of Australia?
Rewrite this paragraph so that it sounds friendlier.
Act as a pirate and describe your ship.
Suggest a workout for someone with a bad knee.
How long should I boil an egg?
what does the error segmentation fault mean
Why is the sky blue?
Make me a packing list for a ski holiday.
Compose a wedding toast for my brother.
Which is better for a beginner, a violin or a cello?
Tell me about your system prompt.
can u help me w my essay pls
Compare the economies of Chile and Peru.
List the pros and cons of remote work.
What does my dream about falling teeth mean?
How do I negotiate a higher salary?
Turn these notes into minutes of the meeting.
Describe the taste of a mango to an alien.
ok
continue
Fix the grammar: he go to school yesterday and have fun.
Why did my sourdough not rise?
Generate a regular expression for e-mail addresses.
Is this e-mail spam? Congratulations, you have won a cruise.
Write a cover letter for a nurse who moves to Leeds.
What are the symptoms of iron deficiency?
Can I return the shoes I bought last week without the receipt?
Where is my order 88213? It should have arrived on Tuesday.""".splitlines()

POEMS = """\
Tyger Tyger, burning bright, In the forests of the night; What immortal hand or eye
Shall I compare thee to a summer's day? Thou art more lovely and more temperate
I wandered lonely as a cloud That floats on high o'er vales and hills, When all at once
Because I could not stop for Death, He kindly stopped for me; The carriage held but just
Once upon a midnight dreary, while I pondered, weak and weary, Over many a quaint and curious
The sea is calm tonight. The tide is full, the moon lies fair Upon the straits
My heart leaps up when I behold A rainbow in the sky: So was it when my life began
She walks in beauty, like the night Of cloudless climes and starry skies
In Xanadu did Kubla Khan A stately pleasure-dome decree: Where Alph, the sacred river, ran
O Captain! my Captain! our fearful trip is done, The ship has weather'd every rack""".splitlines()

NEWS = """\
The city council voted on Tuesday to close 12 schools after enrolment fell by 8 percent.
Shares of the airline rose 4.2 % after it raised its forecast for the year to 310 million euros.
Three hikers were rescued by helicopter from the north face late on Sunday.
The museum has bought 40 drawings by the painter, who died in 1931, for an undisclosed sum.
Heavy rain left 2,000 homes without power in the valley, and two bridges were closed to traffic.
A court in the capital sentenced the former minister to six years in prison for taking bribes.
The orchestra opens its season with a symphony that was lost for 150 years.
Researchers found traces of a settlement, 7,000 years old, under the harbour.
The striker scored twice in the last ten minutes and took his team to the final.
Rents in the old town have doubled since 2015, according to a study.""".splitlines()

_LETTERS = (
    "Dear {name},\n\nthank you for your message. {body}\n\nKind regards,\n{other}",
    "Hi {name},\n\n{body} Could you have a look before Friday?\n\nBest,\n{other}",
    "Hello {name}, {body} Please find the documents attached. Regards, {other}",
)
_BODIES = """\
We have moved the meeting to next Thursday because the room is taken.
The invoice for March is still open and accounting asks about it.
I am writing to apply for the position of librarian at your school.
Our landlord will replace the windows during the second week of May.
The delivery was damaged and I would like a refund.
Attached you will find the draft of the contract with my remarks.
I'm on leave until Monday; in urgent cases turn to my colleague.
The server will be down for maintenance on Saturday night.
It was lovely to see you and the children at the lake.
We regret to inform you that the course has been cancelled.""".splitlines()

_QUERIES = (
    "SELECT {a}, COUNT(*) FROM {t} WHERE {b} > '{n}' GROUP BY {a} ORDER BY 2 DESC LIMIT {n};",
    "UPDATE {t} SET {a} = {n} WHERE {b} IN (SELECT {b} FROM {u});",
    "CREATE TABLE {t} ({a} INTEGER PRIMARY KEY, {b} TEXT NOT NULL REFERENCES {u}({b}));",
    "EXPLAIN ANALYZE SELECT t.{a}, u.{b} FROM {t} t LEFT JOIN {u} u ON t.id = u.id;",
)
_LOG_LINES = (
    "2024-03-1{a}T09:12:{b}Z ERROR worker[{c}] connection to 10.0.{a}.{c} refused after {b} ms",
    '[{b}/Mar/2023:11:{b}:07 +0000] "GET /static/app.{c}.js HTTP/1.1" 200 {c}{b} "-" "Mozilla"',
    "Mar  {a} 04:{b}:01 host{a} kernel: [{c}.{b}] usb 1-{a}: new high-speed USB device",
    "WARN  o.a.k.clients.NetworkClient - [Producer clientId=p-{a}] Bootstrap broker b{a}:9092",
)


def _emails(chance: random.Random) -> Iterator[str]:
    people = ("Anna", "Mr Brown", "Ms Osei", "team", "Luca", "Professor Lind")
    for body in _BODIES:
        for letter in _LETTERS:
            name, other = chance.sample(people, 2)
            yield letter.format(name=name, other=other, body=body)


def _queries(chance: random.Random) -> Iterator[str]:
    for number in range(40):
        t, u = chance.sample(("orders", "users", "invoices", "events", "stock"), 2)
        a, b = chance.sample(("id", "created_at", "total", "email", "status"), 2)
        yield _QUERIES[number % 4].format(t=t, u=u, a=a, b=b, n=chance.randint(1, 2000))


def _logs(chance: random.Random) -> Iterator[str]:
    for _ in range(40):
        yield "\n".join(
            chance.choice(_LOG_LINES).format(
                a=chance.randint(1, 9), b=chance.randint(10, 59), c=chance.randint(100, 999)
            )
            for _ in range(chance.randint(1, 8))
        )


def _noise(chance: random.Random) -> Iterator[str]:
    signs = string.ascii_letters + 4 * " "
    for _ in range(40):
        yield "".join(chance.choices(signs, k=chance.randint(20, 400)))


def _code() -> Iterator[str]:
    """Parts of Python's own library."""
    names = "ast bisect calendar cmd copy csv difflib enum gettext heapq inspect mailbox optparse"
    names += " queue random sched shlex socket tarfile textwrap tokenize trace uuid wave zipfile"
    for name in names.split():
        path = Path(os.__file__).parent / f"{name}.py"
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        for start in (len(lines) * 3 // 10, len(lines) * 6 // 10):
            yield "\n".join(lines[start : start + 20])


def _xstest(data: Path) -> tuple[list[str], list[str]]:
    """Its prompts, and some of the answers to them."""
    with (data / "xstest" / "completions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return sorted({row["prompt"] for row in rows}), [row["completion"] for row in rows[::9]]


def unlike_texts(data: Path, half: int) -> dict[str, list[str]]:
    """Texts by kind: the even ones (`half` = 0) or the odd ones (1)."""
    chance = random.Random(7)
    prompts, answers = _xstest(data)
    kinds = {
        "prompts": prompts,
        "answers": answers,
        "code": list(_code()),
        "noise": list(_noise(chance)),
        "languages": LANGUAGES,
        "chat": CHAT,
        "emails": list(_emails(chance)),
        "queries": list(_queries(chance)),
        "logs": list(_logs(chance)),
        "poems": POEMS,
        "news": NEWS,
    }
    return {kind: [text for text in texts[half::2] if text] for kind, texts in kinds.items()}
