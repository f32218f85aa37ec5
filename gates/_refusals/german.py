"""How German refuses: the verb of helping stands last, so the patterns look ahead in the clause."""

from gates._refusals.phrases import Phrases, Rule

_HELPING = (
    r"(?:helfen|weiterhelfen|behilflich sein|beantworten|unterstützen|bereitstellen|erfüllen"
    r"|anbieten|nachkommen|antworten|zur verfügung stellen|entsprechen|ausführen"
    r"|bearbeiten|fortfahren|geben|teilen|erstellen|liefern)"
)
_CONTENT = (
    r"(?:informationen|anleitung(?:en)?|auskunft|auskünfte|hilfe|unterstützung|ratschläge|tipps"
    r"|antwort|inhalte|anweisungen|empfehlungen?)"
)

GERMAN = Phrases(
    cues=("nicht", "keine ", "ablehn", "weigere", "gegen meine", "gegen die", "ahnung"),
    refuses=(
        Rule(
            ("nicht",),
            r"\b(?:(?:ich|wir) (?:[\wß]+ )?(?:kann|können|darf|dürfen|werde|möchte)"
            r"|(?:kann|können|darf|dürfen|werde|möchte) (?:ich|wir))"
            r"(?: [\wß]+,?){0,7}? nicht(?: [\wß]+){0,2}? ?\b" + _HELPING + r"\b",
        ),
        Rule(
            ("keine ",),
            r"\b(?:ich|wir)\b(?: [\wß]+){0,3}? keine (?:[\wß]+ ){0,2}?" + _CONTENT
            + r"\b[^.\n]{0,90}\b(?:geben|bereitstellen|anbieten|erteilen|leisten|liefern|erstellen"
            r"|teilen|generieren|stellen)\b",
        ),
        Rule(
            ("nicht in der lage", "nicht befugt", "nicht berechtigt", "nicht möglich",
             "nicht erlaubt", "programmiert"),
            r"\b(?:ich bin|bin ich|mir ist es|es ist mir)(?: [\wß]+){0,3}? nicht (?:in der lage"
            r"|befugt|berechtigt|möglich|erlaubt|(?:dazu )?programmiert)\b[^.\n]{0,120}\b(?:zu "
            + _HELPING + r"|weiterzuhelfen|bereitzustellen|anzubieten|nachzukommen|zuzugreifen"
            r"|zu leisten)\b",
        ),
        Rule(
            ("ablehnen", "weigere"),
            r"\bich muss (?:[\wß]+ ){0,4}ablehnen\b|\bich weigere mich\b",
        ),
        Rule(
            ("gegen meine", "gegen die"),
            r"(?:verstößt|verstoßen|ist|wäre) gegen (?:meine|die|unsere) (?:[\wß]+ )?"
            r"(?:richtlinien|programmierung|grundsätze|prinzipien|nutzungsbedingungen)",
        ),
    ),
    knows_not=(
        r"^(?:(?:es )?tut mir leid,? )?(?:aber )?(?:das )?(?:ich )?weiß (?:ich )?(?:es |das )?"
        r"(?:leider )?nicht[.!]?$"
        r"|^(?:ich )?(?:habe )?keine ahnung[.!]?$"
        r"|^ich (?:habe (?:leider )?(?:nicht genügend|nicht genug|keine|zu wenig) informationen"
        r"|bin (?:mir )?nicht sicher)[^.,;\n]*[.!]?$"
    ),
)  # fmt: skip
