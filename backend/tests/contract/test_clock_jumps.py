"""The clock of a real server jumps: approvals still count, and all messages are shown in their order."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.test_approval_crash import KEEPER, CountingModel, asked, decide, said
from tests.support.command import run_server_process
from tests.support.conversations import join_content

pytestmark = pytest.mark.once

CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long shift(void) {
    long seconds = 0;
    FILE *file = fopen(getenv("SHIFTED_CLOCK"), "r");
    if (file != NULL) { if (fscanf(file, "%ld", &seconds) != 1) seconds = 0; fclose(file); }
    return seconds;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += shift();
    return result;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) *out = now.tv_sec;
    return now.tv_sec;
}
"""
HOUR, DAY = 3600, 86_400


class ShiftedClock:
    """The wall clock of the servers that are started with `env`; their monotonic clock stays as it is."""

    def __init__(self, folder: Path) -> None:
        self._file, source, library = (folder / name for name in ("shift", "clock.c", "clock.so"))
        source.write_text(CLOCK)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, timeout=60)
        self.env = {"LD_PRELOAD": str(library), "SHIFTED_CLOCK": str(self._file)}
        self.set(0)

    def set(self, seconds: int) -> None:
        self._file.write_text(str(seconds))


@pytest.fixture
def clock(tmp_path: Path) -> ShiftedClock:
    if not sys.platform.startswith("linux") or shutil.which("cc") is None:
        pytest.skip("the clock of a process is shifted on Linux alone, with a library that `cc` compiles")
    return ShiftedClock(tmp_path)


async def say(client: httpx2.AsyncClient, conversation_id: str, text: str) -> None:
    body = {"conversation_id": conversation_id, "message": text, "model": "echo"}
    assert "event: done" in (await client.post("/api/chat/stream", json=body)).text


async def list_texts(client: httpx2.AsyncClient, conversation_id: str, **query: Any) -> list[str]:
    found = await client.get(f"/api/conversations/{conversation_id}/messages", params=query)
    return [message["content"] for message in found.json()]


async def test_after_a_restart_with_the_clock_set_back_all_messages_are_shown(
    tmp_path: Path, clock: ShiftedClock
) -> None:
    clock.set(HOUR)
    async with run_server_process(tmp_path, **clock.env) as server, server.client() as client:
        made = (await client.post("/api/conversations", json={})).json()["id"]
        other = (await client.post("/api/conversations", json={})).json()["id"]
        await say(client, made, "one")
        await say(client, other, "hello")
        first = (await client.get(f"/api/conversations/{made}/messages")).json()[0]["id"]
        assert await server.end() < 15
    clock.set(0)
    async with run_server_process(tmp_path, **clock.env) as server, server.client() as client:
        await say(client, made, "two")
        shown = await client.patch(f"/api/conversations/{made}", json={"active_leaf_id": first})
        assert shown.status_code == 200
        whole = ["one", "one", "two", "two"]
        assert await list_texts(client, made) == await list_texts(client, made, branches=True) == whole
        exported = (await client.get(f"/api/conversations/{made}/export?format=json")).json()
        assert [message["content"] for message in exported["messages"]] == whole
        listed = (await client.get("/api/conversations")).json()
        assert [each["id"] for each in listed] == [made, other]


@pytest.mark.parametrize(("approved", "word"), [(True, "42"), (False, "did not allow")])
async def test_a_question_is_answered_after_the_clock_went_a_day_ahead(
    tmp_path: Path, clock: ShiftedClock, approved: bool, word: str
) -> None:
    async with CountingModel().serve() as upstream:
        env = {"OPENAI_BASE_URL": upstream.base_url, "OPENAI_API_KEY": "k", "OPENAI_MODEL": "tiny"}
        named = json.dumps({"keeper": KEEPER})
        async with (
            run_server_process(tmp_path, PROMPTER_ASSISTANTS__NAMED=named, **env, **clock.env) as server,
            server.client() as client,
        ):
            made = (await client.post("/api/conversations", json={"model": "keeper"})).json()["id"]
            seen = await asked(client, "/api/chat/stream", conversation_id=made, message="how much?")
            message_id = seen[0].data["message_id"]
            clock.set(DAY)
            decided = await decide(client, message_id, approved)
            assert (decided.status_code, decided.json().get("decision")) == (
                200,
                "approved" if approved else "denied",
            )
            events = await said(client, message_id)
            assert word in join_content(events)
