# ruff: noqa: E501, SIM905, PLR2004 - word lists, and shares of a random mixture, are plain in place
"""Values of every kind that a generated fact may have: dates, money, ids, names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.models.builtin.names import STREETS, Names

_MONTHS: Final = (
    "January February March April May June July August September October November December"
).split()
_DAYS: Final = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()

_CHOICES: Final[dict[str, str]] = {
    "colour": "red,blue,silver,black,white,dark green,grey,beige,orange,navy blue,yellow,purple",
    "status": "open,closed,approved,rejected,pending,under review,on hold,in progress,paid,draft,"
    "settled,delayed,cancelled,confirmed,waiting for documents,active,escalated,shipped,blocked",
    "damage": "broken windscreen,dented door,water damage,scratched bumper,hail damage,"
    "cracked tail light,flooded basement,burst pipe,smoke damage,broken axle,stolen bicycle,"
    "collapsed fence,damaged roof,bent wheel,broken mirror,kitchen fire,mould on the ceiling",
    "injury": "whiplash,broken wrist,sprained ankle,concussion,bruised ribs,torn ligament,back pain",
    "cause": "black ice,a falling tree,a burst pipe,a rear-end collision,a storm,an electrical fault,"
    "hail,a faulty valve,vandalism,a short circuit,theft,heavy rain,a power cut,a flat tyre",
    "cover": "third party,comprehensive,partial cover,household,liability,travel,legal expenses",
    "department": "Sales,Finance,Legal,Claims,Support,Marketing,Logistics,Research,Payroll,"
    "Human Resources,Operations,Procurement,Engineering,Customer Care,Underwriting",
    "role": "nurse,electrician,team lead,accountant,driver,analyst,teacher,plumber,architect,"
    "project manager,lawyer,technician,warehouse clerk,data engineer,receptionist,baker",
    "language": "English,French,German,Spanish,Italian,Polish,Turkish,Arabic,Japanese,Portuguese",
    "dish": "mushroom risotto,lamb curry,pumpkin soup,grilled trout,lentil stew,margherita pizza,"
    "apple strudel,beef noodles,chicken salad,falafel wrap,tomato tart,ramen,paella,tiramisu",
    "cuisine": "Italian,Mexican,Indian,Thai,Japanese,Greek,Lebanese,Vietnamese,Korean,French,Turkish",
    "genre": "drama,comedy,jazz,rock,folk,horror,classical,thriller,animation,blues,country,pop",
    "diet": "vegetarian,vegan,gluten free,lactose free,kosher,halal,no nuts,low salt",
    "payment": "bank transfer,credit card,cheque,cash,direct debit,PayPal,invoice,instalments",
    "part": "gearbox,clutch,battery,alternator,radiator,front bumper,rear axle,fuel pump,keyboard,"
    "power supply,hard disk,compressor,thermostat,door handle,brake disc,windscreen",
    "material": "oak,steel,aluminium,cotton,leather,glass,concrete,bamboo,linen,copper,granite",
    "weather": "sunny,light rain,heavy snow,foggy,windy,overcast,thunderstorms,clear skies",
    "system": "Windows 11,Ubuntu 24.04,macOS,Android,Debian 12,iOS,Windows Server 2022,Fedora",
    "priority": "high,low,medium,urgent,critical,normal,P1,P2,P3",
    "size": "small,medium,large,extra large,XL,XXL,size 38,size 42,queen size,king size",
    "animal": "beagle,tabby cat,parrot,hamster,labrador,pony,tortoise,rabbit,greyhound",
    "hobby": "rowing,chess,pottery,hiking,knitting,birdwatching,fencing,gardening,sailing,judo",
    "subjectmatter": "chemistry,history,algebra,painting,robotics,biology,geography,statistics",
    "room_type": "single room,double room,suite,studio,twin room,family room,sea view room",
    "plan": "basic plan,family plan,premium plan,silver tariff,gold tariff,student plan,flex plan",
    "instrument": "piano,cello,trumpet,guitar,violin,drums,flute,harp,clarinet,accordion",
    "reason": "illness,a family matter,a missed train,overbooking,a wrong address,late delivery,"
    "a price increase,a staff shortage,bad weather,moving house,a scheduling conflict",
    "place": "the kitchen,the car park,the basement,the motorway,the roundabout,the garage,the lobby,"
    "the loading dock,the second floor,the garden,the stairwell,the cellar,the courtyard",
    "medicine": "ibuprofen,penicillin,insulin,aspirin,antihistamine,cortisone,amoxicillin",
}
CHOICES: Final = {kind: tuple(text.split(",")) for kind, text in _CHOICES.items()}

_SUFFIX: Final[dict[str, tuple[str, ...]]] = {
    "company": ("Ltd", "GmbH", "Inc", "Group", "Logistics", "Partners", "Systems", "Foods", "Labs"),
    "garage": ("Garage", "Motors", "Auto", "Body Shop", "Car Repair", "Autohaus", "Coachworks"),
    "insurer": ("Insurance", "Mutual", "Assurance", "Cover", "Underwriters"),
    "hospital": ("Hospital", "Clinic", "Medical Center", "Health Centre", "Surgery"),
    "hotel": ("Hotel", "Inn", "Lodge", "Suites", "Guesthouse", "Resort"),
    "restaurant": ("Bistro", "Grill", "Cafe", "Kitchen", "Tavern", "Diner", "Trattoria", "House"),
    "school": ("School", "College", "Academy", "University", "Institute"),
    "bank": ("Bank", "Savings Bank", "Credit Union"),
    "venue": ("Theatre", "Arena", "Hall", "Museum", "Stadium", "Cinema", "Gallery", "Park"),
    "carrier": ("Express", "Airlines", "Couriers", "Freight", "Shipping", "Air", "Rail"),
    "vehicle": ("GT", "200", "Sport", "Estate", "Van", "i30", "Cross", "Hybrid", "E"),
    "product": ("X2", "Pro", "Mini", "300", "Plus", "Max", "S", "One", "Air"),
}
_TITLE_WORDS: Final = tuple(
    """silent golden winter broken hidden river night paper empty velvet distant glass burning
    crooked little lonely electric wild secret seven summer stone shadow dream garden moon road
    letter city storm mirror forest harbour sky song fire dance star island""".split()
)


class Values:
    """Makes values of a named kind on one side of the hold-out."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.rng = names.rng
        self._makers: dict[str, Callable[[], str]] = {
            "money": self.money, "date": self.date, "time": self.time, "phone": self.phone,
            "email": self.email, "address": self.address, "plate": self.plate, "iban": self.iban,
            "code": names.code, "person": names.person, "town": names.town,
            "percent": self.percent, "duration": self.duration, "count": self.count,
            "measure": self.measure, "url": self.url, "version": self.version,
            "year": self.year, "room": self.room, "weekday": lambda: self.rng.choice(_DAYS),
            "title": self.title, "flight": self.flight, "postcode": self.postcode,
            "temperature": self.temperature, "word": names.invented,
        }  # fmt: skip

    def make(self, kind: str) -> str:
        """A value of ``kind``: a maker's, a business name's or a plain choice's."""
        maker = self._makers.get(kind)
        if maker is not None:
            return maker()
        if kind in _SUFFIX:
            return self._business(kind)
        return self.rng.choice(CHOICES[kind])

    def _business(self, kind: str) -> str:
        brand, suffix = self.names.brand(), self.rng.choice(_SUFFIX[kind])
        if kind in ("venue", "hospital", "school") and self.rng.random() < 0.3:
            return f"{self.names.town()} {suffix}"
        if kind == "restaurant" and self.rng.random() < 0.3:
            return f"The {self.names.pick(STREETS)} {suffix}"
        return f"{brand} {suffix}" if self.rng.random() < 0.85 else brand

    def money(self) -> str:
        """An amount with its currency."""
        rng = self.rng
        amount = rng.choice(
            [rng.randint(5, 999), rng.randint(1000, 9999), rng.randint(10, 400) * 50]
        )
        roll = rng.random()
        if roll < 0.35:
            return f"{rng.choice(['EUR', 'USD', 'GBP', 'CHF'])} {self._grouped(amount)}"
        if roll < 0.7:
            return f"{rng.choice('$€£')}{self._grouped(amount)}"
        if roll < 0.85:
            return f"{self._grouped(amount)} {rng.choice(['euros', 'dollars', 'pounds', 'euro'])}"
        return f"{rng.choice(['$', '€', 'EUR '])}{self._grouped(amount)}.{rng.randint(0, 99):02d}"

    def _grouped(self, amount: int) -> str:
        return f"{amount:,}" if self.rng.random() < 0.6 else str(amount)

    def date(self) -> str:
        """A date in one of a dozen forms."""
        rng = self.rng
        day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(2019, 2028)
        name, weekday = _MONTHS[month - 1], rng.choice(_DAYS)
        suffix = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd"}.get(day, "th")
        return rng.choice([
            f"{day} {name} {year}", f"{day} {name}", f"{name} {day}{suffix}", f"{name} {day}",
            f"{year}-{month:02d}-{day:02d}", f"{day:02d}.{month:02d}.{year}",
            f"{month:02d}/{day:02d}/{year}", f"the {day}{suffix} of {name}", f"{name} {day}, {year}",
            f"{weekday} {day} {name}", f"next {weekday}", f"the {day}{suffix}", f"{day} {name} {year}",
        ])  # fmt: skip

    def time(self) -> str:
        """A time of day."""
        rng = self.rng
        hour, minute = rng.randint(1, 12), rng.choice([0, 0, 5, 10, 15, 20, 30, 30, 40, 45, 50])
        return rng.choice([
            f"{hour}:{minute:02d} {rng.choice(['am', 'pm'])}", f"{hour} {rng.choice(['am', 'pm'])}",
            f"{hour + rng.choice([0, 8]):02d}:{minute:02d}", f"half past {hour}", f"{hour} o'clock",
            f"quarter to {hour}", f"{hour} in the {rng.choice(['morning', 'evening', 'afternoon'])}",
        ])  # fmt: skip

    def phone(self) -> str:
        """A phone number."""
        rng, d = self.rng, self.names.digits
        return rng.choice([
            f"{d(3)}-{d(3)}-{d(4)}", f"+{rng.randint(1, 99)} {d(2)} {d(7)}", f"0{d(3)} {d(6)}",
            f"({d(3)}) {d(3)}-{d(4)}", f"0{d(2)} {d(3)} {d(4)}",
        ])  # fmt: skip

    def email(self) -> str:
        """An e-mail address."""
        rng, n = self.rng, self.names
        host = f"{n.invented().lower()}.{rng.choice(['com', 'org', 'net', 'example', 'eu', 'de'])}"
        first, last = n.first().lower(), n.last().lower()
        local = rng.choice(
            [f"{first}.{last}", f"{first[0]}{last}", first, f"{last}{rng.randint(1, 99)}"]
        )
        return f"{local}@{host}"

    def address(self) -> str:
        """Street and number, at times with the town."""
        rng = self.rng
        street = self.names.pick(STREETS) if rng.random() < 0.6 else self.names.invented()
        kind = rng.choice(
            ["Street", "Road", "Avenue", "Lane", "Drive", "Square", "Way", "Boulevard"]
        )
        line = f"{rng.randint(1, 480)} {street} {kind}"
        return line if rng.random() < 0.6 else f"{line}, {self.names.town()}"

    def plate(self) -> str:
        """A licence plate."""
        n, rng = self.names, self.rng
        return rng.choice([
            f"{n.letters(2)}-{n.letters(2)} {n.digits(3)}", f"{n.letters(3)}-{n.digits(4)}",
            f"{n.letters(2)} {n.digits(3)} {n.letters(2)}", f"{n.digits(4)} {n.letters(3)}",
        ])  # fmt: skip

    def iban(self) -> str:
        """A bank account number in the form of an IBAN (check digits are random)."""
        rng = self.rng
        country = rng.choice(["DE", "FR", "ES", "PT", "AT", "NL"])
        blocks = [self.names.digits(4) for _ in range(rng.randint(3, 5))]
        glue = rng.choice([" ", ""])
        return f"{country}{rng.randint(10, 99)}{glue}{glue.join(blocks)}"

    def percent(self) -> str:
        """A share in per cent."""
        rng = self.rng
        number = rng.choice([str(rng.randint(1, 95)), f"{rng.randint(1, 30)}.{rng.randint(1, 9)}"])
        return number + rng.choice(["%", "%", " percent", " per cent"])

    def duration(self) -> str:
        """A number and a unit of time."""
        unit = self.rng.choice(["days", "weeks", "months", "hours", "minutes", "years", "nights"])
        return f"{self.rng.randint(2, 48)} {unit}"

    def count(self) -> str:
        """A number, in digits or in words."""
        words = ["two", "three", "four", "five", "six", "seven", "eight", "ten", "twelve"]
        return self.rng.choice([str(self.rng.randint(2, 60)), str(self.rng.randint(2, 9)),
                                self.rng.choice(words)])  # fmt: skip

    def measure(self) -> str:
        """A number and a physical unit."""
        number = self.rng.choice([str(self.rng.randint(2, 900)), f"{self.rng.randint(1, 60)}.5"])
        return f"{number} {self.rng.choice(['kg', 'km', 'litres', 'm', 'tonnes', 'miles', 'cm', 'GB'])}"

    def temperature(self) -> str:
        """Degrees."""
        return f"{self.rng.randint(-20, 99)} {self.rng.choice(['degrees', 'degrees Celsius', 'C'])}"

    def url(self) -> str:
        """A web address."""
        return f"www.{self.names.invented().lower()}.{self.rng.choice(['com', 'org', 'eu', 'net'])}"

    def version(self) -> str:
        """A version of software."""
        rng = self.rng
        return (
            f"{rng.choice(['', 'v'])}{rng.randint(1, 14)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}"
        )

    def year(self) -> str:
        """A year."""
        return str(self.rng.randint(1948, 2027))

    def room(self) -> str:
        """A room, gate, seat or the like."""
        kind = self.rng.choice(["room", "gate", "platform", "desk", "bay", "Room", "seat", "hall"])
        return f"{kind} {self.rng.choice(['', *'ABC'])}{self.rng.randint(1, 420)}"

    def title(self) -> str:
        """A title of a work."""
        rng = self.rng
        words = [rng.choice(_TITLE_WORDS).capitalize() for _ in range(rng.randint(1, 3))]
        if rng.random() < 0.4:
            words.insert(rng.randrange(len(words) + 1), self.names.invented())
        return ("The " if rng.random() < 0.3 else "") + " ".join(words)

    def flight(self) -> str:
        """A flight number."""
        return f"{self.names.letters(2)}{self.rng.choice(['', ' '])}{self.rng.randint(100, 9999)}"

    def postcode(self) -> str:
        """A postal code."""
        n, rng = self.names, self.rng
        british = f"{n.letters(2)}{rng.randint(1, 9)} {rng.randint(1, 9)}{n.letters(2)}"
        return rng.choice([n.digits(5), british])
