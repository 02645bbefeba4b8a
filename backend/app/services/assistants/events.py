"""What a run tells of its tools; the values live beside the loop that makes them."""

from app.providers.agent.events import (
    ApprovalRequired,
    Decision,
    ToolCall,
    ToolError,
    ToolEvent,
    ToolResult,
)

__all__ = ["ApprovalRequired", "Decision", "ToolCall", "ToolError", "ToolEvent", "ToolResult"]
