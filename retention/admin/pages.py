"""What the pages of retention have in common: records are looked at, and their number is not counted to the end."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest

# Nobody turns to page 101, and counting a million rows takes longer than finding a hundred.
COUNTED = 10_000
# Names, ids and reasons: their columns are text without a limit, but nobody writes a second line.
ONE_LINE: "Mapping[type[models.Field[Any, Any]], Mapping[str, Any]]" = {
    models.TextField: {"widget": AdminTextInputWidget}
}


class BoundedPaginator(Paginator):
    """Counts no further than COUNTED; the rows after that are found by filters and by search."""

    @cached_property
    def count(self) -> int:
        """How many rows, or COUNTED."""
        rows: Any = self.object_list
        return int(rows[:COUNTED].count())


class RecordAdmin(admin.ModelAdmin):
    """Rows that are written by what happens, and never by hand."""

    paginator = BoundedPaginator
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """They come by themselves."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """A record that can be edited proves nothing."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nor does one that can be removed."""
        return False
