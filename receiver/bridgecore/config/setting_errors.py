"""What is wrong with a setting, in words for who set it; pydantic's are for who wrote the model."""

from typing import Any

from bridgecore.config.environment import PREFIX

#: by pydantic's type of error; its context fills the braces
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "there is no such field; docs/settings.md lists all",
    "model_type": "must be a JSON object in braces {{}}",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "string_type": "must be a text in quotes",
    "list_type": "must be a list in brackets []",
    "too_long": "must have no more than {max_length} parts",
    "string_too_long": "must have no more than {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "url_type": "must be an address like https://odoo.example.com",
    "url_parsing": "must be an address like https://odoo.example.com",
    "url_scheme": "must be an address like https://odoo.example.com",
}


def in_words(item: Any) -> str:
    """One of pydantic's errors: the setting, the place in it, and what to write, on one line."""
    words = _WORDS.get(item["type"])
    message = words.format_map(item.get("ctx", {})) if words else str(item["msg"])
    message = message.removeprefix("Value error, ")
    if not item["loc"]:
        return PREFIX + message
    name, *path = (str(part) for part in item["loc"])
    return f"{'.'.join([PREFIX + name.upper(), *path])}: {message}"
