"""What all settings have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema

MOST_LAGS = 50


class Settings(BaseModel):
    """Frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    short_form: ClassVar[tuple[dict[str, Any], ...]] = ()
    """JSON Schemas of what may be written in place of the whole map."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler(core_schema)
        return {"anyOf": [*cls.short_form, schema]} if cls.short_form else schema
