"""The pages of the documentation, as GitHub shows them: their links, and the places that can be linked to."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)|<img [^>]*src=\"([^\"]+)\"")


def prose(page: Path) -> str:
    """Without code blocks, in which `#` begins a comment."""
    text = page.read_text(encoding="utf-8")
    fenced = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^ {4}.*$", "", fenced, flags=re.MULTILINE)


def links(page: Path) -> list[str]:
    """The targets within the repository."""
    found = [one or other for one, other in _LINK.findall(prose(page))]
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """Of its headings: lower case, without signs, blanks as hyphens, the second of a name with -1."""
    found: list[str] = []
    for title in re.findall(r"^#{1,6} (.+)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        name = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        again = sum(other == name or bool(re.fullmatch(rf"{re.escape(name)}-\d+", other)) for other in found)
        found.append(f"{name}-{again}" if again else name)
    return set(found)
