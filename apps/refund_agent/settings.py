"""What the agent is told by its environment, read once at start."""

from __future__ import annotations

import os
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Addresses, limits and keys. Every default needs no other server and no key."""

    port: int
    folder: Path
    database_url: str
    services_port: int
    smtp_port: int
    smtp_url: str
    stripe_api_key: str | None
    model: str | None
    demo: bool
    threshold: Decimal = Decimal("1000.00")
    """A refund above this needs a manager."""
    manager: str = "manager@example.com"
    sender: str = "refunds@example.com"
    approval_days: float = 7.0
    token_delay: float = 0.03
    """Seconds between the offline model's chunks."""

    @classmethod
    def from_environment(cls) -> Settings:
        """Read PORT, HOLDFAST_DEMO_DIR, DATABASE_URL, SMTP_URL, STRIPE_API_KEY, HOLDFAST_MODEL and the like."""
        env = os.environ
        port = int(env.get("PORT", "8000"))
        folder = Path(env.get("HOLDFAST_DEMO_DIR", ".refund-agent")).resolve()
        smtp_port = int(env.get("SMTP_PORT", str(port + 2)))
        return cls(
            port=port,
            folder=folder,
            database_url=env.get("DATABASE_URL") or f"sqlite:///{folder / 'refunds.db'}",
            services_port=int(env.get("SERVICES_PORT", str(port + 1))),
            smtp_port=smtp_port,
            smtp_url=env.get("SMTP_URL") or f"smtp://127.0.0.1:{smtp_port}",
            stripe_api_key=env.get("STRIPE_API_KEY") or None,
            model=env.get("HOLDFAST_MODEL") or None,
            demo=env.get("HOLDFAST_DEMO", "") == "1",
            approval_days=float(env.get("APPROVAL_DAYS", "7")),
            token_delay=float(env.get("TOKEN_DELAY", "0.03")),
        )

    @property
    def base_url(self) -> str:
        """The address under which people reach the pages; links in mails begin with it."""
        return os.environ.get("BASE_URL") or f"http://127.0.0.1:{self.port}"

    @property
    def services_url(self) -> str:
        """The address of the payments sandbox and the mailbox."""
        return f"http://127.0.0.1:{self.services_port}"
