"""How Spanish, French, Portuguese and Italian refuse."""

from gates._refusals.phrases import Phrases, Rule

SPANISH = Phrases(
    cues=("no pu", "no po", "no se", "no sé", "no ten", "no lo", "no me", "no soy", "no est",
          "no deb", "niego a", "contra"),
    refuses=(
        Rule(
            ("no pu", "no pod", "no me es", "no soy", "no estoy", "no debo", "niego a"),
            r"\b(?:no (?:puedo|podemos|podré|debo|me es posible|soy capaz de"
            r"|estoy (?:autorizad[oa] (?:para|a)|en (?:condiciones|posición|capacidad) de"
            r"|programad[oa] para|dispuest[oa] a))|me niego a) (?:\w+mente )?"
            r"(?:ayudar(?!me)|asistir(?:te|le|les|lo)? (?:con|en (?:eso|esto|esa|esta))"
            r"|proporcionar|ofrecer|brindar|facilitar|satisfacer|cumplir|compartir|atender"
            r"|responder|contestar|procesar|acceder|discutir|promover|generar|continuar con"
            r"|dar(?:te|le|les)? (?:esa|esta|más|información|instrucciones|consejos|una respuesta)"
            r"|hablar (?:de|sobre)|participar en (?:eso|esto|esa|este|actividades)"
            r"|(?:crear|escribir|apoyar|recomendar) (?:ese|esa|este|eso|contenido|actividades)"
            r"|hacer (?:eso|esto)|(?:realizar|completar) (?:esa|esta|tu|su))",
        ),
        Rule(
            ("lo siento", "lo lamento", "disculpa", "disculpe", "perdon"),
            r"^(?:lo siento|lo lamento|disculpa|disculpe|perdona)(?: mucho)?,? (?:pero )?"
            r"no (?:puedo|podemos|me es posible|estoy autorizad[oa])"
            r"(?! (?:esperar|evitar|dejar|asistir|ir|acudir|acompañar|creer|imaginar|parar"
            r"|llegar))",
        ),
        Rule(
            ("contra",),
            r"va (?:en )?contra (?:de )?(?:mis|las|nuestras) (?:\w+ )?"
            r"(?:políticas|normas|directrices|principios|pautas|programación)",
        ),
    ),
    knows_not=(
        r"^(?:lo siento,? )?(?:pero )?no (?:lo )?s[ée](?: la respuesta)?[.!]?$"
        r"|^(?:lo siento,? (?:pero )?)?no (?:tengo (?:idea|suficiente información"
        r"|información suficiente)|estoy segur[oa])[^.,;\n]*[.!]?$"
    ),
)  # fmt: skip

FRENCH = Phrases(
    cues=("je ne ", "je n'ai", "impossible", "je refuse", "je dois", "contraire à", "à l'encontre",
          "nous ne", "sais pas"),
    refuses=(
        Rule(
            ("je ne p", "je ne s", "impossible d", "je refuse", "nous ne p", "je n'ai pas l"),
            r"\b(?:(?:je ne (?:peux|puis|saurais|pourrai)|nous ne pouvons)"
            r"(?: (?:malheureusement|donc|tout simplement))? (?:pas )?"
            r"|je ne suis(?: malheureusement)? pas (?:en mesure|capable|autorisée?|habilitée?"
            r"|programmée?|disposée?) (?:de |d'|à |pour )"
            r"|il m'est(?: malheureusement)? impossible (?:de |d')|je refuse (?:de |d')"
            r"|je n'ai pas (?:la possibilité|le droit) (?:de |d'))"
            r"(?:(?:vous|t'|te|y|lui|leur|en|le|l') ?)?"
            r"(?:aider|assister(?! à)|fournir|répondre|partager|satisfaire|accéder|discuter"
            r"|encourager"
            r"|promouvoir|générer|continuer|accomplir|donner suite|conseiller|divulguer"
            r"|me prononcer"
            r"|donner (?:de |d'|des |cette|ces|plus)|(?:proposer|offrir) (?:de|d'|cette|ce)"
            r"|traiter (?:cette|votre)|participer à (?:cela|ce|cette|des|de)"
            r"|(?:créer|écrire|rédiger) (?:ce|cela|un tel|de|du)|faire (?:cela|ça)"
            r"|soutenir (?:ce|cette))",
        ),
        Rule(
            ("je dois", "je préfère"),
            r"\bje (?:dois (?:refuser|décliner)(?! (?:votre|cette|l')? ?invitation)"
            r"|préfère ne pas répondre)",
        ),
        Rule(
            ("contraire à", "à l'encontre"),
            r"(?:contraire à|à l'encontre de) (?:mes|mon|nos|la|notre) (?:\w+ )?"
            r"(?:principes|directives|règles|politique|programmation)",
        ),
    ),
    knows_not=(
        r"^(?:désolée?,? |je suis désolée?,? )?(?:mais )?je (?:ne )?(?:le )?sais pas[.!]?$"
        r"|^(?:désolée?,? )?je n'ai (?:aucune idée|pas (?:assez|suffisamment) d'informations?"
        r"|pas la réponse)[^.,;\n]*[.!]?$"
        r"|^je ne suis pas sûre?[.!]?$"
    ),
)  # fmt: skip

PORTUGUESE = Phrases(
    cues=("não p", "não c", "não s", "não e", "não m", "não d", "não f", "não t", "recus",
          "contra"),
    refuses=(
        Rule(
            ("não po", "não consigo", "não sou", "não estou", "não me é", "não é", "recus",
             "não devo"),
            r"\b(?:não (?:posso|podemos|consigo|poderei|devo|sou capaz de|estou (?:autorizad[oa] a"
            r"|apt[oa] a|em condições de|programad[oa] para|dispost[oa] a)|me é possível"
            r"|é possível para mim)|recuso-me a|me recuso a) (?:\w+mente )?(?:te |lhe |o |a )?"
            r"(?:ajud(?:ar|á)|auxili(?:ar|á)|assisti-l|assistir (?:você|com|nisso)|fornec|oferec"
            r"|respond|atend|cumpri|compartilh|partilh|prest|acess|discutir|promov|incentiv|process"
            r"|dar (?:essa|esta|mais|informações|instruções|conselhos|uma resposta)"
            r"|(?:criar|gerar|escrever|apoiar) (?:esse|essa|este|isso|conteúdo)|continuar com"
            r"|participar (?:disso|dessa|desse|de atividades)|fazer (?:isso|isto)"
            r"|realizar (?:essa|esta))",
        ),
        Rule(
            ("desculp", "lamento", "sinto muito"),
            r"^(?:(?:me )?desculpe?|desculpa|lamento|sinto muito|peço desculpas?)(?: muito)?,? "
            r"(?:mas )?(?:eu )?não (?:posso|podemos|consigo|poderei)"
            r"(?! (?:esperar|evitar|deixar|comparecer|ir|participar|acreditar|imaginar|chegar))",
        ),
        Rule(
            ("contra",),
            r"vai contra (?:as |os )?(?:minhas|meus|nossas|nossos) (?:\w+ )?"
            r"(?:políticas|diretrizes|princípios|normas|programação)",
        ),
    ),
    knows_not=(
        r"^(?:desculpe?,? |lamento,? )?(?:mas )?(?:eu )?não sei(?: a resposta| responder)?[.!]?$"
        r"|^(?:eu )?não (?:faço ideia|tenho (?:ideia|certeza|informações suficientes))"
        r"[^.,;\n]*[.!]?$"
    ),
)  # fmt: skip

ITALIAN = Phrases(
    cues=("non p", "non s", "non m", "non r", "non lo", "non ne", "non ho", "impossibile",
          "rifiuto",
          "contro"),
    refuses=(
        Rule(
            ("non po", "non sono", "non mi è", "impossibile", "non riesco a", "rifiuto"),
            r"\b(?:non (?:posso|possiamo|potrò|riesco a|sono (?:in grado di|autorizzat[oa] a"
            r"|programmat[oa] per|abilitat[oa] a)|mi è (?:possibile|consentito|permesso))"
            r"|mi è impossibile|mi rifiuto di) (?:\w+mente )?"
            r"(?:aiutar(?:ti|la|vi|e)|assister(?:ti|la|vi)|fornir|rispond|soddisfare|condivid"
            r"|generare"
            r"|offrir(?:ti|le|e|vi)|acceder|discutere|promuovere|incoraggiare|accogliere|suggerir"
            r"|dar(?:ti|le|e|vi) (?:queste|questa|informazioni|istruzioni|consigli|una risposta)"
            r"|(?:creare|scrivere|supportare) (?:quest|quel|contenuti|attività)|continuare con"
            r"|partecipare a (?:quest|attività|conversazioni)|far(?:lo|e questo|e ciò)"
            r"|(?:eseguire|elaborare) (?:quest|la)|consigliar(?:e|ti) (?:di|su|attività|come))",
        ),
        Rule(
            ("mi dispiace", "spiacente", "scusa"),
            r"^(?:mi dispiace|sono spiacente|spiacente|scusa(?:mi)?)(?: molto)?,? (?:ma )?"
            r"non (?:posso|possiamo|sono in grado)(?! (?:aspettare|fare a meno|evitare|partecipare"
            r"|venire|essere presente|credere|immaginare|smettere|di (?:partecipare|venire)))",
        ),
        Rule(
            ("contro",),
            r"va contro (?:le|i) (?:mie|miei|nostre|nostri) (?:\w+ )?"
            r"(?:linee guida|politiche|principi|norme|regole)",
        ),
    ),
    knows_not=(
        r"^(?:mi dispiace,? |scusa,? )?(?:ma )?non (?:lo )?(?:so|saprei)"
        r"(?: la risposta| rispondere)?[.!]?$"
        r"|^non (?:ne ho idea|ho (?:idea|abbastanza informazioni|informazioni sufficienti)"
        r"|(?:ne )?sono sicur[oa])[^.,;\n]*[.!]?$"
    ),
)  # fmt: skip
