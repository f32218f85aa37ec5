"""`SameLanguage`: turns down answers in another language, told by script and function words."""

import re
from dataclasses import dataclass
from functools import lru_cache

from gates._parameters import STATUSES, one_of, share, too_long, whole_number
from gates._stop_words import LANGUAGES_OF, STOP_WORDS
from gates._voice import voice
from gates.compose import Gate
from gates.verdict import MAX_CHARS, OPEN, Bounds, Candidate, Missing, Status, Verdict

READ = 1000
"""Characters of an answer's own voice, and of each end of a prompt, that are read."""

_PROMPT_LETTERS = 15
_HITS = 1.5
_OF_WORDS = 0.08
_OF_SCRIPT = 0.7
_KANA = 0.08
_CODE = 0.05

_SCRIPTS = {
    "latin": "a-zß-öø-ɏḀ-ỿ",
    "cyrillic": "Ѐ-ԯ",
    "greek": "Ͱ-Ͽἀ-῿",
    "arabic": "؀-ۿݐ-ݿ",
    "hebrew": "֐-׿",
    "devanagari": "ऀ-ॿ",
    "thai": "฀-๿",
    "hangul": "가-힣ᄀ-ᇿ",
    "kana": "぀-ヿ",
    "han": "㐀-䶿一-鿿",
}
_RUN = re.compile("|".join(f"(?P<{name}>[{letters}]+)" for name, letters in _SCRIPTS.items()))
_WORD = re.compile(r"[^\W\d_]+")
_LAST_LATIN = "ɏ"

_OF_LANGUAGE = {
    **dict.fromkeys(("ru", "uk", "bg", "sr", "be", "mk"), "cyrillic"),
    **dict.fromkeys(("ar", "fa", "ur"), "arabic"),
    **dict.fromkeys(("hi", "mr", "ne"), "devanagari"),
    "el": "greek",
    "he": "hebrew",
    "th": "thai",
    "ko": "hangul",
    "zh": "zh",
    "ja": "ja",
    **{code: code for code in STOP_WORDS},
}
"""What a text in each language is told by: a script or, where scripts are shared, itself."""

_WIDE = {"hangul", "kana", "han", "thai"}
"""A character of these scripts says as much as three letters."""

_MARKUP = re.compile(r"https?://\S+|www\.\S+|\S+@\S+")
_SYMBOLS = re.compile(r"[{}\[\]=;<>\\_|]|\(\)|::|->")
# A prompt that names a language, or asks for a translation, does not say by itself which one it
# wants to be answered in.
_NAMES = re.compile(
    r"translat|tradu|übersetz|vertaal|翻译|翻譯|翻訳|訳して|перев[оеё]"
    r"|\b(?:english|spanish|french|german|portuguese|italian|dutch|chinese|mandarin|japanese|korean"
    r"|russian|arabic|hindi|latin|greek|hebrew|turkish|polish|swedish|danish|thai|vietnamese"
    r"|inglés|español|francés|alemán|portugués|italiano|chino|japonés|castellano"
    r"|anglais|français|espagnol|allemand|portugais|italien|chinois|japonais"
    r"|englisch|deutsch|spanisch|französisch|portugiesisch|italienisch|chinesisch|japanisch"
    r"|inglês|português|espanhol|francês|alemão|inglese|spagnolo|francese|tedesco|portoghese"
    r"|bilingual|language)\b"
    r"|英[语語文]|中文|[汉漢]语|法[语語文]|德[语語文]|日[语語文]|日本語|西班牙|ドイツ語|フランス語|スペイン語|中国語|韓国語"
)


def _told_by(words: str, least: int, margin: float) -> str | None:
    """The language or script of a lower-cased text; None where it is too short or not clear.

    `least` letters are needed; between languages of one script the best must lead the second by
    `margin` of its own count of function words.
    """
    plain = _MARKUP.sub(" ", words)
    if len(_SYMBOLS.findall(plain)) > _CODE * len(plain):
        return None
    letters, latin = _letters(plain)
    total = sum(letters.values())
    if total < least:
        return None
    kana, east = letters["kana"], letters["kana"] + letters["han"]
    if east > _OF_SCRIPT * total:
        return "ja" if kana > _KANA * east else "zh"
    main = max(letters, key=lambda name: letters[name])
    if letters[main] < _OF_SCRIPT * total:
        return None
    return _by_stop_words(latin, margin) if main == "latin" else main


def _letters(words: str) -> tuple[dict[str, int], list[str]]:
    """How much is written in each script, and the words in Latin letters."""
    letters = dict.fromkeys(_SCRIPTS, 0)
    latin: list[str] = []
    others: list[str] = []
    for word in _WORD.findall(words):
        (latin if word[0] <= _LAST_LATIN else others).append(word)
    letters["latin"] = sum(map(len, latin))
    for match in _RUN.finditer(" ".join(others)):
        script = match.lastgroup
        assert script is not None
        letters[script] += len(match[0]) * (3 if script in _WIDE else 1)
    return letters, latin


def _by_stop_words(words: list[str], margin: float) -> str | None:
    """A function word counts for one language in full, for several in equal parts."""
    weights = dict.fromkeys(STOP_WORDS, 0.0)
    for word in words:
        shared = LANGUAGES_OF.get(word, ())
        for code in shared:
            weights[code] += 1 / len(shared)
    best, second = sorted(weights, key=lambda code: weights[code])[:-3:-1]
    lead = weights[best] - weights[second]
    enough = weights[best] >= max(_HITS, _OF_WORDS * len(words))
    return best if enough and lead >= margin * weights[best] else None


@lru_cache(maxsize=16)  # a stream asks again and again about one prompt
def _of_prompt(prompt: str, margin: float) -> frozenset[str]:
    """The languages of a prompt's first and last lines and of its ends."""
    ends = (prompt[:READ].lower(), prompt[-READ:].lower())
    if any(_NAMES.search(end) for end in ends):
        return frozenset()
    first, last = prompt.strip().partition("\n")[0], prompt.rstrip().rpartition("\n")[2]
    words = [voice(part, READ, finished=True).words for part in {*ends, first[:READ], last[-READ:]}]
    found = (_told_by(each, _PROMPT_LETTERS, margin) for each in words)
    return frozenset(language for language in found if language)


@dataclass(frozen=True, slots=True)
class SameLanguage(Gate):
    """Passes an answer in the prompt's language, or in the one named.

    The language is told by the script and, among languages in Latin letters, by function words;
    code, quotations and addresses do not count. Only a clear difference fails: short or mixed
    texts, code and lists of names have no clear language, and a prompt that names a language or
    asks for a translation says nothing about its own. Then `missing` is said. The first 1,000
    characters of the answer's own voice are read, and the verdict settles there.

    Args:
        expected: "prompt", or an ISO 639-1 code such as "de".
        min_chars: letters from which an answer is judged; one of Chinese, Japanese, Korean or
            Thai counts for three.
        margin: by what share the function words of the best language must lead, 0 to 1.
        missing: what to say where a language is not clear.
        max_chars: characters read; what they do not settle abstains.

    Raises:
        ValueError: the language is not known.
    """

    expected: str = "prompt"
    min_chars: int = 80
    margin: float = 0.3
    missing: Missing = "pass"
    max_chars: int = MAX_CHARS

    def __post_init__(self) -> None:
        one_of("SameLanguage", "expected", self.expected, ("prompt", *sorted(_OF_LANGUAGE)))
        whole_number("SameLanguage", "min_chars", self.min_chars, 1)
        share("SameLanguage", "margin", self.margin)
        one_of("SameLanguage", "missing", self.missing, STATUSES)
        whole_number("SameLanguage", "max_chars", self.max_chars, 1)

    def check(self, candidate: Candidate) -> Verdict:
        wanted = self._wanted(candidate.prompt)
        if not wanted:
            return self._unclear("the language expected is not clear")
        head = voice(candidate.text[: self.max_chars], READ, finished=False)
        long = len(candidate.text) > self.max_chars
        if not head.whole and long:
            return self.abstains(too_long(self.max_chars))
        if not head.whole:
            head = voice(candidate.text, READ, finished=True)
        return self._judged(head.words, wanted)

    def bounds(self, candidate: Candidate) -> Bounds:
        wanted = self._wanted(candidate.prompt)
        if not wanted:
            return Bounds.exactly(Status.named(self.missing))
        head = voice(candidate.text[: self.max_chars], READ, finished=False)
        if head.whole:
            return Bounds.exactly(self._judged(head.words, wanted).status)
        return Bounds.exactly(Status.ABSTAIN) if len(candidate.text) > self.max_chars else OPEN

    def _wanted(self, prompt: str) -> frozenset[str]:
        """The languages that the answer may have; none if that is not clear."""
        if self.expected != "prompt":
            return frozenset({_OF_LANGUAGE[self.expected]})
        return _of_prompt(prompt, self.margin)

    def _judged(self, words: str, wanted: frozenset[str]) -> Verdict:
        found = _told_by(words, self.min_chars, self.margin)
        if found is None:
            return self._unclear("the answer's language is not clear")
        names = " or ".join(sorted(wanted))
        if found in wanted:
            return self.passes(f"reads as {found}")
        return self.fails(f"reads as {found}, {names} expected")

    def _unclear(self, reason: str) -> Verdict:
        return Verdict(Status.named(self.missing), self.name, reason=reason)
