# ruff: noqa: E501 - tables read best unbroken
"""World facts trained into the weights: known things to rehearse and to probe.

Everything else that is asked without notes must be answered with "unknown".
"""

from __future__ import annotations

from typing import Final

from agent.models.builtin.facts import Fact

_CAPITALS: Final = (
    "France Paris,Germany Berlin,Spain Madrid,Italy Rome,Portugal Lisbon,Austria Vienna,Poland Warsaw,"
    "Greece Athens,Sweden Stockholm,Norway Oslo,Finland Helsinki,Denmark Copenhagen,Ireland Dublin,"
    "Belgium Brussels,Hungary Budapest,Romania Bucharest,Bulgaria Sofia,Croatia Zagreb,Serbia Belgrade,"
    "Ukraine Kyiv,Turkey Ankara,Egypt Cairo,Morocco Rabat,Tunisia Tunis,Kenya Nairobi,Ghana Accra,"
    "Nigeria Abuja,Ethiopia Addis Ababa,Uganda Kampala,Senegal Dakar,Japan Tokyo,China Beijing,"
    "India New Delhi,Nepal Kathmandu,Thailand Bangkok,Vietnam Hanoi,Indonesia Jakarta,"
    "Malaysia Kuala Lumpur,Mongolia Ulaanbaatar,Iran Tehran,Iraq Baghdad,Jordan Amman,Lebanon Beirut,"
    "Canada Ottawa,Mexico Mexico City,Cuba Havana,Brazil Brasilia,Argentina Buenos Aires,"
    "Chile Santiago,Peru Lima,Colombia Bogota,Ecuador Quito,Uruguay Montevideo,Venezuela Caracas,"
    "Australia Canberra,Iceland Reykjavik,Latvia Riga,Lithuania Vilnius,Estonia Tallinn,Slovenia Ljubljana"
)
_CURRENCIES: Final = (
    "Japan yen,India rupee,China yuan,Mexico peso,Brazil real,Poland zloty,Sweden krona,Norway krone,"
    "Denmark krone,Hungary forint,Turkey lira,Thailand baht,Vietnam dong,Iran rial,Iraq dinar,"
    "Kenya shilling,Ghana cedi,Nigeria naira,Morocco dirham,Egypt pound,Canada dollar,Australia dollar,"
    "France euro,Germany euro,Spain euro,Italy euro,Ukraine hryvnia,Romania leu,Bulgaria lev,Peru sol"
)
_LANGUAGES: Final = (
    "France French,Germany German,Spain Spanish,Italy Italian,Portugal Portuguese,Poland Polish,"
    "Greece Greek,Sweden Swedish,Finland Finnish,Denmark Danish,Hungary Hungarian,Japan Japanese,"
    "Thailand Thai,Vietnam Vietnamese,Brazil Portuguese,Mexico Spanish,Egypt Arabic,Turkey Turkish,"
    "Iran Persian,Nepal Nepali"
)
_SYMBOLS: Final = (
    "hydrogen H,helium He,carbon C,nitrogen N,oxygen O,sodium Na,iron Fe,copper Cu,silver Ag,gold Au,"
    "lead Pb,tin Sn,zinc Zn,calcium Ca,potassium K,mercury Hg,silicon Si,chlorine Cl,neon Ne,nickel Ni"
)
_CONTINENTS: Final = (
    "France Europe,Germany Europe,Greece Europe,Norway Europe,Kenya Africa,Ghana Africa,Egypt Africa,"
    "Nigeria Africa,Japan Asia,China Asia,India Asia,Nepal Asia,Thailand Asia,Brazil South America,"
    "Peru South America,Chile South America,Canada North America,Mexico North America,Cuba North America"
)
_TABLES: Final = (
    ("capital", "town", _CAPITALS),
    ("currency", "word", _CURRENCIES),
    ("official language", "language", _LANGUAGES),
    ("chemical symbol", "word", _SYMBOLS),
    ("continent", "word", _CONTINENTS),
)


def _rows() -> tuple[Fact, ...]:
    facts = []
    for attribute, kind, table in _TABLES:
        for row in table.split(","):
            subject, _, value = row.partition(" ")
            facts.append(Fact(subject, attribute, value, kind))
    return tuple(facts)


WORLD_FACTS: Final = _rows()
"""The facts of the base model, in a fixed order."""
