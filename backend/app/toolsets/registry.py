"""The registered toolsets by name: the built-in ones, and those that other packages register."""

from app.providers.registry import Registration, list_registrations

BUILT_IN_TOOLSETS = {
    "time": "app.toolsets.clock:TimeToolset",
    "calculator": "app.toolsets.calculator:CalculatorToolset",
    "conversations": "app.toolsets.conversations:ConversationsToolset",
    "loft": "app.toolsets.loft.toolset:LoftToolset",
}
TOOLSET_GROUP = "prompter.toolsets"


def list_toolset_registrations() -> dict[str, Registration]:
    """All toolsets by name. A package cannot take a built-in's name. Nothing is imported before `load`."""
    return list_registrations(TOOLSET_GROUP, BUILT_IN_TOOLSETS)
