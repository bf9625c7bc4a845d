"""Turn results into text for people and one JSON document for machines."""

from .github import to_github
from .json_document import to_json
from .terminal import is_colour_welcome, terminal_of
from .text import to_text, verdict

__all__ = ["is_colour_welcome", "terminal_of", "to_github", "to_json", "to_text", "verdict"]
