"""Rewords pydantic's validation errors for the administrator who set the setting.

Pydantic words its errors for the developer who wrote the model.
"""

from typing import Any

from bridgecore.config.environment import PREFIX

#: message for each of pydantic's error types; the context of the error fills the braces
_MESSAGES = {
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
    "dict_type": "must be a JSON object in braces {{}}",
    "list_type": "must be a list in brackets []",
    "too_long": "must have no more than {max_length} items",
    "string_too_long": "must have no more than {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "url_type": "must be an address like https://odoo.example.com",
    "url_parsing": "must be an address like https://odoo.example.com",
    "url_scheme": "must be an address like https://odoo.example.com",
}


def validation_message(error: Any) -> str:
    """Return one line for one of pydantic's errors: setting, place in it, and what to write."""
    template = _MESSAGES.get(error["type"])
    message = template.format_map(error.get("ctx", {})) if template else str(error["msg"])
    message = message.removeprefix("Value error, ")
    if not error["loc"]:
        return PREFIX + message
    name, *path = (str(part) for part in error["loc"])
    return f"{'.'.join([PREFIX + name.upper(), *path])}: {message}"
