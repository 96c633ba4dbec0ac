"""What the parts of the dashboard are made of, and how they write numbers."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.template.defaultfilters import filesizeformat
from django.urls import reverse


@dataclass(frozen=True)
class Tile:
    """One number, what it is, and where its rows are; `href` None: no rows are kept."""

    title: str
    number: str
    note: str
    href: str | None


@dataclass(frozen=True)
class Notice:
    """Something that somebody should look at: what, and what to do about it there. `level`: error or warning."""

    level: str
    what: str
    action: str
    href: str


@dataclass(frozen=True)
class Chart:
    """A chart for `dashboard.js`.

    `kind` is bar or line. `series`: pairs of a name and its values, one for each of the `labels`; `links`: where a
    click on each of them leads. `empty`: what to do or to know while there is nothing to draw.
    """

    name: str
    title: str
    note: str
    kind: str
    labels: list[str]
    series: list[tuple[str, list[float | None]]]
    unit: str
    empty: str
    href: str | None = None
    links: list[str] | None = None

    @property
    def is_empty(self) -> bool:
        """Nothing but zeros and gaps."""
        return not any(value for _, values in self.series for value in values)

    @property
    def data_id(self) -> str:
        """Where the page keeps its data."""
        return f"{self.name}-data"

    def data(self) -> dict[str, Any]:
        """As JSON for the page."""
        return {
            "kind": self.kind,
            "labels": self.labels,
            "series": [{"name": name, "values": values} for name, values in self.series],
            "unit": self.unit,
            "links": self.links,
        }


def page(model: str, **filters: Any) -> str:
    """The list of `app.model`, narrowed down."""
    app, name = model.split(".")
    path = reverse(f"admin:{app}_{name}_changelist")
    return f"{path}?{urlencode(filters)}" if filters else path


def row(model: str, pk: Any) -> str:
    """The page of one row of `app.model`."""
    app, name = model.split(".")
    return reverse(f"admin:{app}_{name}_change", args=[pk])


def duration(seconds: float) -> str:
    """In the largest unit that leaves a number worth reading."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(number: int) -> str:
    """Bytes for people."""
    return str(filesizeformat(number)).replace("\xa0", " ")
