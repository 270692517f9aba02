"""The documents of this project, and what is in them: blocks of code, `dbc` commands and links."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.conftest import REPOSITORY

RESULTS = REPOSITORY / "benchmarks" / "RESULTS.md"
GUIDES = sorted([REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").glob("*.md")])
"""What people read to use or change the project; each is present in a checkout."""
DOCUMENTS = [*GUIDES, RESULTS, REPOSITORY / "CHANGELOG.md"]


def name_of(document: Path) -> str:
    return document.relative_to(REPOSITORY).as_posix()


def blocks(document: Path, *languages: str) -> list[str]:
    """The code of every fenced block in one of `languages`, in order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [code for language, code in found if language in languages]


def dbc_commands(document: Path) -> list[list[str]]:
    """The words after `dbc` of every command in the document's shell blocks and inline code."""
    lines = [line.removeprefix("$ ") for code in blocks(document, "sh", "console") for line in code.splitlines()]
    prose = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    lines += re.findall(r"`(dbc [^`\n]+)`", prose)
    found = []
    for line in lines:
        for part in re.split(r"&&|\|\||;|\bdo\b|\s#", line):
            words = shlex.split(part.strip().replace(r"\|", "|"))
            if words[:1] == ["dbc"]:
                found.append(words[1:])
    return found


def links(document: Path) -> list[str]:
    """The targets of all links and pictures that lead to other files or places, not to the web."""
    prose = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in target]


def anchors(document: Path) -> set[str]:
    """The anchors of all headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
