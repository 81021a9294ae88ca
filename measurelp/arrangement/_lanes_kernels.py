"""64 rows at a time: signs of 2-D cross products and near-zero tests, packed into one word.

The functions are written as vectors of 64 doubles in the compiler's intermediate language, which every target
lowers to its own width (8 fused multiply-subtracts and compares on AVX-512, 16 on AVX2 or NEON pairs, ...).  With
compilation switched off (``NUMBA_DISABLE_JIT=1``) plain Python twins take their place.
"""

from __future__ import annotations

import numba
import numpy as np

if numba.config.DISABLE_JIT:

    def cross64(values, first, second, k0, k1, tol):
        """Masks ``c > tol`` and ``not |c| > tol`` of ``c_l = k0 * values[second + l] - k1 * values[first + l]``."""
        with np.errstate(all="ignore"):
            c = k0 * values[second : second + 64] - k1 * values[first : first + 64]
            positive = c > tol
            near = ~(np.abs(c) > tol)
        one = np.packbits(positive, bitorder="little").view(np.uint64)[0]
        two = np.packbits(near, bitorder="little").view(np.uint64)[0]
        return one, two

    cross64_single = cross64

    def narrow64(values, first, out, target):
        """Round 64 doubles to single precision."""
        with np.errstate(all="ignore"):
            out[target : target + 64] = values[first : first + 64]

    def near64(values, first, tol):
        """Mask ``not |values[first + l]| > tol`` of 64 values."""
        near = ~(np.abs(values[first : first + 64]) > tol)
        return np.packbits(near, bitorder="little").view(np.uint64)[0]

    def subtract64(values, first, second, ratio, out, target):
        """``out[target + l] = values[first + l] - ratio * values[second + l]`` for 64 values."""
        with np.errstate(all="ignore"):
            out[target : target + 64] = (
                values[first : first + 64] - ratio * values[second : second + 64]
            )

    def minor64(values, first, second, pivot, entry, inverse, out, target):
        """``out[target + l] = rint((pivot * values[first + l] - entry * values[second + l]) * inverse)`` for 64 values."""
        with np.errstate(all="ignore"):
            minors = pivot * values[first : first + 64] - entry * values[second : second + 64]
            out[target : target + 64] = np.rint(minors * inverse)

    def popcount(word):
        """Number of ones in a word."""
        return int(word).bit_count()

    def lowest_bit(word):
        """Index of the lowest one of a nonzero word."""
        return (int(word) & -int(word)).bit_length() - 1

else:
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    _WORD = ir.IntType(64)
    _DOUBLE = ir.DoubleType()
    _LANES = ir.VectorType(_DOUBLE, 64)
    _SINGLES = ir.VectorType(ir.FloatType(), 64)

    def _load(context, builder, array_type, array, index):
        pointer = context.make_array(array_type)(context, builder, array).data
        pointer = builder.gep(pointer, [index])
        lanes, align = (_LANES, 8) if array_type.dtype == types.float64 else (_SINGLES, 4)
        return builder.load(builder.bitcast(pointer, lanes.as_pointer()), align=align)

    def _splat(builder, value):
        undefined = ir.Constant(ir.VectorType(value.type, 64), ir.Undefined)
        single = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
        return builder.shuffle_vector(single, undefined, zeros)

    def _vector_call(builder, name, arguments):
        kind = ir.FunctionType(arguments[0].type, [arguments[0].type] * len(arguments))
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, arguments)

    def _cross(suffix):
        def codegen(context, builder, signature, args):
            one = _load(context, builder, signature.args[0], args[0], args[1])
            two = _load(context, builder, signature.args[0], args[0], args[2])
            product = builder.fneg(builder.fmul(_splat(builder, args[4]), one))
            c = _vector_call(
                builder, "llvm.fmuladd." + suffix, [_splat(builder, args[3]), two, product]
            )
            bound = _splat(builder, args[5])
            positive = builder.bitcast(builder.fcmp_ordered(">", c, bound), _WORD)
            size = _vector_call(builder, "llvm.fabs." + suffix, [c])
            near = builder.bitcast(builder.fcmp_unordered("<=", size, bound), _WORD)
            return context.make_tuple(builder, signature.return_type, [positive, near])

        return codegen

    @intrinsic
    def cross64(typingctx, values, first, second, k0, k1, tol):
        """Masks ``c > tol`` and ``not |c| > tol`` of ``c_l = k0 * values[second + l] - k1 * values[first + l]``."""
        number = types.float64
        pair = types.UniTuple(types.uint64, 2)
        return pair(values, types.int64, types.int64, number, number, number), _cross("v64f64")

    @intrinsic
    def cross64_single(typingctx, values, first, second, k0, k1, tol):
        """`cross64` in single precision (values, k0, k1 and tol are float32)."""
        number = types.float32
        pair = types.UniTuple(types.uint64, 2)
        return pair(values, types.int64, types.int64, number, number, number), _cross("v64f32")

    @intrinsic
    def near64(typingctx, values, first, tol):
        """Mask ``not |values[first + l]| > tol`` of 64 values."""

        def codegen(context, builder, signature, args):
            one = _load(context, builder, signature.args[0], args[0], args[1])
            size = _vector_call(builder, "llvm.fabs.v64f64", [one])
            return builder.bitcast(
                builder.fcmp_unordered("<=", size, _splat(builder, args[2])), _WORD
            )

        return types.uint64(values, types.int64, types.float64), codegen

    def _store(context, builder, array_type, array, index, lanes):
        pointer = context.make_array(array_type)(context, builder, array).data
        pointer = builder.gep(pointer, [index])
        builder.store(lanes, builder.bitcast(pointer, _LANES.as_pointer()), align=8)

    @intrinsic
    def narrow64(typingctx, values, first, out, target):
        """Round 64 doubles to single precision."""

        def codegen(context, builder, signature, args):
            lanes = builder.fptrunc(
                _load(context, builder, signature.args[0], args[0], args[1]), _SINGLES
            )
            pointer = context.make_array(signature.args[2])(context, builder, args[2]).data
            pointer = builder.bitcast(builder.gep(pointer, [args[3]]), _SINGLES.as_pointer())
            builder.store(lanes, pointer, align=4)
            return context.get_dummy_value()

        return types.void(values, types.int64, out, types.int64), codegen

    @intrinsic
    def subtract64(typingctx, values, first, second, ratio, out, target):
        """``out[target + l] = values[first + l] - ratio * values[second + l]`` for 64 values."""

        def codegen(context, builder, signature, args):
            one = _load(context, builder, signature.args[0], args[0], args[1])
            two = _load(context, builder, signature.args[0], args[0], args[2])
            factor = builder.fneg(_splat(builder, args[3]))
            lanes = _vector_call(builder, "llvm.fmuladd.v64f64", [factor, two, one])
            _store(context, builder, signature.args[4], args[4], args[5], lanes)
            return context.get_dummy_value()

        return types.void(
            values, types.int64, types.int64, types.float64, out, types.int64
        ), codegen

    @intrinsic
    def minor64(typingctx, values, first, second, pivot, entry, inverse, out, target):
        """``out[target + l] = rint((pivot * values[first + l] - entry * values[second + l]) * inverse)`` for 64 values."""

        def codegen(context, builder, signature, args):
            one = _load(context, builder, signature.args[0], args[0], args[1])
            two = _load(context, builder, signature.args[0], args[0], args[2])
            product = builder.fneg(builder.fmul(_splat(builder, args[4]), two))
            minors = _vector_call(
                builder, "llvm.fmuladd.v64f64", [_splat(builder, args[3]), one, product]
            )
            lanes = _vector_call(
                builder, "llvm.rint.v64f64", [builder.fmul(minors, _splat(builder, args[5]))]
            )
            _store(context, builder, signature.args[6], args[6], args[7], lanes)
            return context.get_dummy_value()

        number = types.float64
        arguments = (values, types.int64, types.int64, number, number, number, out, types.int64)
        return types.void(*arguments), codegen

    @intrinsic
    def popcount(typingctx, word):
        """Number of ones in a word."""

        def codegen(context, builder, signature, args):
            return builder.ctpop(args[0])

        return types.int64(types.uint64), codegen

    @intrinsic
    def lowest_bit(typingctx, word):
        """Index of the lowest one of a nonzero word."""

        def codegen(context, builder, signature, args):
            return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

        return types.int64(types.uint64), codegen
