"""National identifiers and credentials: one that is right, and one that is off by one."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from governance.verifiers.credentials import find_credentials
from governance.verifiers.recognisers import (
    MAX_REFUSED,
    PERSONAL,
    SECRETS,
    find,
    find_secrets,
)

RIGHT_AND_WRONG = {
    "UK NHS number": ("NHS number 943 476 5919", "NHS number 943 476 5918"),
    "Dutch BSN": ("BSN: 111222333", "BSN: 111222334"),
    "Italian codice fiscale": ("RSSMRA85T10A562S", "RSSMRA85T10A562T"),
    "Irish PPSN": ("1234567T", "1234567U"),
    "Belgian national number": ("85.07.30-033.28", "85.07.30-033.29"),
    "Polish PESEL": ("PESEL 44051401359", "PESEL 44051401358"),
    "Swedish personnummer": ("811218-9876", "811218-9875"),
    "Finnish henkilötunnus": ("131052-308T", "131052-308U"),
    "Norwegian fødselsnummer": ("fødselsnummer 01010750160", "fødselsnummer 01010750161"),
    "Brazilian CPF": ("529.982.247-25", "529.982.247-26"),
    "Canadian SIN": ("social insurance number 046 454 286", "SIN 046 454 287"),
}


@pytest.mark.parametrize("kind", RIGHT_AND_WRONG)
def test_an_identifier_needs_its_check_digit(kind: str) -> None:
    right, wrong = RIGHT_AND_WRONG[kind]
    assert kind in {hit.kind for hit in find(SECRETS, f"It is {right}.")}
    assert kind not in {hit.kind for hit in find(SECRETS, f"It is {wrong}.")}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Irish PPSN", "1234567FA"),
        ("Irish PPSN", "1234567TW"),
        ("Belgian national number", "17.07.30-033.84"),
        ("Swedish personnummer", "811278-9873"),
    ],
)
def test_newer_forms_of_identifiers(kind: str, text: str) -> None:
    assert kind in {hit.kind for hit in find(SECRETS, text)}


@pytest.mark.parametrize(
    "text",
    [
        "NHS 000 000 0000", "BSN 000000000", "PESEL 00000000000", "111.111.111-11",
        "SIN 000 000 000", "fødselsnummer 00000000000", "811318-9875", "329952-308T",
        "order 943 476 5919", "invoice 111222333",
    ],
)  # fmt: skip
def test_impossible_and_unnamed_numbers_are_none(text: str) -> None:
    assert not RIGHT_AND_WRONG.keys() & {hit.kind for hit in find(SECRETS, text)}


CREDENTIALS = {
    "Artifactory Credentials": "token AKCp5aBcDeFgHiJk ",
    "Azure Storage Account access key": "AccountKey=" + "a" * 86 + "==",
    "Discord Bot Token": "M" + "a1" * 12 + ".abcDEF." + "x" * 27,
    "Mailchimp Access Key": "0123456789abcdef" * 2 + "-us12",
    "PyPI Token": "pypi-AgEIcHlwaS5vcmc" + "a" * 72,
    "SendGrid API Key": "SG." + "a" * 22 + "." + "b" * 43,
    "Square OAuth Secret": "sq0csp-" + "a" * 43,
    "Telegram Bot Token": "110201543:" + "A" * 35,
    "Twilio API Key": "AC" + "a1" * 16,
    "npm token": "//registry.npmjs.org/:_authToken=npm_abcdef123456",
}


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_credentials_of_services(kind: str) -> None:
    assert kind in {hit.kind for hit in find_secrets(CREDENTIALS[kind])}
    assert not list(find_secrets("The deductible of claim C-17 is 300 EUR."))


def test_one_secret_is_told_once() -> None:
    token = "ghp_" + "a1B2" * 9
    assert [hit.kind for hit in find_secrets(token)] == ["GitHub token"]
    assert [kind for kind, _ in find_credentials(token)] == ["GitHub Token"]


PHONES = ["+44 20 7946 0958", "0044 20 7946 0958", "707-545-6900", "0151 12345678", "7075456900"]
NO_PHONES = ["+1 23", "+999 12345678", "00000000", "order 99999999", "2026-03-10 1400"]


@pytest.mark.parametrize("text", PHONES)
def test_phone_numbers(text: str) -> None:
    assert "phone number" in {hit.kind for hit in find(PERSONAL, f"It is {text}")}


@pytest.mark.parametrize("text", NO_PHONES)
def test_other_numbers_are_no_phone_numbers(text: str) -> None:
    assert not list(find(PERSONAL, text))


def test_a_text_full_of_near_hits_counts_as_a_hit() -> None:
    few, many = "99999999 " * 8, "99999999 " * (2 * MAX_REFUSED)
    assert not list(find(PERSONAL, few))
    found = list(find(PERSONAL, many))
    assert [hit.kind for hit in found] == ["phone number, perhaps, among many numbers:"]


def dialogues() -> Path:
    root = Path(__file__).resolve().parents[2]
    data = Path(os.environ.get("PALIMPSEST_DATA", root.parent / "shared" / "data"))
    path = data / "sgd" / "dev.jsonl.gz"
    if not path.is_file():
        pytest.skip("Schema-Guided Dialogue is not here; set PALIMPSEST_DATA")
    return path


def test_ordinary_dialogue_holds_no_secret() -> None:
    secret = phones = said = 0
    with gzip.open(dialogues(), "rt", encoding="utf-8") as lines:
        for line in list(lines)[:300]:
            for turn in json.loads(line)["turns"]:
                secret += any(True for _ in find_secrets(turn["text"]))
                named = any("phone" in slot for _, slot, _, _ in turn["spans"])
                said += named
                hits = {hit.kind for hit in find(PERSONAL, turn["text"])}
                assert named or "phone number" not in hits, turn["text"]
                phones += named and "phone number" in hits
    assert secret == 0
    assert phones == said > 10
