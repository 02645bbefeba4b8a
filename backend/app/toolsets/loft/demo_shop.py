"""The demo shop: an SQLite file with invented data, for trying an assistant without a real shop."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio.to_thread

from app.core.config import Settings
from app.toolsets.base import ToolFailed
from app.toolsets.loft.demo_seed import CUSTOMERS, ORDERS, PRODUCTS
from app.toolsets.loft.models import Customer, Order, OrderDetails, OrderLine, Product, Source
from app.toolsets.loft.shop import is_same_email, is_same_id, is_same_phone
from app.utils.folding import split_words

FILE_NAME = "loft-demo-data.db"
_CREATE_COMMAND = "prompter demo-data loft"
_SCHEMA = """
CREATE TABLE about (text TEXT NOT NULL);
INSERT INTO about VALUES ('demo data: nobody in it exists');
CREATE TABLE customers (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT, phone TEXT);
CREATE TABLE products (id TEXT PRIMARY KEY, name TEXT NOT NULL, price TEXT NOT NULL, stock INTEGER NOT NULL);
CREATE TABLE orders (
    id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, status TEXT NOT NULL,
    total TEXT NOT NULL, created_at TEXT NOT NULL
);
CREATE TABLE order_lines (
    order_id TEXT NOT NULL REFERENCES orders, product_id TEXT NOT NULL REFERENCES products,
    name TEXT NOT NULL, quantity INTEGER NOT NULL, price TEXT NOT NULL
);
"""


class DemoShop:
    """Opens the file for each call, because it may be created or replaced while the server runs."""

    source: Source = "demo data"

    def __init__(self, settings: Settings) -> None:
        self._path = get_demo_path(settings)

    async def customers_by_phone(self, phone: str) -> list[Customer]:
        return [each for each in await self._customers() if is_same_phone(each.phone or "", phone)]

    async def customers_by_email(self, email: str) -> list[Customer]:
        return [each for each in await self._customers() if is_same_email(each.email or "", email)]

    async def orders_of(self, customer_id: str, limit: int) -> list[Order] | None:
        if not any(is_same_id(each.id, customer_id) for each in await self._customers()):
            return None
        rows = await self._read(
            "SELECT * FROM orders WHERE customer_id = ? COLLATE NOCASE ORDER BY created_at DESC LIMIT ?",
            (customer_id, limit),
        )
        return [Order(**row) for row in rows]

    async def order(self, order_id: str) -> OrderDetails | None:
        rows = await self._read("SELECT * FROM orders WHERE id = ? COLLATE NOCASE", (order_id,))
        if not rows:
            return None
        lines = await self._read(
            "SELECT product_id, name, quantity, price FROM order_lines WHERE order_id = ? ORDER BY rowid",
            (rows[0]["id"],),
        )
        return OrderDetails(**rows[0], lines=[OrderLine(**line) for line in lines])

    async def products(self, words: str, limit: int) -> list[Product]:
        wanted = [_stem(word) for word in split_words(words)]
        found = [Product(**row) for row in await self._read("SELECT * FROM products ORDER BY id", ())]
        return [each for each in found if _matches(each.name, wanted)][:limit] if wanted else []

    async def aclose(self) -> None:
        """Nothing to close: each call closes its file."""

    async def _customers(self) -> list[Customer]:
        return [Customer(**row) for row in await self._read("SELECT * FROM customers ORDER BY id", ())]

    async def _read(self, statement: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        return await anyio.to_thread.run_sync(self._rows, statement, values)

    def _rows(self, statement: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        if not self._path.is_file():
            raise ToolFailed(
                "there is no shop: whoever runs the server sets LOFT_API_URL, or makes demo data with: "
                f"{_CREATE_COMMAND}; say that nothing can be looked up, and do not guess"
            )
        try:
            with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as connection:
                connection.row_factory = sqlite3.Row
                return [dict(row) for row in connection.execute(statement, values)]
        except sqlite3.Error as error:
            raise ToolFailed(
                f"the demo shop cannot be read; make it again with: {_CREATE_COMMAND} --force"
            ) from error


def get_demo_path(settings: Settings) -> Path:
    """The path of the demo shop, whether or not it exists."""
    return settings.data_dir / FILE_NAME


def create_demo_shop(path: Path) -> None:
    """Write the demo shop. An existing one is replaced atomically, also while a server reads it.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    os.close(os.open(new, os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(new)) as connection:
        connection.executescript(_SCHEMA)
        _fill(connection)
        connection.commit()
    new.replace(path)


def _fill(connection: sqlite3.Connection) -> None:
    prices = {product: Decimal(price) for product, _, price, _ in PRODUCTS}
    names = {product: name for product, name, _, _ in PRODUCTS}
    connection.executemany("INSERT INTO products VALUES (?, ?, ?, ?)", PRODUCTS)
    connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?)", CUSTOMERS)
    for order, customer, status, created_at, lines in ORDERS:
        total = sum((prices[product] * quantity for product, quantity in lines), Decimal(0))
        connection.execute(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?)", (order, customer, status, str(total), created_at)
        )
        connection.executemany(
            "INSERT INTO order_lines VALUES (?, ?, ?, ?, ?)",
            [(order, product, names[product], quantity, str(prices[product])) for product, quantity in lines],
        )


def _stem(word: str) -> str:
    """The word without its plural ending: `sillas` finds `silla`, `colchones` finds `colchón`."""
    for ending in ("es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word


def _matches(name: str, wanted: list[str]) -> bool:
    """Whether each wanted word is the start of a word in the name."""
    words = split_words(name)
    return all(any(word.startswith(part) for word in words) for part in wanted)
