"""Names of folders that are more often of stations, times or what a camera makes than of individuals, in six languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

from stages.ingest.formats.path_patterns import SIDES

_ANYWHERE = (
    "cam camera station st stn site location loc trap plot grid transect session day date night week month year video clip "
    "seq sequence batch set part folder dir images imgs pictures photos data dataset frames crops training validation valid "
    "testing probe dcim card sd sdcard waterhole"
)
"""With a number or letter, or alone."""
_STATIONS = (
    "cam camera station site kamera wildkamera fotofalle appareil piege camara fototrampa estacion estacao armadilha "
    "fotocamera telecamera fototrappola stazione"
)
"""With anything after them: `camera north`. These and the following are without accents."""
_NUMBERED = (
    "standort ort falle karte ordner nacht woche monat jahr lieu poste carte jour nuit semaine mois annee trampa sitio lugar "
    "tarjeta punto dia noche semana mes ano local ponto cartao noite trappola sito luogo scheda giorno notte settimana mese "
    "anno"
)
"""With a number or letter: without, some are names."""
_MONTHS = (
    "january february march april may june july august september october november december "
    "januar februar marz maerz mai juni juli oktober dezember "
    "janvier fevrier mars avril juin juillet aout septembre octobre novembre decembre "
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre "
    "janeiro fevereiro marco maio junho julho setembro outubro novembro dezembro "
    "gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre"
)
_SEASONS = (
    "spring summer autumn fall winter fruhling fruhjahr sommer herbst printemps ete automne hiver primavera verano otono "
    "invierno verao outono inverno estate autunno"
)
_TIMES = frozenset([*f"{_MONTHS} {_SEASONS}".split(), "sept", *(month[:3] for month in _MONTHS.split())])
_BESIDE = frozenset(["de", "of"])
"""What may stand beside a word and a number in a time: `junio de 2024`."""

_PLACES = re.compile(
    rf"(?:all[-_ .])?(?:{'|'.join(_ANYWHERE.split())})s?(?:[-_ .]?[0-9]*|[-_ .][a-z][0-9]*|[-_ .]?[0-9]+[a-z])"
    rf"|(?:{'|'.join(_STATIONS.split())})s?(?:[0-9]+|[-_ .].+)"
    rf"|(?:{'|'.join(_NUMBERED.split())})s?(?:[-_ .]?[0-9]+|[-_ .][a-z][0-9]*)"
    r"|(?-i:[Cc]am(?:era)?[A-Z]\w*)|s[0-9]+[-_]?c[0-9]+"
    "|.+[-_ ](?:camera|cam|station|site|waterhole|trap|card)s?[-_ ]?[0-9]*",
    re.I,
)
_MADE_BY_CAMERA = r"[1-9][0-9]{2}[_A-Z][0-9A-Z_]{4}"
"""The folders that cameras make: `100MEDIA`."""
_CARD = re.compile(_MADE_BY_CAMERA)
_BY_CAMERA = re.compile(f"DCIM|{_MADE_BY_CAMERA}", re.I)

_YEAR, _MONTH, _DAY = "(?:19|20)[0-9]{2}", "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_TWO = "[-_. ][0-3]?[0-9]"
_FULL = f"{_YEAR}{_TWO}{_TWO}|{_YEAR}{_MONTH}{_DAY}|[0-3]?[0-9]{_TWO}[-_. ]{_YEAR}"
_SHORT = f"[0-3]?[0-9]{_TWO}[-_. ][0-3][0-9]|[1-3][0-9]{_MONTH}{_DAY}"
"""With two digits of the year: `01-06-24`, `240601`."""
_DATE = re.compile(f"(?:{_FULL}|{_SHORT})(?:[-_. ,T].*)?|.*[-_ ](?:{_FULL})")
_LATELY = re.compile("199[0-9]|20[0-3][0-9]")
_IN_MONTHS = re.compile(f"{_YEAR}[-_. ]?{_MONTH}|{_MONTH}[-_. ]{_YEAR}")


def is_place(name: str) -> bool:
    """Whether `name` is called as stations are, or parts of a set: one such folder is enough to ask."""
    return _PLACES.fullmatch(_folded(name)) is not None or _PLACES.fullmatch(name) is not None


def is_by_camera(name: str) -> bool:
    """Whether a camera makes a folder `name` on its card: what holds one is a card, or a station."""
    return _BY_CAMERA.fullmatch(name) is not None


def times_or_cards(names: Sequence[str]) -> list[str]:
    """Those of the different `names` that are times or made by a camera, if so many are that none may be an individual.

    Half of them if they hold numbers, as `2024-06` and `June 24`. Words alone are names, too: all of them but one.
    """
    found = [name for name in names if _is_time(name) or _CARD.fullmatch(name)]
    numbered = [name for name in found if _folded(name) not in _TIMES]
    is_half = 2 * len(numbered) >= len(names)
    return found if is_half or (len(found) > 1 and len(names) - len(found) <= 1) else []


def is_no_name(folder: str, *others: Collection[str]) -> bool:
    """Whether a folder alone is called as individuals are not: after a place, date or view, or as in `others`."""
    if folder.lower() in {*SIDES, "img1"}.union(*others):
        return True
    # another number or word may as well be of an individual
    is_clear = not folder.isalnum() or (folder.isdecimal() and len(folder) == len("20240601"))
    return (is_clear and _is_time(folder)) or is_place(folder) or is_by_camera(folder)


def _is_time(name: str) -> bool:
    """Whether `name` begins or ends with a date, or is a month, year or season."""
    if _DATE.fullmatch(name) or _IN_MONTHS.fullmatch(name) or _LATELY.fullmatch(name):
        return True
    parts = re.findall(r"[0-9]+|[^\W\d_]+", folded := _folded(name))
    numbers = [part for part in parts if part.isdecimal()]
    words = {*parts}.difference(numbers, _BESIDE)
    are_short = all(len(number) <= 2 or _LATELY.fullmatch(number) for number in numbers)
    return folded in _TIMES or bool(words and numbers and are_short and words <= _TIMES)


def _folded(name: str) -> str:
    """`name` in small letters without accents."""
    letters = unicodedata.normalize("NFD", name.lower())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
