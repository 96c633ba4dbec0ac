"""The admin's front page: what needs somebody, health, numbers and charts, each for those who may see the rows."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from memories import activity, lexicon, overview
from memories.models import Corpus, EmbeddingJob, EmbeddingUsage, VectorRecall
from memories.spaces import active_space
from memory_layer import dashboard_parts
from retention import enforce
from retention.models import RetentionRun
from retention.preview import preview
from tenants.models import Tenant
from tests.conftest import HANDLER
from tests.factories import remember
from tests.integration.test_admin import url
from tests.integration.test_people import enter as enter  # a fixture
from tests.integration.test_policy_drafts import send
from tests.integration.test_retention_admin import NEW
from tests.schedules import policy


def page(browser, **options):
    answer = browser.get("/admin/", **options)
    assert answer.status_code == 200
    return answer


def notices(browser) -> list[str]:
    return [notice.what for notice in page(browser).context["attention"]]


def test_it_works(root, acme):
    remember(acme, "one", "two")
    lexicon.fold_all()
    activity.note_stored(2)
    activity.note_search(seconds=0.01)
    activity.flush()
    answer = page(root)
    tiles = {tile.title: tile.number for tile in answer.context["tiles"]}
    assert (tiles["Messages"], tiles["Archived"], tiles["Embedding jobs"]) == ("2", "0", "2")
    charts = {chart.name: chart for chart in answer.context["charts"]}
    assert charts["stored"].series[0][1][-1] == 2
    assert charts["latency"].series[0][1][-1] == pytest.approx(10, rel=0.12)
    assert 'id="stored-data"' in answer.content.decode()


def test_an_empty_installation_says_what_comes(root, db):
    text = page(root).content.decode()
    assert "it shows here within seconds" in text
    assert "No run has moved anything yet" in text


def test_every_link_opens(root, acme):
    for path in {tile.href for tile in page(root).context["tiles"]} - {None}:
        assert root.get(path).status_code == 200, path
    for chart in page(root).context["charts"]:
        for path in [chart.href, *(chart.links or [])[-2:]]:
            assert path is None or root.get(path).status_code == 200, path


def test_buried_jobs_and_late_ones_need_somebody(root, acme):
    remember(acme, "one", "two")
    EmbeddingJob.objects.update(created_at=timezone.now() - timedelta(hours=3))
    EmbeddingJob.objects.filter(id=EmbeddingJob.objects.first().id).update(buried_at=timezone.now())
    said = notices(root)
    assert any("1 embedding job was given up" in each for each in said)
    assert any("wait for their vectors, the oldest for 3 h" in each for each in said)


def test_a_tenant_near_its_quota_needs_somebody(root, acme, globex):
    remember(acme, *map(str, range(9)))
    remember(globex, "one")
    lexicon.fold_all()
    Tenant.objects.update(message_quota=10)
    assert [each for each in notices(root) if "quota" in each] == ["acme has used 90% of its quota."]
    listed = root.get(url(Tenant)).content.decode()
    assert ("90%" in listed, "10%" in listed, "no quota" in listed) == (True, True, False)
    Tenant.objects.update(message_quota=9)
    assert "acme has used 100% of its quota: its writes are refused." in notices(root)


def test_of_many_tenants_near_their_quota_the_fullest_are_told(root, acme):
    for used in range(overview.SHOWN + 2):
        tenant = Tenant.objects.create(name=f"tenant-{used}", byte_quota=100)
        Corpus.objects.create(tenant=tenant, language="en", messages=1, words=1, bytes=90 + used)
    said = [each for each in notices(root) if "quota" in each]
    assert [each.split()[0] for each in said] == [f"tenant-{used}" for used in range(9, 1, -1)]


def test_an_empty_quota_is_not_taken_for_none(root, acme):
    remember(acme, "one")
    lexicon.fold_all()
    Tenant.objects.update(message_quota=10**6)
    [row] = page(root).context["largest"]
    assert 0 < row.fullest < 0.01
    assert "0 %" in page(root).content.decode()


def test_a_policy_that_nobody_has_seen_needs_somebody_until_it_has_run(root, acme):
    row = policy(acme, "old ones", older_than_days=1)
    policy(acme, "switched off", older_than_days=1, enabled=False)

    def said() -> list[str]:
        return [each for each in notices(root) if "The policy" in each]

    never = "The policy old ones of acme was never previewed: nobody has seen yet what it would do."
    assert said() == [never]
    enforce.run(tenant=acme, trigger="api", started_by="x", policy_ids=[])
    assert said() == [never], "a run of no policy is none of this one"
    preview(tenant=acme, policy_ids=[])
    assert said() == [never], "nor is a preview of none"
    assert send(root, NEW | {"tenant": acme.pk, "policy_id": row.id}).status_code == 200
    assert said() == ["The policy old ones of acme was previewed, and has never run."]
    enforce.run(tenant=acme, trigger="api", started_by="x")
    assert said() == []


def test_a_preview_through_the_api_is_one_too(root, acme, operator):
    policy(acme, "old ones", older_than_days=1)
    assert operator.post("/v1/admin/retention/preview", {"tenant_id": "acme"}).status_code == 200
    assert any("was previewed" in each for each in notices(root))


def test_failed_and_interrupted_runs_need_somebody(root, acme, globex):
    now = timezone.now()
    begun = {"trigger": "api", "started_by": "x", "decided_at": now}
    RetentionRun.objects.create(tenant=acme, status="failed", **begun)
    RetentionRun.objects.create(tenant=globex, lease_until=now - timedelta(minutes=5), **begun)
    RetentionRun.objects.create(tenant=globex, status="failed", **begun)
    long_ago = RetentionRun.objects.filter(tenant=globex, status="failed")
    long_ago.update(started_at=now - timedelta(days=9))
    said = [each for each in notices(root) if " run of " in each]
    assert [("failed" in each, "interrupted" in each) for each in said] == [(True, False), (False, True)]


def test_a_recall_that_is_too_low_needs_somebody(root, acme):
    VectorRecall.objects.create(tenant=acme, space=active_space(), recall=0.8, k=10, queries=100)
    assert "The vector search of acme finds 80% of the nearest messages." in notices(root)


def test_costs_are_summed_by_day(root, acme):
    today = timezone.now().date()
    space = active_space()
    EmbeddingUsage.objects.create(
        tenant=acme, space=space, day=today, tokens=10, calls=1, cost_micro_usd=2_500_000
    )
    chart = next(chart for chart in page(root).context["charts"] if chart.name == "costs")
    assert chart.series[0][1][-2:] == [0.0, 2.5]


def test_without_redis_it_opens_and_says_so(root, outage):
    with outage():
        assert any("Redis does not count" in each for each in notices(root))


def test_support_sees_numbers_of_its_tenants_alone(enter, acme, globex):
    remember(acme, "one")
    remember(globex, "two", "three")
    lexicon.fold_all()
    policy(globex, "secret plan", older_than_days=1)
    EmbeddingJob.objects.update(buried_at=timezone.now())
    answer = page(enter("support", tenants=[acme]))
    tiles = {tile.title: tile.number for tile in answer.context["tiles"]}
    assert tiles["Messages"] == "1"
    assert {"Searches, 24 h", "On disk", "Embedding, this month"}.isdisjoint(tiles)
    assert answer.context["lights"] == []
    assert any("1 embedding job was" in notice.what for notice in answer.context["attention"])
    text = answer.content.decode()
    assert "globex" not in text
    assert "secret plan" not in text


def test_who_may_see_nothing_sees_no_numbers(db):
    client = Client()
    client.handler = HANDLER
    client.force_login(User.objects.create(username="guest", is_staff=True))
    context = page(client).context
    assert not any(context[name] for name in ("tiles", "charts", "lights", "attention", "largest", "runs"))


@pytest.mark.parametrize("group", ["operator", "auditor"])
def test_it_asks_few_queries(enter, acme, group, django_assert_max_num_queries):
    remember(acme, *map(str, range(30)))
    policy(acme, "old ones", older_than_days=1)
    browser = enter(group)
    page(browser)
    with django_assert_max_num_queries(26):
        page(browser)


@pytest.mark.parametrize(
    ("seconds", "said"), [(3, "3 s"), (119, "119 s"), (600, "10 min"), (10_800, "3 h"), (900_000, "10 d")]
)
def test_durations_are_read_at_a_glance(seconds, said):
    assert dashboard_parts.duration(seconds) == said
