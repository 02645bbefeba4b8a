"""`POST /v1/realtime/client_secrets`: its answer, held to OpenAI's own types, and its refusals."""

import time
from typing import Any

import httpx2
import pytest
from openai.types.realtime.client_secret_create_response import ClientSecretCreateResponse

SESSION = {"type": "transcription", "audio": {"input": {"transcription": {"language": "es"}}}}


async def post(server: str, body: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=server, trust_env=False) as http:
        return await http.post("/v1/realtime/client_secrets", json=body)


@pytest.mark.parametrize(
    ("body", "life_s"),
    [
        ({}, 600),
        ({"session": SESSION, "unknown": 1}, 600),
        ({"expires_after": {"anchor": "created_at", "seconds": 10}}, 10),
        ({"expires_after": {"seconds": 7200}, "session": None}, 7200),
    ],
)
async def test_a_secret(server: str, body: dict[str, Any], life_s: int) -> None:
    answer = await post(server, body)
    assert answer.status_code == 200
    made = ClientSecretCreateResponse.model_validate(answer.json())
    assert made.value.startswith("ek_")
    assert abs(made.expires_at - time.time() - life_s) < 5
    assert answer.json()["session"]["object"] == "realtime.transcription_session"
    if body.get("session"):
        assert answer.json()["session"]["audio"]["input"]["transcription"]["language"] == "es"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"session": {"type": "realtime"}}, "invalid_parameter"),
        ({"session": {"audio": {"input": {"transcription": {"model": "huge"}}}}}, "model_not_found"),
        ({"session": {"input_audio_format": "pcm16"}}, "beta_api_shape_disabled"),
        ({"session": {"audio": {"input": {"transcription": {"keywords": ["x" * 90] * 90}}}}}, "bad_request"),
        ({"session": "transcription"}, "bad_request"),
        ({"expires_after": {"seconds": 9}}, "bad_request"),
        ({"expires_after": {"seconds": 7201}}, "bad_request"),
        ({"expires_after": {"anchor": "tomorrow"}}, "bad_request"),
    ],
)
async def test_what_is_refused(server: str, body: dict[str, Any], code: str) -> None:
    answer = await post(server, body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", code)
