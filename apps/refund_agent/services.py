"""What stands in for the outside world in the demo, in a process of its own: payments sandbox and mailbox.

It survives the crashes of the agent, as the outside world does.
"""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI

from apps.refund_agent import mailbox, sandbox
from apps.refund_agent.settings import Settings


def create_app(ledger: sandbox.Ledger, inbox: mailbox.Inbox) -> FastAPI:
    """Build the web application of both."""
    app = FastAPI(title="Demo services", docs_url=None, redoc_url=None)
    sandbox.add_routes(app, ledger)
    mailbox.add_routes(app, inbox)

    @app.post("/reset")
    def reset() -> dict[str, bool]:
        ledger.clear()
        inbox.clear()
        return {"done": True}

    return app


def main() -> None:
    """Serve on loopback until stopped."""
    settings = Settings.from_environment()
    settings.folder.mkdir(parents=True, exist_ok=True)
    inbox = mailbox.Inbox(settings.folder / "mailbox.db")
    ledger = sandbox.Ledger(settings.folder / "ledger.db")
    smtp = mailbox.smtp_server(inbox, settings.smtp_port)
    smtp.start()
    try:
        uvicorn.run(create_app(ledger, inbox), host="127.0.0.1", port=settings.services_port, log_level="warning")
    finally:
        smtp.stop()


if __name__ == "__main__":
    main()
