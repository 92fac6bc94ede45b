"""What a program is made of, shown by its name: functions, types, modules, generators, code."""

from __future__ import annotations

import types

from bcd.ptrace.objects import STR, Objects, TypeInfo


class Named:
    """Renders what has a name; each method takes an address, its type, and a depth.

    Args:
        objects: Reads the target's objects.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._memory = objects.memory
        self._function_type = objects.static(types.FunctionType)
        self._code_type = objects.static(types.CodeType)

    def function(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A function made by ``def`` or ``lambda``."""
        return f"<function {self._function_name(address)}>"

    def method(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A method bound to an object."""
        misc = self._objects.layout.misc
        function = self._memory.word(address + misc.method_function)
        owner = self._memory.word(address + misc.method_self)
        name = "?"
        if self._objects.type_address(function) == self._function_type:
            name = self._function_name(function)
        return f"<bound method {name} of <{self._objects.type_of(owner).name} at {owner:#x}>>"

    def builtin(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A function or method made in C; its definition begins with its name."""
        definition = self._memory.word(address + self._objects.layout.misc.builtin_definition)
        name = self._memory.c_string(self._memory.word(definition), 100)
        return f"<built-in function {name}>"

    def module(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A module, by the name in its dict."""
        names = self._memory.word(address + self._objects.layout.misc.module_dict)
        name = self._objects.lookup(names, "__name__") if names else 0
        if not name or not self._objects.type_of(name).flags & STR:
            return "<module ?>"
        return f"<module {self._objects.name(name)!r}>"

    def kind(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A class or type."""
        return f"<class '{self._objects.type_info(address).full_name}'>"

    def generator(self, address: int, info: TypeInfo, _depth: int) -> str:
        """A generator, coroutine or asynchronous generator, by its code."""
        layout = self._objects.layout
        code = self._memory.word(address + layout.generator.frame + layout.frame.code)
        name = self._code_name(code & layout.pointer_mask)
        return f"<{info.name} {name} at {address:#x}>"

    def code(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A code object."""
        return f"<code object {self._code_name(address)}>"

    def _function_name(self, address: int) -> str:
        name = self._memory.word(address + self._objects.layout.misc.function_qualname)
        return self._objects.name(name)

    def _code_name(self, address: int) -> str:
        if self._objects.type_address(address) != self._code_type:
            return "?"
        return self._objects.name(self._memory.word(address + self._objects.layout.code.qualname))
