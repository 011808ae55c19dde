"""The agent's own process."""

from __future__ import annotations

import logging

import uvicorn

from apps.refund_agent.settings import Settings
from apps.refund_agent.web import create_app


def main() -> None:
    """Serve on loopback until stopped."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    settings = Settings.from_environment()
    uvicorn.run(
        create_app(settings), host="127.0.0.1", port=settings.port, log_level="warning", timeout_graceful_shutdown=2
    )


if __name__ == "__main__":
    main()
