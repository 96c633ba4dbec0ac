"""How the admin looks: Unfold's settings. Everything it loads is served from here."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static

from memory_layer.admin_navigation import ROOMS

TITLE = "AI Memory Layer"
# Indigo, from pale to dark: white on 600 has a contrast of 6.3, 400 on the dark page one of 6.
_PRIMARY = {
    "50": "#eef2ff",
    "100": "#e0e7ff",
    "200": "#c7d2fe",
    "300": "#a5b4fc",
    "400": "#818cf8",
    "500": "#6366f1",
    "600": "#4f46e5",
    "700": "#4338ca",
    "800": "#3730a3",
    "900": "#312e81",
    "950": "#1e1b4b",
}


def _file(name: str) -> Any:
    """Its address, asked for by each page: production's names have a digest that is not known at start."""

    def address(_: HttpRequest) -> str:
        return static(f"memory_layer/{name}")

    return address


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": TITLE,
    "SITE_HEADER": TITLE,
    "SITE_SUBHEADER": "Conversation memory",
    "SITE_URL": "/docs",
    "SITE_ICON": _file("logo.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _file("logo.svg")}],
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {"primary": _PRIMARY},
    "STYLES": [_file("admin.css")],
    "SCRIPTS": [_file("admin.js")],
    "DASHBOARD_CALLBACK": "memory_layer.dashboard.context",
    "SIDEBAR": {"show_search": True, "navigation": ROOMS},
}
