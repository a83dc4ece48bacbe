"""Ports the cases of the Autobahn test suite, which are Python 2, to Python 3: port.py SDIST TARGET

Takes what is needed of the source package and writes it to the folder TARGET. The cases keep octets in text; that stays,
with one character from U+0000 to U+00FF for each octet, and the client translates (client.py).
"""

import ast
import logging
import pathlib
import re
import sys
import tarfile

from fissix.refactor import RefactoringTool, get_fixers_from_package

PACKAGE = "autobahntestsuite"
CODING = re.compile(r"^#.*coding[:=].*$", re.MULTILINE)

# Names of the package `autobahn` that were spelled another way.
RENAMED = {
    "acceptMaxWindowBits": "accept_max_window_bits",
    "acceptNoContextTakeover": "accept_no_context_takeover",
    "requestMaxWindowBits": "request_max_window_bits",
    "requestNoContextTakeover": "request_no_context_takeover",
}


class Modern(ast.NodeTransformer):
    """What the grammar of Python 3 allows and gives another meaning."""

    def visit_Attribute(self, node):
        self.generic_visit(node)
        node.attr = RENAMED.get(node.attr, node.attr)
        return node

    def visit_keyword(self, node):
        self.generic_visit(node)
        node.arg = RENAMED.get(node.arg, node.arg)
        return node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, ast.Div):
            node.op = ast.FloorDiv()
        return node

    def visit_Tuple(self, node):
        """Bases of a class made by `type`: `object` cannot come before another."""
        self.generic_visit(node)
        is_object = [isinstance(base, ast.Name) and base.id == "object" for base in node.elts]
        if len(node.elts) > 1 and is_object[0]:
            del node.elts[0]
        return node


def port(tool, source, name):
    """The source text of one module."""
    # Literals hold octets, so each octet of the file has to become one character.
    text = CODING.sub("", source.decode("latin-1").replace("\r\n", "\n")) + "\n"
    tree = ast.parse(str(tool.refactor_string(text, name)))
    return ast.unparse(Modern().visit(tree)).encode("utf-8")


def relative(text):
    """With the implicit imports from the same folder made explicit."""
    return re.sub(rb"^(\s*)from (case\w*) import", rb"\1from .\2 import", text, flags=re.MULTILINE)


def main(sdist, target):
    logging.disable(logging.INFO)
    fixers = [name for name in get_fixers_from_package("fissix.fixes") if not name.endswith("fix_import")]
    tool = RefactoringTool(fixers)
    with tarfile.open(sdist) as archive:
        for member in archive.getmembers():
            path = pathlib.PurePosixPath(*pathlib.PurePosixPath(member.name).parts[1:])
            parts = path.parts
            is_code = parts[:2] == (PACKAGE, "case") and path.suffix == ".py"
            is_code |= parts == (PACKAGE, "caseset.py")
            is_data = parts[:2] == (PACKAGE, "testdata")
            if not member.isfile() or not (is_code or is_data):
                continue
            data = archive.extractfile(member).read()
            if is_code:
                data = relative(port(tool, data, member.name))
            written = pathlib.Path(target, *parts[1:])
            written.parent.mkdir(parents=True, exist_ok=True)
            written.write_bytes(data)
    pathlib.Path(target, "__init__.py").write_bytes(b"")


if __name__ == "__main__":
    main(*sys.argv[1:])
