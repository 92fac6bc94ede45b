"""Where CPython keeps what: the offsets that calibration found, in bytes.

Nothing here is a constant. ``calibrate`` fills these in by experiments on the tracer's own
objects, which are laid out as the target's are because both run the same interpreter binary.
"""

Members = dict[str, int]


class TypeLayout:
    """``PyTypeObject`` and, for classes made by Python code, ``PyHeapTypeObject``."""

    name: int  # pointer to a C string
    basicsize: int
    itemsize: int
    flags: int
    dictoffset: int
    mro: int
    dict: int  # pointer to the class's dict; null for static types of 3.12 and later
    qualname: int  # heap types only
    members: int  # pointer to the table of C members
    dealloc: int  # pointer to a function
    dealloc_of_classes: int  # that of all classes made by Python code, in the own process
    cached_keys: int  # heap types only: the keys that the instances' values share


class CodeLayout:
    """``PyCodeObject``."""

    filename: int
    name: int
    qualname: int
    flags: int
    first_line: int
    line_table: int
    exception_table: int
    global_names: int  # tuple of str: globals and attributes that the code names
    variable_names: int  # tuple of str: locals, cells and free variables, in slot order
    variable_kinds: int  # bytes, one for each of them
    instructions: int  # where the code units start, inside the object


class FrameLayout:
    """``_PyInterpreterFrame`` and the way to it from a frame object."""

    of_object: int  # in PyFrameObject: pointer to the interpreter frame
    code: int
    previous: int
    globals: int
    locals: int  # dict of a module, class body or exec, else null
    instruction: int  # pointer into the code units
    stack_top: int  # int32 count of slots, or a pointer
    stack_is_pointer: bool  # from 3.14 on
    owner: int  # byte: who owns the frame
    variables: int  # the first slot
    awaited_below_top: int  # slots from the top of the stack down to what is awaited


class GeneratorLayout:
    """``PyGenObject`` and its kin, coroutines and asynchronous generators."""

    frame: int  # the interpreter frame, inside the object
    qualname: int
    state: int  # byte
    suspended: frozenset[int]  # the state bytes that mean suspended, with a value awaited or not
    running: int
    finished: frozenset[int]  # closed: there is no frame any more
    handled: int  # the exception that its code handles
    async_send_target: int  # in async_generator_asend: pointer to the generator
    async_throw_target: int  # in async_generator_athrow: likewise
    wrapped: int  # in coroutine_wrapper: pointer to the coroutine
    types: dict[str, type]  # the types that Python gives no name to


class TracebackLayout:
    """``PyTracebackObject``."""

    next: int
    frame: int
    last_instruction: int  # int32, in bytes
    line: int  # int32, -1 where it is not known yet


class ExceptionLayout:
    """``PyBaseExceptionObject`` and ``PyBaseExceptionGroupObject``."""

    dict: int
    args: int
    notes: int  # -1: kept in the dict
    traceback: int
    context: int
    cause: int
    suppress_context: int  # byte
    group_exceptions: int
    members: Members  # by name: those that messages of builtin exceptions are made of


class ContainerLayout:
    """The builtin containers, strings and numbers."""

    list_size: int
    list_items: int
    tuple_size: int
    tuple_items: int
    bytes_size: int
    bytes_data: int
    bytearray_size: int
    bytearray_data: int
    set_used: int
    set_mask: int
    set_table: int
    float_value: int
    int_digits: int
    int_tag: int
    int_tag_shift: int  # 0: a signed count of digits; 3: count << 3 | sign (3.12+)
    str_length: int
    str_state: int  # byte
    str_kind_shift: int
    str_ascii_bit: int
    str_compact_bit: int
    str_ascii: int  # data of a compact ASCII string
    str_compact: int  # data of any other compact string
    str_data: int  # pointer to the data of a string that is not compact


class DictLayout:
    """``PyDictObject`` and ``PyDictKeysObject``."""

    used: int
    keys: int
    values: int
    first_value: int  # in the values: where the first one stands
    index_bytes: int  # byte in the keys: log2 of the size of the index
    kind: int  # byte in the keys
    count: int  # in the keys: entries in use or deleted
    header: int  # bytes before the index
    general: int  # the values of the kind byte
    text: int
    shared: int


class ThreadLayout:
    """``PyThreadState`` and ``PyInterpreterState``."""

    ident: int
    native_id: int
    next: int
    frame: int  # pointer to the current frame, or to what holds it
    frame_steps: tuple[int, ...]  # offsets to follow from there
    handled: int  # pointer to the innermost entry of the stack of handled exceptions
    handled_value: int  # in an entry: the exception, null or None where there is none
    handled_previous: int  # in an entry: pointer to the one below, null in the thread's own
    interpreter: int
    interpreter_threads: int  # in the interpreter: head of the list of threads
    interpreter_modules: int
    runtime: int  # address of _PyRuntime in the own process
    runtime_interpreter: int  # from there: pointer to the main interpreter
    gil_holder: int  # from there: pointer to the thread state that has the GIL, or had it last


class InterpreterLayout:
    """``PyInterpreterState`` of interpreters beside the main one."""

    newest: int  # in _PyRuntime: pointer to the newest interpreter
    next: int  # to the one that was made before
    id: int
    gil: int  # pointer to the GIL, -1 where all share one (3.11)
    gil_holder: int  # in it: the thread state that has it, or had it last
    gil_held: int  # in it: int32, 1 while somebody has it


class TaskLayout:
    """``_asyncio.Task`` and ``_asyncio.Future``."""

    state: int  # int32
    pending: int
    result: int
    exception: int
    waiter: int
    coroutine: int
    name: int
    callback: int  # the first done callback
    callbacks: int  # list of the others
    awaited_by: int  # 3.14+: who waits for it, one or a set of them
    node: int  # 3.14+: in a task, its node of the list of its thread's tasks
    thread_tasks: int  # 3.14+: in a thread state, the head of that list
    thread_running: int  # 3.14+: in a thread state, pointer to the task that runs


class MiscLayout:
    """Small objects, each by the pointers it holds."""

    cell: int
    weakref: int
    proxy: int  # mappingproxy: the mapping
    method_function: int
    method_self: int
    builtin_self: int
    builtin_definition: int  # pointer to PyMethodDef, which begins with the name
    range_start: int  # stop and step follow
    slice_start: int  # likewise
    function_code: int
    function_qualname: int
    function_closure: int
    partial_args: int
    module_dict: int
    descriptor_name: int
    descriptor_member: int  # pointer to PyMemberDef


class Layout:
    """All of it, and how to translate addresses of static objects into the target's."""

    type: TypeLayout
    code: CodeLayout
    frame: FrameLayout
    generator: GeneratorLayout
    traceback: TracebackLayout
    exception: ExceptionLayout
    container: ContainerLayout
    dict: DictLayout
    thread: ThreadLayout
    task: TaskLayout | None  # None: this interpreter has no _asyncio
    misc: MiscLayout
    pointer_mask: int  # what to keep of a reference on a frame (3.14 tags the low bits)
    slide: int  # address in the target minus own address, of static objects
