# ruff: noqa: SIM905, PLR2004 - word lists, and shares of a random mixture, are plain in place
"""Words and values for generated text, with a part of them never used for training.

Every atomic name, number or id is held out when a hash of it says so: training text
draws only from the one side, tests and benchmarks only from the other, and no list of
held-out names has to be kept.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Final

FIRST: Final = tuple(
    """Maria Anna Theo Liam Nora Omar Priya Kenji Elena Victor Sofia Hugo Amira Jonas Clara Felix
    Ines Pavel Ruth Samuel Tara Yusuf Zoe Marco Greta Ivan Leila Oscar Petra Quentin Rosa Stefan
    Tessa Ulrich Vera Walter Xenia Yara Zoltan Alice Bruno Carmen Diego Esther Farid Gloria Henrik
    Irene Jamal Karin Lars Mona Nils Olga Pablo Rania Simon Tomas Ursula Viktor Wendy Aisha Boris
    Chloe Daniel Emma Fatima George Hannah Isaac Julia Kevin Laura Miguel Nadia Oliver Paula Rafael
    Sarah Thomas Uma Vincent William Yvonne Adam Beth Colin Dora Edgar Fiona Gavin Helga Igor Janet
    Kofi Linda Mehmet Naomi Otto Pooja Ralph Selma Tariq Una Vikram Wanda Yannick Zara Akira Bianca
    Cedric Delia Emil Freya Gunnar Heidi Imran Jelena Klaus Lucia Magnus Nina Orla Piotr Renata
    Sven Tilda Umberto Valeria Wei Xavier Ying Zuri Arjun Bella Carlos Dana Elias Frida Grace
    Hassan Ilse Jorge Kira Leon Marta Noah Odile Peter Rita Sanjay Tina Ugo Vanessa Marek Lena
    Andrew Betty Charles Diane Edward Frances Gerald Harold Iris James Kathleen Louis Martin
    Nancy Patrick Rachel Scott Teresa Philip Monica Robert Sandra Timothy Agnes Bernard Cecilia
    Dominic Elise Francis Gustav Helen Ian Joan Keith Lydia Milan Norbert Ottilie Pierre Quinn
    Rebecca Sergio Trudy Ursel Vasco Wilma Yusra Zeno""".split()
)
LAST: Final = tuple(
    """Lopez Berg Cole Tanaka Novak Haddad Silva Meyer Okafor Rossi Larsen Patel Dubois Fischer
    Kowalski Santos Nguyen Murphy Petrov Weber Khan Moreau Jensen Costa Ivanov Schmidt Brown Ali
    Garcia Smith Jones Taylor Wilson Evans Thomas Roberts Walker Wright Hughes Green Hall Wood
    Harris Clark Lewis Young King Baker Hill Scott Adams Campbell Mitchell Carter Phillips Turner
    Parker Collins Edwards Stewart Morris Rogers Reed Cook Morgan Bell Bailey Cooper Richardson
    Cox Howard Ward Torres Peterson Gray Ramirez Watson Brooks Kelly Sanders Price Bennett Barnes
    Ross Henderson Coleman Jenkins Perry Powell Long Patterson Hayes Bryant Russell Griffin Diaz
    Hayashi Suzuki Yamada Ito Sato Mori Kimura Chen Wang Zhang Liu Yang Huang Zhao Wu Zhou Sun
    Singh Sharma Gupta Mehta Iyer Rao Das Bose Kapoor Verma Osei Mensah Diallo Traore Keita Abebe
    Mwangi Otieno Banda Moyo Dlamini Nkosi Eriksson Nilsson Lindgren Holm Dahl Hansen Nielsen Vik
    Virtanen Korhonen Makinen Laine Kovacs Nagy Szabo Toth Horvat Babic Popov Dimitrov Stoica
    Popescu Marin Bianchi Ferrari Romano Greco Conti Ricci Moretti Barbieri Fontana Lombardi
    Schneider Wagner Becker Hoffmann Schulz Koch Bauer Richter Klein Wolf Neumann Schwarz Braun
    Zimmermann Krueger Hartmann Lange Werner Lehmann Bernard Petit Durand Leroy Simon Laurent
    Lefevre Michel Fournier Girard Bonnet Rousseau Mercier Blanc Faure Ruiz Alvarez Romero Navarro
    Dominguez Vazquez Ramos Serrano Molina Delgado Castro Ortega Almeida Pereira Carvalho Gomes
    Ribeiro Martins Janssen Bakker Visser Smit Dekker Peeters Maes Jacobs Claes Nowak Wojcik Mazur
    Krawczyk Zielinski Demir Yilmaz Kaya Celik Aydin Arslan Haddix Farouk Mansour Nasser Saleh
    Abbott Archer Barlow Chandler Doyle Ellison Forbes Gibbons Harper Ingram Keane Lambert Mercer
    Norton Osborne Pruitt Quigley Redmond Sheldon Thorne Underwood Vance Whitaker Yates""".split()
)
TOWNS: Final = tuple(
    """Porto Lyon Graz Leeds Turin Bergen Malmo Ghent Basel Krakow Bilbao Dresden Bristol Cardiff
    Genoa Nantes Aarhus Tampere Riga Vilnius Zagreb Split Brno Linz Bremen Essen Dortmund Padua
    Seville Valencia Granada Murcia Braga Coimbra Faro Cork Galway Limerick Dundee York Oxford
    Boston Denver Austin Dallas Phoenix Portland Oakland Fresno Tampa Atlanta Memphis Chicago
    Seattle Houston Toronto Calgary Ottawa Halifax Quebec Sydney Perth Brisbane Hobart Auckland
    Osaka Kyoto Nagoya Sendai Pune Jaipur Mumbai Chennai Nairobi Mombasa Accra Kumasi Lagos
    Abuja Tunis Rabat Fez Cairo Amman Izmir Bursa Ankara Tbilisi Almaty Lima Cusco Quito Bogota
    Medellin Cali Santiago Rosario Cordoba Mendoza Recife Salvador Curitiba Campinas Livermore
    Sacramento Petaluma Vacaville Berkeley Sonoma Napa Anaheim Pasadena Tucson Reno Spokane
    Tacoma Boise Omaha Tulsa Wichita Lincoln Madison Dayton Toledo Akron Buffalo Albany Hartford
    Newark Trenton Richmond Norfolk Raleigh Durham Savannah Orlando Mobile Jackson""".split()
)
STREETS: Final = tuple(
    """Oak Maple Cedar Pine Elm Birch Willow Chestnut Station Church Mill Park Lake River Hill
    Market High Queen King Bridge Garden Meadow Orchard Harbour Castle School Victoria Albert
    Green North South East West Spring Valley Forest Sunset Highland Walnut Juniper Poplar Linden
    Rose Ash Laurel Magnolia Canal Dock Foundry Quarry Abbey Priory""".split()
)
_ONSETS: Final = "b br c ch d dr f g gr h j k kl l m n p pr qu r s sh st t tr v w z".split()
_NUCLEI: Final = "a e i o u ai ea ee ia oa ou".split()
_CODAS: Final = ["", "", "", "n", "r", "l", "s", "m", "nd", "rt", "x", "th", "ck", "st"]


def is_held_out(word: str) -> bool:
    """Whether ``word`` is kept for tests (about one word in six)."""
    return hashlib.sha256(f"held-out {word.casefold()}".encode()).digest()[0] < 43


class Names:
    """Draws names and numbers, all from the training side or all from the held-out one."""

    def __init__(self, rng: random.Random, *, held_out: bool = False) -> None:
        self.rng = rng
        self.held_out = held_out

    def draw(self, make: Callable[[], str]) -> str:
        """The first of ``make()`` that lies on this side; at most 400 tries."""
        for _ in range(400):
            word = make()
            if is_held_out(word) == self.held_out:
                return word
        raise ValueError("no word on this side: the list is too short")

    def pick(self, words: tuple[str, ...]) -> str:
        """A word of this side from a list of names."""
        return self.draw(lambda: self.rng.choice(words))

    def invented(self) -> str:
        """A capitalised word of two or three syllables that nobody has seen."""
        return self.draw(self._syllables)

    def _syllables(self) -> str:
        rng = self.rng
        parts = [
            rng.choice(_ONSETS) + rng.choice(_NUCLEI) + (rng.choice(_CODAS) if last else "")
            for last in ([False, True] if rng.random() < 0.7 else [False, False, True])
        ]
        return "".join(parts).capitalize()

    def first(self) -> str:
        """A first name, at times an invented one."""
        return self.pick(FIRST) if self.rng.random() < 0.8 else self.invented()

    def last(self) -> str:
        """A family name."""
        return self.pick(LAST) if self.rng.random() < 0.7 else self.invented()

    def person(self) -> str:
        """A person as people are named in talk: in full, with a title, by first name."""
        roll = self.rng.random()
        if roll < 0.75:
            return f"{self.first()} {self.last()}"
        if roll < 0.85:
            return f"{self.rng.choice(['Mr', 'Ms', 'Mrs', 'Dr', 'Dr.'])} {self.last()}"
        return self.first()

    def town(self) -> str:
        """A real or invented place."""
        if self.rng.random() < 0.6:
            return self.pick(TOWNS)
        ending = self.rng.choice(["", "", "ville", "ton", "burg", "ford", " Falls", " Bay"])
        return self.invented() + ending

    def brand(self) -> str:
        """The proper part of a business name."""
        roll = self.rng.random()
        if roll < 0.3:
            return self.pick(LAST)
        if roll < 0.8:
            return self.invented()
        if roll < 0.9:
            return f"{self.pick(LAST)} & {self.rng.choice(['Sons', 'Co', self.pick(LAST)])}"
        return f"{self.pick(STREETS)} {self.rng.choice(['Street', 'Valley', 'Point', 'Gate'])}"

    def digits(self, count: int) -> str:
        """A number of ``count`` digits, the first not 0."""
        return self.draw(lambda: str(self.rng.randrange(10 ** (count - 1), 10**count)))

    def letters(self, count: int) -> str:
        """Capital letters."""
        return "".join(self.rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=count))

    def code(self) -> str:
        """An identifier such as CL-20417, PN88213 or 7F-3302/B."""
        rng, count = self.rng, self.rng.randint(3, 6)
        roll = rng.random()
        if roll < 0.6:
            return f"{self.letters(rng.randint(1, 3))}-{self.digits(count)}"
        if roll < 0.75:
            return f"{self.letters(rng.randint(1, 4))}{self.digits(count)}"
        if roll < 0.85:
            return f"{self.letters(2)}-{rng.randint(2019, 2027)}-{self.digits(count)}"
        return self.digits(rng.randint(5, 8))
