"""Compare two snapshots, object by object."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from .errors import ConfigurationError
from .findings import Finding, Severity
from .snapshot import MAY_BE_EXTRA, SURROUNDINGS, VIEWS, Facts, Object, Part, Snapshot, respelled

DATABASE, MODELS = "the database", "the models"
"""What :func:`find_drift` calls the structures that they have."""


@dataclass(frozen=True, kw_only=True)
class Drift(Finding):
    """A difference between what should be and what is.

    The code is ``missing-``, ``extra-`` or ``changed-`` and the thing; ``structural`` says whether it
    decides equality. ``table`` is the label of the object it is in, ``expected`` and ``actual`` the two
    values of a changed fact.
    """

    table: str
    structural: bool
    expected: str | None = None
    actual: str | None = None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A drift together with what it is about, on both sides; None on the side where it is not.

    The parts are None where the object as a whole differs. Where the engine ignores the case of names,
    what is there has them as they are wanted.
    """

    drift: Drift
    wanted: Object | None
    there: Object | None
    wanted_part: Part | None = None
    part_there: Part | None = None


def find_drift(expected: Snapshot, actual: Snapshot, source: str, *, of: str = DATABASE) -> tuple[Drift, ...]:
    """Say in what ``actual`` differs from ``expected``; nothing structural means that they are equal.

    A constraint that nobody named in ``expected`` equals one of any name. Read-only.

    :param source: what gave ``expected``, for the messages: "the models", "revision 1a2b".
    :param of: what gave ``actual``.
    """
    return tuple(each.drift for each in find_differences(expected, actual, source, of=of))


def find_differences(
    expected: Snapshot, actual: Snapshot, source: str, *, of: str = DATABASE
) -> tuple[Difference, ...]:
    """Do what :func:`find_drift` does, and give what each drift is about. Read-only."""
    wanted = {each.key: each for each in expected.objects}
    there = {each.key: each for each in respelled(actual, like=expected).objects}
    found: list[_Found] = []
    for key in sorted(wanted.keys() | there.keys(), key=str):
        if key not in there:
            left = wanted[key]
            found.append(_Found("missing", left.kind, left, None, structural=not left.surrounding))
        elif key not in wanted:
            right = there[key]
            found.append(_Found("extra", right.kind, None, right, structural=not _may_be_extra(right)))
        else:
            found.extend(_compare_objects(wanted[key], there[key]))
    return tuple(_difference(each, source, of) for each in found)


@dataclass(frozen=True)
class _Found:
    """A difference before it is put into words; ``thing`` is what follows ``change`` in the code."""

    change: str
    thing: str
    wanted: Object | None
    there: Object | None
    wanted_part: Part | None = None
    part_there: Part | None = None
    expected: str | None = None
    actual: str | None = None
    structural: bool = True


def check_accepted(accepted: Iterable[str], *further_codes: str, said_by: str = "--accept") -> None:
    """Check that what a person wants to let pass is something that can pass.

    :param further_codes: codes that can pass besides those of differences.
    :param said_by: the option or setting.
    :raises ConfigurationError: one is not ``CODE:SUBJECT``, or its code is none of these.
    """
    for each in accepted:
        code, _, subject = each.partition(":")
        if not subject or not (code.startswith(("missing-", "extra-", "changed-")) or code in further_codes):
            others = f" or of {', '.join(further_codes)}" if further_codes else ""
            raise ConfigurationError(
                f"{said_by} {each}: say CODE:SUBJECT with the code of a difference{others}, for example "
                "extra-index:user.ix_user_email."
            )


def is_equal(drift: Iterable[Drift]) -> bool:
    """Say whether nothing of this decides equality."""
    return not any(each.structural for each in drift)


def _may_be_extra(each: Object) -> bool:
    """Say whether more of this does no harm; a view that reads none of the tables is nobody's either."""
    return each.surrounding or each.kind in MAY_BE_EXTRA or (each.kind in VIEWS and not each.uses)


def ways(number: int) -> str:
    """Put into words in how many ways two structures differ."""
    return f"{number} way" + ("s" if number != 1 else "")


_SHOWN = 4


def accepting(stopping: Collection[Drift]) -> str:
    """Give the options that let these differences be, or the first few of them."""
    options = [f"--accept {each.key}" for each in stopping]
    return " ".join(options[:_SHOWN]) + (" …" if len(options) > _SHOWN else "")


def _compare_objects(wanted: Object, there: Object) -> Iterator[_Found]:
    decides = not (wanted.surrounding and there.surrounding)
    for each in _differences_of(wanted, there):
        yield each if decides else replace(each, structural=False)


def _differences_of(wanted: Object, there: Object) -> Iterator[_Found]:
    whole = _Found("changed", "", wanted, there)
    yield from _compare_facts(wanted.kind, wanted.facts, there.facts, whole)
    kinds = sorted({part.kind for part in (*wanted.parts, *there.parts)}, key=_rank)
    for kind in kinds:
        pairs = _pair(
            sorted((part for part in wanted.parts if part.kind == kind), key=_place),
            sorted((part for part in there.parts if part.kind == kind), key=_place),
        )
        for left, right in pairs:
            yield from _compare_parts(replace(whole, wanted_part=left, part_there=right))


def _compare_parts(pair: _Found) -> Iterator[_Found]:
    left, right = pair.wanted_part, pair.part_there
    decides = any(part is not None and not part.surrounding for part in (left, right))
    if right is None:
        assert left is not None
        yield replace(pair, change="missing", thing=left.kind, structural=decides)
    elif left is None:
        yield replace(pair, change="extra", thing=right.kind, structural=decides)
    else:
        if left.named and left.name is not None and left.name != right.name:
            name = f"{left.kind}-name"
            yield replace(pair, thing=name, expected=left.name, actual=right.name, structural=decides)
        for each in _compare_facts(left.kind, left.facts, right.facts, pair):
            yield each if decides else replace(each, structural=False)


_KIND_ORDER = (
    "column primary-key unique foreign-key check exclude index trigger rule policy statistics".split()
)


def _rank(kind: str) -> tuple[int, str]:
    return (_KIND_ORDER.index(kind) if kind in _KIND_ORDER else len(_KIND_ORDER), kind)


def _place(part: Part) -> tuple[int, str, list[tuple[str, str]]]:
    """Give an order that does not depend on where a structure comes from."""
    return int(part.facts.get("position", 0)), part.name or "", sorted(part.facts.items())


Pair = tuple[Part | None, Part | None]


def _pair(wanted: list[Part], there: list[Part]) -> Iterator[Pair]:
    """Pair parts of one kind: by name and content, by content, by name, a single one with a single one.

    Names that the engine made up come and go with the order of statements: there content comes first.
    """
    rest_wanted, rest_there = list(wanted), list(there)
    for agree in _AGREEMENTS:
        for left in list(rest_wanted):
            right = next((part for part in rest_there if agree(left, part)), None)
            if right is not None:
                rest_wanted.remove(left)
                rest_there.remove(right)
                yield left, right
    if len(rest_wanted) == len(rest_there) == 1 and rest_wanted[0].kind == "primary-key":
        yield rest_wanted.pop(), rest_there.pop()
    yield from ((left, None) for left in rest_wanted)
    yield from ((None, right) for right in rest_there)


def _structure_of(part: Part) -> dict[str, str]:
    return {k: v for k, v in part.facts.items() if (part.kind, k) not in SURROUNDINGS}


def _same_content(left: Part, right: Part) -> bool:
    return left.kind != "column" and _structure_of(left) == _structure_of(right)


def _same_name(left: Part, right: Part) -> bool:
    return left.name is not None and left.name == right.name


_AGREEMENTS: tuple[Callable[[Part, Part], bool], ...] = (
    lambda left, right: _same_name(left, right) and _same_content(left, right),
    lambda left, right: not left.named and _same_content(left, right),
    _same_name,
    _same_content,
)


def _compare_facts(kind: str, wanted: Facts, there: Facts, pair: _Found) -> Iterator[_Found]:
    for fact in sorted(wanted.keys() | there.keys()):
        left, right = wanted.get(fact), there.get(fact)
        if left != right:
            structural = (kind, fact) not in SURROUNDINGS
            thing = f"{kind}-{fact}"
            yield replace(pair, thing=thing, expected=left, actual=right, structural=structural)


# -- in words --------------------------------------------------------------------------------------


def _difference(found: _Found, source: str, of: str) -> Difference:
    return Difference(
        drift=_drift(found, source, of),
        wanted=found.wanted,
        there=found.there,
        wanted_part=found.wanted_part,
        part_there=found.part_there,
    )


def _drift(found: _Found, source: str, of: str) -> Drift:
    table, part = found.wanted or found.there, found.wanted_part or found.part_there
    assert table is not None
    kind = part.kind if part is not None else table.kind
    subject = table.label if part is None else f"{table.label}.{_name_of(part)}"
    noun = f"{kind.replace('-', ' ')} {subject}"
    described = f"{noun} ({_describe(part)})" if part is not None and not part.name else noun
    if found.change == "missing":
        message = f"{_capital(source)} {_has(source)} the {described}; {of} {_does(of)} not."
    elif found.change == "extra":
        message = f"{_capital(of)} {_has(of)} the {described}; {source} {_does(source)} not."
    else:
        fact = found.thing.removeprefix(f"{kind}-")
        message = (
            f"The {_FACTS.get(fact, fact.replace('-', ' '))} of {noun} is "
            f"{_value(fact, found.actual)} in {of}, {_value(fact, found.expected)} in {source}."
        )
    return Drift(
        code=f"{found.change}-{found.thing}",
        subject=subject,
        severity=Severity.ERROR if found.structural else Severity.INFO,
        message=message,
        table=table.label,
        structural=found.structural,
        expected=found.expected,
        actual=found.actual,
    )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _has(source: str) -> str:
    return "have" if source == MODELS else "has"


def _does(source: str) -> str:
    return "do" if source == MODELS else "does"


_FACTS = {"nullable": "nullability", "where": "WHERE clause"}


def _name_of(part: Part) -> str:
    """Give a name to point at: the part's own, else made of its columns or its kind."""
    if part.name or part.kind == "primary-key":
        return part.name or part.kind
    columns = part.facts.get("columns")
    return columns.replace(", ", "+") if columns else part.kind


def _describe(part: Part) -> str:
    return ", ".join(f"{fact} {value}" for fact, value in sorted(part.facts.items()))


def _value(fact: str, value: str | None) -> str:
    if fact == "nullable":
        return "NOT NULL" if value == "no" else "nullable"
    return "not set" if value is None else value
