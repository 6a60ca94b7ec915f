from __future__ import annotations

import pytest

from governance.events import FactBody
from governance.verifiers.personal import Personal
from governance.verifiers.recognisers import PERSONAL, SECRETS, find, mask
from governance.verifiers.sensitive import Sensitive
from tests.governance.drafts import card_body, fact_body
from tests.governance.evidence import context

SECRET_TEXTS = {
    "IBAN": [
        "The IBAN is IE43 FICT 0000 0012 3456 78 and it's in both our names",
        "DE89370400440532013000",
        "gb82-west-1234-5698-7654-32",
        "DE89 3704 0044 0532 0130 00, or GB82 WEST 1234 5698 7654 32",
        "IE43 FICT\u200b 0000 0012 3456 78",
    ],
    "payment card": ["pay with 4111 1111 1111 1111 12/27", "5500005555555559", "3782-822463-10005"],
    "US social security number": ["my ssn is 536-90-4399"],
    "Swiss AHV number": ["756.9217.0769.85"],
    "French social security number": ["1 84 12 76 451 089 46"],
    "Spanish DNI": ["12345678Z", "X-1234567-L"],
    "German tax id": ["Steuer-ID: 86095742719"],
    "UK national insurance number": ["QQ123456C is fake, AB 12 34 56 C is not"],
    "AWS access key": ["AKIAIOSFODNN7EXAMPLE"],
    "GitHub token": ["ghp_" + "a1B2" * 9],
    "GitLab token": ["glpat-" + "x" * 20],
    "Slack token": ["xoxb-1234567890-abc"],
    "Stripe key": ["sk_live_" + "9" * 12],
    "Google API key": ["AIza" + "B" * 35],
    "model API key": ["sk-ant-" + "k" * 24],
    "JSON web token": ["eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM.SflKxwRJSM"],
    "private key": ["-----BEGIN RSA PRIVATE KEY-----"],
    "password in a URL": ["postgres://app:hunter2@db.example/x"],
    "password or key": ["password: hunter2!", "The PIN is 4711.", "api_key = 'abc123def'"],
}
HARMLESS = [
    "The policy number is TQ-88136 and the claim is CL-20417.",
    "call me on 555-0142 or mail emeka@okafor.example",
    "IE43 FICT 0000 0012 3456 79",  # IBAN with a wrong check digit
    "order 4111 1111 1111 1112",  # fails Luhn
    "ticket 900-90-4399, 536-00-4399, 536-90-0000",  # no social security numbers
    "The password is secret.",
    "password: ********",
    "He paid 1,350 euros on 2026-03-12 at 14:00.",
    "000000000000000",
    "12345678A",
    "https://example.org/a:b@c",
]


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in SECRET_TEXTS.items() for text in texts]
)
def test_secrets_are_recognised(kind: str, text: str) -> None:
    assert kind in {finding.kind for finding in find(SECRETS, text)}


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_holds_no_secret(text: str) -> None:
    assert not list(find(SECRETS, text))


def test_two_numbers_in_a_row_are_both_found() -> None:
    found = list(find(SECRETS, "DE89 3704 0044 0532 0130 00 GB82 WEST 1234 5698 7654 32"))
    assert [finding.masked for finding in found] == ["DE…00", "GB…32"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("e-mail address", "My email is emeka@okafor.example"),
        ("phone number", "My mobile number is 555-0142."),
        ("phone number", "+353 1 555 0142"),
        ("phone number", "reach her at (020) 7946 0958"),
        ("date of birth", "Date of birth: 4 May 1971"),
    ],
)
def test_personal_data_is_recognised(kind: str, text: str) -> None:
    assert kind in {finding.kind for finding in find(PERSONAL, text)}


def test_dates_and_identifiers_are_no_phone_numbers() -> None:
    assert not list(find(PERSONAL, "The inspection is on 2026-03-10 14:00, claim CL-20417."))
    assert not list(find(PERSONAL, "12.03.2026"))
    assert list(find(PERSONAL, "0049 30 123456"))


def test_the_verifiers_look_at_every_field_and_never_repeat_the_secret() -> None:
    hidden = card_body().model_copy(update={"probes": ["Is it DE89370400440532013000?"]})
    result = Sensitive().verify(context(hidden))
    assert (result.outcome, result.detail) == ("fail", "IBAN DE…00")
    assert Sensitive().verify(context(card_body())).outcome == "pass"


def test_contact_data_is_personal_and_not_secret() -> None:
    body = FactBody(
        topic="claim C-17", attribute="e-mail", value="emeka@okafor.example",
        statement="The e-mail of claim C-17 is emeka@okafor.example.",
    )  # fmt: skip
    assert Personal().verify(context(body)).detail == "e-mail address em…le"
    assert Personal().verify(context(body)).outcome == "fail"
    assert Sensitive().verify(context(body)).outcome == "pass"
    assert Personal().verify(context(fact_body())).outcome == "pass"


def test_short_values_are_masked_whole() -> None:
    assert mask("4711") == "…"
    assert mask("DE89 3704 0044") == "DE…44"
