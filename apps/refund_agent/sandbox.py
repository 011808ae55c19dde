"""A payments sandbox that speaks Stripe's refund endpoint and keeps its own ledger, where a duplicate would show."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from markupsafe import escape

_SCHEMA = """
CREATE TABLE IF NOT EXISTS refunds (
    id TEXT PRIMARY KEY, payment_intent TEXT NOT NULL, amount INTEGER NOT NULL, order_id TEXT, created INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, reply TEXT NOT NULL);
"""


class Ledger:
    """The sandbox's own database: every refund that was paid, and every reply that was given to a key."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.executescript(_SCHEMA)

    def refund(self, key: str | None, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Pay a refund, once for each key; return status code and body as Stripe does."""
        fingerprint = hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                answer = self._answer(key, fingerprint, form)
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
            return answer

    def _answer(self, key: str | None, fingerprint: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if key is not None:
            known = self._database.execute("SELECT fingerprint, reply FROM replies WHERE key = ?", (key,)).fetchone()
            if known is not None:
                return (200, json.loads(known[1])) if known[0] == fingerprint else (400, _key_reused())
        reply = {
            "id": f"re_{time.time_ns():x}",
            "object": "refund",
            "amount": int(form["amount"]),
            "currency": "usd",
            "payment_intent": form["payment_intent"],
            "status": "succeeded",
            "created": int(time.time()),
            "metadata": {"order_id": form.get("metadata[order_id]", "")},
        }
        self._database.execute(
            "INSERT INTO refunds VALUES (?, ?, ?, ?, ?)",
            (reply["id"], reply["payment_intent"], reply["amount"], form.get("metadata[order_id]"), reply["created"]),
        )
        if key is not None:
            self._database.execute("INSERT INTO replies VALUES (?, ?, ?)", (key, fingerprint, json.dumps(reply)))
        return 200, reply

    def entries(self) -> list[dict[str, Any]]:
        """List all refunds that were paid, oldest first."""
        with self._lock:
            rows = self._database.execute("SELECT id, order_id, amount, created FROM refunds ORDER BY rowid").fetchall()
        return [dict(zip(("id", "order_id", "amount", "created"), row, strict=True)) for row in rows]

    def clear(self) -> None:
        """Forget everything: the demo's reset."""
        with self._lock:
            self._database.executescript("DELETE FROM refunds; DELETE FROM replies;")


def _key_reused() -> dict[str, Any]:
    message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
    return {"error": {"type": "idempotency_error", "message": message}}


_PAGE = """<!doctype html><meta charset="utf-8"><title>Ledger</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:1rem system-ui;margin:2rem auto;max-width:42rem;padding:0 1rem;color-scheme:light dark}}
table{{border-collapse:collapse;width:100%}}td,th{{text-align:left;padding:.4rem;border-bottom:1px solid #8884}}</style>
<h1>Payments ledger</h1><p>What the payments sandbox has paid back. An order that appears twice was paid twice.</p>
<table><thead><tr><th>Order<th>Amount<th>Refund</thead><tbody>{rows}</tbody></table>"""


def add_routes(app: FastAPI, ledger: Ledger) -> None:
    """Add the endpoints of the sandbox to an application."""

    @app.post("/v1/refunds")
    async def create_refund(request: Request) -> JSONResponse:
        form = {name: str(value) for name, value in (await request.form()).items()}
        if not form.get("payment_intent") or not form.get("amount", "").isdigit():
            error = {"type": "invalid_request_error", "message": "payment_intent and amount are required"}
            return JSONResponse({"error": error}, status_code=400)
        status, body = ledger.refund(request.headers.get("Idempotency-Key"), form)
        return JSONResponse(body, status_code=status)

    @app.get("/v1/refunds")
    def list_refunds() -> dict[str, Any]:
        return {"object": "list", "data": ledger.entries(), "has_more": False, "url": "/v1/refunds"}

    @app.get("/ledger.json")
    def ledger_json() -> list[dict[str, Any]]:
        return ledger.entries()

    @app.get("/ledger", response_class=HTMLResponse)
    def ledger_page() -> str:
        rows = "".join(
            f"<tr><td>{escape(entry['order_id'])}<td>{entry['amount'] / 100:,.2f}<td>{escape(entry['id'])}"
            for entry in ledger.entries()
        )
        return _PAGE.format(rows=rows or "<tr><td colspan=3>Nothing has been paid back yet.")
