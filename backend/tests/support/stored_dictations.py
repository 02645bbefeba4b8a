"""What a server has stored of dictations, as a client reads it."""

from http import HTTPStatus
from typing import Any

import httpx2


def fetch_dictations(url: str, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Each listed dictation with its finals, the newest first. Blocks.

    One that ends without a final is deleted by the server, perhaps between the list and its own request.
    """
    with httpx2.Client(base_url=url, trust_env=False, headers=headers, timeout=20) as http:
        listed = http.get("/api/dictations", params={"limit": 100}).json()
        answers = [http.get(f"/api/dictations/{item['id']}") for item in listed]
    return [answer.json() for answer in answers if answer.status_code != HTTPStatus.NOT_FOUND]
