"""The agent's own process."""

from __future__ import annotations

import logging
from types import FrameType

import uvicorn

from apps.refund_agent import events
from apps.refund_agent.settings import Settings
from apps.refund_agent.web import create_app


class Server(uvicorn.Server):
    """Lets go of the readers of event streams when it is asked to end."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        events.closing.set()
        super().handle_exit(sig, frame)


def main() -> None:
    """Serve on loopback until stopped."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    settings = Settings.from_environment()
    config = uvicorn.Config(
        create_app(settings), host="127.0.0.1", port=settings.port, log_level="warning", timeout_graceful_shutdown=3
    )
    Server(config).run()


if __name__ == "__main__":
    main()
