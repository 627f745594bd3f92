"""What every configuration is: frozen, checked when built, written and read as YAML; and the kinds of numbers in it."""

from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Config(BaseModel):
    """Base of all configurations: frozen, unknown keys refused, YAML round trip."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_yaml(self) -> str:
        """This configuration as YAML text."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Read what `to_yaml` wrote. Raises ValueError that names the offending key."""
        try:
            return cls.model_validate(yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise ValueError(f"not valid YAML: {error}") from error
        except ValidationError as error:
            raise ValueError(describe(error)) from error


def describe(error: ValidationError) -> str:
    """A pydantic error as one line a key: where, what rule, which value."""
    lines = []
    for entry in error.errors():
        where = ".".join(str(part) for part in entry["loc"]) or "configuration"
        lines.append(f"{where}: {entry['msg']} (got {entry['input']!r})")
    return "\n".join(lines)
