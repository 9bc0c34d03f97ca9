"""Columns of plain text become Arrow arrays: exactly, or not at all.

The type of a column follows from its field alone, so that all parts of a file agree,
also those without rows and those with nothing but None in a column.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from exports.exceptions import Unwritable
from exports.formats.kinds import Kind
from exports.formats.text import cell
from exports.i18n.message import Message

if TYPE_CHECKING:
    from exports.formats.kinds import Field

# How many digits the two types of decimals hold.
DIGITS_128 = 38
DIGITS_256 = 76

DURATION = r"^(?P<sign>-?)P(?P<days>\d+)DT(?P<seconds>\d+)(?:\.(?P<fraction>\d{1,6}))?S$"
SECONDS_A_DAY = 86_400
MICROSECONDS = 1_000_000
SHOWN = 80  # Characters of a value in a message. A text may have millions.


def schema(fields: Sequence[Field]) -> pa.Schema:
    return pa.schema([pa.field(field.header, type_of(field)) for field in fields])


def type_of(field: Field) -> pa.DataType:
    """The Arrow type that holds every value of this field."""
    match field.kind:
        case Kind.INTEGER:
            return _integer(field.bits)
        case Kind.DECIMAL:
            return _decimal(field.digits, field.places)
    return TYPES.get(field.kind, pa.string())


def array(field: Field, values: Sequence[Any]) -> pa.Array:
    """These values of this field. Raises Unwritable for one that its type cannot hold exactly.

    Of a FLOAT that means the nearest double. A DATETIME without an offset is taken as UTC.
    """
    convert, into = CONVERT[field.kind], type_of(field)
    try:
        return convert(values, into)
    except ValueError as error:
        # Which one it was pyarrow does not always say.
        for row, value in enumerate(values):
            if not _fits(convert, value, into):
                raise Unwritable(_refusal(field, value, into), row=row) from error
        raise


def _fits(convert: Convert, value: Any, into: pa.DataType) -> bool:
    try:
        convert([value], into)
    except ValueError:
        return False
    return True


def _refusal(field: Field, value: Any, into: pa.DataType) -> Message:
    shown = repr(value)
    if len(shown) > SHOWN:
        shown = f"{shown[:SHOWN]}…"
    return Message(
        'The column "%(column)s" contains %(value)s, which Parquet cannot store as '
        "%(type)s. Leave out the column or the row, or export to CSV.",
        column=field.header,
        value=shown,
        type=into,
    )


def _integer(bits: int) -> pa.DataType:
    small, medium = 16, 32
    if bits <= small:
        return pa.int16()
    return pa.int32() if bits <= medium else pa.int64()


def _decimal(digits: int | None, places: int | None) -> pa.DataType:
    """Text where the digits are not known, or too many: in Parquet the point is fixed."""
    if digits is None or places is None or not 0 <= places <= digits:
        return pa.string()
    if 1 <= digits <= DIGITS_128:
        return pa.decimal128(digits, places)
    return pa.decimal256(digits, places) if DIGITS_128 < digits <= DIGITS_256 else pa.string()


# -- From text, by kind. Each raises ValueError, which pyarrow's ArrowInvalid is, too. --------


def _text(values: Sequence[Any], _into: pa.DataType) -> pa.Array:
    return pa.array(values, pa.string())


def _cells(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    # `cell` gives text back as it is, but asks what it is first.
    as_is = (str, type(None))
    return _text([each if type(each) in as_is else cell(each) for each in values], into)


def _cast(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    return pa.array(values, pa.string()).cast(into)


def _integers(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    text = pa.array(values, pa.string())
    # The cast takes 0xFFFF as well, as -1 if there are 16 bits.
    _only(text, b"-0123456789")
    return text.cast(into)


def _floats(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    text = pa.array(values, pa.string())
    numbers = text.cast(into)
    # What is too large becomes infinite without a word. Infinity is written in letters.
    infinite = pc.is_inf(numbers)
    if pc.any(infinite).as_py():
        _only(text.filter(infinite), b"+-INFTYinfty")
    return numbers


def _decimals(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    text = pa.array(values, pa.string())
    if pa.types.is_string(into):
        return text
    # With more digits than fit 128 or 256 bits the cast goes on from the remainder, and may
    # end at a number that fits. An exponent multiplies past them in the same way.
    _only(text, b"-.0123456789")
    digits = DIGITS_128 if pa.types.is_decimal128(into) else DIGITS_256
    length = pc.binary_length(text)
    if (pc.max(length).as_py() or 0) > digits:
        for number in text.filter(pc.greater(length, digits)).to_pylist():
            if len(number.lstrip("-0").replace(".", "")) > digits:
                raise ValueError(number)
    return text.cast(into)


def _datetimes(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    text = pa.array(values, pa.string())
    try:
        return text.cast(into)
    except ValueError:
        # An offset is asked for. Where there is none, UTC's is put.
        offset = pc.match_substring_regex(text, r":.*[Z+-]")
        in_utc = pc.binary_join_element_wise(text, "Z", "")
        return pc.if_else(offset, text, in_utc).cast(into)


def _times(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    # There is no cast from text to a time. Any day will do: it is cut off again.
    moments = pc.binary_join_element_wise("1970-01-01T", pa.array(values, pa.string()), "")
    return moments.cast(pa.timestamp("us")).cast(into)


def _durations(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    text = pa.array(values, pa.string())
    found = pc.extract_regex(text, DURATION)
    if found.null_count > text.null_count:
        raise ValueError("a duration in another form")
    sign, days, seconds, fraction = found.flatten()
    whole = pc.add_checked(
        pc.multiply_checked(days.cast(pa.int64()), SECONDS_A_DAY), seconds.cast(pa.int64())
    )
    fraction = pc.utf8_rpad(fraction, 6, "0").cast(pa.int64())
    length = pc.add_checked(pc.multiply_checked(whole, MICROSECONDS), fraction)
    return pc.if_else(pc.equal(sign, "-"), pc.negate(length), length).cast(into)


def _binary(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    return pa.array([None if value is None else unhexlify(value) for value in values], into)


def _only(text: pa.StringArray, characters: bytes) -> None:
    """Raise ValueError if any character of these texts is another one."""
    # All of them lie one after the other in one buffer: far quicker than an expression on each.
    data = text.buffers()[2]
    if data is not None and data.to_pybytes().translate(None, characters):
        raise ValueError("other characters")


Convert = Callable[[Sequence[Any], pa.DataType], pa.Array]

# Of the kinds that always have the same. All others are text.
TYPES: dict[Kind, pa.DataType] = {
    Kind.FLOAT: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.DATE: pa.date32(),
    Kind.DATETIME: pa.timestamp("us", "UTC"),
    Kind.TIME: pa.time64("us"),
    Kind.DURATION: pa.duration("us"),
    Kind.BINARY: pa.binary(),
}
CONVERT: dict[Kind, Convert] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _integers,
    Kind.FLOAT: _floats,
    Kind.DECIMAL: _decimals,
    Kind.BOOLEAN: _cast,
    Kind.DATE: _cast,
    Kind.DATETIME: _datetimes,
    Kind.TIME: _times,
    Kind.DURATION: _durations,
    Kind.UUID: _text,
    Kind.BINARY: _binary,
    Kind.NESTED: _text,
    Kind.VALUE: _cells,
}
