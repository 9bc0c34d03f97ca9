"""Convert columns of plain text to Arrow arrays, exactly or not at all.

The type of a column depends on its field alone. So all parts of a file have the same types, even a
part without rows or with only None in a column.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from exports.exceptions import Unwritable
from exports.formats.kinds import Kind
from exports.formats.text import cell, shortened_repr
from exports.i18n.message import Message

if TYPE_CHECKING:
    from exports.formats.kinds import Field

# The digits that Arrow's two decimal types can hold.
DIGITS_128 = 38
DIGITS_256 = 76

DURATION = r"^(?P<sign>-?)P(?P<days>\d+)DT(?P<seconds>\d+)(?:\.(?P<fraction>\d{1,6}))?S$"
SECONDS_A_DAY = 86_400
MICROSECONDS = 1_000_000


def schema(fields: Sequence[Field]) -> pa.Schema:
    """Return the schema of a file with these columns."""
    return pa.schema([pa.field(field.header, type_of(field)) for field in fields])


def type_of(field: Field) -> pa.DataType:
    """Return the Arrow type that holds every value of `field`."""
    if field.kind is Kind.INTEGER:
        return next((type_ for bits, type_ in INTEGERS.items() if field.bits <= bits), pa.int64())
    if field.kind is Kind.DECIMAL:
        return _decimal(field.digits, field.places)
    return TYPES.get(field.kind, pa.string())


def array(field: Field, values: Sequence[Any]) -> pa.Array:
    """Return `values` as an array of the field's type.

    Raise Unwritable for a value that the type cannot hold exactly. A FLOAT becomes the nearest
    double, and a DATETIME without an offset is taken as UTC.
    """
    convert, into = CONVERT.get(field.kind, _cast), type_of(field)
    try:
        return convert(values, into)
    except ValueError:
        # pyarrow does not always say which value it refused, so each is converted alone.
        for row, value in enumerate(values):
            try:
                convert([value], into)
            except ValueError as error:
                raise Unwritable(_refusal(field, value, into), row=row) from error
        raise


def _refusal(field: Field, value: Any, into: pa.DataType) -> Message:
    return Message(
        'The column "%(column)s" contains %(value)s, which Parquet cannot store as '
        "%(type)s. Leave out the column or the row, or export to CSV.",
        column=field.header,
        value=shortened_repr(value),
        type=into,
    )


def _decimal(digits: int | None, places: int | None) -> pa.DataType:
    """Return a decimal type, or text if the digits are unknown or too many.

    A Parquet decimal has a fixed number of decimal places.
    """
    if digits is None or places is None or not 0 <= places <= digits:
        return pa.string()
    if 1 <= digits <= DIGITS_128:
        return pa.decimal128(digits, places)
    return pa.decimal256(digits, places) if DIGITS_128 < digits <= DIGITS_256 else pa.string()


# -- Conversions by kind. Each raises ValueError; pyarrow's ArrowInvalid is a subclass of it. ------


def _cast(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    return pa.array(values, pa.string()).cast(into)


def _cells(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    # `cell` would return text unchanged as well, but only after a slow dispatch by type.
    unchanged = (str, type(None))
    return _cast([each if type(each) in unchanged else cell(each) for each in values], into)


def _integers(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    text = pa.array(values, pa.string())
    # The cast would also accept hexadecimal: 0xFFFF becomes -1 in 16 bits.
    _refuse_others(text, b"-0123456789")
    return text.cast(into)


def _floats(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    text = pa.array(values, pa.string())
    numbers = text.cast(into)
    # A number that is too large silently becomes infinite. A real infinity is spelled in letters.
    infinite = pc.is_inf(numbers)
    if pc.any(infinite).as_py():
        _refuse_others(text.filter(infinite), b"+-INFTYinfty")
    return numbers


def _decimals(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    text = pa.array(values, pa.string())
    if pa.types.is_string(into):
        return text
    # A text with more digits than 128 or 256 bits hold makes the cast overflow silently, perhaps
    # to a number that fits. An exponent does the same.
    _refuse_others(text, b"-.0123456789")
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
        # The cast wants an offset, so values without one get that of UTC.
        has_offset = pc.match_substring_regex(text, r":.*[Z+-]")
        in_utc = pc.binary_join_element_wise(text, "Z", "")
        return pc.if_else(has_offset, text, in_utc).cast(into)


def _times(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    # pyarrow cannot cast text to a time, only to a timestamp. The last cast drops the date again.
    moments = pc.binary_join_element_wise("1970-01-01T", pa.array(values, pa.string()), "")
    return moments.cast(pa.timestamp("us")).cast(into)


def _durations(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    text = pa.array(values, pa.string())
    found = pc.extract_regex(text, DURATION)
    if found.null_count > text.null_count:
        raise ValueError("a duration that is not in the form P1DT3600S")
    sign, days, seconds, fraction = found.flatten()
    whole = pc.add_checked(
        pc.multiply_checked(days.cast(pa.int64()), SECONDS_A_DAY), seconds.cast(pa.int64())
    )
    fraction = pc.utf8_rpad(fraction, 6, "0").cast(pa.int64())
    length = pc.add_checked(pc.multiply_checked(whole, MICROSECONDS), fraction)
    return pc.if_else(pc.equal(sign, "-"), pc.negate(length), length).cast(into)


def _binary(values: Sequence[Any], into: pa.DataType) -> pa.Array:
    return pa.array([None if value is None else unhexlify(value) for value in values], into)


def _refuse_others(text: pa.StringArray, allowed: bytes) -> None:
    """Raise ValueError if the texts contain a character that is not `allowed`."""
    # All texts are in one buffer. Checking the buffer is far faster than matching each text.
    data = text.buffers()[2]
    if data is not None and data.to_pybytes().translate(None, allowed):
        raise ValueError(f"a character that is not one of {allowed.decode()}")


Convert = Callable[[Sequence[Any], pa.DataType], pa.Array]

INTEGERS = {16: pa.int16(), 32: pa.int32()}  # Keys are the most bits that the type holds.
# The kinds whose type is always the same. All kinds that are not here become text.
TYPES: dict[Kind, pa.DataType] = {
    Kind.FLOAT: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.DATE: pa.date32(),
    Kind.DATETIME: pa.timestamp("us", "UTC"),
    Kind.TIME: pa.time64("us"),
    Kind.DURATION: pa.duration("us"),
    Kind.BINARY: pa.binary(),
}
# The kinds that pyarrow's cast alone would not convert, or not exactly.
CONVERT: dict[Kind, Convert] = {
    Kind.INTEGER: _integers,
    Kind.FLOAT: _floats,
    Kind.DECIMAL: _decimals,
    Kind.DATETIME: _datetimes,
    Kind.TIME: _times,
    Kind.DURATION: _durations,
    Kind.BINARY: _binary,
    Kind.VALUE: _cells,
}
