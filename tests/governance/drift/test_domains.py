"""Each format: what is an element, what is layout, what is refused."""

from __future__ import annotations

import json

import pytest

from governance.drift import DOMAINS, domain_for, domain_named, element_diff
from governance.drift.domains.elements import Domain
from governance.drift.domains.similarity import element_similarity, text_similarity
from governance.errors import DocumentParseError, DriftError

CSV = "claim;customer;amount\nC-1;Anna Keller;1200\n\nC-2;Bela Nagy;0.2 kg\n"
JSON = '{"name": "desk", "limit": 1.0, "rules": [{"id": "R1", "tags": ["a", "b"]}, 5, []]}'
ICS = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//desk//EN\r\n"
    "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nEND:VTIMEZONE\r\n"
    "BEGIN:VEVENT\r\nUID:1@desk\r\nDTSTART;TZID=Europe/Berlin:20260304T100000\r\n"
    "DURATION:PT60M\r\nSUMMARY:Site visit\\, north\r\nRRULE:FREQ=WEEKLY;BYDAY=MO\r\n"
    "ATTENDEE;CN=Anna:mailto:anna@desk.example\r\nATTENDEE:mailto:bela@desk.example\r\n"
    "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\nEND:VEVENT\r\n"
    "END:VCALENDAR\r\n"
)
MD = (
    "---\nowner: desk\n\n---\n# Intake\n\nCheck *every* file.\n\n"
    "1. Open the\n   claim.\n2. Call `C-1`.\n"
    "   - note it\n\n> Be kind.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```sh\nls\n```\n\n---\n"
    "<div>x</div>\n\nSee [the guide](g.md) and ![logo](l.png).\n"
)
EML = (
    "From: Anna Keller <anna@Desk.example>\nTo: desk@desk.example\n"
    "Date: Wed, 04 Mar 2026 10:00:00 +0100\nSubject: Claim\n C-1\nMessage-ID: <1@desk>\n\n"
    "Dear desk,\nplease pay EUR 1,200.\n\n---\n\n"
    "From: desk@desk.example\nTo: Anna Keller <anna@desk.example>\nDate: 2026-03-05\n"
    "Subject: Re: Claim\n\nDone.\n"
)
SRT = (
    "1\n00:00:01,000 --> 00:00:02,500\nHello\nthere.\n\n"
    "\n2\n00:00:03.5 --> 00:00:04,000 X1:10\nBye.\n\nstray words\n"
)
PROSE = "Anna called on 4 March 2026. She pays EUR 5!\n\nItems:\n- first thing\n- second thing\n"

SAMPLES = {
    "ledger": (CSV, 2),
    "configuration": (JSON, 7),
    "calendar": (ICS, 1),
    "procedure": (MD, 12),
    "emails": (EML, 2),
    "subtitles": (SRT, 3),
    "prose": (PROSE, 5),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_have_the_expected_elements_and_identity_one(name: str) -> None:
    text, count = SAMPLES[name]
    domain = domain_named(name)
    body = [element for element in domain.parse(text) if not element.frame]
    assert len(body) == count, [element.raw for element in body]
    assert all(element.location for element in body)
    assert element_diff(text, text, domain).score == 1.0


EQUIVALENT = [
    ("ledger", CSV, 'claim,customer,amount\r\nC-1,Anna Keller,"1,200.00"\r\nC-2,Bela Nagy,200 g'),
    ("ledger", CSV, "customer;claim;amount\nAnna Keller;C-1;1200\nBela Nagy;C-2;0.2 kg\n"),
    ("ledger", "a\n04.03.2026\n", "a\n2026-03-04\n"),
    ("configuration", JSON, json.dumps(json.loads(JSON), indent=4, sort_keys=True)),
    ("configuration", '{"limit": 1, "w": "0.2 kg"}', '{"w": "200 g", "limit": 1.00}'),
    ("calendar", ICS, ICS.replace("PT60M", "PT1H").replace("\r\n", "\n")),
    ("calendar", ICS, ICS.replace("FREQ=WEEKLY;BYDAY=MO", "BYDAY=MO;FREQ=WEEKLY")),
    ("calendar", ICS, ICS.replace("Site visit", "Site vi\r\n sit")),
    ("procedure", MD, MD.replace("2. Call", "7. Call").replace("   - note", "   * note")),
    ("procedure", MD, MD.replace("*every*", "_every_").replace("# Intake", "Intake\n======")),
    ("procedure", MD, MD.replace("Open the\n   claim.", "Open the claim.")),
    ("emails", EML, EML.replace("Wed, 04 Mar 2026 10:00:00 +0100", "4 Mar 2026 09:00:00 +0000")),
    ("emails", EML, EML.replace("desk,\nplease", "desk, please").replace("1,200", "1200.00")),
    ("emails", EML, EML.replace("anna@Desk.example", "anna@desk.example")),
    ("emails", EML, "From x@y Wed Mar 04 10:00:00 2026\n" + EML),
    ("subtitles", SRT, SRT.replace("1\n00:", "8\n00:", 1).replace("02,500", "02.5")),
    ("subtitles", SRT, SRT.replace("Hello\nthere.", "Hello there.").replace("\n", "\r\n")),
    ("prose", PROSE, PROSE.replace("4 March 2026", "2026-03-04").replace("pays EUR", "pays\nEUR")),
]


@pytest.mark.parametrize(("name", "first", "second"), EQUIVALENT)
def test_equivalents_score_one_and_are_format_only(name: str, first: str, second: str) -> None:
    assert first != second
    diff = element_diff(first, second, domain_named(name))
    assert diff.score_ppm == 1_000_000, diff.operations
    assert {operation.kind for operation in diff.operations} == {"format"}


CHANGED = [
    ("ledger", CSV, CSV.replace("1200", "1201"), "line 2 (amount)"),
    ("ledger", CSV, CSV.replace("Bela", "Bella"), "line 4 (customer)"),
    ("configuration", JSON, JSON.replace("1.0", '"1.0"'), "$.limit (value)"),
    ("configuration", JSON, JSON.replace('"limit"', '"limits"'), "$.limit"),
    ("configuration", '{"a": {"b": 1}}', '{"a": {"c": 1}}', "$.a.b (path)"),
    ("configuration", JSON, JSON.replace('"b"', '"c"'), "$.rules[0].tags[1]"),
    ("calendar", ICS, ICS.replace("T100000", "T103000"), "line 7 (DTSTART)"),
    ("calendar", ICS, ICS.replace(";TZID=Europe/Berlin", ""), "line 7 (DTSTART)"),
    ("calendar", ICS, ICS.replace("-PT15M", "-PT20M"), "line 7 (VALARM 1 TRIGGER)"),
    ("calendar", ICS, ICS.replace("PRODID:-//desk//EN", "PRODID:-//disk//EN"), "line 1 (PRODID)"),
    ("procedure", MD, MD.replace("`C-1`", "`C-7`"), "line 11 (text)"),
    ("procedure", MD, MD.replace("# Intake", "## Intake"), "line 5 (role)"),
    ("procedure", MD, MD.replace("| 1 | 2 |", "| 1 | 3 |"), "line 18 (text)"),
    ("emails", EML, EML.replace("EUR 1,200", "EUR 1,300"), "line 1 (body)"),
    ("emails", EML, EML.replace("10:00:00 +0100", "10:00:00 +0000"), "line 1 (date)"),
    ("emails", EML, EML.replace("Claim\n C-1", "Claim\n C-2"), "line 1 (subject)"),
    ("subtitles", SRT, SRT.replace("01,000", "01,001"), "line 2 (start)"),
    ("subtitles", SRT, SRT.replace("X1:10", "X1:20"), "line 8 (position)"),
    ("prose", PROSE, PROSE.replace("EUR 5", "EUR 6"), "line 1, characters 29-44 (text)"),
]


@pytest.mark.parametrize(("name", "first", "second", "where"), CHANGED)
def test_changes_score_below_one_and_are_located(
    name: str, first: str, second: str, where: str
) -> None:
    diff = element_diff(first, second, domain_named(name))
    assert diff.score < 1
    assert where in {operation.location for operation in diff.operations}, diff.operations


REFUSED = [
    ("ledger", ""),
    ("ledger", "claim,amount\n"),
    ("ledger", 'claim,amount\n"C-1,5\n'),
    ("ledger", "claim\x00,amount\nC-1,5\n"),
    ("configuration", "{}"),
    ("configuration", "[]"),
    ("configuration", '{"a": NaN}'),
    ("configuration", '{"a": 1'),
    ("configuration", "[" * 100_000),
    ("configuration", '{"a":' * 300 + "1" + "}" * 300),
    ("configuration", "[" * 300 + "1" + "]" * 300),
    ("configuration", '[{"a":' * 1 + '{"a":' * 300 + "1" + "}" * 301 + "]"),
    ("calendar", "BEGIN:VCALENDAR\nVERSION:2.0\nEND:VCALENDAR\n"),
    ("calendar", ICS.replace("END:VEVENT\r\n", "")),
    ("calendar", ICS.replace("END:VCALENDAR\r\n", "")),
    ("calendar", ICS.replace("UID:1@desk", "no content line")),
    ("calendar", "SUMMARY:alone\n"),
    ("procedure", "\n---\n\n"),
    ("emails", "Hello,\n\nno headers here.\n"),
    ("subtitles", "1\nno timing\n"),
    ("prose", " \n\t\n"),
    ("prose", "broken \ufffd bytes"),
]


@pytest.mark.parametrize(("name", "text"), REFUSED)
def test_what_cannot_be_read_is_refused_and_scores_zero_apart(name: str, text: str) -> None:
    domain = domain_named(name)
    good = SAMPLES[name][0]
    with pytest.raises(DocumentParseError) as caught:
        domain.parse(text)
    assert caught.value.domain == name
    diff = element_diff(good, text, domain)
    assert (diff.score, diff.score_ppm, diff.operations) == (0.0, 0, ())
    assert diff.error is not None
    assert diff.changed
    assert element_diff(good, good, domain).error is None
    with pytest.raises(DocumentParseError):
        element_diff(text, good, domain)


def test_a_deleted_array_item_does_not_rename_the_others() -> None:
    domain = domain_named("configuration")
    rules = [{"id": f"R{i}", "steps": [{"n": i}, {"n": i + 1}]} for i in range(4)]
    diff = element_diff(json.dumps(rules), json.dumps(rules[1:]), domain)
    assert diff.counts() == {"delete": 3}
    loose = [{"n": [1, 2]}, {"n": [3, 4]}]
    moved = [{"n": [1]}, {"n": [2, 3, 4]}]
    assert element_diff(json.dumps(loose), json.dumps(moved), domain).counts() == {"move": 1}


def test_arrays_of_arrays_keep_their_shape() -> None:
    domain = domain_named("configuration")
    diff = element_diff("[[1, 2], [3]]", "[[1], [2, 3]]", domain)
    assert diff.counts() == {"move": 1}
    assert element_diff("[[1, 2], [3]]", "[[1, 2, 3]]", domain).counts() == {"delete": 1}


def test_repeated_json_members_hide_nothing() -> None:
    domain = domain_named("configuration")
    diff = element_diff('{"a": 1, "a": 2}', '{"a": 2}', domain)
    assert diff.n_original == 2
    assert diff.score <= 0.5
    assert element_diff('{"a": 2}', '{"a": 2}', domain).score == 1.0


def test_a_lost_or_renamed_header_costs_more_than_its_line() -> None:
    domain = domain_named("ledger")
    renamed = element_diff(CSV, CSV.replace("amount", "sum"), domain)
    assert renamed.score < 0.8
    assert any(operation.frame for operation in renamed.operations)
    assert element_diff(CSV, CSV.partition("\n")[2], domain).score < 0.5


def test_ragged_rows_and_repeated_columns_are_kept() -> None:
    domain = domain_named("ledger")
    ragged = "a,a,b\n1,2\n1,2,3,4\n"
    rows = [element for element in domain.parse(ragged) if not element.frame]
    assert [[f.name for f in row.fields] for row in rows] == [
        ["a", "a (2)"],
        ["a", "a (2)", "b", "column 4"],
    ]
    assert element_diff(ragged, ragged.replace(",4", ""), domain).score < 1


def test_calendar_lists_repeats_and_blank_lines() -> None:
    domain = domain_named("calendar")
    text = (
        "BEGIN:VCALENDAR\n\nBEGIN:VTODO\nUID:t\nCATEGORIES:site,roof\n"
        "COMMENT:one\nCOMMENT:two\nEND:VTODO\nEND:VCALENDAR\n"
    )
    (todo,) = domain.parse(text)
    assert (todo.kind, todo.location) == ("vtodo", "line 3")
    assert [field.name for field in todo.fields][1:3] == ["COMMENT", "COMMENT #2"]
    assert element_diff(text, text.replace("site,roof", "roof, site"), domain).score == 1.0
    assert element_diff(text, text.replace("site,roof", "site"), domain).score < 1


def test_long_strings_in_json_are_compared_word_by_word() -> None:
    domain = domain_named("configuration")
    text = json.dumps({"note": "Pay the claim within ten days unless a second adjuster objects."})
    diff = element_diff(text, text.replace("ten", "two"), domain)
    assert diff.counts() == {"substitute": 1}
    assert 0.9 < diff.score < 1


def test_mails_of_odd_shape_are_still_read() -> None:
    domain = domain_named("emails")
    bare = "To: b@x.example\nFrom: a@x.example\nDate: Wed, 04 Mar 2026 10:00:00"
    (message,) = domain.parse(bare)
    assert message.fields[2].canonical.value == "2026-03-04T10:00:00"
    assert message.fields[-1].text == ""
    later = bare.replace("10:00:00", "10:00:00 -0000")
    assert element_diff(bare, later, domain).score == 1.0
    attached = (
        "From: a@x.example\nTo: b@x.example\nContent-Type: multipart/mixed; boundary=q\n\n"
        "--q\nContent-Type: image/png\n\nAAAA\n--q--\n"
    )
    assert element_diff(attached, attached, domain).score == 1.0
    assert element_diff(attached, attached.replace("AAAA", "BBBB"), domain).score < 1


def test_text_before_the_first_message_is_kept() -> None:
    domain = domain_named("emails")
    diff = element_diff("Exported thread\n\n" + EML, EML, domain)
    assert diff.counts() == {"delete": 1}


def test_multipart_mail_is_compared_by_its_text() -> None:
    domain = domain_named("emails")
    mail = (
        "From: a@x.example\nTo: b@x.example\nMIME-Version: 1.0\n"
        'Content-Type: multipart/alternative; boundary="q"\n\n'
        "--q\nContent-Type: text/plain\n\nPay EUR 5 now.\n"
        "--q\nContent-Type: text/html\n\n<p>Pay EUR 5 now.</p>\n--q--\n"
    )
    assert element_diff(mail, mail, domain).score == 1.0
    assert element_diff(mail, mail.replace("EUR 5 now.\n", "EUR 6 now.\n"), domain).score < 1


def test_domains_are_found_by_name_and_suffix() -> None:
    assert domain_for("a/B.CSV").name == "ledger"
    assert domain_for("thread.eml").name == "emails"
    assert domain_for("unknown.xyz").name == "prose"
    assert len({domain.name for domain in DOMAINS}) == len(DOMAINS)
    with pytest.raises(DriftError, match="unknown document domain"):
        domain_named("unknown")


def test_similarity_of_elements() -> None:
    domain: Domain = domain_named("ledger")
    _, first, second = domain.parse("id,name\n1,Anna Keller\n2,Anna Roth\n")
    assert element_similarity(first, first) == 1.0
    assert element_similarity(first, second) == pytest.approx(0.25)
    header = domain.parse(CSV)[0]
    assert element_similarity(header, first) == 0.0


def test_long_text_is_compared_in_linear_time_and_never_equal_when_different() -> None:
    words = [f"w{i}" for i in range(30_000)]
    swapped = [words[1], words[0], *words[2:]]
    assert text_similarity(" ".join(words), " ".join(words)) == 1.0
    assert text_similarity("Pay Anna now", "Pay Bela now") == pytest.approx(2 / 3)
    assert 0.99 < text_similarity(" ".join(words), " ".join(swapped)) < 1
    domain = domain_named("emails")
    mail = "From: a@x.example\nTo: b@x.example\n\n"
    diff = element_diff(mail + " ".join(words), mail + " ".join(swapped), domain)
    assert 0.99 < diff.score < 1
