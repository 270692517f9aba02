"""Text from data is text in every part of a page, and nothing but the page's own script may run in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from stages.escapes import visible
from stages.pages.markup import Markup, element, joined, json_in_html, page, table

NASTY = [
    '"><script>alert(1)</script>',
    "</script><img src=x onerror=alert(1)>",
    "<!-- ]]> &amp; &lt;",
    "it's `quoted`",
    "\u202egnp.live\u202c שלום",
    "line\nbreak\u2028and\u2029more\x00",
]


class Parsed(HTMLParser):
    """The texts and tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("text", NASTY)
def test_text_stays_text_in_elements_attributes_and_data(text: str) -> None:
    parsed = Parsed(element("p", text, element("b", text), title=text))
    assert parsed.tags == ["p", "b"]
    assert parsed.attributes == [("title", visible(text))]
    assert "".join(parsed.texts) == visible(text) * 2
    found = json_in_html({"name": text})
    assert not set("<>&") & set(found)
    assert found.isascii()
    assert json.loads(found) == {"name": text}


@pytest.mark.parametrize("text", NASTY)
def test_a_page_has_its_own_elements_alone_whatever_its_texts_are(text: str) -> None:
    body = joined(text, table([text], [[text, Markup("<i>x</i>")]]))
    written = page(body, title=text, scripts=("common.js",), data={text: [text]})
    plain = page(joined("x", table(["x"], [["x", Markup("<i>x</i>")]])), title="x", scripts=("common.js",), data={})
    assert Parsed(written).tags == Parsed(plain).tags
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', written, flags=re.DOTALL)
    assert json.loads(data) == {text: [text]}


def test_the_policy_of_a_page_names_its_script_and_style_and_nothing_from_elsewhere() -> None:
    written = page(Markup("<p>x</p>"), title="x", scripts=("common.js", "map.js", "report.js"), data={})
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', written)
    (script,) = re.findall(r"<script>(.*?)</script>", written, flags=re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", written, flags=re.DOTALL)
    for name, text in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", written)
    assert "http" not in script + style
