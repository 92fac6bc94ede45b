"""Seccomp filters as a container's sandbox would set them, through prctl."""

import ctypes
import errno
import os
import struct

NUMBERS = {
    "x86_64": {
        "arch": 0xC000003E, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311,
        "clone": 56, "openat": 257,
    },
    "aarch64": {
        "arch": 0xC00000B7, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271,
        "clone": 220, "openat": 56,
    },
}[os.uname().machine]
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
NUMBER_AT, ARCH_AT, FLAGS_AT = 0, 4, 16
COPY_FLAGS = 0x00100400  # CLONE_FILES | CLONE_PARENT_SETTID, as bcd asks for


def step(code, yes, no, value):
    return struct.pack("=HBBI", code, yes, no, value)


def refuse_call(name):
    return [
        step(JUMP_EQUAL, 0, 1, NUMBERS[name]),
        step(RETURN, 0, 0, REFUSE | errno.EPERM),
    ]


def refuse_copy(number=errno.EPERM):
    """Refuse only the clone that makes a copy, not that of posix_spawn or a thread."""
    return [
        step(JUMP_EQUAL, 0, 3, NUMBERS["clone"]),
        step(LOAD, 0, 0, FLAGS_AT),
        step(JUMP_EQUAL, 0, 1, COPY_FLAGS),
        step(RETURN, 0, 0, REFUSE | number),
        step(LOAD, 0, 0, NUMBER_AT),
    ]


def install(names):
    """Refuse the named system calls in this process for good; "copy" stands for bcd's clone."""
    copies = {"copy": errno.EPERM, "copy-for-want-of-memory": errno.ENOMEM}
    program = [step(LOAD, 0, 0, NUMBER_AT)]
    for name in names:
        program += refuse_copy(copies[name]) if name in copies else refuse_call(name)
    program.append(step(RETURN, 0, 0, ALLOW))
    code = ctypes.create_string_buffer(b"".join(program))
    description = ctypes.create_string_buffer(
        struct.pack("=HxxxxxxQ", len(program), ctypes.addressof(code))
    )
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS"
    if libc.prctl(22, 2, description, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")
