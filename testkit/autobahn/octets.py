"""Octets as the ported cases keep them: text with one character from U+0000 to U+00FF for each."""

import binascii
import os
import sys
import types

from autobahn.websocket import utf8validator


def to_bytes(octets):
    """Leaves alone what is not text: the compression cases work with bytes."""
    return octets.encode("latin-1") if isinstance(octets, str) else octets


def to_text(data):
    return data.decode("latin-1")


def _hex(octets):
    return binascii.b2a_hex(to_bytes(octets)).decode("ascii")


class _Validator(utf8validator.Utf8Validator):
    def validate(self, octets):
        return super().validate(to_bytes(octets))


def load_cases():
    """Imports the ported package, with modules of its own in place of those that take no text or are long gone."""
    import autobahntestsuite

    folder = os.path.dirname(autobahntestsuite.__file__)
    module = types.SimpleNamespace
    replaced = {
        "binascii": module(b2a_hex=_hex, hexlify=_hex),
        "pkg_resources": module(resource_filename=lambda _, name: os.path.join(folder, name)),
        "autobahn.websocket.utf8validator": module(Utf8Validator=_Validator),
        # For a case that is not in the list of cases.
        "twisted": module(),
        "twisted.internet": module(reactor=None, interfaces=module(IPushProducer=None)),
        "zope": module(),
        "zope.interface": module(implements=lambda _: None),
    }
    originals = {name: sys.modules.get(name) for name in replaced}
    sys.modules.update(replaced)
    try:
        from autobahntestsuite import case, caseset
    finally:
        for name, original in originals.items():
            if original is None:
                del sys.modules[name]
            else:
                sys.modules[name] = original
    # The original compares pickles, which differ for equal values that are shared and not shared.
    case.Case.compare = lambda self, one, other: one == other
    return caseset.CaseSet(
        case.CaseSetname, case.CaseBasename, case.Cases, case.CaseCategories, case.CaseSubCategories
    )
