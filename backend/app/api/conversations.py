"""`/api/conversations`: create, list, read, change and delete conversations, and stop their answers."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response

from app.api.attachments import describe_attachment
from app.api.deps import CallerDep, RequestKeyDep, ResourcesDep
from app.api.responses import (
    BUSY,
    ID_REUSED,
    MALFORMED,
    NEXT_PAGE_LINK,
    NO_CONVERSATION,
    STORAGE,
    TOTAL_COUNT,
    link_next_page,
    parse_conversation_id,
    parse_message_id,
)
from app.schemas.chat import (
    ChatOptions,
    ConversationChangeIn,
    ConversationDeletedOut,
    ConversationDetailOut,
    ConversationIn,
    ConversationOut,
    MessageOut,
    StopOut,
    StoredErrorOut,
    ToolEventOut,
)
from app.schemas.errors import describe_answer
from app.services.chat.conversations import (
    DEFAULT_TITLE,
    Conversation,
    ConversationChanges,
    Message,
    load_tool_events,
    make_title_line,
    select_versions,
)

router = APIRouter(prefix="/api/conversations", tags=["conversations"])


@router.get(
    "",
    summary="List one's conversations",
    responses={
        200: {
            "description": "Conversations, the last changed first; the header `Link` holds the next page",
            "headers": {**NEXT_PAGE_LINK, **TOTAL_COUNT},
        },
        400: MALFORMED,
        **STORAGE,
    },
)
async def list_conversations(
    caller: CallerDep,
    resources: ResourcesDep,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=200, description="most conversations in one page")] = 50,
    before: Annotated[
        str | None, Query(max_length=100, description="cursor from the `Link` of the previous page")
    ] = None,
    q: Annotated[
        str,
        Query(max_length=500, description="words to find in the title or a message; accents are ignored"),
    ] = "",
) -> list[ConversationOut]:
    """One page of conversations, archived ones included."""
    page = await resources.conversations.list_page(caller.user_id, limit=limit, before=before, q=q)
    if page.next_before is not None:
        asked = {"limit": limit, "before": page.next_before, **({"q": q} if q else {})}
        link_next_page(response, "/api/conversations", asked)
    if page.total is not None:
        response.headers["X-Total-Count"] = str(page.total)
    return [ConversationOut(**_summary_fields(conversation)) for conversation in page.items]


@router.post(
    "",
    status_code=201,
    summary="Make a conversation",
    responses={
        201: {"description": "The new conversation"},
        400: MALFORMED,
        404: NO_CONVERSATION,
        409: ID_REUSED,
        **STORAGE,
    },
)
async def make_conversation(
    caller: CallerDep,
    resources: ResourcesDep,
    key: RequestKeyDep,
    body: Annotated[ConversationIn | None, Body(description="optional")] = None,
) -> ConversationDetailOut:
    """The conversation starts without messages. `POST /api/chat/stream` adds the first one."""
    body = body or ConversationIn()
    made = await resources.conversations.create(
        caller.user_id,
        title=body.title or "",
        model=body.model or None,
        system_prompt=body.system_prompt or None,
        settings=_given_options(body.settings),
        key=key,
    )
    return make_detail(made)


@router.get(
    "/{conversation_id}",
    summary="Read a conversation",
    responses={**describe_answer("The conversation, without its messages"), 404: NO_CONVERSATION, **STORAGE},
)
async def get_conversation(
    conversation_id: str, caller: CallerDep, resources: ResourcesDep
) -> ConversationDetailOut:
    """Title, model, system prompt and options of a conversation."""
    id_ = parse_conversation_id(conversation_id)
    found = await resources.conversations.get(caller.user_id, id_)
    return make_detail(found, is_title_pending=resources.answers.titles.is_pending(id_))


@router.patch(
    "/{conversation_id}",
    summary="Change a conversation",
    responses={
        **describe_answer("The conversation as it is now"),
        400: MALFORMED,
        404: NO_CONVERSATION,
        409: BUSY,
        **STORAGE,
    },
)
async def change_conversation(
    conversation_id: str, body: ConversationChangeIn, caller: CallerDep, resources: ResourcesDep
) -> ConversationDetailOut:
    """Absent fields stay as they are. `active_leaf_id` shows another branch, which the next message continues."""
    id_ = parse_conversation_id(conversation_id)
    show = parse_message_id(body.active_leaf_id) if body.active_leaf_id is not None else None
    changed = await resources.conversations.change(caller.user_id, id_, show=show, **_make_changes(body))
    return make_detail(changed)


@router.delete(
    "/{conversation_id}",
    summary="Delete a conversation",
    responses={
        **describe_answer("The conversation and all its messages are deleted"),
        404: NO_CONVERSATION,
        **STORAGE,
    },
)
async def delete_conversation(
    conversation_id: str, caller: CallerDep, resources: ResourcesDep
) -> ConversationDeletedOut:
    """A running answer ends with the error `not_found`."""
    await resources.conversations.delete(caller.user_id, parse_conversation_id(conversation_id))
    return ConversationDeletedOut(status="deleted")


@router.get(
    "/{conversation_id}/messages",
    summary="Read the messages of a conversation",
    responses={**describe_answer("Oldest first"), 400: MALFORMED, 404: NO_CONVERSATION, **STORAGE},
)
async def list_messages(
    conversation_id: str,
    caller: CallerDep,
    resources: ResourcesDep,
    branches: Annotated[
        bool, Query(description="true for the messages of all branches, not only of the shown one")
    ] = False,
    limit: Annotated[int, Query(ge=1, le=10_000, description="most messages; the last ones are kept")] = 1000,
) -> list[MessageOut]:
    """The messages of the shown branch. A running answer holds what is stored so far; follow it by its id.

    `version_ids` are the other answers or edits in the same place. To show one, `PATCH` the conversation's
    `active_leaf_id` with its id.
    """
    found, versions = await resources.branches.list_messages(
        caller.user_id, parse_conversation_id(conversation_id), all_branches=branches, last=limit
    )
    return [
        MessageOut(**_message_fields(message), version_ids=select_versions(versions, message))
        for message in found
    ]


@router.post(
    "/{conversation_id}/stop",
    summary="Stop the answer under way",
    responses={**describe_answer("Whether there was one"), 404: NO_CONVERSATION, **STORAGE},
)
async def stop(conversation_id: str, caller: CallerDep, resources: ResourcesDep) -> StopOut:
    """What had arrived is kept. Followers of the answer get `done` with the status `stopped`."""
    stopped = await resources.answers.stop(caller.user_id, parse_conversation_id(conversation_id))
    return StopOut(status="idle" if stopped is None else "stopped", message_id=stopped)


def _summary_fields(conversation: Conversation) -> dict[str, Any]:
    """The fields of a conversation in lists."""
    return {
        "id": conversation.id,
        "title": conversation.title,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "message_count": conversation.message_count,
        "model": conversation.model,
        "archived": conversation.archived_at is not None,
    }


def _message_fields(message: Message) -> dict[str, Any]:
    """The fields of a message in responses."""
    return {
        "id": message.id,
        "parent_id": message.parent_id,
        "role": message.role,
        "content": message.content,
        "reasoning": message.reasoning,
        "status": message.status,
        "timestamp": message.created_at,
        "model": message.model,
        "provider": message.provider,
        "finish_reason": message.finish_reason,
        "usage": message.usage,
        "client_message_id": message.client_message_id,
        "error": StoredErrorOut(**message.error) if message.error else None,
        "tool_events": [ToolEventOut(**each.to_json()) for each in load_tool_events(message.tool_data)],
        "attachments": [describe_attachment(each) for each in message.attachments],
    }


def make_detail(conversation: Conversation, *, is_title_pending: bool = False) -> ConversationDetailOut:
    return ConversationDetailOut(
        **_summary_fields(conversation),
        system_prompt=conversation.system_prompt,
        settings=ChatOptions(**conversation.settings),
        active_leaf_id=conversation.active_leaf_id,
        title_pending=is_title_pending,
    )


def _make_changes(body: ConversationChangeIn) -> ConversationChanges:
    """The changes in a body: only fields that were sent."""
    given = body.model_fields_set
    changes: ConversationChanges = {}
    if "title" in given:
        changes["title"] = make_title_line(body.title or "") or DEFAULT_TITLE
    if "model" in given:
        changes["model"] = body.model or None
    if "system_prompt" in given:
        changes["system_prompt"] = body.system_prompt or None
    if "settings" in given:
        changes["settings"] = _given_options(body.settings)
    if "archived" in given:
        changes["archived_at"] = datetime.now(UTC) if body.archived else None
    return changes


def _given_options(options: ChatOptions | None) -> dict[str, Any]:
    return options.model_dump(exclude_none=True) if options else {}
