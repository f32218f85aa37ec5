"""The commonest function words of languages written in Latin letters, by ISO 639-1 code."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP_WORDS = {
    "en": _words(
        "the of and to in is you that it he was for on are as with his they i at be this have"
        " from or had by but not what all were we when your can there an which their if will how"
        " about would these has its than been who more no do so does did into because should"
        " could"
    ),
    "es": _words(
        "de la que el en y a los del se las por un para con no una su al lo como más pero sus"
        " le ya o este sí porque esta entre cuando muy sin sobre también me hasta hay donde"
        " quien desde todo nos durante es son está cómo qué cuál puede ser fue tiene eso esto"
    ),
    "fr": _words(
        "de la le et les des en un une du que est pour qui dans par plus pas au sur ne se ce il"
        " sont avec son elle aux cette ces mais ou comme on sa nous vous tout leur été être peut"
        " ont fait d l c qu n s j quelle quel comment je y très aussi si"
    ),
    "de": _words(
        "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch"
        " es an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über"
        " einen so zum war haben nur oder aber vor zur bis mehr durch man ich wenn kann was wir"
        " ihr wer welche"
    ),
    "pt": _words(
        "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi"
        " ao ele das tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até"
        " isso ela entre era depois sem mesmo aos ter seus quem nas me esse eles você são qual"
        " pode"
    ),
    "it": _words(
        "di e il la che in a per un è una non sono si da del le con i come più al ma anche"
        " della nel lo gli dei ha se alla ci delle dal questo questa o nella su loro essere era"
        " suo sua cui quando molto tra può l d c qual cosa degli tutti solo stato ai sul dalla"
        " quale perché"
    ),
    "nl": _words(
        "de het een en van in is dat op te zijn met voor niet aan er om ook als dan maar bij"
        " uit nog naar heeft ze hij door worden over wordt tot ik je kan geen meer zo deze die"
        " was hebben of wat hoe waar veel onder omdat moet werd wel"
    ),
    "sv": _words(
        "och i att det som en på är av för med till den har de inte om ett han men var jag sig"
        " från vi så kan när vid eller också detta sin där nu man hur mycket under efter finns"
        " vara"
    ),
    "da": _words(
        "og i at det som en på er af for med til den har de ikke om et han men var jeg sig fra"
        " vi så kan når ved eller også dette sin der nu man hvor meget under efter være blev"
        " hvad"
    ),
    "pl": _words(
        "i w na z do nie się że to jest o jak po co tak za od są przez dla ale być może czy tym"
        " oraz który która które ich jego jej już tylko przy było był można jako lub więc bardzo"
    ),
    "tr": _words(
        "ve bir bu için ile de da çok olarak daha en gibi olan ne var kadar sonra ama veya"
        " değil her o mi ki olduğu göre ancak hem ise nasıl tarafından arasında bunu şu"
    ),
    "ro": _words(
        "de și în a la cu pe un o nu este că din care mai pentru sunt se ce au fost prin sau"
        " dar ca fi era după această acest lui ei între când foarte poate am"
    ),
    "id": _words(
        "yang dan di dari untuk dengan ini itu pada tidak adalah dalam ke akan oleh juga atau"
        " sebagai dapat telah bisa mereka karena saya anda kami ada lebih saat secara seperti"
    ),
}

LANGUAGES_OF = {
    word: tuple(code for code, words in STOP_WORDS.items() if word in words)
    for word in frozenset().union(*STOP_WORDS.values())
}
"""The languages in which a word is a function word."""
