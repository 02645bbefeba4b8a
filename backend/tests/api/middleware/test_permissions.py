"""The table of permissions: the rule of a path, and who passes it."""

from typing import Any

import pytest

from app.api.middleware.permissions import RULES, SOCKET, Rule, check_rule, find_rule
from app.core.errors import Forbidden, Unauthorized
from app.core.security import LOCAL_USER_ID, Caller, Role, Scope, Via


def caller(via: Via, *scopes: Scope, role: Role = "user") -> Caller:
    return Caller(user_id=LOCAL_USER_ID, name="ada", role=role, via=via, scopes=frozenset(scopes))


def scope(method: str, path: str) -> dict[str, Any]:
    if method == SOCKET:
        return {"type": "websocket", "path": path}
    return {"type": "http", "method": method, "path": path}


def rule(method: str, path: str) -> Rule:
    found, _ = find_rule(scope(method, path))
    assert found is not None
    return found


def test_a_rule_is_found_by_method_and_path() -> None:
    assert rule("GET", "/health").who == "everyone"
    assert rule("HEAD", "/health") is rule("GET", "/health")
    assert rule("GET", "/v1/models/a/b").path == "/v1/models/{model_id:path}"
    assert rule(SOCKET, "/ws/stt").scopes == {"stt"}


@pytest.mark.parametrize(
    ("method", "path", "methods"),
    [
        ("PUT", "/api/keys", ("GET", "POST")),
        ("GET", "/api/keys/", ()),
        ("GET", "/ws/stt", ()),
        ("GET", "/nowhere", ()),
        ("get", "/health", ("GET",)),
    ],
)
def test_without_a_rule_the_methods_of_the_path_are_told(
    method: str, path: str, methods: tuple[str, ...]
) -> None:
    assert find_rule(scope(method, path)) == (None, methods)


def test_no_path_has_two_rules_for_one_method() -> None:
    pairs = [(method, each.path) for each in RULES for method in each.methods]
    assert len(pairs) == len(set(pairs))


def test_who_passes_a_rule() -> None:
    chat, keys = rule("GET", "/api/search"), rule("POST", "/api/keys")
    check_rule(rule("GET", "/health"), None, at_the_machine=False)
    check_rule(chat, caller("session"), at_the_machine=False)
    check_rule(chat, caller("key", "chat"), at_the_machine=False)
    check_rule(keys, caller("session"), at_the_machine=False)
    check_rule(rule("GET", "/api/auth/me"), caller("key"), at_the_machine=False)
    with pytest.raises(Unauthorized):
        check_rule(chat, None, at_the_machine=True)
    with pytest.raises(Forbidden, match="lacks the scope 'chat'"):
        check_rule(chat, caller("key", "stt"), at_the_machine=True)
    with pytest.raises(Forbidden, match="somebody who has logged in"):
        check_rule(keys, caller("key", "chat"), at_the_machine=True)


def test_who_watches_the_server() -> None:
    metrics = rule("GET", "/metrics")
    check_rule(metrics, None, at_the_machine=True)
    check_rule(metrics, caller("session", role="admin"), at_the_machine=False)
    check_rule(metrics, caller("key", "metrics", role="admin"), at_the_machine=False)
    with pytest.raises(Unauthorized):
        check_rule(metrics, None, at_the_machine=False)
    for refused in (caller("session"), caller("key", "stt", role="admin"), caller("key", "metrics")):
        with pytest.raises(Forbidden):
            check_rule(metrics, refused, at_the_machine=False)
