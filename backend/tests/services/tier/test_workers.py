"""A gateway and its decode workers, without a network: who decodes what, and what happens when one is lost."""

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest

from app.core.errors import EngineFailed, ProviderNotReady
from app.providers.base import SttConfig, WindowResult
from app.services.decoding.policy import Priority, Shed
from app.services.tier.calls import DecodeWindow, OpenSession
from tests.fakes.window_engine import WindowScript, make_text
from tests.support.tier import Cluster


async def decode_through(cluster: Cluster, strike: Callable[[str], Awaitable[None]]) -> WindowResult:
    """What becomes of a final while its worker, which is held, and maybe others are struck: `strike` has its name."""
    first = await cluster.add(WindowScript(hold=lambda _: True))
    session = await cluster.open()
    results: list[WindowResult] = []

    async def decode() -> None:
        results.append(await cluster.decode(session))

    async with anyio.create_task_group() as group:
        group.start_soon(decode)
        await cluster.until(lambda: cluster.link.nodes[first].calls)
        await strike(first)
        await cluster.until(lambda: results)
        cluster.release()
    return results[0]


async def test_a_worker_decodes_what_the_engine_here_would() -> None:
    async with Cluster().run() as cluster:
        await cluster.add()
        result = await cluster.decode(await cluster.open())
        assert (result.text, result.lang) == (make_text(3), "en")
        assert cluster.metric("prompter_tier_decode_seconds_count", {"kind": "final"}) == 1


async def test_a_server_that_still_joins_says_so_and_blames_no_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster()
    may_open, open_link = anyio.Event(), cluster.link.open

    async def open_late() -> None:
        await may_open.wait()
        await open_link()

    monkeypatch.setattr(cluster.link, "open", open_late)
    async with cluster.run():
        await cluster.until(lambda: "still joins the Ray cluster" in cluster.workers.problem)
        may_open.set()
        await cluster.until(lambda: "none is there" in cluster.workers.problem)
        await cluster.add()
        assert cluster.workers.problem == ""


async def test_decodes_go_to_the_worker_that_has_least_to_do() -> None:
    async with Cluster().run() as cluster:
        script = WindowScript(hold=lambda _: True)
        for _ in range(3):
            await cluster.add(script)
        session = await cluster.open()
        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(cluster.decode, session, Priority.FINAL, number)
            await cluster.until(lambda: all(len(node.calls) == 1 for node in cluster.link.nodes.values()))
            cluster.release()


async def test_gateways_do_not_all_begin_with_the_same_worker() -> None:
    asked = set()
    for _ in range(12):
        async with Cluster().run() as cluster:
            for _ in range(3):
                await cluster.add()
            await cluster.decode(await cluster.open())
            asked |= {name for name, node in cluster.link.nodes.items() if node.calls}
    assert len(asked) > 1


async def test_a_final_whose_worker_dies_is_decoded_elsewhere() -> None:
    async with Cluster().run() as cluster:

        async def strike(first: str) -> None:
            await cluster.add()
            cluster.link.kill(first)

        assert (await decode_through(cluster, strike)).text == make_text(3)
        assert cluster.metric("prompter_tier_redone_total") == 1
        assert cluster.metric("prompter_tier_workers") == 1


async def test_a_final_whose_worker_falls_silent_is_decoded_elsewhere() -> None:
    async with Cluster(lost_after_s=0.5).run() as cluster:
        first = await cluster.add()
        session = await cluster.open()
        cluster.link.nodes[first].is_silent = True
        async with anyio.create_task_group() as group:
            group.start_soon(cluster.add)
            assert (await cluster.decode(session)).text == make_text(3)
        cluster.link.nodes[first].is_silent = False
        await cluster.until(lambda: cluster.workers.slots == 2)


async def test_a_final_waits_for_a_worker_where_all_are_gone() -> None:
    async with Cluster().run() as cluster:
        first = await cluster.add()
        session = await cluster.open()
        cluster.link.kill(first)
        await cluster.until(lambda: cluster.workers.slots == 0)
        async with anyio.create_task_group() as group:
            group.start_soon(cluster.add)
            assert (await cluster.decode(session)).text == make_text(3)


async def test_a_partial_whose_worker_dies_is_not_made_again() -> None:
    async with Cluster().run() as cluster:
        held = WindowScript(hold=lambda _: True)
        first = await cluster.add(held)
        session = await cluster.open()
        async with anyio.create_task_group() as group:

            async def decode() -> None:
                with pytest.raises(Shed):
                    await cluster.decode(session, Priority.FIRST_PARTIAL)

            group.start_soon(decode)
            await cluster.until(lambda: cluster.link.nodes[first].calls)
            cluster.link.kill(first)
            await anyio.lowlevel.checkpoint()
            cluster.release()
        assert cluster.metric("prompter_tier_redone_total") == 0


async def test_an_utterance_that_kills_every_worker_is_given_up() -> None:
    async with Cluster().run() as cluster:
        held = WindowScript(hold=lambda _: True)
        for _ in range(4):
            await cluster.add(held)
        session = await cluster.open()
        async with anyio.create_task_group() as group:

            async def decode() -> None:
                with pytest.raises(EngineFailed, match="died on one utterance"):
                    await cluster.decode(session)

            group.start_soon(decode)
            for _ in range(3):
                await cluster.until(lambda: any(node.calls for node in cluster.link.nodes.values()))
                cluster.link.kill(next(name for name, node in cluster.link.nodes.items() if node.calls))
            cluster.release()
        assert cluster.metric("prompter_tier_lost_total") == 1
        assert cluster.workers.slots == 1, "the fourth worker goes on"


async def test_whoever_leaves_is_decoded_for_no_longer() -> None:
    async with Cluster().run() as cluster:
        first = await cluster.add(WindowScript(hold=lambda _: True))
        session = await cluster.open()
        async with anyio.create_task_group() as group:
            group.start_soon(cluster.decode, session)
            await cluster.until(lambda: cluster.link.nodes[first].calls)
            group.cancel_scope.cancel()
            cluster.release()
        assert cluster.scheduler.running == 0


async def test_a_gateway_knows_what_others_take_of_the_workers() -> None:
    async with Cluster().run() as one, Cluster().run() as other:
        name = await one.add(cores=2)
        other.link.nodes[name] = one.link.nodes[name]
        await other.until(lambda: other.workers.slots == 2)
        other.scheduler.new_session("fake")
        await one.until(lambda: one.scheduler.load_elsewhere > 0)
        assert other.scheduler.load_elsewhere == 0


async def test_workers_that_end_together_are_not_the_utterances_fault() -> None:
    """A machine with several workers goes down: the servers notice one after the other, at this utterance."""
    async with Cluster().run() as cluster:

        async def strike(first: str) -> None:
            others = [await cluster.add() for _ in range(4)]
            for name in (first, *others):
                cluster.link.kill(name)
            await cluster.add()

        assert (await decode_through(cluster, strike)).text == make_text(3)
        assert cluster.metric("prompter_tier_lost_total") == 0


async def test_a_session_is_refused_where_the_last_worker_is_lost_meanwhile() -> None:
    """Somebody waits at a page: `start` is answered at once, and not when a worker comes."""
    async with Cluster().run() as cluster:
        first = await cluster.add()
        engine = cluster.build()
        cluster.link.kill(first)
        with pytest.raises(ProviderNotReady, match="prompter worker"):
            await engine.open_session(SttConfig())


async def test_a_model_that_kills_every_worker_is_given_up() -> None:
    """One that is larger than their memory: whoever chose it is told, and the others' workers live."""
    async with Cluster().run() as cluster:
        names = [await cluster.add() for _ in range(4)]
        engine = cluster.build()
        for name in names:
            cluster.link.nodes[name].dies_on = OpenSession
        with pytest.raises(EngineFailed, match="choose another model"):
            await engine.open_session(SttConfig())
        assert cluster.workers.slots == 1


async def test_partials_that_kill_workers_leave_some_to_the_others() -> None:
    async with Cluster().run() as cluster:
        names = [await cluster.add() for _ in range(4)]
        session = await cluster.open()
        for name in names:
            cluster.link.nodes[name].dies_on = DecodeWindow
        for _ in range(5):
            with pytest.raises(Shed):
                await cluster.decode(session, Priority.PARTIAL)
        assert cluster.workers.slots == 2
        with pytest.raises(EngineFailed, match="died on one utterance"):
            await cluster.decode(session)
        assert cluster.workers.slots == 1
        cluster.link.nodes[cluster.workers.names[0]].dies_on = ()
        assert (await cluster.decode(session)).text == make_text(3), "the next utterance begins anew"
