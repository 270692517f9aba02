"""HTML from values: text is always escaped, and a whole page names every script that may run in it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from stages.escapes import visible


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """An HTML element; children that are no `Markup`, and all attributes, are escaped. Attributes of None are left out.

    `class_` stands for `class`, and `_` inside a name for `-`.

    Examples
    --------
    >>> element("p", "a < b", element("b", "&"), class_='x"y')
    '<p class="x&quot;y">a &lt; b<b>&amp;</b></p>'
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(visible(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{told}>{joined(*children)}</{name}>")


def joined(*children: str) -> Markup:
    """The children one after the other; plain text among them is escaped and made `visible`."""
    return Markup("".join(child if isinstance(child, Markup) else escape(visible(child)) for child in children))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """A table that scrolls sideways where it is too wide."""
    head = element("tr", *(element("th", heading, scope="col") for heading in headings))
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    inner = element("table", element("thead", head), element("tbody", *body))
    return element("div", inner, class_="scroll", tabindex=0, role="region", aria_label=", ".join(headings))


def asset(name: str) -> str:
    """The text of a style sheet or script of this package."""
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def page(body: Markup, *, title: str, scripts: Sequence[str], data: Mapping[str, Any], connects: bool = False) -> str:
    """A whole page of `body`, in which the assets `scripts` run with `data`.

    Its policy lets nothing else run and nothing be loaded from anywhere; with `connects` it may ask its own server.
    """
    script = "\n".join(asset(name) for name in scripts)
    style = asset("page.css")
    policy = {
        "default-src": "'none'",
        "img-src": "data: 'self'" if connects else "data:",
        "style-src": _hash_of(style),
        "script-src": _hash_of(script),
        "connect-src": "'self'" if connects else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    head = joined(
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="referrer" content="no-referrer">'),
        Markup('<link rel="icon" href="data:,">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(map(" ".join, policy.items()))}">'),
        element("title", title),
        Markup(f"<style>{style}</style>"),
    )
    told = Markup(f'<script type="application/json" id="data">{json_in_html(data)}</script>')
    whole = joined(element("head", head), element("body", body, told, Markup(f"<script>{script}</script>")))
    return f'<!doctype html>\n<html lang="en">{whole}</html>\n'


def json_in_html(value: Any) -> str:
    """JSON in ASCII without a letter that HTML takes for markup, so that no text in it can end the element it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
