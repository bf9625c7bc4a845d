"""Make the databases that the shop has in production: by ``create_all``, with rows."""

from shop import create_app
from shop.audit.models import AuditEvent
from shop.catalog.models import Category, Product, product_tag
from shop.database import db
from shop.orders.models import Customer, Order, OrderLine, OrderStatus


def fill() -> None:
    books = Category(name="Books")
    db.session.add_all([books, Customer(email="ada@example.org"), Customer(email="max@example.org")])
    db.session.flush()
    db.session.add_all(Product(name=f"Book {n}", price=n, category_id=books.id) for n in range(1, 21))
    db.session.flush()
    db.session.execute(product_tag.insert(), [{"product_id": n, "tag": "new"} for n in range(1, 11)])
    db.session.add_all(Order(customer_id=1 + n % 2, status=OrderStatus.PAID) for n in range(10))
    db.session.flush()
    db.session.add_all(OrderLine(order_id=n, product_id=n, quantity=n) for n in range(1, 11))
    db.session.add_all(AuditEvent(action="paid", detail={"order": str(n)}) for n in range(10))
    db.session.commit()


if __name__ == "__main__":
    app = create_app()
    with app.app_context():
        db.create_all()
        fill()
        for key, engine in db.engines.items():
            print(f"made {engine.url.database} ({key or 'default'})")
