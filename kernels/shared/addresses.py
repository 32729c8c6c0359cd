"""Raw memory in compiled functions: addresses, copies, and calls of machine code.

Addresses are integers, and sizes are bytes. Nothing is checked. Numba frees an array that a
function has made after the last line that names it, and does not know what is done with an address:
the memory must belong to an argument, or to an array that is read after the call.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_INT = ir.IntType(64)


@intrinsic
def call(typing, address, arguments):
    """Call the machine code at an address with integers."""
    signature = types.void(address, arguments)

    def codegen(context, builder, signature, values):
        address, arguments = values
        function = ir.FunctionType(ir.VoidType(), [_INT] * signature.args[1].count)
        pointer = builder.inttoptr(address, function.as_pointer())
        builder.call(pointer, cgutils.unpack_tuple(builder, arguments))
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def address(typing, array, index):
    """Where a number of an array lies in memory; the index counts through all of it."""

    def codegen(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(builder.gep(data, [arguments[1]]), _INT)

    return types.int64(array, types.intp), codegen


@intrinsic
def copy(typing, target, source, size):
    """Copy so many bytes from one address to another."""

    def codegen(context, builder, signature, arguments):
        target, source, size = arguments
        pointer = ir.IntType(8).as_pointer()
        cgutils.raw_memcpy(
            builder, builder.inttoptr(target, pointer), builder.inttoptr(source, pointer), size, 1
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def clear(typing, target, size):
    """Set so many bytes from an address on to 0."""

    def codegen(context, builder, signature, arguments):
        target, size = arguments
        pointer = builder.inttoptr(target, ir.IntType(8).as_pointer())
        cgutils.memset(builder, pointer, size, 0)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen
