"""`NotRefusal`: turns down answers that refuse, or that only say that they do not know."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from gates._parameters import too_long, whole_number
from gates._refusals import TABLES
from gates._refusals.phrases import Rule
from gates._voice import voice
from gates.compose import Gate
from gates.verdict import MAX_CHARS, OPEN, Bounds, Candidate, Status, Verdict

HEAD = 240
"""Characters of an answer's own voice that are read."""

EARLY = (80, 160)
"""Shorter heads that are read first, so that most refusals settle within some twenty tokens."""

ROOM = 24
"""Characters that must follow a refusal within a shorter head: what comes right after it may turn
it round ("I can't recommend it enough")."""

MAX_WRAPPED = 2000
"""Longest text that is looked at when all of it is a quotation: refusals are shorter."""

LANGUAGES = tuple(TABLES)
"""The languages that `NotRefusal` reads, as ISO 639-1 codes."""

_PROMPT_CHARS = 4000

_QUOTED = re.compile(r"(?:\"[^\"]*\"|“[^”]*”|«[^»]*»|„[^“]*“|「[^」]*」)\s*")
_JSON = re.compile(r'\ufeff?\s*+(?:\{\s*+["}]|\[\s*+["{\[])')
# A short first sentence, as "Happy to help!", and the one that follows it.
_OPENING = re.compile(r"(?:[^.!?\n]{0,60}[.!?\n] ?)?[^.!?\n]*")

# Where a letter starts, the voice is that of its writer.
_LETTER = re.compile(
    r"(?:^|\n)(?:(?:re: )?(?:subject|betreff|objet|asunto|assunto|oggetto|件名|主题|主題)\s?[:：]"
    r"|(?:dear|sehr geehrte[rs]?|liebe[rs]?|chers?|chères?|madame|monsieur|estimad[oa]s?"
    r"|querid[oa]s?|prezad[oa]s?|car[oa]s?|gentile|egregi[oa]|spett|尊敬的|亲爱的|親愛的)"
    r"(?! (?:user|customer))[^\n.!?]{0,40}[,:，：]?\n"
    r"|(?:hi|hello|hey|hallo|bonjour|hola|olá|ciao) [^\n.!?,]{2,40}[,:]?\n)"
)
# A prompt that asks for a text that declines gets one.
_DOCUMENT = (
    r"(?:e-?mail|letter|message|note|reply|response|text|sms|correo|carta|mensaje|mensagem|lettre"
    r"|courriel|brief|nachricht|antwort|lettera|messaggio|邮件|郵件|信|メール|手紙|返信)"
)
_DECLINING = (
    r"(?:declin|refus|reject|turn(?:ing|s)? (?:\w+ )?down|say(?:ing)? no"
    r"|can(?:not|'t|no|’t) (?:attend|make|come|help|join)|unable to|apolog|regret|rechaz|absag"
    r"|ablehn|recus|rifiut|拒绝|拒絕|婉拒|謝絕|谢绝|断[るり]|お断り)"
)
_DRAFTS = re.compile(
    rf"{_DOCUMENT}[^\n]{{0,120}}?{_DECLINING}|{_DECLINING}[^\n]{{0,120}}?{_DOCUMENT}"
)
# A prompt that holds a refusal and asks for it in other words, too.
_REWORDS = re.compile(
    r"translat|repeat|rephrase|paraphrase|proofread|rewrite|tradu|übersetz|wiederhol|翻译|翻譯|翻訳"
    r"|訳して|改写|言い換え"
)


_Rules = tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]


class _Compiled(NamedTuple):
    cues: tuple[str, ...]
    refuses: _Rules
    opens: _Rules
    knows_not: re.Pattern[str]


@cache
def _compiled(language: str) -> _Compiled:
    """The table of a language, compiled once in a process."""
    table = TABLES[language]
    return _Compiled(
        table.cues,
        _rules(table.refuses),
        _rules(table.opens),
        re.compile(table.knows_not),
    )


def _rules(rules: tuple[Rule, ...]) -> _Rules:
    return tuple((cues, re.compile(pattern)) for cues, pattern in rules)


def _has(cues: tuple[str, ...], words: str) -> bool:
    for cue in cues:  # noqa: SIM110  a generator costs more than the search
        if cue in words:
            return True
    return False


def _found(rules: _Rules, words: str) -> int | None:
    """Where the first rule that applies ends, or None."""
    for cues, pattern in rules:
        if _has(cues, words) and (match := pattern.search(words)):
            return match.end()
    return None


class _Likely(NamedTuple):
    """The rules of a language that have a cue in some words."""

    language: str
    refuses: _Rules
    opens: _Rules


def _likely(languages: Sequence[str], words: str) -> list[_Likely]:
    """The languages with such rules: most answers are done with here."""
    found = []
    for language in languages:
        if _has(TABLES[language].cues, words):
            table = _compiled(language)
            refuses, opens = _cued(table.refuses, words), _cued(table.opens, words)
            if refuses or opens:
                found.append(_Likely(language, refuses, opens))
    return found


def _cued(rules: _Rules, words: str) -> _Rules:
    return tuple([rule for rule in rules if _has(rule[0], words)])


def _unwrapped(text: str) -> str:
    """A short text without the quotation marks or block quote that all of it stands in."""
    if len(text) > MAX_WRAPPED:
        return text
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return text[1:].rstrip()[:-1]
    lines = text.splitlines()
    if lines and all(line.startswith(">") for line in lines):
        return "\n".join(line[1:].lstrip() for line in lines)
    return text


@dataclass(frozen=True, slots=True)
class NotRefusal(Gate):
    """Passes an answer that does not refuse: by the provider's mark or by its wording.

    A refusal is a negated ability or will of the speaker with a verb of helping ("I cannot assist
    with"), or an opening that calls the request inappropriate. An answer of a few words that only
    says "I don't know" is one too: a stronger model may know. Not read as the answer's own words:
    quotations, code, block quotes, a letter from its salutation on, JSON (an answer that begins
    with an object or an array), and a refusal where the prompt asks for the text of one.

    A short answer that is one quotation as a whole is the answer's own, though.

    Only the head is read, the first 240 characters of the answer's own voice, and the verdict
    settles there, that on a refusal near its beginning after 80 or 160; a refusal marked by the
    provider after that is not looked at. With `whole` the rest is read as well ("Sure! ...
    Actually, I cannot"), and a pass never settles.

    Answers that moralise or dispute a premise without refusing, and those that answer after
    saying that they cannot, are beyond patterns: `Learned` can weigh them.

    Args:
        languages: ISO 639-1 codes of the languages whose refusals are known; see `LANGUAGES`.
        whole: read on after the head.
        non_answers: turn down "I don't know" and its like.
        max_chars: characters read; an answer whose own voice has not settled within them abstains.

    Raises:
        ValueError: a language is not known.
    """

    languages: tuple[str, ...] = LANGUAGES
    whole: bool = False
    non_answers: bool = True
    max_chars: int = MAX_CHARS

    def __post_init__(self) -> None:
        object.__setattr__(self, "languages", tuple(self.languages))
        unknown = [language for language in self.languages if language not in TABLES]
        if unknown or not self.languages:
            known = ", ".join(LANGUAGES)
            raise ValueError(f"NotRefusal: languages must be among {known}; got {unknown}")
        whole_number("NotRefusal", "max_chars", self.max_chars, 1)
        for language in self.languages:  # now rather than amid the first answers
            _compiled(language)

    def check(self, candidate: Candidate) -> Verdict:
        status, reason = self._settled(candidate) or self._finished(candidate)
        return Verdict(status, self.name, reason=reason)

    def bounds(self, candidate: Candidate) -> Bounds:
        settled = self._settled(candidate)
        if settled:
            return Bounds.exactly(settled[0])
        if candidate.refusal and self.whole:
            return Bounds.exactly(Status.FAIL)
        if len(candidate.text) > self.max_chars:
            return Bounds(Status.FAIL, self._finished(candidate)[0])
        return OPEN

    def _settled(self, candidate: Candidate) -> tuple[Status, str] | None:
        """The verdict that the head alone decides, if it does."""
        text = candidate.text[: self.max_chars].lstrip()
        if _JSON.match(text):
            settled = len(text) >= HEAD and not self.whole
            return (Status.PASS, "begins with JSON") if settled else None
        head = voice(text, HEAD, finished=False)
        likely = _likely(self.languages, head.words)
        for size in EARLY if likely else ():  # what is not in the head is not in its beginning
            early = voice(text, size, finished=False)
            if not early.whole:
                return None
            if refusal := self._refusal(early.words, candidate.prompt, likely, size - ROOM):
                return refusal
        if not head.whole:
            return None
        refusal = self._refusal(head.words, candidate.prompt, likely)
        if refusal or not self.whole:
            return refusal or (Status.PASS, "")
        return None

    def _finished(self, candidate: Candidate) -> tuple[Status, str]:
        """The verdict on a finished answer that its head has not settled."""
        if candidate.refusal:
            return Status.FAIL, "marked as a refusal by the provider"
        text = candidate.text[: self.max_chars].lstrip()
        long = len(candidate.text) > self.max_chars
        otherwise = (Status.ABSTAIN, too_long(self.max_chars)) if long else (Status.PASS, "")
        if _JSON.match(text):
            return otherwise
        words, _ = voice(_unwrapped(text), len(text) if self.whole else HEAD, finished=not long)
        refusal = self._refusal(words, candidate.prompt, _likely(self.languages, words))
        if not refusal and len(words) < HEAD and not long and self.non_answers:
            refusal = self._non_answer(words, candidate.prompt)
        return refusal or otherwise

    def _refusal(
        self, words: str, prompt: str, likely: Sequence[_Likely], within: int = MAX_CHARS
    ) -> tuple[Status, str] | None:
        """The refusal in the first `within` characters, which those after them may still undo."""
        if not likely:
            return None
        opening = _OPENING.match(words)
        assert opening is not None
        for language, refuses, opens in likely:
            end = _found(refuses, words)
            if end is None:
                end = _found(opens, opening[0])
            if end is not None and end <= within and not self._wanted(words[:end], prompt):
                return Status.FAIL, f"refuses to answer (wording: {language})"
        return None

    def _non_answer(self, words: str, prompt: str) -> tuple[Status, str] | None:
        if _REWORDS.search(prompt[-_PROMPT_CHARS:].lower()):
            return None
        for language in self.languages:
            cued = _has(TABLES[language].cues, words)
            if cued and _compiled(language).knows_not.search(words.strip()):
                return Status.FAIL, f"only says that it does not know (wording: {language})"
        return None

    def _wanted(self, words: str, prompt: str) -> bool:
        """Whether the refusal at the end of `words` stands in a letter or was asked for."""
        if _LETTER.search(words):
            return True
        asked = prompt[-_PROMPT_CHARS:].lower()
        if _DRAFTS.search(asked):
            return True
        if not _REWORDS.search(asked):
            return False
        likely = _likely(self.languages, asked)
        return any(_found(each.refuses + each.opens, asked) is not None for each in likely)
