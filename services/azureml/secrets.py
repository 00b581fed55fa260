"""Keys and tokens of a service while they are in memory: they show nothing when printed and cannot be stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from services.scrubbing import remember

Slot = Literal["primary", "secondary"]


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Both keys of a service."""

    primary: str = field(repr=False)
    secondary: str = field(repr=False)

    def __post_init__(self) -> None:
        """From now on this process hides them in all text it scrubs."""
        remember(self.primary)
        remember(self.secondary)

    def of(self, slot: Slot) -> str:
        """One of the two."""
        return self.primary if slot == "primary" else self.secondary

    def __reduce__(self) -> Any:
        """Keys are never written anywhere."""
        raise TypeError("Keys cannot be stored.")


@dataclass(frozen=True, kw_only=True)
class ServiceToken:
    """A token of an AKS service with token authentication."""

    token: str = field(repr=False)
    kind: str
    refresh_after: datetime
    expires_at: datetime

    def __post_init__(self) -> None:
        """From now on this process hides it in all text it scrubs."""
        remember(self.token)

    def __reduce__(self) -> Any:
        """Tokens are never written anywhere."""
        raise TypeError("Tokens cannot be stored.")


def service_token(payload: dict[str, Any]) -> ServiceToken:
    """The wire's token with its times in UTC."""
    return ServiceToken(
        token=payload["accessToken"],
        kind=payload.get("tokenType") or "Bearer",
        refresh_after=datetime.fromtimestamp(int(payload["refreshAfter"]), UTC),
        expires_at=datetime.fromtimestamp(int(payload["expiryOn"]), UTC),
    )
