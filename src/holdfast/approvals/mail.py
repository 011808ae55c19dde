"""Delivery by mail: a text and an HTML part with the same content, through any SMTP server."""

from __future__ import annotations

import email.errors
import email.policy
import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from urllib.parse import unquote, urlsplit

from holdfast.approvals.delivery import ApprovalRequest
from holdfast.approvals.templating import templates
from holdfast.approvals.text import breaks_lines, spelled_out
from holdfast.errors import ConfigurationError, UsageError

_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class SmtpDelivery:
    """Sends requests as mails.

    `url` is `smtps://user:password@host`, `smtp+starttls://user:password@host:587` or, for a server that needs
    neither, `smtp://host:25`; user and password are percent-encoded. `sender` is an address, with or without a name:
    `Refunds <refunds@example.com>`. `timeout` in seconds.

    Raises `ConfigurationError`, also where a password would travel unencrypted, and `MissingExtra`.
    """

    def __init__(self, url: str, *, sender: str, timeout: float = 30.0) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in _PORTS or not parts.hostname or port == -1:
            raise ConfigurationError(
                f"a mail server's URL begins with {', '.join(f'{scheme}://' for scheme in _PORTS)} and names a host "
                "and, if need be, a port"
            )
        if parts.scheme == "smtp" and parts.username and parts.hostname not in _LOOPBACK:
            raise ConfigurationError(
                f"smtp://{parts.hostname} would send the password unencrypted: use smtps:// or smtp+starttls://"
            )
        self._scheme = parts.scheme
        self._host = parts.hostname
        self._port = port or _PORTS[parts.scheme]
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._timeout = timeout
        self._sender = sender_address(sender)
        self._templates = templates("SmtpDelivery")

    def __repr__(self) -> str:
        return f"SmtpDelivery({self._scheme}://{self._host}:{self._port})"

    def deliver(self, request: ApprovalRequest) -> None:
        message = self.compose(request)
        with self._connect() as server:
            if self._scheme == "smtp+starttls":
                server.starttls(context=ssl.create_default_context())
            if self._user:
                server.login(self._user, self._password)
            server.send_message(message)

    def compose(self, request: ApprovalRequest) -> EmailMessage:
        """Write the mail."""
        message = EmailMessage(policy=email.policy.SMTP)
        message["Subject"] = f"Approval needed: {spelled_out(request.subject)}"
        message["From"] = self._sender
        message["To"] = Address(addr_spec=check_address(request.recipient))
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self._sender.domain)
        # Keeps out-of-office answers from being sent to the application.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self._templates.get_template("mail.txt").render(asked=request))
        message.add_alternative(self._templates.get_template("mail.html").render(asked=request), subtype="html")
        return message

    def _connect(self) -> smtplib.SMTP:
        if self._scheme == "smtps":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self._host, self._port, timeout=self._timeout, context=context)
        return smtplib.SMTP(self._host, self._port, timeout=self._timeout)


def sender_address(sender: str) -> Address:
    """Read an address with or without a name. Raises `ConfigurationError`."""
    name, address = parseaddr(sender)
    try:
        if breaks_lines(sender):
            raise UsageError(f"not a mail address: {sender!r}")
        return Address(display_name=name, addr_spec=check_address(address))
    except UsageError as error:
        raise ConfigurationError(f"sender: {error}") from None


def check_address(address: str) -> str:
    """Return a mail address. Raises `UsageError` for anything else, names and lists of addresses included."""
    try:
        if not address or breaks_lines(address) or Address(addr_spec=address).domain == "":
            raise ValueError(address)
    except (ValueError, TypeError, IndexError, email.errors.MessageError):
        raise UsageError(f"not a mail address: {address!r}") from None
    return address
