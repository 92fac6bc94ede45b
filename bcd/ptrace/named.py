"""What a program is made of, shown by its name: functions, types, modules, generators, code."""

from __future__ import annotations

import sys
import types

from bcd.ptrace.memory import FAULTS
from bcd.ptrace.objects import STR, TYPE, TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from bcd.ptrace.values import Renderer, Show


class Named:
    """Renders what has a name; each method takes an address, its type, and a depth.

    Args:
        renderer: Renders values of the target.
    """

    def __init__(self, renderer: Renderer) -> None:
        from _weakref import ref  # builtin, and needed only here

        self.reference_type: type = ref
        self._renderer = renderer
        self._objects = renderer.objects
        self._memory = renderer.memory
        self._function_type = renderer.objects.static(types.FunctionType)
        self._module_type = renderer.objects.static(types.ModuleType)

    def table(self) -> dict[type, Show]:
        """What renders values of which type."""
        bare = self._renderer.instances.bare
        return {
            types.FunctionType: self.function,
            types.MethodType: self.method,
            types.BuiltinFunctionType: self.builtin,
            types.MethodDescriptorType: self.descriptor("<method {name!r} of {owner!r} objects>"),
            types.WrapperDescriptorType: self.descriptor(
                "<slot wrapper {name!r} of {owner!r} objects>"
            ),
            types.GetSetDescriptorType: self.descriptor(
                "<attribute {name!r} of {owner!r} objects>"
            ),
            types.MemberDescriptorType: self.descriptor("<member {name!r} of {owner!r} objects>"),
            types.ModuleType: self.module,
            types.CoroutineType: self.generator,
            types.GeneratorType: self.generator,
            types.AsyncGeneratorType: self.generator,
            types.CodeType: self.code,
            types.FrameType: self.frame,
            types.TracebackType: bare,
            property: bare,
            memoryview: self.memory,
            type: self.kind,
            self.reference_type: self.reference,
        }

    def function(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A function made by ``def`` or ``lambda``."""
        return f"<function {self._function_name(address)} at {address:#x}>"

    def method(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A method bound to an object."""
        misc = self._objects.layout.misc
        function = self._memory.word(address + misc.method_function)
        owner = self._memory.word(address + misc.method_self)
        if self._objects.type_address(function) != self._function_type:
            function = self._wrapped(function)
        name = self._function_name(function) if function else "?"
        return f"<bound method {name} of {self._owner(owner)}>"

    def _wrapped(self, address: int) -> int:
        """The function within a wrapper made by wrapt, 0 where there is none.

        Source: ``WraptObjectProxyObject`` in wrapt's ``_wrappers.c``: it stands behind the dict.
        """
        info = self._objects.type_of(address)
        if all(self._objects.type_info(kind).name != "ObjectProxy" for kind in info.mro):
            return 0
        offset = self._memory.word(info.address + self._objects.layout.type.dictoffset)
        wrapped = self._memory.word(address + offset + 8)
        return wrapped if self._objects.type_address(wrapped) == self._function_type else 0

    def _owner(self, address: int) -> str:
        info = self._objects.type_of(address)
        if info.flags & TYPE:
            return self.kind(address, info, 0)
        return self._renderer.instances.bare(address, info, 0)

    def builtin(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A function or method made in C; its definition begins with its name."""
        misc = self._objects.layout.misc
        definition = self._memory.word(address + misc.builtin_definition)
        name = self._memory.c_string(self._memory.word(definition), 100)
        owner = self._memory.word(address + misc.builtin_self)
        if not owner or self._module_type in self._objects.type_of(owner).mro:
            return f"<built-in function {name}>"
        kind = self.c_name(self._objects.type_of(owner))
        return f"<built-in method {name} of {kind} object at {owner:#x}>"

    def descriptor(self, form: str) -> Show:
        """What a class made in C has instead of functions: its type, then its name."""

        def show(address: int, _info: TypeInfo, _depth: int) -> str:
            at = address + self._objects.layout.misc.descriptor_name
            owner, name = self._memory.words(at - 8, 2)
            kind = self.c_name(self._objects.type_info(owner))
            return form.format(name=self._objects.name(name), owner=kind)

        return show

    def c_name(self, info: TypeInfo) -> str:
        """``tp_name``: with its module for a type made in C, without for one made by Python."""
        pointer = self._memory.word(info.address + self._objects.layout.type.name)
        return self._memory.c_string(pointer, 256)

    def memory(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A view of somebody's bytes."""
        return f"<memory at {address:#x}>"

    def module(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A module, by its name and where it came from."""
        names = self._memory.word(address + self._objects.layout.misc.module_dict)
        name = self._text(self._objects.lookup(names, "__name__")) if names else "?"
        spec = self._objects.lookup(names, "__spec__") if names else 0
        if spec and spec != self._objects.static(None):
            return self._module_of_spec(spec, name)
        file = self._objects.lookup(names, "__file__") if names else 0
        return f"<module {name!r} from {self._text(file)!r}>" if file else f"<module {name!r}>"

    def _module_of_spec(self, spec: int, name: str) -> str:
        """Source: CPython Lib/importlib/_bootstrap.py, ``_module_repr_from_spec``."""
        held = dict(self._objects.attributes(spec))
        origin = held.get("origin", 0)
        if not origin or origin == self._objects.static(None):
            loader = held.get("loader", 0)
            kind = self._objects.type_of(loader).name if loader else ""
            return f"<module {name!r}{' (namespace)' if kind == 'NamespaceLoader' else ''}>"
        if held.get("_set_fileattr") == self._objects.static(True):
            return f"<module {name!r} from {self._text(origin)!r}>"
        return f"<module {name!r} ({self._text(origin)})>"

    def _text(self, address: int) -> str:
        if not address or not self._objects.type_of(address).flags & STR:
            return "?"
        return self._objects.name(address)

    def kind(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A class or type."""
        info = self._objects.type_info(address)
        if "_member_map_" not in info.marks:
            return f"<class '{info.full_name}'>"
        bases = (self._objects.type_info(base).full_name for base in info.mro)
        return f"<{'flag' if 'enum.Flag' in bases else 'enum'} {info.short!r}>"

    def generator(self, address: int, info: TypeInfo, _depth: int) -> str:
        """A generator, coroutine or asynchronous generator, and where it stands."""
        layout = self._objects.layout.generator
        name = self._text(self._memory.word(address + layout.qualname))
        return f"<{info.name} object {name} at {address:#x}{self._standing(address)}>"

    def _standing(self, address: int) -> str:
        layout = self._objects.layout.generator
        state = self._memory.byte(address + layout.state)
        if state in layout.finished:
            return ", finished"
        if state == layout.running:
            return ", running"
        if state not in layout.suspended:
            return ", not started"
        try:
            frame = address + layout.frame
            code = self._renderer.codes.of_frame(frame)
            line = self._renderer.codes.line(frame, code) if code else None
        except FAULTS:
            return ""
        return f", suspended at line {line}" if line else ", suspended"

    def code(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A code object."""
        code = self._renderer.codes.read(address)
        if code is None:
            return f"<code object at {address:#x}>"
        name = self._objects.name(self._memory.word(address + self._objects.layout.code.name))
        return f'<code object {name} at {address:#x}, file "{code.file}", line {code.first_line}>'

    def frame(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A frame object."""
        frame = self._memory.word(address + self._objects.layout.frame.of_object)
        code = self._renderer.codes.of_frame(frame)
        if code is None:
            return f"<frame at {address:#x}>"
        line = self._renderer.codes.line(frame, code)
        name = code.function.rpartition(".")[2]
        return f"<frame at {address:#x}, file {code.file!r}, line {line}, code {name}>"

    def reference(self, address: int, _info: TypeInfo, _depth: int) -> str:
        """A weak reference, to what it refers to and not into it."""
        content = self._memory.word(address + self._objects.layout.misc.weakref)
        if not content or content == self._objects.static(None):
            return f"<weakref at {address:#x}; dead>"
        info = self._objects.type_of(content)
        name = self._own_name(content, info)
        kind = self.c_name(info)
        if sys.version_info >= (3, 13):
            kind = info.full_name.removeprefix("__main__.")
        to = f"'{kind}' at {content:#x}{f' ({name})' if name else ''}"
        return f"<weakref at {address:#x}; to {to}>"

    def _own_name(self, address: int, info: TypeInfo) -> str:
        """``__name__`` of what has one."""
        if info.flags & TYPE:
            return self._objects.type_info(address).short
        if info.address == self._function_type:
            return self._function_name(address).rpartition(".")[2]
        return ""

    def _function_name(self, address: int) -> str:
        name = self._memory.word(address + self._objects.layout.misc.function_qualname)
        return self._objects.name(name)
