"""What is made by hand, because the library takes long, comes to the same."""

import re
from datetime import UTC, datetime

import pytest
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.deprecation import MiddlewareMixin
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.serializers import Serializer, ValidationError

from memories.duplicates import _words
from memories.serializers import StoredOut, as_receipt
from memories.whole_messages import WholeMessage
from memory_layer.pages import PagesOnly
from memory_layer.urls import urlpatterns  # noqa: F401 - imports all serializers
from tenants.requests import StrictSerializer, shown

AT = datetime(2026, 1, 31, 12, 30, 0, 125, tzinfo=UTC)


def all_below(kind: type) -> list[type]:
    return [each for below in kind.__subclasses__() for each in (below, *all_below(below))]


STRICT = sorted({*all_below(StrictSerializer)}, key=lambda each: f"{each.__module__}.{each.__name__}")


def said(read, data):
    """The values, or all faults."""
    try:
        return read(data)
    except ValidationError as error:
        return error.detail


@pytest.mark.parametrize("serializer", STRICT, ids=lambda each: each.__name__)
def test_a_serializer_reads_what_drf_would(serializer):
    made = serializer()
    for data in ({}, *({name: wrong} for name in made.fields for wrong in ({}, None, "\0"))):
        assert said(made._read, data) == said(lambda sent: Serializer.to_internal_value(made, sent), data)


def test_there_are_serializers():
    assert len(STRICT) > 20


@pytest.mark.parametrize("archived_at", [None, AT])
def test_a_receipt_says_what_the_serializer_does(archived_at):
    message = WholeMessage(
        "7b0c9d3e-0000-7000-8000-000000000001", "x", "c", "", "", "user", "", "tea", "{}", AT, 0.5, False, False,
        "pending", archived_at,
    )  # fmt: skip
    said_by_it = shown(StoredOut, message)
    assert as_receipt(message) == {
        name: said_by_it[name] for name in said_by_it if name not in ("external_id", "conversation_id")
    }


@given(st.text(st.characters(codec="ascii")) | st.text())
def test_words_are_those_of_the_expression(text):
    assert _words(text) == frozenset(re.findall(r"\w+", text))


class Page(PagesOnly, MiddlewareMixin):
    """One that marks what it answers."""

    def process_response(self, request, response):
        response.headers["Pages"] = str(int(response.headers.get("Pages", 0)) + 1)
        return response


@pytest.mark.parametrize(("path", "marks"), [("/v1/messages", None), ("/admin/", "2")])
def test_the_api_goes_past_pages_in_one_step(path, marks):
    def view(request):
        return HttpResponse()

    inner = Page(view)
    outer = Page(convert_exception_to_response(inner))
    assert outer(RequestFactory().get(path)).headers.get("Pages") == marks
    assert outer.past_pages is view
