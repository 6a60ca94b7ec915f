"""Plain prose, and the fallback for any other text: one element a sentence, in order.

Wrapping is layout, paragraph breaks are not sentences' business: a line break ends a
sentence only where it ends a paragraph or a line of a list or heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from governance.drift.domains.elements import Element, checked, refuse_binary, text_field

_BLOCK = re.compile(r"\S(?:.|\n(?!\s*\n)(?!\s*(?:[-*•+]|\d+[.)])\s))*")
_SENTENCE = re.compile(r"\S.*?(?:[.!?…]+[\"'”’)\]]*(?=\s+[^\sa-z])|\Z)", re.DOTALL)


class ProseDomain:
    """Running text without a format of its own."""

    name = "prose"
    suffixes = (".txt", ".text", "")

    def parse(self, text: str) -> tuple[Element, ...]:
        """Sentences in order; locations give line and character span.

        Raises:
            DocumentParseError: binary content, or nothing but white space.
        """
        refuse_binary(text, domain=self.name)
        return checked(list(_sentences(text.replace("\r\n", "\n"))), domain=self.name)


def _sentences(text: str) -> Iterator[Element]:
    line, counted = 1, 0
    for block in _BLOCK.finditer(text):
        for sentence in _SENTENCE.finditer(block[0].rstrip()):
            start = block.start() + sentence.start()
            end = block.start() + sentence.end()
            line += text.count("\n", counted, start)
            counted = start
            fields = (text_field("text", sentence[0]),)
            where = f"line {line}, characters {start}-{end}"
            yield Element("sentence", "", fields, where, sentence[0], "sentences")
