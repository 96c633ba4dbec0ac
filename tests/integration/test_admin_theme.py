"""The admin's look: one theme for every page, a sidebar that leads to all of them, nothing from elsewhere."""

import re

from django.conf import settings
from django.contrib import admin
from django.contrib.staticfiles import finders
from unfold.admin import ModelAdmin

from memories.models import Message
from memory_layer.admin_navigation import ROOMS
from tenants.models import Tenant
from tests.integration.test_admin import url


def links() -> set[str]:
    return {str(entry["link"]) for room in ROOMS for entry in room["items"]}


def test_every_page_is_in_the_look():
    assert not [model for model, page in admin.site._registry.items() if not isinstance(page, ModelAdmin)]


def test_the_sidebar_leads_to_every_page_and_each_of_its_links_opens(root):
    assert not {url(model) for model in admin.site._registry} - links()
    for link in links():
        assert root.get(link).status_code == 200, link


def test_who_may_not_look_finds_no_link(client, django_user_model):
    client.force_login(django_user_model.objects.create(username="guest", is_staff=True))
    page = client.get("/admin/").content.decode()
    assert not [link for link in links() - {"/admin/"} if f'href="{link}"' in page]


def test_all_that_a_page_loads_is_here(root):
    page = root.get("/admin/").content.decode()
    loaded = re.findall(r'(?:src|<link href|rel="icon" href)="(/static/[^"]+)"', page)
    assert len(loaded) > 10
    assert not [path for path in loaded if finders.find(path.removeprefix("/static/")) is None]


def test_every_list_says_what_it_is_for_and_every_form_what_it_does():
    silent = [
        (model.__name__, name)
        for model, page in admin.site._registry.items()
        for name in ("list_help", "form_help", "empty_help")
        if not getattr(page, name) and not (name == "form_help" and model is Message)
    ]
    assert silent == []


def test_an_empty_list_says_what_to_do_first(root, db):
    page = root.get(url(Message)).content.decode()
    assert "Issue an API key, then store the first message" in page
    assert "No row fits this search" in root.get(url(Message), {"q": "x"}).content.decode()


def test_times_are_written_one_way(root, acme):
    page = root.get(url(Tenant)).content.decode()
    assert f"{acme.created_at:%Y-%m-%d %H:%M}" in page
    assert "a.m." not in page


def test_logging_in_without_an_aim_leads_to_the_dashboard(root):
    assert root.get("/admin/login/")["Location"] == "/admin/"
    assert settings.LOGIN_REDIRECT_URL == "admin:index"
