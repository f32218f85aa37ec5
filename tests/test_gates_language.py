"""SameLanguage: which language a text is told to be in, and when nothing is said."""

import pytest
from hypothesis import given

from gates import Bounds, Candidate, Status
from gates.language import READ, SameLanguage
from gates.laws import check_gate
from gates.verdict import OPEN
from tests.growing import growing, hold_bounds

ANSWERS = {
    "en": "Water boils at one hundred degrees at sea level. Higher up the pressure is lower, so it "
    "boils earlier than it would on the coast, and food takes longer to cook.",
    "es": "El agua hierve a cien grados al nivel del mar. A mayor altitud la presión es menor, por "
    "lo que hierve antes que en la costa y los alimentos tardan más en cocinarse.",
    "fr": "L'eau bout à cent degrés au niveau de la mer. Plus haut, la pression est plus "
    "faible, de "
    "sorte qu'elle bout plus tôt et que les aliments cuisent plus lentement.",
    "de": "Wasser siedet auf Meereshöhe bei hundert Grad. In größerer Höhe ist der Druck "
    "niedriger, "
    "so dass es früher siedet als an der Küste und das Essen länger braucht.",
    "pt": "A água ferve a cem graus ao nível do mar. Em altitudes maiores a pressão é menor, por "
    "isso ela ferve mais cedo do que no litoral e os alimentos demoram mais para cozinhar.",
    "it": "L'acqua bolle a cento gradi al livello del mare. Più in alto la pressione è più bassa, "
    "quindi bolle prima che sulla costa e i cibi impiegano più tempo a cuocere.",
    "nl": "Water kookt bij honderd graden op zeeniveau. Op grotere hoogte is de druk lager, zodat "
    "het eerder kookt dan aan de kust en het eten langer nodig heeft om gaar te worden.",
    "zh": "在海平面上，水在一百度沸腾。海拔越高，气压越低，因此水比在海边更早沸腾，食物也需要更"
    "长的时间。",
    "ja": "水は海面では百度で沸騰します。標高が高くなると気圧が下がるため、海岸よりも早く沸騰し"
    "ます。",
    "ko": "물은 해수면에서 백 도에 끓습니다. 고도가 높아지면 기압이 낮아지므로 해안보다 더 일찍"
    " 끓습니다.",
    "ru": "Вода кипит при ста градусах на уровне моря. На большей высоте давление ниже, "
    "поэтому она "
    "закипает раньше, чем на побережье, и еда готовится дольше.",
    "el": "Το νερό βράζει στους εκατό βαθμούς στην επιφάνεια της θάλασσας. Ψηλότερα η πίεση είναι "
    "μικρότερη, γι' αυτό βράζει νωρίτερα από ό,τι στην ακτή.",
    "ar": "يغلي الماء عند مئة درجة عند مستوى سطح البحر. وكلما ارتفعنا انخفض الضغط، ولذلك يغلي "
    "الماء "
    "في وقت أبكر مما يغلي على الساحل.",
}
PROMPTS = {
    "en": "Why does water boil earlier on a mountain?",
    "es": "¿Por qué hierve antes el agua en la montaña?",
    "fr": "Pourquoi l'eau bout-elle plus tôt en montagne ?",
    "de": "Warum siedet Wasser auf dem Berg früher?",
    "pt": "Por que a água ferve mais cedo na montanha?",
    "it": "Perché l'acqua bolle prima in montagna?",
    "zh": "为什么水在山上更早沸腾？",
    "ja": "山の上で水が早く沸騰するのはなぜですか。",
    "ru": "Почему на горе вода закипает раньше?",
}


def status(text: str, prompt: str) -> Status:
    return SameLanguage().check(Candidate(text, prompt=prompt)).status


@pytest.mark.parametrize("answered", ANSWERS)
@pytest.mark.parametrize("asked", PROMPTS)
def test_an_answer_in_another_language_than_the_prompt_fails(asked: str, answered: str) -> None:
    expected = Status.PASS if asked == answered else Status.FAIL
    assert status(ANSWERS[answered], PROMPTS[asked]) is expected


@pytest.mark.parametrize("language", ANSWERS)
def test_a_language_can_be_named(language: str) -> None:
    answer = Candidate(ANSWERS[language])
    assert SameLanguage(language).check(answer).passed
    other = "en" if language != "en" else "de"
    assert SameLanguage(other).check(answer).status is Status.FAIL


CODE = """```python
for item in the_list:
    if item is not None and item in cache:
        print(item)
```"""
BARE_CODE = """def first(items, default=None):
    for item in items:
        if item is not None and (item.size > 0 or item.forced):
            return item["name"]
    return {"error": default, "found": [], "is_not": None}
"""


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        pytest.param("Roma", PROMPTS["en"], id="short"),
        pytest.param("42", PROMPTS["de"], id="number"),
        pytest.param("", PROMPTS["en"], id="empty"),
        pytest.param(CODE, PROMPTS["es"], id="fenced-code"),
        pytest.param(BARE_CODE, PROMPTS["es"], id="bare-code"),
        pytest.param('{"is": "the", "and": ["of", "to", "in"], "x": {}}', PROMPTS["fr"], id="json"),
        pytest.param(
            "Gabriel García Márquez, Jorge Luis Borges, Julio Cortázar, Pablo Neruda, Octavio Paz, "
            "Mario Vargas Llosa, Isabel Allende, Juan Rulfo, Carlos Fuentes",
            PROMPTS["en"],
            id="names",
        ),
        pytest.param(
            f"Er sagte: “{ANSWERS['en']}” Das war alles, was er dazu zu sagen hatte, und wir "
            "gingen nach Hause, weil es spät war und der Regen nicht aufhören wollte.",
            PROMPTS["de"],
            id="long-quotation",
        ),
        pytest.param(ANSWERS["fr"], "Translate to French: Water boils early.", id="translation"),
        pytest.param(ANSWERS["fr"], "Why does water boil? Answer in French.", id="named"),
        pytest.param(ANSWERS["en"], "¿Por qué hierve el agua? Responde en inglés.", id="named-es"),
        pytest.param(ANSWERS["zh"], "用中文回答: why does water boil?", id="named-zh"),
        pytest.param(f"{ANSWERS['en']} {ANSWERS['ru']}", PROMPTS["en"], id="mixed-scripts"),
        pytest.param(ANSWERS["en"], "x = 1", id="no-language-asked"),
        pytest.param(ANSWERS["en"], "", id="no-prompt"),
        pytest.param(
            ANSWERS["es"],
            f"You are a helpful tutor for children and you explain things.\n\n{PROMPTS['es']}",
            id="system-prompt-in-another-language",
        ),
        pytest.param(
            ANSWERS["en"],
            f"Explain this to me, please, for I do not get it:\n{ANSWERS['de']}",
            id="document-in-another-language",
        ),
        pytest.param(
            "https://example.org/the/and/of/to/is/in/that/it " * 4, PROMPTS["de"], id="addresses"
        ),
    ],
)
def test_what_has_no_clear_language_passes(text: str, prompt: str) -> None:
    assert status(text, prompt) is Status.PASS


def test_what_is_said_of_an_unclear_language_can_be_chosen() -> None:
    short = Candidate("Roma", prompt=PROMPTS["en"])
    assert SameLanguage(missing="abstain").check(short).status is Status.ABSTAIN
    asked = Candidate(ANSWERS["en"], prompt="x")
    assert SameLanguage(missing="fail").check(asked).status is Status.FAIL
    assert SameLanguage(missing="fail").bounds(asked) == Bounds.exactly(Status.FAIL)


def test_the_reason_names_both_languages() -> None:
    candidate = Candidate(ANSWERS["de"], prompt=PROMPTS["en"])
    assert SameLanguage().check(candidate).reason == "reads as de, en expected"


def test_it_settles_after_what_it_reads() -> None:
    long = ANSWERS["de"] * (READ // 100)
    assert SameLanguage("en").bounds(Candidate(long)) == Bounds.exactly(Status.FAIL)
    assert SameLanguage("de").bounds(Candidate(long)) == Bounds.exactly(Status.PASS)
    assert SameLanguage("de").bounds(Candidate(ANSWERS["de"])) == OPEN


def test_it_abstains_where_its_own_voice_is_not_found_in_time() -> None:
    gate = SameLanguage("en", max_chars=50)
    quoted = Candidate("> quoted\n" * 20)
    assert gate.check(quoted).status is Status.ABSTAIN
    assert gate.bounds(quoted) == Bounds.exactly(Status.ABSTAIN)


def test_an_unknown_language_is_an_error_at_construction() -> None:
    with pytest.raises(ValueError, match="SameLanguage: expected must be one of prompt, ar,"):
        SameLanguage("tlh")


PIECES = [
    *ANSWERS.values(),
    *(answer * 8 for answer in ANSWERS.values()),
    *"\"“”'`>\n {}水a",
    *("```", "\n\n", "\n> ", BARE_CODE, "\ud800"),
]
GATES = [
    SameLanguage(),
    SameLanguage("de", min_chars=1, margin=0.0, missing="abstain"),
    SameLanguage("ja", missing="fail", max_chars=400),
]


@pytest.mark.parametrize("gate", GATES, ids=repr)
@given(stream=growing(PIECES, ["", *PROMPTS.values(), "Answer in German."]))
def test_bounds_only_narrow_and_hold_the_final_status(
    gate: SameLanguage, stream: list[Candidate]
) -> None:
    hold_bounds(gate, stream)


@pytest.mark.parametrize("gate", GATES, ids=repr)
def test_the_laws_are_kept(gate: SameLanguage) -> None:
    check_gate(gate, max_examples=25)
