"""The whole demo in processes of its own, and a real browser in front of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.helpers import ROOT, eventually

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Demo:
    """The running demo's addresses."""

    url: str
    services_url: str

    def ledger(self) -> list[dict[str, Any]]:
        """List what the payments sandbox has paid."""
        entries: list[dict[str, Any]] = httpx.get(f"{self.services_url}/ledger.json").json()
        return entries

    def refund_of(self, order_id: int) -> str:
        """Return the state of an order's refund, as the orders table has it."""
        orders = httpx.get(f"{self.url}/api/orders").json()
        return next(str(order["refund"]) for order in orders if order["order_id"] == order_id)

    def answers(self) -> bool:
        """Tell whether the agent's process serves."""
        try:
            return httpx.get(f"{self.url}/api/about", timeout=1).is_success
        except httpx.TransportError:
            return False


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on just now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@pytest.fixture
def demo(sqlite_url: str, tmp_path: Path) -> Iterator[Demo]:
    """The demo as `make demo` runs it, on a fresh database."""
    with running_demo(sqlite_url, tmp_path) as running:
        yield running


@pytest.fixture
def demo_on_each_store(store_url: str, tmp_path: Path) -> Iterator[Demo]:
    """The demo on a fresh database, once on each kind of store."""
    with running_demo(store_url, tmp_path) as running:
        yield running


@contextmanager
def running_demo(store_url: str, tmp_path: Path) -> Iterator[Demo]:
    """Run the demo in processes of its own, and end it as Ctrl-C does."""
    port, services_port, smtp_port = free_ports(3)
    environment = {
        **os.environ,
        "PORT": str(port),
        "SERVICES_PORT": str(services_port),
        "SMTP_PORT": str(smtp_port),
        "HOLDFAST_DEMO_DIR": str(tmp_path / "demo"),
        "DATABASE_URL": store_url,
        "TOKEN_DELAY": "0.02",
    }
    log = tmp_path / "demo.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "apps.refund_agent"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Demo(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{services_port}")
    try:
        eventually(running.answers, timeout=60, message="the demo did not start")
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        finally:
            sys.stdout.write(log.read_text())
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def browser(chromium_path: str) -> Iterator[Browser]:
    """A real browser."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM)
        yield launched
        launched.close()
