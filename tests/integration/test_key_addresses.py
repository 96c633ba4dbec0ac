"""Keys that may be used from some networks only, with and without proxies in front."""

import pytest

from memory_layer import env
from tenants.lifecycle import create_key
from tenants.models import ApiKey
from tests.answers import problem_of
from tests.conftest import Api

MESSAGES = "/v1/messages"
OFFICE, ELSEWHERE, PROXY = "203.0.113.7", "198.51.100.9", "10.0.0.1"


@pytest.fixture
def plain(acme) -> str:
    return create_key(tenant=acme, scopes=["read"], allowed_networks=[OFFICE, "2001:db8::/32"])[1]


@pytest.fixture
def trust(settings):
    """trust("1"): the environment with that as MEMORY_TRUSTED_PROXIES."""

    def change(value: str) -> None:
        proxies = env.load({"MEMORY_TRUSTED_PROXIES": value}).trusted_proxies
        settings.ENV = settings.ENV.model_copy(update={"trusted_proxies": proxies})

    return change


def status(plain: str, peer: str, forwarded_for: str | None = None) -> int:
    headers = {} if forwarded_for is None else {"HTTP_X_FORWARDED_FOR": forwarded_for}
    answer = Api().client.get(MESSAGES, HTTP_X_API_KEY=plain, REMOTE_ADDR=peer, **headers)
    if answer.status_code != 200:
        problem_of(answer, 401)
    return answer.status_code


def test_it_works(plain):
    for peer in (OFFICE, "2001:db8::1", f"::ffff:{OFFICE}"):
        assert status(plain, peer) == 200
    for peer in (ELSEWHERE, "2001:db9::1", "", "nonsense"):
        assert status(plain, peer) == 401
    assert status(plain, OFFICE) == 200


def test_a_key_without_a_list_works_from_anywhere(bot):
    for peer in (OFFICE, "", "nonsense"):
        assert status(bot.key, peer) == 200


@pytest.mark.parametrize("forged", [OFFICE, f"{OFFICE}, {OFFICE}", f"{ELSEWHERE}, {OFFICE}", "2001:db8::1"])
def test_without_trusted_proxies_x_forwarded_for_opens_nothing(plain, forged):
    assert status(plain, ELSEWHERE, forged) == 401
    assert status(plain, OFFICE, ELSEWHERE) == 200


@pytest.mark.parametrize("proxies", ["1", "10.0.0.0/8", "10.0.0.1,fd00::/8"])
def test_behind_a_proxy_its_own_part_of_the_header_counts(plain, trust, proxies):
    trust(proxies)
    assert status(plain, PROXY, OFFICE) == 200
    assert status(plain, PROXY, f"{ELSEWHERE}, {OFFICE}") == 200
    for forged in (
        f"{OFFICE}, {ELSEWHERE}",
        f"{OFFICE},{OFFICE},{ELSEWHERE}",
        f"{OFFICE}, {PROXY}, {ELSEWHERE}",
    ):
        assert status(plain, PROXY, forged) == 401


@pytest.mark.parametrize("proxies", ["2", "10.0.0.0/8"])
def test_two_proxies(plain, trust, proxies):
    trust(proxies)
    assert status(plain, PROXY, f"{OFFICE}, 10.0.0.2") == 200
    assert status(plain, PROXY, f"{OFFICE}, {ELSEWHERE}, 10.0.0.2") == 401


def test_who_goes_past_the_proxy_gets_nothing_by_the_header(plain, trust):
    trust("10.0.0.0/8")
    assert status(plain, ELSEWHERE, OFFICE) == 401
    trust("2")
    assert status(plain, ELSEWHERE, OFFICE) == 401
    trust("1")
    assert status(plain, OFFICE) == 401


def test_a_list_changed_here_counts_at_once(plain):
    assert status(plain, OFFICE) == 200
    key = ApiKey.objects.get()
    key.allowed_networks = [ELSEWHERE]
    key.save()
    assert (status(plain, OFFICE), status(plain, ELSEWHERE)) == (401, 200)


def test_an_operators_key_has_a_list_too(acme):
    _, plain = create_key(tenant=None, scopes=["read"], allowed_networks=[OFFICE])
    client = Api().client
    for peer, expected in ((OFFICE, 200), (ELSEWHERE, 401)):
        answer = client.get(MESSAGES, {"tenant_id": "acme"}, HTTP_X_API_KEY=plain, REMOTE_ADDR=peer)
        assert answer.status_code == expected


@pytest.mark.parametrize("value", ["-1", "11", "all", "10.0.0.1/8", "1,10.0.0.0/8", "localhost", "1.5", "²"])
def test_a_wrong_setting_stops_the_start_with_one_sentence(value):
    with pytest.raises(SystemExit) as stop:
        env.load({"MEMORY_TRUSTED_PROXIES": value})
    [sentence] = str(stop.value).splitlines()[1:]
    assert "MEMORY_TRUSTED_PROXIES: must be how many proxies" in sentence
