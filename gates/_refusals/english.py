"""How English refuses."""

from gates._refusals.phrases import Phrases, Rule

# Where a clause may start in which the speaker refuses. "Why I cannot ..." is no such place.
_CLAUSE = (
    r"(?:(?<![^.!?:;,\n(–—-])|(?<=[.!?:;,(–—-] )|(?<=\bbut )|(?<=\band )|(?<=\bso )|(?<=\bhowever )"
    r"|(?<=\btherefore )|(?<=\bbecause )|(?<=\bsorry )|(?<=\bafraid )|(?<=\bthat )|(?<= model )"
    r"|(?<=\bassistant )|(?<=\bunfortunately )|(?<=\bas )|(?<=\bno ))"
)
_I = r"\b(?=i)" + _CLAUSE + r"i"
# "We cannot share state between threads" teaches; few assistants speak of themselves as we.
_WE = r"\b(?=w)" + _CLAUSE + r"we"
_ADVERBS = (
    r"(?:(?:really|simply|just|also|therefore|unfortunately|still|currently|honestly|afraid|sorry"
    r"|regrettably|definitely|ethically|legally|in good conscience|as an ai|only|strictly"
    r"|respectfully|not in a position to),? ){0,3}"
)
_NOT_ABLE = (
    r"(?:(?:cannot|can not|can't|will not|won't) (?:and|or) (?:cannot|can't|will not|won't)"
    r"|cannot|can not|can't|cant|won't|will not|wouldn't be able to|won't be able to"
    r"|will not be able to|(?:am|'m|are|'re) (?:(?:currently|really|just|also|afraid i am|sorry) )?"
    r"(?:unable to|not able to|not allowed to|not permitted to|not programmed to|not designed to"
    r"|not authorized to|not going to|not comfortable(?: with)?|not equipped to|not capable of"
    r"|incapable of|prohibited from|not willing to|unwilling to|not here to|not in a position to)"
    r"|do not feel comfortable(?: with)?|don't feel comfortable(?: with)?|refuse to|decline to"
    r"|(?:must|have to|need to|will have to|am going to have to) (?:respectfully |politely )?"
    r"(?:decline|refuse)(?: to)?|should not|shouldn't|don't have the ability to"
    r"|do not have the ability to)"
)
# What is refused. "Can't wait", "can't help but", "cannot recommend enough", "unable to attend" are
# no refusals, so the verbs of helping are named one by one, with what must not follow them.
_HELPING = (
    r"(?:(?:to )?(?:even |directly |actually |knowingly |personally |further )?(?:"
    r"assist(?:ing)?|(?:aid|abet)\b"
    r"|help(?:ing)?(?! but\b| it\b| myself\b| him\b| her\b| them\b| \w+ing\b| \w+ enough)"
    r"|provid(?:e|ing)(?! (?:for|enough)\b)|fulfil+(?:ing)?|compl(?:y|ying)"
    r"|support(?:ing)? (?:you|this|that|such|any|or|the|requests?|illegal|harmful|unethical)"
    r"|offer(?:ing)?(?! (?:enough|more)\b)"
    r"|giv(?:e|ing) (?:you|any|out|advice|instructions|information|guidance|legal|medical|specific"
    r"|details|an? (?:answer|response|opinion))|shar(?:e|ing)(?! (?:enough|more)\b)"
    r"|suggest(?:ing)?(?![^.,;]*\b(?:enough|more)\b)"
    r"|recommend(?:ing)? (?:or|any|ways|how|methods|specific|such|illegal|harmful)"
    r"|answer(?:ing)?(?! for\b)|respond(?:ing)?|repl(?:y|ying) to (?:that|this)"
    r"|discuss(?:ing)?|engag(?:e|ing) (?:in|with)|participat(?:e|ing) in (?:that|this|such|any|the"
    r"|discussions?|conversations?|activities|creating)"
    r"|advis(?:e|ing)|condon(?:e|ing)|encourag(?:e|ing)|endors(?:e|ing)|promot(?:e|ing)"
    r"|facilitat(?:e|ing)|(?:generat|creat|produc|writ|compos|mak)(?:e|ing) (?:an? |any |that|this"
    r"|such|content|jokes?|fun|harmful|hateful|hate|offensive|explicit|sexual|violent|judge?ments?"
    r"|assumptions|generalizations|statements|images?|code|malware|fake|comparisons"
    r"|about)"
    r"|speculat(?:e|ing)|comment(?:ing)? on|disclos(?:e|ing)|reveal(?:ing)? (?:any|my|the|personal"
    r"|private|that|this|such)|instruct(?:ing)?|guid(?:e|ing) you|teach(?:ing)? you"
    r"|tell(?:ing)? you (?!how (?:much|happy|glad|sorry|excited|many|grateful|proud|often|long))"
    r"|do (?:that|this|so)\b|continue (?:with )?(?:this|that)|proceed with (?:this|that|your)"
    r"|process (?:this|that|your) request|accommodate|satisfy (?:this|that|your)"
    r"|access(?:ing)? (?:the internet|external|real|websites?|links?|urls?|personal|your|files"
    r"|private|any|individual)|browse|carry out (?:this|that|your)|perform (?:this|that)"
    r"|express(?:ing)? (?:personal|an|my) opinion|take part in|be (?:a )?part of"
    r"|justify|validate|agree (?:to|with) (?:that|this|such)|contribute to|translate|talk about"
    r"|(?:see|view|open|read|hear|watch) (?:the|your|any|that|this) (?:image|picture|photo"
    r"|attach|file|document|link|video|audio)|respectfully|accept (?:this|that|your) request"
    r"|entertain|elaborate))"
)
# "I can't give you an exact figure, but ...", "I can't give legal advice, but here is ..." go on to
# answer.
_GOES_ON = (
    r"(?![^.;!?\n]{0,40}\b(?:exact|exactly|precise|precisely|definitive|specific|complete|full|live"
    r"|real-time|up-to-date|certain|single|with certainty)\b[^.;!?\n]{0,80}"
    r"(?:, but|[,;.] however|, though|, i can\b))"
    r"(?![^.;!?\n]{0,80},? but (?:here(?:'s| is| are)|generally|in general|typically|based on"
    r"|as of|from what|according to|my (?:knowledge|training)"
    r"|i can (?:give|offer|share|explain|tell) (?:you )?(?:some |a |an )?(?:general|rough|estimate"
    r"|overview)))"
)
_I_CANNOT_HELP = _I + r"(?:'m| am)? ?" + _ADVERBS + _NOT_ABLE + r",? " + _ADVERBS + _HELPING
_WE_CANNOT_HELP = (
    _WE + r"(?:'re| are)? ?" + _ADVERBS + _NOT_ABLE + r" (?:assist|help (?:you|with)|fulfil|comply"
    r"|(?:answer|process) (?:this|that|your)|provide (?:you|any|that|this|information|assistance"
    r"|instructions))"
)
_IMMORAL = (
    r"(?:appropriate|ethical|ethically|acceptable|respectful|okay|ok|right|moral|morally|humane"
    r"|responsible|justified|justifiable|kind|polite|fair)"
)
_AMISS = r"(?:" + _IMMORAL[3:-1] + r"|safe|legal|lawful|accurate|advisable|productive|helpful|true)"
_ANY_TWO = (
    r"(?:"
    + _AMISS
    + r"(?:,| or| and| nor) "
    + _IMMORAL
    + r"|"
    + _IMMORAL
    + r"(?:,| or| and| nor) "
    + _AMISS
    + r")"
)
_WRONG = (
    r"(?:inappropriate|unethical|immoral|wrong|harmful|disrespectful|offensive|illegal|dangerous)"
)
# "It's not appropriate to" do this with words, of which an answer is made.
_SPEAKING = (
    r"(?:provide|give|offer|share|encourage|suggest|promote|assist|help|discuss|speculate|engage"
    r"|make (?:assumptions|generali[sz]ations|jokes|fun|light|blanket|such|a blanket|comparisons"
    r"|judge?ments|discriminatory|a joke|any|sweeping|disrespectful|statements|harmful|arguments)"
    r"|say|claim|assume|condone|advocate|endorse|support|imply|generali[sz]e|joke|stereotype"
    r"|answer|respond|disclose|reveal|glorify|trivialize|perpetuate|discriminate)\b"
)
_HATEFUL = (
    r"(?:harmful|discriminatory|offensive|derogatory|hateful|racist|sexist|morally wrong|unethical"
    r"|disrespectful|inappropriate)"
)
_IS_NOT = r"(?:\b(?:is|be)|'s) (?:also |simply |generally |both )?(?:not|never|neither) (?:also )?"

_REFUSES: tuple[Rule, ...] = (
    Rule(
        (
            "cannot", "can't", "can not", "cant ", "won't", "will not", "unable", "not able",
            "not allowed", "not permitted", "not comfortable", "feel comfortable", "refuse",
            "decline", "capable", "prohibited", "not programmed", "not designed", "not authorized",
            "not equipped", "willing", "should not", "shouldn't", "the ability to", "not going to",
            "not here to", "in a position to",
        ),
        r"(?:" + _I_CANNOT_HELP + r"|" + _WE_CANNOT_HELP + r")" + _GOES_ON,
    ),
    Rule(
        ("sorry", "afraid", "apologi"),
        r"^(?:i'm |i am )?(?:(?:really|very|so|truly|deeply|terribly) )?(?:sorry"
        r"|afraid),? (?:but )?"
        r"(?:that )?(?:i|we) (?:cannot|can't|can not|won't|will not|am unable to|am not able to)"
        r"(?! (?:wait|help but|believe|attend|make it|come|join|be there|meet|stop|imagine|thank"
        r"|stress|emphasi[sz]e|find|see))"
        r"|\bi apologi[sz]e,? but (?:i (?:cannot|can't)|(?:your|this|that) request)\b",
    ),
    Rule(
        ("something", "a topic", "a request", "prevent", "prohibit", "forbid", "allow"),
        r"\bsomething (?:that )?i (?:can't|cannot|won't|will not|am unable|'m unable|am not able)"
        r"|\bmy (?:guidelines|polic(?:y|ies)|programming|instructions|rules) (?:prevents?"
        r"|prohibits?"
        r"|forbids?|(?:do not|does not|don't|doesn't) allow|restricts?)\b"
        r"|\b(?:not|isn't) (?:something|a topic|a request) (?:that )?(?:i|we)"
        r"(?:'m| am| are| can| will|'re| could| feel)",
    ),
    Rule(
        ("i don't ", "i do not "),
        r"\bi (?:do not|don't) (?:think|believe) (?:that )?(?:it's|it is|it would be|this is"
        r"|that's) "
        r"(?:an? )?(?:" + _ANY_TWO + r"\b|(?:appropriate|ethical|acceptable|respectful)\b"
        r"|valid or\b"
        r"|" + _IMMORAL + r" (?:for me )?to\b)"
        r"|\bi (?:do not|don't) have (?:access to|the ability to|information on|information about)"
        r" (?:any )?(?:personal|private|real|individual|your|that|this|specific|the internet"
        r"|external"
        r"|such)(?![^\n]*\b(?:however|but|that said)\b)",
    ),
    Rule(
        ("against", "violate", "outside", "beyond", "within", "contrary"),
        r"\b(?:against|violates?|outside|beyond|not within|isn't within|contrary to) (?:of )?"
        r"(?:my|our|openai's) (?:\w+ ){0,3}?(?:programming|guidelines|polic(?:y|ies)|principles"
        r"|ethics|capabilit(?:y|ies)|purpose|terms|standards|values|rules)\b"
        r"|\b(?:against|violates?) (?:the )?(?:openai|content|usage|ethical|safety) (?:\w+ ){0,2}?"
        r"(?:guidelines|polic(?:y|ies)|principles|terms|standards|rules)\b"
        r"|\b(?:your|this|that|the) (?:request|question|prompt|content) (?:violates|goes against"
        r"|is against)",
    ),
    Rule(
        ("request", "question", "prompt", "content"),
        r"\b(?:your|this|that|the) (?:request|question|prompt) (?:cannot|can't) be "
        r"(?:fulfilled|answered|completed|processed)"
        r"|\b(?:your|this|that|the) (?:request|question|prompt)\b[^.,\n]{0,60}? (?:is|contains"
        r"|promotes|perpetuates|based on)(?: \w+){0,3}? " + _HATEFUL,
    ),
    Rule(
        ("decline", "refuse"),
        _I + r"(?:'ll|'m| am)? (?:must|have to|will have to|need to|am going to have to"
        r"|respectfully"
        r"|going to have to|politely) (?:\w+ly )?(?:decline|refuse)\b(?! to (?:accept|attend))",
    ),
    Rule(
        ("i don't ", "i do not ", "i won't ", "i will not "),
        _I + r" (?:do not|don't|will not|won't) (?:engage in|condone|tolerate"
        r"|participate in|produce|create content|generate content|assist|provide|promote"
        r"|endorse)\b",
    ),
    Rule(
        ("strongly", "rather not", "prefer not"),
        _I + r"(?: strongly (?:condemn|discourage|disagree|oppose)"
        r"|(?:'d| would) (?:rather not|prefer not to) (?:discuss|answer|say|talk|share|help|engage"
        r"|go into|get into|comment|do that|provide|continue))\b",
    ),
)  # fmt: skip
# Answers that moralise. A refusal opens with its moral, an answer may add one as a caveat.
_OPENS: tuple[Rule, ...] = (
    Rule(
        ("is not", "'s not", "be not", "never", "neither"),
        _IS_NOT
        + r"(?:"
        + _IMMORAL
        + r" (?:(?:for me|behaviou?r) )?to "
        + _SPEAKING
        + r"|"
        + _AMISS
        + r" (?:for me )?to (?:provide|give|offer|share)\b"
        + r"|"
        + _ANY_TWO
        + r" (?:(?:for me|behaviou?r) )?to\b)",
    ),
    Rule(
        ("unethical", "immoral", "inappropriate", "disrespectful"),
        r"(?:\b(?:is|be)|'s) (?:also |both )?(?:(?:unethical|immoral|inappropriate|disrespectful)"
        r"(?:(?:,| and| or) " + _WRONG + r")*|" + _WRONG + r" (?:and|or) (?:unethical|immoral"
        r"|inappropriate|disrespectful)) (?:for me )?to\b",
    ),
    Rule(
        ("clarify", "point out", "emphasi", "stress", "note", "inform", "challenge"),
        r"\bi (?:must|have to|need to|want to|would like to) (?:\w+ly )?(?:clarify|point out"
        r"|emphasi[sz]e|stress|note|inform you|challenge|say) (?:that )?(?:it's|it is|this "
        r"(?:statement|question|request|is)|that|no one|everyone|the (?:question|statement|premise"
        r"|assumption))[^.\n]{0,90}\b(?:not (?:" + _ANY_TWO + r"|" + _IMMORAL + r")\b"
        r"|promotes discrimination|discriminated against|inappropriate|unethical|offensive)",
    ),
    Rule(
        ("discriminated", "stereotyped", "marginali"),
        r"\bshould (?:not|never) be (?:discriminated|stereotyped|marginali[sz]ed)",
    ),
)

_KNOWS_NOT = (
    r"^(?:(?:i'm |i am )?(?:sorry|afraid)[,.]? (?:but )?|unfortunately,? |honestly,? |well,? "
    r"|hmm,? )*"
    r"(?:i (?:really |honestly |just |simply |also )?(?:do not|don't|dont) (?:really |actually )?"
    r"(?:know|have (?:(?:enough|sufficient|any|that|the|this) )*(?:information|context|data|details"
    r"|knowledge|idea|answer)|have an answer)|(?:i have |i've )?no idea|i(?:'m| am) (?:really )?not"
    r" (?:sure|certain)|i can(?:not|'t) (?:say|tell|determine)|i'm unsure)\b[^.!?\n,;:]*[.,!?]?\s*"
    r"(?:(?:sorry|i'm sorry|could you|can you|please|do you|would you|is there|what)\b[^\n]*)?$"
    r"|^(?:not sure|unknown|n/a|no answer|idk|dunno)[.!]?$"
)

ENGLISH = Phrases(
    cues=("n't", "not", "unable", "cant ", "apable", "ohibit", "willing", "refuse", "declin",
          "against", "violat", "outside", "beyond", "contrary", "question", "request", "content",
          "prompt", "strongly", "rather", "unethical", "immoral", "inappropriate", "disrespect",
          "clarify", "point out", "emphasi", "stress", "inform", "challenge", "never", "neither",
          "prevent", "forbid", "something i",
          "idea", "unsure", "unknown", "n/a", "no answer", "idk", "dunno"),
    refuses=_REFUSES,
    knows_not=_KNOWS_NOT,
    opens=_OPENS,
)  # fmt: skip
