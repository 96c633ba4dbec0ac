"""Granian's request as WSGI's environ."""

from types import SimpleNamespace

import pytest

from memory_layer.web.environ import environ_of


class Headers:
    """Granian's: pairs in the order in which they were sent."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self.pairs = pairs

    def items(self):
        return list(self.pairs)


def scope(*headers: tuple[str, str], **differing) -> SimpleNamespace:
    usual = {
        "method": "GET",
        "path": "/v1/messages",
        "query_string": "a=%20",
        "scheme": "http",
        "client": "10.0.0.7:51000",
        "server": "127.0.0.1:8000",
        "headers": Headers(*headers),
    }
    return SimpleNamespace(**usual | differing)


def test_it_works():
    environ = environ_of(scope(("host", "h"), ("content-type", "a/b"), ("x-api-key", "k")), b"body", 4)
    assert (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]) == (
        "GET",
        "/v1/messages",
        "a=%20",
    )
    assert (environ["HTTP_HOST"], environ["CONTENT_TYPE"], environ["HTTP_X_API_KEY"]) == ("h", "a/b", "k")
    assert environ["REMOTE_ADDR"] == "10.0.0.7"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", "8000")
    assert (environ["wsgi.input"].read(), environ["CONTENT_LENGTH"]) == (b"body", "4")


def test_without_a_body_there_is_no_length():
    assert "CONTENT_LENGTH" not in environ_of(scope(), b"", None)


def test_a_header_with_an_underscore_cannot_pass_for_one_that_a_proxy_sets():
    environ = environ_of(scope(("x_forwarded_for", "1.2.3.4"), ("x-forwarded-for", "5.6.7.8")), b"", None)
    assert environ["HTTP_X_FORWARDED_FOR"] == "5.6.7.8"
    assert "HTTP_X_FORWARDED_PROTO" not in environ_of(scope(("x_forwarded_proto", "https")), b"", None)


def test_repeated_headers_are_joined():
    environ = environ_of(scope(("cookie", "a=1"), ("cookie", "b=2"), ("via", "x"), ("via", "y")), b"", None)
    assert (environ["HTTP_COOKIE"], environ["HTTP_VIA"]) == ("a=1; b=2", "x,y")


@pytest.mark.parametrize("client", ["[::1]:51000", "::1:51000"])
def test_an_address_of_ipv6(client):
    assert environ_of(scope(client=client), b"", None)["REMOTE_ADDR"] == "::1"


def test_texts_are_bytes_in_latin_1():
    environ = environ_of(scope(path="/é", query_string="q=é"), b"", None)
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/é"
    assert environ["QUERY_STRING"].encode("latin-1").decode() == "q=é"
