"""How answers refuse, by language.

In every language a refusal is a negated ability or will of the speaker and a verb of helping.
"Can't wait", "cannot recommend enough" and "unable to attend" negate an ability, too, and are none.
"""

from gates._refusals.east_asian import CHINESE, JAPANESE
from gates._refusals.english import ENGLISH
from gates._refusals.german import GERMAN
from gates._refusals.phrases import Phrases
from gates._refusals.romance import FRENCH, ITALIAN, PORTUGUESE, SPANISH

TABLES: dict[str, Phrases] = {
    "en": ENGLISH,
    "es": SPANISH,
    "fr": FRENCH,
    "de": GERMAN,
    "pt": PORTUGUESE,
    "it": ITALIAN,
    "zh": CHINESE,
    "ja": JAPANESE,
}
