"""Small changes to a source file, each of which a test should see: conditions, filters, numbers, what is left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import msgspec


class Mutant(msgspec.Struct, frozen=True):
    """`old`, which stands in `line` (from 1) at `start` (an offset in UTF-8 bytes), becomes `new`. `names` are what a
    statement defines that runs when its module is imported; None within a function."""

    file: str
    line: int
    start: int
    old: str
    new: str
    names: tuple[str, ...] | None = None

    @property
    def change(self) -> str:
        """For people, and for the list of those that survive."""
        return f"{' '.join(self.old.split())} -> {' '.join(self.new.split())}"

    def planted(self, source: str) -> str:
        """The file with it."""
        raw = source.encode()
        return (raw[: self.start] + self.new.encode() + raw[self.start + len(self.old.encode()) :]).decode()


COMPARED: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
"""What an operator becomes; the last is its opposite, one before that shifts the bound."""
CALCULATED: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Div: "*",
    ast.BitOr: "&",
    ast.BitAnd: "|",
}
EXTREMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


def mutants(file: str, source: str) -> Iterator[Mutant]:
    """All of a file, none of which leaves it as it is or breaks its syntax."""
    for mutant in _Finder(file, source).found():
        try:
            changed = ast.dump(ast.parse(mutant.planted(source)))
        except SyntaxError:
            continue
        if changed != ast.dump(ast.parse(source)):
            yield mutant


class _Finder:
    def __init__(self, file: str, source: str) -> None:
        self.file, self.raw = file, source.encode()
        self.offsets = [0]
        for line in self.raw.splitlines(keepends=True):
            self.offsets.append(self.offsets[-1] + len(line))
        self.tree = ast.parse(source)
        self.conditions = {id(each) for node in ast.walk(self.tree) for each in _conditions(node)}
        self.fixed = {id(each) for node in ast.walk(self.tree) for each in _of_fixed_length(node)}
        self.names: tuple[str, ...] | None = None

    def found(self) -> list[Mutant]:
        """In the order of the file; no two alike."""
        seen = dict.fromkeys(mutant for node in self.tree.body for mutant in self._outside(node))
        return sorted(seen, key=lambda mutant: mutant.start)

    def _outside(self, node: ast.stmt) -> Iterator[Mutant]:
        """A statement of a module or class: what it defines is looked for by its name."""
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                yield from self._outside(each)
        elif isinstance(node, ast.FunctionDef):
            self.names = (node.name,)
            yield from self._within(node.args, None)
            self.names = None
            for each in node.body:
                yield from self._within(each, node.returns)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            self.names = tuple(each.id for each in targets if isinstance(each, ast.Name))
            yield from self._within(node.value, None)

    def _within(self, node: ast.AST, returns: ast.expr | None) -> Iterator[Mutant]:
        yield from self._of(node, returns)
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list") or isinstance(node, ast.JoinedStr | ast.Assert):
                continue
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, ast.AST):
                    inner = each.returns if isinstance(each, ast.FunctionDef) else returns
                    yield from self._within(each, inner)

    def _of(self, node: ast.AST, returns: ast.expr | None) -> Iterator[Mutant]:
        match node:
            case ast.If(test=test) | ast.IfExp(test=test):
                yield from (self._to(test, word) for word in ("True", "False"))
            case ast.While(test=test) if not isinstance(test, ast.Constant):
                yield self._to(test, "False")
            case ast.comprehension(ifs=ifs):
                yield from (self._to(test, "True") for test in ifs)
            case ast.match_case(guard=ast.expr() as guard):
                yield self._to(guard, "True")
            case ast.BoolOp(values=values):
                yield from self._left_out(node, values)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield self._to(node, f"({self._text(operand)})")
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                *bounds, opposite = COMPARED[type(op)]
                # Whether a condition counts at all is seen by its being always true, always false, or left out.
                for word in (*bounds, *([] if id(node) in self.conditions else [opposite])):
                    yield self._between(left, right, node, word)
            case ast.BinOp(left=left, op=ast.Mult() | ast.Mod(), right=right):
                yield from (self._to(node, f"({self._text(each)})") for each in (left, right))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in CALCULATED and not _is_text(node):
                yield self._between(left, right, node, CALCULATED[type(op)])
            case ast.Call(func=ast.Name(id=name) as func) if name in EXTREMES:
                yield self._to(func, EXTREMES[name])
            case ast.Constant(value=bool() as value):
                yield self._to(node, str(not value))
            case ast.Constant(value=int() | float() as value):
                yield from (self._to(node, str(other)) for other in _other_numbers(value))
            case ast.Tuple(elts=elements, ctx=ast.Load()) | ast.Set(elts=elements) | ast.List(elts=elements):
                yield from self._shortened(node, elements)
            case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Raise() | ast.Continue():
                yield self._to(node, "pass")
            case ast.Assign(targets=[target]) if not isinstance(target, ast.Name):
                yield from self._not_assigned(node, target)
            case ast.Return(value=ast.expr() as value) if returns is not None:
                yield from self._returned(value, ast.unparse(returns))
            case _:
                pass

    def _left_out(self, node: ast.BoolOp, values: list[ast.expr]) -> Iterator[Mutant]:
        word = " and " if isinstance(node.op, ast.And) else " or "
        for index in range(len(values)):
            rest = [f"({self._text(each)})" for each in values[:index] + values[index + 1 :]]
            yield self._to(node, word.join(rest))

    def _shortened(self, node: ast.expr, elements: list[ast.expr]) -> Iterator[Mutant]:
        """A list of names or texts without one of them."""
        kinds = ast.Name | ast.Attribute | ast.Constant | ast.Starred
        if id(node) in self.fixed or not all(isinstance(each, kinds) for each in elements):
            return
        opening, closing = {ast.Tuple: "()", ast.Set: "{}", ast.List: "[]"}[type(node)]
        for index in range(len(elements)):
            rest = "".join(f"{self._text(each)}, " for each in elements[:index] + elements[index + 1 :])
            is_empty_set = isinstance(node, ast.Set) and not rest
            yield self._to(node, "set()" if is_empty_set else f"{opening}{rest}{closing}")

    def _not_assigned(self, node: ast.Assign, target: ast.expr) -> Iterator[Mutant]:
        if not isinstance(target, ast.Tuple):
            yield self._to(node, "pass")
        elif isinstance(node.value, ast.Tuple) and len(node.value.elts) == len(target.elts):
            for goal, value in zip(target.elts, node.value.elts, strict=True):
                if isinstance(goal, ast.Attribute):
                    yield self._to(value, self._text(goal))

    def _returned(self, value: ast.expr, annotation: str) -> Iterator[Mutant]:
        if isinstance(value, ast.Constant):
            return
        if annotation == "bool":
            yield from (self._to(value, word) for word in ("True", "False"))
        elif annotation.endswith("| None"):
            yield self._to(value, "None")

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self.raw[start:end].decode()

    def _span(self, node: ast.AST) -> tuple[int, int]:
        assert isinstance(node, ast.expr | ast.stmt) and node.end_lineno is not None and node.end_col_offset is not None
        start = self.offsets[node.lineno - 1] + node.col_offset
        return start, self.offsets[node.end_lineno - 1] + node.end_col_offset

    def _to(self, node: ast.AST, new: str) -> Mutant:
        start, end = self._span(node)
        return self._mutant(start, end, new)

    def _between(self, left: ast.expr, right: ast.expr, node: ast.AST, word: str) -> Mutant:
        """Another operator; the whole expression is shown, for it says more than the operator."""
        start, end = self._span(node)
        return self._mutant(start, end, f"({self._text(left)}) {word} ({self._text(right)})")

    def _mutant(self, start: int, end: int, new: str) -> Mutant:
        line = self.raw.count(b"\n", 0, start) + 1
        return Mutant(self.file, line, start, self.raw[start:end].decode(), new, self.names)


def _conditions(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            return [test]
        case ast.comprehension(ifs=several) | ast.BoolOp(values=several):
            return several
        case ast.UnaryOp(op=ast.Not(), operand=one) | ast.match_case(guard=ast.expr() as one):
            return [one]
        case _:
            return []


def _of_fixed_length(node: ast.AST) -> list[ast.expr]:
    """What is unpacked, and the parameters of a type."""
    match node:
        case ast.Assign(targets=[ast.Tuple()], value=value):
            return [value]
        case ast.Subscript(slice=parameters):
            return [parameters]
        case _:
            return []


def _other_numbers(value: int | float) -> Iterator[int | float]:
    if isinstance(value, int):
        yield from (value + 1, value - 1) if value else (1,)
    else:
        yield from (value * 2.0, value / 2.0) if value else (1.0,)


def _is_text(node: ast.AST) -> bool:
    return any(
        isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and isinstance(each.value, str))
        for each in ast.walk(node)
    )
