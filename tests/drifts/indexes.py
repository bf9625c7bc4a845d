"""Drift of indexes."""

from . import Cannot, Change, row, table, then

COLUMNS = "changed-index-columns:{t}.{t}__ix"
T = table("a INTEGER, b VARCHAR(50)")


def index(was: str, becomes: str | None, *, on: str = "ON {t}") -> Change:
    """Make an index, and instead of it another one, or none."""
    drop = f"DROP INDEX {{t}}__ix {on}".strip()
    again = (f"CREATE INDEX {{t}}__ix ON {{t}} {becomes}",) if becomes else ()
    return then(drop, *again, was=(T, f"CREATE INDEX {{t}}__ix ON {{t}} {was}"))


def on_all(was: str, becomes: str | None) -> dict[str, Change]:
    """Do so on all engines."""
    return {
        "sqlite": index(was, becomes, on=""),
        "postgresql": index(was, becomes, on=""),
        "mariadb": index(was, becomes),
    }


NO_PARTIAL = {"mariadb": Cannot("it has no partial indexes")}
NO_EXPRESSION = {"mariadb": Cannot("it has no indexes on expressions")}
NO_METHODS = {"sqlite": Cannot("all its indexes are of one kind")}
ONLY_POSTGRESQL = {
    "sqlite": Cannot("its indexes have columns, collations, orders and conditions only"),
    "mariadb": Cannot("its indexes have columns, lengths and orders only"),
}

row(
    "index-renamed",
    "changed-index-name:{t}.{t}__ix",
    was=(T, "CREATE INDEX {t}__ix ON {t} (a)"),
    sqlite=then("DROP INDEX {t}__ix", "CREATE INDEX {t}__old ON {t} (a)"),
    postgresql=then("ALTER INDEX {t}__ix RENAME TO {t}__old"),
    mariadb=then("ALTER TABLE {t} RENAME INDEX {t}__ix TO {t}__old"),
)
row("index-desc", COLUMNS, **on_all("(a DESC)", "(a)"))
row("index-desc-expr-desc", COLUMNS, **on_all("(a, b DESC)", "(a, b)"))
row(
    "index-partial-where-added",
    "changed-index-where:{t}.{t}__ix",
    **on_all("(a) WHERE a > 0", "(a)") | NO_PARTIAL,
)
row(
    "index-partial-where-changed",
    "changed-index-where:{t}.{t}__ix",
    **on_all("(a) WHERE a > 0", "(a) WHERE a > 1") | NO_PARTIAL,
)
row("expression-index-changed", COLUMNS, **on_all("(lower(b))", "(upper(b))") | NO_EXPRESSION)
row(
    "expression-index-missing-in-db",
    "missing-index:{t}.{t}__ix",
    **on_all("(lower(b))", None) | NO_EXPRESSION,
)
row(
    "index-method-btree-to-hash",
    postgresql=then(
        "DROP INDEX {t}__ix",
        "CREATE INDEX {t}__ix ON {t} (a)",
        was=(T, "CREATE INDEX {t}__ix ON {t} USING hash (a)"),
        finding="changed-index-method:{t}.{t}__ix",
    ),
    mariadb=then(
        "DROP INDEX {t}__ix ON {t}",
        "CREATE INDEX {t}__ix ON {t} (a)",
        was=(T, "CREATE INDEX {t}__ix ON {t} (a) USING HASH"),
        finding="changed-index-using:{t}.{t}__ix",
    ),
    **NO_METHODS,
)
row(
    "index-opclass-changed",
    COLUMNS,
    postgresql=index("(b varchar_pattern_ops)", "(b)", on=""),
    **ONLY_POSTGRESQL,
)
row(
    "index-include",
    "changed-index-include:{t}.{t}__ix",
    postgresql=index("(a) INCLUDE (b)", "(a)", on=""),
    **ONLY_POSTGRESQL,
)
row(
    "index-prefix-length",
    COLUMNS,
    sqlite=Cannot("its indexes have whole columns"),
    postgresql=Cannot("its indexes have whole columns"),
    mariadb=index("(b(20))", "(b(10))"),
)
