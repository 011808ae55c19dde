"""The shop's tables: orders, and at most one refund for each. Functions here work in an open SQLAlchemy session."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

_SEED = (
    (1001, "Espresso machine", "349.00"),
    (1002, "Walking boots", "129.90"),
    (1003, "Carbon road bike", "2850.00"),
    (1004, "Noise-cancelling headphones", "279.00"),
    (1005, "Mirrorless camera", "1899.00"),
    (1006, "Standing desk", "640.00"),
    (1007, "Desk lamp", "48.50"),
    (1008, "Sea kayak", "1250.00"),
    (1009, "Wool blanket", "89.00"),
    (1010, "Studio monitor pair", "1000.00"),
)


class Base(DeclarativeBase):
    """All tables of the shop."""


class Order(Base):
    """Something the customer bought."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]
    price_cents: Mapped[int]

    @property
    def price(self) -> Decimal:
        """The price in the shop's currency."""
        return Decimal(self.price_cents) / 100


class Refund(Base):
    """The one refund of an order, and how far it has come: review, paying, paid or rejected."""

    __tablename__ = "refunds"
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    amount_cents: Mapped[int]
    state: Mapped[str]
    payment_id: Mapped[str | None]
    decided_by: Mapped[str | None]


def create_and_seed(session: Session) -> None:
    """Create the tables and, where there are no orders, a customer's."""
    Base.metadata.create_all(session.connection())
    if session.scalar(select(Order.id).limit(1)) is None:
        session.add_all(
            Order(id=number, item=item, price_cents=int(Decimal(price) * 100)) for number, item, price in _SEED
        )


def overview(session: Session) -> list[dict[str, str | int]]:
    """List all orders with the state of their refunds, for the page and the tools."""
    refunds = {refund.order_id: refund for refund in session.scalars(select(Refund))}
    return [
        {
            "order_id": order.id,
            "item": order.item,
            "price": f"{order.price:.2f}",
            "refund": refunds[order.id].state if order.id in refunds else "none",
        }
        for order in session.scalars(select(Order).order_by(Order.id))
    ]


STATES = {
    "review": "is with a manager for review; the customer will be told here",
    "paying": "is being paid",
    "paid": "has been paid back",
    "rejected": "was rejected by a manager",
}


def in_words(refund: Refund) -> str:
    """Tell how far a refund has come."""
    by = f" by {refund.decided_by}" if refund.decided_by and refund.state == "rejected" else ""
    words = STATES[refund.state].replace(" by a manager", by or " by a manager")
    return f"The refund of {refund.amount_cents / 100:.2f} for order {refund.order_id} {words}."
