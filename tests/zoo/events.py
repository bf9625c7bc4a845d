"""What events send: views, triggers, functions, extensions, what depends on the dialect."""

import sqlalchemy as sa

from . import MARIADB, POSTGRESQL, SQLITE, after, case, table


@case()
def ev_view(m):
    t = table(m, sa.Column("a", sa.Integer))
    after(m, "CREATE VIEW v AS SELECT id, a FROM t")
    assert t is not None


@case()
def ev_view_with_signs(m):
    table(m, sa.Column("s", sa.String(9)))
    after(m, "CREATE VIEW v AS SELECT id, '10:30' AS x FROM t WHERE s LIKE 'x%%' AND s <> ':y'")


@case(SQLITE, POSTGRESQL)
def ev_index_after_table(m):
    t = table(m, sa.Column("a", sa.Integer))
    after(t, "CREATE INDEX ix_ddl ON %(table)s (a)")


@case(SQLITE)
def ev_trigger_sqlite(m):
    t = table(m, sa.Column("a", sa.Integer))
    after(t, "CREATE TRIGGER trg AFTER INSERT ON t BEGIN UPDATE t SET a = 1 WHERE id = new.id; END")


@case(POSTGRESQL)
def ev_trigger_postgresql(m):
    t = table(m, sa.Column("a", sa.Integer))
    after(
        t,
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.a := 5 %% 3; RETURN NEW; END $$",
    )
    after(t, "CREATE TRIGGER trg BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()")


@case(MARIADB)
def ev_trigger_mariadb(m):
    t = table(m, sa.Column("a", sa.Integer))
    after(t, "CREATE TRIGGER trg BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1")


@case()
def ev_by_dialect(m):
    t = table(m, sa.Column("a", sa.Integer))
    for dialect in ("sqlite", "postgresql", "mysql"):
        sa.event.listen(
            t,
            "after_create",
            sa.DDL(f"CREATE VIEW v_{dialect} AS SELECT id FROM t").execute_if(dialect=dialect),
        )


@case()
def ev_by_function(m):
    t = table(m, sa.Column("a", sa.Integer))

    def create(_target: object, connection: sa.Connection, **_: object) -> None:
        connection.execute(sa.text("CREATE VIEW made AS SELECT a FROM t"))

    sa.event.listen(t, "after_create", create)


@case()
def ev_by_function_that_asks(m):
    t = table(m, sa.Column("a", sa.Integer))

    def create(_target: object, connection: sa.Connection, **_: object) -> None:
        if connection.execute(sa.text("SELECT count(*) FROM t")).scalar() == 0:
            connection.execute(sa.text("CREATE VIEW made AS SELECT a FROM t"))

    sa.event.listen(t, "after_create", create)


@case()
def ev_rows(m):
    t = table(m, sa.Column("a", sa.Integer))

    def fill(target: sa.Table, connection: sa.Connection, **_: object) -> None:
        connection.execute(target.insert().values(a=1))

    sa.event.listen(t, "after_create", fill)


@case()
def ev_ddl_if(m):
    table(
        m,
        sa.Column("a", sa.Integer),
        sa.CheckConstraint("a > 7", name="ck_if").ddl_if(dialect="postgresql"),
        sa.Index("ix_if", "a").ddl_if(dialect="postgresql"),
    )


@case(POSTGRESQL, MARIADB)
def ev_constraints_added(m):
    table(m, name="p")
    t = table(m, sa.Column("a", sa.Integer), sa.Column("b", sa.Integer))
    sa.event.listen(t, "after_create", sa.DDL("ALTER TABLE t ADD CONSTRAINT uq_later UNIQUE (a)"))
    check = sa.CheckConstraint("a > 0", name="ck_later")
    t.append_constraint(check)
    sa.event.listen(t, "after_create", sa.schema.AddConstraint(check))


@case()
def ev_ddl_if_of_keys(m):
    table(m, name="p")
    table(
        m,
        sa.Column("a", sa.Integer),
        sa.UniqueConstraint("a", name="uq_if").ddl_if(dialect="postgresql"),
        sa.CheckConstraint("a > 0", name="ck_if").ddl_if(
            callable_=lambda *_, dialect, **__: dialect.name != "sqlite"
        ),
        sa.ForeignKeyConstraint(["a"], ["p.id"], name="fk_if").ddl_if(dialect=("mysql", "mariadb")),
    )


@case()
def ev_views_on_views(m):
    table(m, sa.Column("a", sa.Integer))
    after(m, "CREATE VIEW one AS SELECT a FROM t")
    after(m, "CREATE VIEW two AS SELECT a FROM one")


@case(POSTGRESQL)
def ev_extension(m):
    sa.event.listen(m, "before_create", sa.DDL("CREATE EXTENSION IF NOT EXISTS citext"))
    table(m, sa.Column("a", sa.Integer))


if hasattr(sa, "CreateView"):

    @case()
    def ev_create_view(m):
        t = table(m, sa.Column("a", sa.Integer))
        sa.CreateView(sa.select(t.c.id), "v21", metadata=m)

    @case()
    def ev_views_of_several_kinds(m):
        t = table(m, sa.Column("a", sa.Integer), sa.Column("s", sa.String(9)))
        first = sa.CreateView(sa.select(t.c.id, t.c.s).where(t.c.s != ":x 50%"), "first one", metadata=m)
        sa.CreateView(sa.select(first.table.c.id), "second", metadata=m)

    @case(POSTGRESQL)
    def ev_view_in_schema(m):
        sa.event.listen(m, "before_create", sa.DDL("CREATE SCHEMA app"))
        t = table(m, sa.Column("a", sa.Integer), schema="app")
        sa.CreateView(sa.select(t.c.id), "v", metadata=m, schema="app")

    @case()
    def ev_create_table_as(m):
        t = table(m, sa.Column("a", sa.Integer))
        sa.CreateTableAs(sa.select(t.c.id, t.c.a), "copied", metadata=m)

    @case(POSTGRESQL)
    def ev_materialized_view(m):
        t = table(m, sa.Column("a", sa.Integer))
        sa.CreateView(sa.select(t.c.id), "mv21", metadata=m, materialized=True)
