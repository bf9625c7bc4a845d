"""One bad and one good example of each hazard, with what the bad one does on the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

POSTGRESQL = ("postgresql",)
MARIADB = ("mariadb",)
SQLITE = ("sqlite",)
SERVERS = ("postgresql", "mariadb")
EVERY = ("sqlite", "postgresql", "mariadb")

_MOOD = {"sqlite": "VARCHAR(10)", "postgresql": "mood", "mariadb": "ENUM('sad', 'ok', 'happy')"}
# By table, in the order in which they can be made.
_TABLES = {
    "users": (
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL, nick VARCHAR(20), age INTEGER, "
        "price NUMERIC(10, 2) DEFAULT 1, feel {mood}, code VARCHAR(10), CONSTRAINT ck_code CHECK (code <> ''))",
        "CREATE INDEX ix_name ON users (name)",
        "CREATE INDEX ix_two ON users (age, price)",
        "INSERT INTO users (id, name, nick, age, price, feel, code) VALUES (1, 'a', NULL, 1, 1, 'sad', 'w'), "
        "(2, 'b', 'x', 2, 1.25, 'ok', 'x'), (3, 'b', 'x', 3, 1, 'ok', 'y'), "
        "(4, 'long name', 'y', 70000, 1, NULL, 'z')",
    ),
    "orders": (
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER, buyer_id INTEGER, "
        "total INTEGER DEFAULT 0 NOT NULL, CONSTRAINT fk_user FOREIGN KEY (user_id) REFERENCES users (id))",
        "INSERT INTO orders (id, user_id, buyer_id, total) VALUES (1, 1, 1, 5), (2, 2, 2, 6), (3, 3, 99, -1), "
        "(4, 4, NULL, 0)",
    ),
    "products": (
        "CREATE TABLE products (id BIGINT PRIMARY KEY)",
        "INSERT INTO products VALUES (1), (2), (3000000000)",
    ),
    "keyless": (
        "CREATE TABLE keyless (a INTEGER NOT NULL, b INTEGER NOT NULL)",
        "INSERT INTO keyless VALUES (1, 1), (1, 2), (2, 3), (3, 4)",
    ),
    "links": ("CREATE TABLE links (u INTEGER REFERENCES users (id), o INTEGER REFERENCES orders (id))",),
    "late": (
        "CREATE TABLE late (id INTEGER, user_id INTEGER)",
        "INSERT INTO late VALUES (1, 1), (2, 2), (3, 99), (4, NULL)",
        "ALTER TABLE late ADD CONSTRAINT late_fk FOREIGN KEY (user_id) REFERENCES users (id) NOT VALID",
        "ALTER TABLE late ADD CONSTRAINT late_ck CHECK (id > 1) NOT VALID",
        "ALTER TABLE late ADD CONSTRAINT late_ok CHECK (id > 0) NOT VALID",
    ),
    "amounts": (
        "CREATE DOMAIN positive AS int",
        "ALTER DOMAIN positive ADD CONSTRAINT above CHECK (VALUE > 0) NOT VALID",
        "CREATE TABLE amounts (n positive)",
        "INSERT INTO amounts VALUES (1), (2), (3), (4)",
    ),
    "parts": (
        "CREATE TABLE parts (id INTEGER) PARTITION BY RANGE (id)",
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)",
        "INSERT INTO parts VALUES (1), (2), (3), (4)",
    ),
}


def setup(family: str, *, links: bool) -> Iterator[str]:
    """Give the statements that make the tables; one that refers to others only where it is spoken of."""
    if family == "postgresql":
        yield "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')"
    for table, statements in _TABLES.items():
        if (table != "links" or links) and (
            table not in ("late", "amounts", "parts") or family == "postgresql"
        ):
            yield from (each.replace("{mood}", _MOOD[family]) for each in statements)


def body(text: str) -> str:
    """Give each operation of an example a line of its own."""
    return text.replace("; op.", "\nop.")


@dataclass(frozen=True)
class Bad:
    """A body that is dangerous: ``key`` is the finding, ``does`` what the engine does.

    ``fails``, ``runs``, ``rewrites TABLE``, ``scans``; ``locks_table TABLE MODE`` (PostgreSQL); ``copies`` (MariaDB
    refuses it with ALGORITHM=INPLACE, LOCK=NONE); ``gives QUERY VALUE``: what a query gives afterwards; ``leaves``:
    what it gives after it has failed.
    """

    key: str
    body: str
    families: tuple[str, ...]
    does: str = "runs"
    says: str = ""
    weight: str = "error"


AE = "locks_table users AccessExclusiveLock"
AC = "with op.get_context().autocommit_block():"

BAD = (
    # -- destructive
    Bad("drop-table:orders", "op.drop_table('orders')", EVERY, "runs", "with 4 rows"),
    Bad("drop-column:users.nick", "op.drop_column('users', 'nick')", EVERY, "runs", "3 of 4 rows"),
    Bad("drop-schema:other", "op.execute('CREATE SCHEMA other'); op.execute('DROP SCHEMA other')", POSTGRESQL),
    Bad("truncate-table:orders", "op.execute('TRUNCATE TABLE orders')", SERVERS, "gives SELECT count(*) FROM orders = 0", "4 rows"),
    Bad("truncate-cascade:users", "op.execute('TRUNCATE users CASCADE')", POSTGRESQL, "gives SELECT count(*) FROM orders = 0"),
    Bad("drop-cascade:users", "op.execute('DROP TABLE users CASCADE')", POSTGRESQL),
    Bad("drop-cascade:mood", "op.execute('DROP TYPE mood CASCADE')", POSTGRESQL, "gives SELECT count(*) FROM information_schema.columns WHERE column_name = 'feel' = 0"),
    Bad("recreate-table-force:orders", "op.execute('DROP TABLE IF EXISTS orders'); op.create_table('orders', sa.Column('id', sa.Integer))", EVERY, "gives SELECT count(*) FROM orders = 0", "4 rows"),
    Bad("unfiltered-data-change:orders", "op.execute('DELETE FROM orders')", EVERY, "gives SELECT count(*) FROM orders = 0", "4 rows"),
    Bad("narrow-column-type:users.name", "op.alter_column('users', 'name', type_=sa.String(5), existing_type=sa.String(50), existing_nullable=False)", SERVERS, "fails", "1 of 4 rows"),
    Bad("drop-enum-value:users.feel", "op.execute(\"ALTER TABLE users MODIFY feel ENUM('sad', 'happy')\")", MARIADB, "fails", "2 of 4 rows"),
    Bad("drop-enum-value:users.feel", "op.execute('ALTER TYPE mood RENAME TO old'); op.execute(\"CREATE TYPE mood AS ENUM ('sad')\"); op.execute('ALTER TABLE users ALTER COLUMN feel TYPE mood USING feel::text::mood')", POSTGRESQL, "fails", "2 of 4 rows"),
    Bad("mysql-non-strict-mode:second", "op.execute(\"SET SESSION sql_mode = ''\"); op.execute('ALTER TABLE users MODIFY name VARCHAR(2)')", MARIADB, "gives SELECT max(char_length(name)) FROM users = 2"),
    # -- data-dependent and failing
    Bad("add-required-column:users.x", "op.add_column('users', sa.Column('x', sa.Integer(), nullable=False))", ("sqlite", "postgresql"), "fails", "4 rows"),
    Bad("add-required-column:users.x", "op.add_column('users', sa.Column('x', sa.Integer(), nullable=False))", MARIADB, "gives SELECT count(*) FROM users WHERE x = 0 = 4", "4 rows"),
    Bad("set-not-null:users.nick", "op.alter_column('users', 'nick', nullable=False, existing_type=sa.String(20))", SERVERS, "fails", "1 of 4 rows"),
    Bad("set-not-null:users.nick", "with op.batch_alter_table('users') as batch: batch.alter_column('nick', nullable=False)", SQLITE, "fails", "1 of 4 rows"),
    Bad("set-not-null:users.x", "op.add_column('users', sa.Column('x', sa.Integer())); op.alter_column('users', 'x', nullable=False, existing_type=sa.Integer())", SERVERS, "fails", "4 rows"),
    Bad("add-unique-constraint:users.uq", "op.create_unique_constraint('uq', 'users', ['name'])", SERVERS, "fails", "2 of 4 rows"),
    Bad("add-unique-constraint:users.uq", "with op.batch_alter_table('users') as batch: batch.create_unique_constraint('uq', ['name', 'nick'])", SQLITE, "fails", "2 of 4 rows"),
    Bad("add-unique-index:users.ix", "op.create_index('ix', 'users', ['nick'], unique=True)", EVERY, "fails", "2 of 4 rows"),
    Bad("add-unique-index:users.ix", "op.execute('CREATE UNIQUE INDEX ix ON users (lower(nick)) WHERE age > 1')", ("sqlite", "postgresql"), "fails", "2 of 4 rows"),
    Bad("add-primary-key:keyless.pk", "op.create_primary_key('pk', 'keyless', ['a'])", SERVERS, "fails", "2 of 4 rows"),
    Bad("add-foreign-key:orders.fk", "op.create_foreign_key('fk', 'orders', 'users', ['buyer_id'], ['id'])", SERVERS, "fails", "1 of 4 rows"),
    Bad("add-foreign-key:orders.fk", "with op.batch_alter_table('orders') as batch: batch.create_foreign_key('fk', 'users', ['buyer_id'], ['id'])", SQLITE, "gives SELECT count(*) FROM pragma_foreign_key_check('orders') = 1", "1 of 4 rows"),
    Bad("mismatched-foreign-key-type:items.product_id", "op.create_table('items', sa.Column('product_id', sa.Integer(), sa.ForeignKey('products.id')))\nop.execute('INSERT INTO items SELECT id FROM products')", POSTGRESQL, "fails", "1 of 3 rows"),
    Bad("add-check-constraint:orders.ck", "op.create_check_constraint('ck', 'orders', 'total >= 0')", SERVERS, "fails", "1 of 4 rows"),
    Bad("add-foreign-key:late.late_fk", "op.execute('ALTER TABLE late VALIDATE CONSTRAINT late_fk')", POSTGRESQL, "fails", "1 of 4 rows"),
    Bad("add-check-constraint:late.late_ck", "op.execute('ALTER TABLE late VALIDATE CONSTRAINT late_ck')", POSTGRESQL, "fails", "1 of 4 rows"),
    Bad("add-check-constraint:orders.ck", "with op.batch_alter_table('orders') as batch: batch.create_check_constraint('ck', 'total >= 0')", SQLITE, "fails", "1 of 4 rows"),
    Bad("add-exclusion-constraint:users.ex", "op.execute(\"ALTER TABLE users ADD CONSTRAINT ex EXCLUDE USING btree (nick WITH =)\")", POSTGRESQL, "fails", "2 of 4 rows"),
    Bad("add-exclusion-constraint:users.ex", "op.create_exclude_constraint('ex', 'users', ('name', '='), using='btree')", POSTGRESQL, "fails", "2 of 4 rows"),
    Bad("add-exclusion-constraint:users.ex", "op.execute(\"ALTER TABLE users ADD CONSTRAINT ex EXCLUDE USING btree (lower(nick) WITH =)\")", POSTGRESQL, "fails", "4 rows that may"),
    Bad("duplicate-column:users.age", "op.add_column('users', sa.Column('age', sa.Integer()))", EVERY, "fails"),
    Bad("duplicate-column:t.a", "op.execute('CREATE TABLE t (a INTEGER, a TEXT)')", EVERY, "fails"),
    Bad("duplicate-column:users.age", "op.execute('UPDATE users SET age = 1, age = 2 WHERE id = 1')", POSTGRESQL, "fails"),
    Bad("duplicate-column:orders.id", "op.execute('INSERT INTO orders (id, id) VALUES (9, 9)')", POSTGRESQL, "fails"),
    Bad("concurrent-index-in-transaction:users.ix", "op.create_index('ix', 'users', ['age'], postgresql_concurrently=True)", POSTGRESQL, "fails"),
    Bad("enum-value-used-in-same-transaction:sick", "op.execute(\"ALTER TYPE mood ADD VALUE 'sick'\"); op.execute(\"UPDATE users SET feel = 'sick' WHERE id = 1\")", POSTGRESQL, "fails"),
    Bad("sqlite-unsupported-alter:users.x", "op.add_column('users', sa.Column('x', sa.Integer(), unique=True))", SQLITE, "fails"),
    Bad("sqlite-unsupported-alter:users.age", "op.drop_column('users', 'age')", SQLITE, "fails"),
    Bad("sqlite-unsupported-alter:users.nick", "op.alter_column('users', 'nick', nullable=False)", SQLITE, "fails"),
    Bad("sqlite-unsupported-alter:users.uq", "op.create_unique_constraint('uq', 'users', ['code'])", SQLITE, "fails"),
    Bad("add-column-expression-default:users.x", "op.add_column('users', sa.Column('x', sa.DateTime(), server_default=sa.func.now()))", SQLITE, "fails", "4 rows"),
    # -- blocking
    Bad("set-not-null:users.age", "op.alter_column('users', 'age', nullable=False)", POSTGRESQL, AE, "0 of 4 rows"),
    Bad("change-column-type:users.age", "op.alter_column('users', 'age', type_=sa.BigInteger(), existing_type=sa.Integer())", POSTGRESQL, "rewrites users", "more than 3 rows"),
    Bad("change-column-type:users.feel", "op.execute('ALTER TYPE mood RENAME TO old'); op.execute(\"CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'calm')\"); op.execute('ALTER TABLE users ALTER COLUMN feel TYPE mood USING feel::text::mood')", POSTGRESQL, "rewrites users", "more than 3 rows"),
    Bad("change-column-type:users.age", "op.execute('ALTER TABLE users ALTER age TYPE text USING age::text')", POSTGRESQL, "rewrites users", "ACCESS EXCLUSIVE"),
    Bad("change-column-type:users.age", "op.alter_column('users', 'age', type_=sa.BigInteger(), existing_type=sa.Integer())", MARIADB, "copies", "more than 3 rows"),
    Bad("change-column-type:users.name", "op.execute('ALTER TABLE users MODIFY name VARCHAR(70) NOT NULL')", MARIADB, "copies"),
    Bad("change-column-type-with-check:users.code", "op.alter_column('users', 'code', type_=sa.String(20))", POSTGRESQL, "scans users"),
    Bad("mysql-enum-set-reorder:users.feel", "op.execute(\"ALTER TABLE users MODIFY feel ENUM('ok', 'sad', 'happy')\")", MARIADB, "copies"),
    Bad("change-charset-or-collation:users", "op.execute('ALTER TABLE users CONVERT TO CHARACTER SET latin1')", MARIADB, "copies"),
    Bad("change-charset-or-collation:users.name", "op.alter_column('users', 'name', type_=sa.String(50, collation='C'))", POSTGRESQL, AE),
    Bad("add-unique-column:users.x", "op.execute('ALTER TABLE users ADD COLUMN x INTEGER UNIQUE')", POSTGRESQL, AE),
    Bad("add-column-volatile-default:users.x", "op.add_column('users', sa.Column('x', sa.Uuid(), server_default=sa.text('gen_random_uuid()')))", POSTGRESQL, "rewrites users", "gen_random_uuid()"),
    Bad("add-column-expression-default:users.x", "op.execute('ALTER TABLE users ADD COLUMN x VARCHAR(36) DEFAULT (uuid())')", MARIADB, "copies"),
    Bad("add-stored-generated-column:users.x", "op.add_column('users', sa.Column('x', sa.Integer(), sa.Computed('age + 1', persisted=True)))", POSTGRESQL, "rewrites users"),
    Bad("add-stored-generated-column:users.x", "op.add_column('users', sa.Column('x', sa.Integer(), sa.Computed('age + 1', persisted=True)))", MARIADB, "copies"),
    Bad("add-auto-increment-column:users.x", "op.execute('ALTER TABLE users ADD COLUMN x SERIAL')", POSTGRESQL, "rewrites users"),
    Bad("add-auto-increment-column:users.x", "op.add_column('users', sa.Column('x', sa.Integer(), sa.Identity()))", POSTGRESQL, "rewrites users"),
    Bad("add-auto-increment-column:keyless.x", "op.execute('ALTER TABLE keyless ADD COLUMN x INTEGER AUTO_INCREMENT PRIMARY KEY')", MARIADB, "copies"),
    Bad("add-unique-constraint:users.uq", "op.create_unique_constraint('uq', 'users', ['code'])", POSTGRESQL, AE),
    Bad("add-primary-key:keyless.pk", "op.create_primary_key('pk', 'keyless', ['b'])", POSTGRESQL, "locks_table keyless AccessExclusiveLock"),
    Bad("add-foreign-key:orders.fk", "op.create_foreign_key('fk', 'orders', 'users', ['id'], ['id'])", POSTGRESQL, "locks_table users ShareRowExclusiveLock", "on orders and users"),
    Bad("add-foreign-key:orders.fk", "op.create_foreign_key('fk', 'orders', 'users', ['id'], ['id'])", MARIADB, "copies"),
    Bad("add-foreign-key:users.order_id", "op.add_column('users', sa.Column('order_id', sa.Integer(), sa.ForeignKey('orders.id')))", POSTGRESQL, "locks_table orders ShareRowExclusiveLock"),
    Bad("add-foreign-key:users.x", "op.execute('ALTER TABLE users ADD COLUMN x INTEGER DEFAULT 1 REFERENCES orders (id)')", POSTGRESQL, "locks_table orders ShareRowExclusiveLock", "on users and orders"),
    Bad("add-check-constraint:users.x", "op.execute('ALTER TABLE users ADD COLUMN x INTEGER CHECK (x > 0)')", POSTGRESQL, "scans users"),
    Bad("add-check-constraint:orders.ck", "op.create_check_constraint('ck', 'orders', 'total > -5')", POSTGRESQL, "scans orders"),
    Bad("add-check-constraint:orders.ck", "op.create_check_constraint('ck', 'orders', 'total > -5')", MARIADB, "copies"),
    Bad("validate-in-same-transaction:orders.ck", "op.create_check_constraint('ck', 'orders', 'total > -5', postgresql_not_valid=True); op.execute('ALTER TABLE orders VALIDATE CONSTRAINT ck')", POSTGRESQL, "locks_table orders AccessExclusiveLock"),
    Bad("domain-with-constraint:positive", "op.execute('ALTER DOMAIN positive ADD CONSTRAINT c CHECK (VALUE < 9)')", POSTGRESQL, "locks_table amounts ShareLock", "more than 3 rows"),
    Bad("domain-with-constraint:positive", "op.execute('ALTER DOMAIN positive SET NOT NULL')", POSTGRESQL, "locks_table amounts ShareLock", "more than 3 rows"),
    Bad("domain-with-constraint:positive", "op.execute('ALTER DOMAIN positive VALIDATE CONSTRAINT above')", POSTGRESQL, "locks_table amounts ShareLock", "more than 3 rows"),
    Bad("domain-with-constraint:users.x", "op.execute('CREATE DOMAIN small AS int CHECK (VALUE < 9)'); op.execute('ALTER TABLE users ADD COLUMN x small')", POSTGRESQL, "rewrites users", "more than 3 rows"),
    Bad("add-index-non-concurrently:users.ix", "op.create_index('ix', 'users', ['nick'])", POSTGRESQL, "locks_table users ShareLock"),
    Bad("drop-index-non-concurrently:users.ix_name", "op.drop_index('ix_name', 'users')", POSTGRESQL, AE),
    Bad("index-build-after-exclusive-lock:users.ix", "op.add_column('users', sa.Column('x', sa.Integer())); op.create_index('ix', 'users', ['nick'])", POSTGRESQL, AE, "has users locked"),
    Bad("index-build-after-exclusive-lock:users.ix", "op.create_table('items', sa.Column('o', sa.Integer(), sa.ForeignKey('orders.id'))); op.create_index('ix', 'users', ['nick'])", POSTGRESQL, "locks_table orders ShareRowExclusiveLock", "has orders locked"),
    Bad("data-backfill-in-schema-transaction:users", "op.add_column('users', sa.Column('x', sa.Integer())); op.execute('UPDATE users SET x = age WHERE x IS NULL')", POSTGRESQL, AE),
    Bad("reindex-non-concurrently:users_pkey", "op.execute('REINDEX INDEX users_pkey')", POSTGRESQL, "locks_table users ShareLock", "more than 3 rows"),
    Bad("reindex-non-concurrently:users", "op.execute('REINDEX TABLE users')", POSTGRESQL, "locks_table users ShareLock"),
    Bad("replace-index-drop-first:users.ix_name", "op.drop_index('ix_name', 'users'); op.create_index('ix', 'users', ['name', 'code'])", SERVERS, "runs"),
    Bad("detach-partition-non-concurrently:parts", "op.execute('ALTER TABLE parts DETACH PARTITION parts_1')", POSTGRESQL, "locks_table parts AccessExclusiveLock"),
    Bad("set-tablespace:keyless", "op.execute('ALTER TABLE keyless SET UNLOGGED')", POSTGRESQL, "rewrites keyless"),
    Bad("vacuum-full-or-cluster:users", "op.execute('CLUSTER users USING ix_name')", POSTGRESQL, "rewrites users"),
    Bad("mysql-copy-algorithm:keyless", "op.execute('ALTER TABLE keyless ENGINE=Aria')", MARIADB, "copies"),
    Bad("mysql-lock-shared-exclusive:users", "op.execute('ALTER TABLE users ADD COLUMN x INTEGER, LOCK=EXCLUSIVE')", MARIADB, "runs"),
    Bad("drop-primary-key:orders", "op.execute('ALTER TABLE orders DROP PRIMARY KEY')", MARIADB, "copies", "more than 3 rows"),
    Bad("drop-primary-key:orders", "op.drop_constraint('orders_pkey', 'orders')", POSTGRESQL, "locks_table orders AccessExclusiveLock", "more than 3 rows"),
    # -- incompatible and irreversible: they warn
    Bad("rename-table:orders", "op.rename_table('orders', 'purchases')", EVERY, "runs", "does not find it", "warning"),
    Bad("rename-column:users.nick", "op.alter_column('users', 'nick', new_column_name='handle', existing_type=sa.String(20))", EVERY, "runs", "does not find it", "warning"),
    Bad("rename-schema:other", "op.execute('CREATE SCHEMA other'); op.execute('ALTER SCHEMA other RENAME TO another')", POSTGRESQL, "runs", "", "warning"),
    Bad("rename-enum-value:mood.sad", "op.execute(\"ALTER TYPE mood RENAME VALUE 'sad' TO 'low'\")", POSTGRESQL, "runs", "", "warning"),
    Bad("enum-add-value-unordered:mood.calm", "op.execute(\"ALTER TYPE mood ADD VALUE 'calm'\")", POSTGRESQL, "runs", "", "warning"),
    Bad("drop-not-null:users.name", "op.alter_column('users', 'name', nullable=True, existing_type=sa.String(50))", SERVERS, "runs", "", "warning"),
    Bad("drop-default-on-required-column:orders.total", "op.alter_column('orders', 'total', server_default=None)", SERVERS, "runs", "", "warning"),
    Bad("change-column-default:users.price", "op.alter_column('users', 'price', server_default='2')", SERVERS, "runs", "", "warning"),
    Bad("drop-constraint:orders.fk_user", "op.drop_constraint('fk_user', 'orders', type_='foreignkey')", SERVERS, "runs", "", "warning"),
    Bad("add-json-column:users.x", "op.add_column('users', sa.Column('x', sa.JSON()))", POSTGRESQL, "runs", "", "warning"),
    Bad("drop-column-drops-index:users.ix_two", "op.drop_column('users', 'price')", SERVERS, "runs", "", "warning"),
    Bad("transaction-control-in-migration:COMMIT", "op.execute('COMMIT')", SERVERS, "runs", "", "warning"),
    Bad("transaction-control-in-migration:COMMIT", "op.execute('UPDATE users SET age = 1 WHERE id = 1'); op.execute('COMMIT')", SQLITE, "gives SELECT age FROM users WHERE id = 1 = 1", "", "warning"),
    Bad("concurrent-index-in-transaction:users.ix", "op.execute('COMMIT'); op.create_index('ix', 'users', ['age'], postgresql_concurrently=True)", POSTGRESQL, "fails", "psycopg2 does not"),
    Bad("non-idempotent-statement:second", f"{AC} op.create_index('ix', 'users', ['age'], postgresql_concurrently=True)\nop.add_column('users', sa.Column('age', sa.Integer()))", POSTGRESQL, "leaves SELECT count(*) FROM pg_indexes WHERE indexname = 'ix' = 1", "create_index", "warning"),
    Bad("non-idempotent-statement:second", f"op.add_column('users', sa.Column('x', sa.Integer()))\n{AC} op.create_index('ix', 'users', ['nowhere'], postgresql_concurrently=True)", POSTGRESQL, "leaves SELECT count(*) FROM information_schema.columns WHERE column_name = 'x' = 1", "add_column", "warning"),
    Bad("identifier-too-long:" + "x" * 64, f"op.execute('ALTER TABLE users ADD COLUMN {'x' * 64} INTEGER')", POSTGRESQL, "gives SELECT count(*) FROM information_schema.columns WHERE column_name = repeat('x', 63) = 1", "", "warning"),
    # -- what our own run takes care of
    Bad("multiple-foreign-keys:second", "op.create_table('items', sa.Column('u', sa.Integer(), sa.ForeignKey('users.id')), sa.Column('o', sa.Integer(), sa.ForeignKey('orders.id')))", POSTGRESQL, "locks_table orders ShareRowExclusiveLock", "orders, users", "info"),
    Bad("drop-table-multiple-foreign-keys:links", "op.drop_table('links')", POSTGRESQL, "locks_table orders AccessExclusiveLock", "orders, users", "info"),
    Bad("non-transactional-ddl:second", "op.create_table('t', sa.Column('a', sa.Integer())); op.add_column('users', sa.Column('x', sa.Integer()))", MARIADB, "runs", "", "info"),
    Bad("sqlite-table-rebuild:users", "with op.batch_alter_table('users') as batch: batch.alter_column('age', type_=sa.BigInteger())", SQLITE, "runs", "more than 3 rows", "info"),
)  # fmt: skip


@dataclass(frozen=True)
class Good:
    """A body with the same aim that is safe: nothing stops it, it runs, and ``never`` is not what it does.

    With ``doc`` it stands in docs/hazards.md.
    """

    code: str
    body: str
    families: tuple[str, ...]
    never: str = ""
    doc: bool = False


GOOD = (
    Good("drop-table", "op.create_table('t', sa.Column('id', sa.Integer)); op.drop_table('t')", EVERY),
    Good("drop-column", "op.add_column('users', sa.Column('x', sa.Integer())); op.drop_column('users', 'x')", EVERY),
    Good("truncate-table", "op.execute('DELETE FROM orders WHERE id = 1')", EVERY, doc=True),
    Good("truncate-cascade", "op.execute('CREATE TABLE t (id INTEGER)'); op.execute('TRUNCATE t CASCADE')", POSTGRESQL),
    Good("drop-cascade", "op.execute('DROP TABLE IF EXISTS nowhere CASCADE')", POSTGRESQL),
    Good("drop-cascade", "op.execute('CREATE TABLE t (id INTEGER)'); op.execute('DROP TABLE t CASCADE')", POSTGRESQL),
    Good("recreate-table-force", "op.execute('DROP TABLE IF EXISTS t'); op.create_table('t', sa.Column('id', sa.Integer))", EVERY),
    Good("unfiltered-data-change", "op.execute('UPDATE orders SET total = 1 WHERE total = 5')", EVERY, doc=True),
    Good("narrow-column-type", "op.alter_column('users', 'name', type_=sa.String(60), existing_type=sa.String(50), existing_nullable=False)", SERVERS, "rewrites users", doc=True),
    Good("drop-enum-value", "op.execute(\"ALTER TABLE users MODIFY feel ENUM('sad', 'ok', 'happy', 'calm')\")", MARIADB, "copies", doc=True),
    Good("mysql-non-strict-mode", "op.execute(\"SET SESSION sql_mode = 'STRICT_TRANS_TABLES'\")", MARIADB),
    Good("add-required-column", "op.add_column('users', sa.Column('x', sa.Integer(), server_default='0', nullable=False))", EVERY, "rewrites users", doc=True),
    Good("set-not-null", "op.execute('UPDATE users SET nick = name WHERE nick IS NULL'); op.alter_column('users', 'nick', nullable=False, existing_type=sa.String(20))", MARIADB, doc=True),
    Good("set-not-null", f"op.execute('ALTER TABLE users ADD CONSTRAINT c CHECK (code IS NOT NULL) NOT VALID')\n{AC} op.execute('ALTER TABLE users VALIDATE CONSTRAINT c')\nop.alter_column('users', 'code', nullable=False); op.drop_constraint('c', 'users')", POSTGRESQL, doc=True),
    Good("add-unique-constraint", f"{AC} op.create_index('ix', 'users', ['code'], unique=True, postgresql_concurrently=True)\nop.execute('ALTER TABLE users ADD CONSTRAINT uq UNIQUE USING INDEX ix')", POSTGRESQL, doc=True),
    Good("add-unique-constraint", "op.create_unique_constraint('uq', 'users', ['code'])", MARIADB, "copies", doc=True),
    Good("add-unique-constraint", "with op.batch_alter_table('users') as batch: batch.add_column(sa.Column('x', sa.Integer())); batch.create_unique_constraint('uq', ['age', 'x'])", SQLITE),
    Good("add-unique-index", "op.create_index('ix', 'users', ['code'], unique=True)", ("sqlite", "mariadb"), "copies"),
    Good("add-unique-index", "op.create_index('ix', 'users', ['id', 'name'], unique=True)", ("sqlite", "mariadb")),
    Good("add-foreign-key", "op.create_foreign_key('fk', 'orders', 'users', ['buyer_id'], ['id'], postgresql_not_valid=True)", POSTGRESQL, doc=True),
    Good("add-foreign-key", "op.create_table('items', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('user_id', sa.Integer(), sa.ForeignKey('users.id')))", EVERY, doc=True),
    Good("mismatched-foreign-key-type", "op.create_table('items', sa.Column('product_id', sa.BigInteger(), sa.ForeignKey('products.id')))", EVERY, doc=True),
    Good("add-check-constraint", "op.create_check_constraint('ck', 'orders', 'total > 10', postgresql_not_valid=True)", POSTGRESQL, doc=True),
    Good("add-check-constraint", "op.execute('ALTER TABLE late VALIDATE CONSTRAINT late_ok'); op.execute('UPDATE late SET user_id = NULL WHERE user_id = 99'); op.execute('ALTER TABLE late VALIDATE CONSTRAINT late_fk')", POSTGRESQL),
    Good("add-check-constraint", "op.create_table('items', sa.Column('n', sa.Integer()), sa.CheckConstraint('n > 0'))", EVERY, doc=True),
    Good("add-exclusion-constraint", "op.create_table('items', sa.Column('n', sa.Integer())); op.execute('ALTER TABLE items ADD CONSTRAINT ex EXCLUDE USING btree (n WITH =)')", POSTGRESQL),
    Good("duplicate-column", "op.execute('UPDATE users SET age = 1, age = 2 WHERE id = 1')", ("sqlite", "mariadb")),
    Good("duplicate-column", "op.execute('ALTER TABLE users ADD COLUMN IF NOT EXISTS age INTEGER')", SERVERS, doc=True),
    Good("concurrent-index-in-transaction", f"{AC} op.create_index('ix', 'users', ['age'], postgresql_concurrently=True, if_not_exists=True)", POSTGRESQL, doc=True),
    Good("enum-value-used-in-same-transaction", f"{AC} op.execute(\"ALTER TYPE mood ADD VALUE 'sick' AFTER 'sad'\")\nop.execute(\"UPDATE users SET feel = 'sick' WHERE id = 1\")", POSTGRESQL, doc=True),
    Good("sqlite-unsupported-alter", "op.add_column('users', sa.Column('x', sa.Integer())); op.create_index('ix', 'users', ['x'], unique=True); op.alter_column('users', 'code', new_column_name='kode')", SQLITE, doc=True),
    Good("add-column-expression-default", "op.add_column('users', sa.Column('x', sa.DateTime()))", SQLITE, doc=True),
    # -- blocking
    Good("add-column-expression-default", "op.execute('ALTER TABLE users ADD COLUMN x DATETIME DEFAULT now()')", MARIADB, "copies", doc=True),
    Good("add-column-volatile-default", "op.add_column('users', sa.Column('x', sa.DateTime(), server_default=sa.func.now()))", POSTGRESQL, "rewrites users", doc=True),
    Good("change-column-type", "op.alter_column('users', 'price', type_=sa.Numeric(12, 2)); op.alter_column('users', 'nick', type_=sa.Text())", POSTGRESQL, "rewrites users", doc=True),
    Good("change-column-type", "op.execute('ALTER TABLE users MODIFY name VARCHAR(63) NOT NULL')", MARIADB, "copies", doc=True),
    Good("change-column-type-with-check", "op.alter_column('users', 'nick', type_=sa.String(30))", POSTGRESQL, "scans users"),
    Good("mysql-enum-set-reorder", "op.execute(\"ALTER TABLE users MODIFY feel ENUM('sad', 'ok', 'happy', 'calm')\")", MARIADB, "copies", doc=True),
    Good("change-charset-or-collation", "op.add_column('users', sa.Column('x', sa.String(50, collation='utf8mb4_bin')))", MARIADB, "copies"),
    Good("add-unique-column", f"op.add_column('users', sa.Column('x', sa.Integer()))\n{AC} op.create_index('ix', 'users', ['x'], unique=True, postgresql_concurrently=True)", POSTGRESQL, doc=True),
    Good("add-stored-generated-column", "op.add_column('users', sa.Column('x', sa.Integer(), sa.Computed('age + 1', persisted=False)))", MARIADB, "copies", doc=True),
    Good("add-auto-increment-column", "op.create_table('items', sa.Column('id', sa.Integer(), sa.Identity(), primary_key=True))", POSTGRESQL),
    Good("add-primary-key", f"{AC} op.create_index('ix', 'keyless', ['b'], unique=True, postgresql_concurrently=True)\nop.execute('ALTER TABLE keyless ADD PRIMARY KEY USING INDEX ix')", POSTGRESQL, doc=True),
    Good("validate-in-same-transaction", "op.create_check_constraint('ck', 'orders', 'total > -5', postgresql_not_valid=True)", POSTGRESQL, "scans orders", doc=True),
    Good("domain-with-constraint", "op.execute('ALTER DOMAIN positive ADD CONSTRAINT c CHECK (VALUE < 9) NOT VALID')", POSTGRESQL, "locks_table amounts ShareLock", doc=True),
    Good("domain-with-constraint", "op.execute('CREATE DOMAIN plain AS int'); op.execute('ALTER TABLE users ADD COLUMN x plain')", POSTGRESQL, "rewrites users"),
    Good("add-index-non-concurrently", f"{AC} op.create_index('ix', 'users', ['nick'], postgresql_concurrently=True)", POSTGRESQL, doc=True),
    Good("add-index-non-concurrently", "op.create_index('ix', 'users', ['nick'])", MARIADB, "copies", doc=True),
    Good("drop-index-non-concurrently", f"{AC} op.drop_index('ix_name', 'users', postgresql_concurrently=True)", POSTGRESQL, doc=True),
    Good("index-build-after-exclusive-lock", "op.create_table('items', sa.Column('n', sa.Integer())); op.create_index('ix', 'items', ['n'])", POSTGRESQL),
    Good("data-backfill-in-schema-transaction", "op.execute('UPDATE users SET age = 0 WHERE age IS NULL')", POSTGRESQL),
    Good("reindex-non-concurrently", f"{AC} op.execute('REINDEX TABLE CONCURRENTLY users')", POSTGRESQL, doc=True),
    Good("replace-index-drop-first", "op.create_index('ix', 'users', ['name', 'code']); op.drop_index('ix_name', 'users')", MARIADB, "copies", doc=True),
    Good("detach-partition-non-concurrently", f"{AC} op.execute('ALTER TABLE parts DETACH PARTITION parts_1 CONCURRENTLY')", POSTGRESQL, doc=True),
    Good("set-tablespace", "op.execute('ALTER TABLE users SET (fillfactor = 90)')", POSTGRESQL, "rewrites users"),
    Good("vacuum-full-or-cluster", f"{AC} op.execute('VACUUM users')", POSTGRESQL, "rewrites users"),
    Good("vacuum-full-or-cluster", f"{AC} op.execute('VACUUM (FULL FALSE, ANALYZE) users')", POSTGRESQL, "rewrites users"),
    Good("mysql-copy-algorithm", "op.execute('ALTER TABLE users ENGINE=InnoDB')", MARIADB),
    Good("mysql-lock-shared-exclusive", "op.execute('ALTER TABLE users ADD COLUMN x INTEGER, LOCK=NONE')", MARIADB, doc=True),
    Good("drop-primary-key", "op.create_table('t', sa.Column('a', sa.Integer(), primary_key=True, autoincrement=False)); op.execute('ALTER TABLE t DROP PRIMARY KEY')", MARIADB),
    # -- incompatible and irreversible
    Good("rename-table", "op.rename_table('products', 'goods'); op.execute('CREATE VIEW products AS SELECT * FROM goods')", EVERY, doc=True),
    Good("rename-column", "op.create_table('t', sa.Column('a', sa.Integer())); op.alter_column('t', 'a', new_column_name='b', existing_type=sa.Integer())", EVERY),
    Good("rename-schema", "op.execute('CREATE SCHEMA other')", POSTGRESQL),
    Good("drop-schema", "op.execute('CREATE SCHEMA other')", POSTGRESQL),
    Good("rename-enum-value", "op.execute(\"ALTER TYPE mood ADD VALUE 'low' AFTER 'sad'\")", POSTGRESQL, doc=True),
    Good("enum-add-value-unordered", "op.execute(\"ALTER TYPE mood ADD VALUE 'calm' BEFORE 'ok'\")", POSTGRESQL, doc=True),
    Good("drop-not-null", "op.alter_column('users', 'nick', nullable=True, existing_type=sa.String(20))", SERVERS),
    Good("drop-default-on-required-column", "op.alter_column('orders', 'total', server_default='0')", SERVERS),
    Good("change-column-default", "op.alter_column('users', 'price', server_default='1')", SERVERS),
    Good("drop-constraint", "op.drop_constraint('fk_user', 'orders', type_='foreignkey'); op.execute('ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE NOT VALID')", POSTGRESQL),
    Good("drop-constraint", "op.create_check_constraint('ck', 'orders', 'total > -5', postgresql_not_valid=True); op.drop_constraint('ck', 'orders', type_='check')", POSTGRESQL, doc=True),
    Good("add-json-column", "op.execute('ALTER TABLE users ADD COLUMN x JSONB')", POSTGRESQL, doc=True),
    Good("drop-column-drops-index", "op.add_column('users', sa.Column('x', sa.Integer())); op.drop_column('users', 'x')", SERVERS),
    Good("transaction-control-in-migration", "op.execute('SAVEPOINT s'); op.execute('ROLLBACK TO SAVEPOINT s')", SERVERS, doc=True),
    Good("non-idempotent-statement", f"{AC} op.create_index('ix', 'users', ['age'], postgresql_concurrently=True, if_not_exists=True)\nop.add_column('users', sa.Column('x', sa.Integer()))", POSTGRESQL, doc=True),
    Good("non-idempotent-statement", f"{AC} op.create_index('ix', 'users', ['age'], postgresql_concurrently=True)", POSTGRESQL),
    Good("identifier-too-long", f"op.create_table('t', sa.Column('a', sa.Integer())); op.create_index(op.f('ix_{'x' * 70}'), 't', ['a'])", SERVERS),
    Good("identifier-too-long", f"op.execute('ALTER TABLE users ADD COLUMN {'x' * 63} INTEGER')", SERVERS),
    Good("multiple-foreign-keys", "op.create_table('items', sa.Column('u', sa.Integer(), sa.ForeignKey('users.id')))", POSTGRESQL),
    Good("drop-table-multiple-foreign-keys", "op.create_table('t', sa.Column('a', sa.Integer())); op.drop_table('t')", POSTGRESQL),
    Good("non-transactional-ddl", "op.create_table('t', sa.Column('a', sa.Integer()))", MARIADB),
    Good("sqlite-table-rebuild", "with op.batch_alter_table('users') as batch: batch.add_column(sa.Column('x', sa.Integer()))", SQLITE, doc=True),
)  # fmt: skip
