"""What is asked of PostgreSQL's catalogs: a fixed number of queries, however many tables there are.

Only ``pg_catalog`` is read, which every role may. No statement has a percent sign, which the drivers would
take for a parameter. The numbers are ``server_version_num``
(https://www.postgresql.org/docs/current/catalogs.html and the release notes of each version).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

# Objects that users make have numbers from here on (FirstNormalObjectId, transam.h).
_FIRST_OF_USERS = 16384

_OF_USERS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_OF_SESSION = "n.oid = pg_my_temp_schema()"

# Stands in the queries for the numbers of what is left out.
_LEFT_OUT = "ARRAY[]::oid[]"


@dataclass(frozen=True, kw_only=True)
class Queries:
    """One query for each kind of thing."""

    relations: str
    columns: str
    sequences: str
    constraints: str
    indexes: str
    triggers: str
    rules: str
    policies: str
    statistics: str
    uses: str
    types: str
    functions: str
    schemas: str
    extensions: str
    comments: str


def queries_for(version: int, *, temporary: bool = False, without: Collection[int] = ()) -> Queries:
    """Give the queries that a server of this version understands. Never touches a database.

    :param version: ``server_version_num``, 100000 or more.
    :param temporary: about the session's temporary objects, and no others.
    :param without: the numbers of relations and functions whose texts are not read, since that would wait
        for a lock: their names and columns alone are.
    """

    def since(number: int, expression: str, before: str) -> str:
        return expression if version >= number else before

    queries = Queries(
        relations=_RELATIONS,
        columns=_COLUMNS.format(
            generated=since(120000, "a.attgenerated", "''"),
            compression=since(140000, "nullif(a.attcompression, '')", "NULL"),
        ),
        sequences=_SEQUENCES,
        constraints=_CONSTRAINTS.format(
            set_columns=since(150000, "con.confdelsetcols", "NULL"),
            enforced=since(180000, "con.conenforced", "true"),
            period=since(180000, "con.conperiod", "false"),
        ),
        indexes=_INDEXES.format(
            keys=since(110000, "i.indnkeyatts", "i.indnatts"),
            nulls_not_distinct=since(150000, "i.indnullsnotdistinct", "false"),
            partition=since(110000, "NOT ic.relispartition", "true"),
        ),
        triggers=_TRIGGERS.format(parent=since(130000, "tg.tgparentid = 0", "true")),
        rules=_RULES,
        policies=_POLICIES,
        statistics=_STATISTICS,
        uses=_USES,
        types=_TYPES,
        functions=_FUNCTIONS.format(
            kind=since(
                110000,
                "p.prokind",
                "CASE WHEN p.proisagg THEN 'a' WHEN p.proiswindow THEN 'w' ELSE 'f' END",
            ),
            aggregate=since(110000, "p.prokind = 'a'", "p.proisagg"),
            statements=since(
                140000, f"CASE WHEN {_read('p.oid')} THEN pg_get_function_sqlbody(p.oid) END", "NULL"
            ),
        ),
        schemas=_SCHEMAS,
        extensions=_EXTENSIONS,
        comments=_COMMENTS,
    )
    changes = {_OF_USERS: _OF_SESSION} if temporary else {}
    if without:
        changes[_LEFT_OUT] = f"ARRAY[{', '.join(map(str, without))}]::oid[]"
    for old, new in changes.items():
        queries = Queries(**{name: text.replace(old, new) for name, text in vars(queries).items()})
    return queries


def _read(oid: str) -> str:
    return f"{oid} <> ALL ({_LEFT_OUT})"


def _not_of_extension(catalog: str, oid: str, depends: str = "'e'") -> str:
    return (
        "NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS x "
        f"WHERE x.classid = 'pg_catalog.{catalog}'::regclass AND x.objid = {oid} "
        f"AND x.deptype IN ({depends}))"
    )


def _collation(oid: str) -> str:
    return (
        "(SELECT CASE WHEN pg_collation_is_visible(o.oid) THEN '' ELSE quote_ident(m.nspname) || '.' END "
        "|| quote_ident(o.collname) FROM pg_catalog.pg_collation AS o "
        f"JOIN pg_catalog.pg_namespace AS m ON m.oid = o.collnamespace WHERE o.oid = {oid})"
    )


# Those of extensions too, marked in the last column: foreign keys may lead there.
_RELATIONS = f"""
SELECT c.oid, n.nspname, c.relname, quote_ident(n.nspname), quote_ident(c.relname), c.relkind::text,
    c.relpersistence::text, c.relispartition,
    c.relrowsecurity, c.relforcerowsecurity, c.relreplident::text,
    array_to_string(c.reloptions, ', '), ts.spcname, am.amname, i.parents,
    CASE WHEN c.relkind = 'p' AND {_read("c.oid")} THEN pg_get_partkeydef(c.oid) END,
    CASE WHEN {_read("c.oid")} THEN pg_get_expr(c.relpartbound, c.oid) END,
    CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END,
    CASE WHEN c.relkind IN ('v', 'm') AND {_read("c.oid")} THEN pg_get_viewdef(c.oid) END,
    s.srvname, array_to_string(f.ftoptions, ', '),
    (SELECT string_agg(g.privilege_type || ' to ' || coalesce(r.rolname, 'PUBLIC'), ', '
                       ORDER BY r.rolname, g.privilege_type)
     FROM aclexplode(c.relacl) AS g LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee
     WHERE g.grantee <> c.relowner),
    NOT ({_not_of_extension("pg_class", "c.oid")})
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_tablespace AS ts ON ts.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_am AS am ON am.oid = c.relam AND c.relkind IN ('r', 'm')
LEFT JOIN (SELECT inhrelid, array_agg(inhparent::int8 ORDER BY inhseqno) AS parents
           FROM pg_catalog.pg_inherits GROUP BY inhrelid) AS i ON i.inhrelid = c.oid
LEFT JOIN pg_catalog.pg_foreign_table AS f ON f.ftrelid = c.oid
LEFT JOIN pg_catalog.pg_foreign_server AS s ON s.oid = f.ftserver
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c', 'S') AND {_OF_USERS}
"""

# A view's columns are in its query; they may have defaults of their own.
_COLUMNS = f"""
SELECT a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    pg_get_expr(d.adbin, d.adrelid), a.attidentity::text, {{generated}}::text,
    CASE WHEN a.attcollation <> t.typcollation THEN {_collation("a.attcollation")} END,
    CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END,
    CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END,
    {{compression}}::text,
    CASE WHEN array_to_string(a.attoptions, ' ') ~ 'n_distinct' THEN array_to_string(a.attoptions, ', ') END
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef
    AND {_read("a.attrelid")}
LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE (c.relkind IN ('r', 'p', 'f', 'c') OR (c.relkind = 'v' AND a.atthasdef))
    AND a.attnum > 0 AND NOT a.attisdropped AND {_OF_USERS}
ORDER BY a.attrelid, a.attnum
"""

_SEQUENCES = f"""
SELECT s.seqrelid, s.seqrelid::regclass::text, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement,
    s.seqmin, s.seqmax, s.seqcache, s.seqcycle, d.refobjid, d.refobjsubid
FROM pg_catalog.pg_sequence AS s
JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = s.seqrelid
    AND d.objsubid = 0 AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0
    AND d.deptype IN ('a', 'i')
WHERE {_OF_USERS}
"""

# What a table has from its parents has a coninhcount; NOT NULL is a fact of its column.
_CONSTRAINTS = f"""
SELECT con.oid, con.conrelid, con.contypid, con.conname, con.contype::text, con.conkey, con.confrelid,
    con.confkey, con.confupdtype::text, con.confdeltype::text, con.confmatchtype::text, {{set_columns}},
    con.condeferrable, con.condeferred, con.convalidated, {{enforced}}, con.connoinherit,
    {{period}}, con.conindid, pg_get_expr(con.conbin, con.conrelid),
    pg_get_constraintdef(con.oid)
FROM pg_catalog.pg_constraint AS con
JOIN pg_catalog.pg_namespace AS n ON n.oid = con.connamespace
WHERE con.contype IN ('p', 'u', 'f', 'c', 'x') AND con.coninhcount = 0 AND {_OF_USERS}
    AND {_read("con.conrelid")}
ORDER BY con.oid
"""

_INDEXES = f"""
SELECT i.indexrelid, i.indrelid, ic.relname, i.indisunique, i.indisvalid, {{nulls_not_distinct}},
    i.indisclustered, i.indisreplident, array_to_string(ic.reloptions, ', '), ts.spcname,
    CASE WHEN con.oid IS NULL THEN pg_get_indexdef(i.indexrelid) END,
    CASE WHEN con.oid IS NULL THEN pg_get_expr(i.indpred, i.indrelid) END,
    CASE WHEN con.contype IN ('u', 'x')
         THEN ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute AS a
                    WHERE a.attrelid = i.indexrelid ORDER BY a.attnum) END,
    {{keys}}, i.indkey::int2[]
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = ic.relnamespace
LEFT JOIN pg_catalog.pg_constraint AS con ON con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x')
LEFT JOIN pg_catalog.pg_tablespace AS ts ON ts.oid = ic.reltablespace
WHERE {{partition}} AND {_OF_USERS} AND {_not_of_extension("pg_class", "ic.oid")} AND {_read("i.indrelid")}
ORDER BY i.indexrelid
"""

_TRIGGERS = f"""
SELECT tg.oid, tg.tgrelid, tg.tgname, tg.tgenabled::text, pg_get_triggerdef(tg.oid)
FROM pg_catalog.pg_trigger AS tg
WHERE NOT tg.tgisinternal AND {{parent}} AND {_not_of_extension("pg_trigger", "tg.oid")}
    AND {_read("tg.tgrelid")}
"""

_RULES = f"""
SELECT r.oid, r.ev_class, r.rulename, r.ev_enabled::text, pg_get_ruledef(r.oid)
FROM pg_catalog.pg_rewrite AS r
WHERE r.rulename <> '_RETURN' AND r.oid >= {_FIRST_OF_USERS} AND {_not_of_extension("pg_rewrite", "r.oid")}
    AND {_read("r.ev_class")}
"""

_POLICIES = f"""
SELECT p.oid, p.polrelid, p.polname, p.polcmd::text, p.polpermissive,
    (SELECT string_agg(coalesce(r.rolname, 'PUBLIC'), ', ' ORDER BY r.rolname)
     FROM unnest(p.polroles) AS o LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = o),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
FROM pg_catalog.pg_policy AS p
WHERE {_read("p.polrelid")}
"""

_STATISTICS = f"""
SELECT s.stxrelid, s.stxname, quote_ident(s.stxname), pg_get_statisticsobjdef(s.oid)
FROM pg_catalog.pg_statistic_ext AS s
WHERE {_read("s.stxrelid")}
"""

# What a view reads: its rule depends on it.
_USES = f"""
SELECT DISTINCT r.ev_class, n.nspname, c.relname
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
    AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid AND c.relkind <> 'S'
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE r.rulename = '_RETURN' AND r.oid >= {_FIRST_OF_USERS} AND {_OF_USERS}
"""

_TYPES = f"""
SELECT t.oid, n.nspname, t.typname, t.typtype::text,
    CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
    t.typnotnull, pg_get_expr(t.typdefaultbin, 0),
    CASE WHEN t.typcollation <> b.typcollation THEN {_collation("t.typcollation")} END,
    e.labels,
    format_type(r.rngsubtype, NULL),
    (SELECT o.opcname FROM pg_catalog.pg_opclass AS o WHERE o.oid = r.rngsubopc AND NOT o.opcdefault),
    nullif(r.rngcanonical::text, '-'), nullif(r.rngsubdiff::text, '-')
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_type AS b ON b.oid = t.typbasetype
LEFT JOIN pg_catalog.pg_range AS r ON r.rngtypid = t.oid
LEFT JOIN (SELECT enumtypid, array_agg(enumlabel::text ORDER BY enumsortorder) AS labels
           FROM pg_catalog.pg_enum GROUP BY enumtypid) AS e ON e.enumtypid = t.oid
WHERE t.typtype IN ('e', 'd', 'r') AND {_OF_USERS} AND {_not_of_extension("pg_type", "t.oid")}
"""

# Those of ranges belong to their type (deptype i).
_FUNCTIONS = f"""
SELECT p.oid, n.nspname, p.proname, {{kind}}::text, oidvectortypes(p.proargtypes),
    pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), l.lanname, p.prosrc, {{statements}},
    p.provolatile::text, p.proisstrict, p.prosecdef, p.proleakproof, p.proparallel::text,
    array_to_string(p.proconfig, ', '), p.procost::text, p.prorows::text,
    concat_ws(', ', g.aggtransfn::text, g.aggfinalfn::text, g.aggcombinefn::text,
              format_type(g.aggtranstype, NULL), g.agginitval, nullif(g.aggsortop, 0)::regoperator::text),
    CASE WHEN {{aggregate}} OR NOT {_read("p.oid")} THEN '' ELSE pg_get_functiondef(p.oid) END
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
LEFT JOIN pg_catalog.pg_aggregate AS g ON g.aggfnoid = p.oid
WHERE {_OF_USERS} AND {_not_of_extension("pg_proc", "p.oid", "'e', 'i'")}
"""

_SCHEMAS = f"""
SELECT n.oid, n.nspname
FROM pg_catalog.pg_namespace AS n
WHERE {_OF_USERS} AND {_not_of_extension("pg_namespace", "n.oid")}
"""

_EXTENSIONS = """
SELECT e.extname, n.nspname, e.extversion
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
"""

_COMMENTS = f"""
SELECT d.objoid, d.objsubid, d.description
FROM pg_catalog.pg_description AS d
WHERE d.objoid >= {_FIRST_OF_USERS}
"""
