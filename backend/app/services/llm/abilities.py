"""What models can do besides text: whether they see pictures, as far as that is known without asking them."""

import re

from app.core.errors import PrompterError
from app.providers.base import SightTeller
from app.services.llm.context import ModelAsker, ResolvedModel
from app.services.llm.text_only import TextOnlyChat

LOCAL = "llama_local"
"""The embedded llama.cpp, which is built without image encoders."""
_SEES = re.compile(
    r"gpt-4o|gpt-4\.1|gpt-4\.5|gpt-4-turbo|gpt-[5-9]|chatgpt|\bo[1-9]\b(?!-mini|-preview)|o4-mini|"
    r"claude-(?:3|sonnet|opus|haiku|fable|[4-9])|claude|gemini|"
    r"llava|bakllava|vision|\bvl\b|-vl|vl-|qwen[0-9.]*vl|qwen3\.5|qvq|pixtral|mistral-(?:small-3\.[1-9]|medium-3|large-3)|ministral-3|"
    r"gemma-?3(?!n?:?-?(?:270m|1b))|gemma-?4|llama-?4|llama-?3\.2-(?:11|90)b|moondream|minicpm-?v|minicpm-?o|internvl|smolvlm|"
    r"phi-?3\.5-v|phi-?4-multimodal|molmo|idefics|deepseek-vl|glm-4[0-9.]*v|glm-ocr|kimi-(?:vl|k2\.5)|nova-(?:lite|pro|premier)|grok-(?:[4-9]|2-vision)",
    re.IGNORECASE,
)
_BLIND = re.compile(
    r"gpt-3\.5|\bgpt-4(?:-0\d{3}|-32k)?$|gpt-oss|o1-mini|o1-preview|o3-mini|deepseek-(?:chat|r1|v3|coder|reasoner)|"
    r"smollm|tinyllama|phi-?[34](?:-mini|$|:)|codestral|devstral-small|starcoder|codellama|qwen2\.5-coder|qwen3-coder|"
    r"mixtral|mistral-7b|mistral:7b|llama-?2|llama-?3(?:$|:|\.1|-8b|-70b)|llama-?3\.2-[13]b|llama3\.2:[13]b|llama-?3\.3|command-r",
    re.IGNORECASE,
)


def guess_sight(name: str) -> bool | None:
    """Whether a model of this name sees pictures; None where its name does not tell. Pure."""
    if _BLIND.search(name):
        return False
    return True if _SEES.search(name) else None


_READS_PDF = re.compile(r"gpt-(?:4o|4\.1|[5-9])|\bo[1-9]\b|claude|gemini", re.IGNORECASE)


def guess_reads_pdf(name: str) -> bool:
    """Whether services that offer a model of this name take PDF as it is. Pure."""
    return _READS_PDF.search(name) is not None


async def find_sight(model: ResolvedModel) -> bool | None:
    """Whether a model sees pictures: of an assistant, the model that it asks. None where nobody knows."""
    if isinstance(model.chat, ModelAsker):
        try:
            model = await model.chat.resolve_model()
        except PrompterError:
            return None  # asking it says why
    if isinstance(model.chat, TextOnlyChat) or model.provider == LOCAL:
        return False
    if isinstance(model.chat, SightTeller) and (told := await model.chat.tell_sight(model.model)) is not None:
        return told
    return guess_sight(model.model)
