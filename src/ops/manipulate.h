#pragma once
// Arrays put together from parts of arrays: padding, repetition, rotation, diagonals, grids. All are
// compositions; where nothing is repeated the result is a view.
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/array.h"

namespace uma {

/// Elements before and after, one pair an axis; one pair alone is for every axis.
using PadWidths = std::vector<std::pair<int64_t, int64_t>>;
enum class PadMode : uint8_t { constant, edge, reflect, symmetric };
/// "constant", "edge", "reflect", "symmetric". Throws InvalidArgument.
PadMode pad_mode_from_name(std::string_view name);

/// x with a border: `value` (one element), the nearest element, or x mirrored without or with its last
/// element. throws  InvalidArgument: a negative width, a number of pairs that is not ndim, an empty axis to
/// extend
array pad(const array& x, const PadWidths& widths, const array& value, PadMode mode = PadMode::constant);
array pad(const array& x, const PadWidths& widths);

/// Every element `repeats` times in a row along an axis. throws InvalidArgument for a negative number
array repeat(const array& x, int64_t repeats, int axis);
/// The same of the flattened array.
array repeat(const array& x, int64_t repeats);
/// x laid side by side reps[i] times along axis i; the shorter of shape and reps is filled with ones in
/// front.
array tile(const array& x, const std::vector<int64_t>& reps);

/// Elements moved up by shifts[i] along axes[i]; what leaves at the end comes in at the front.
/// throws InvalidArgument for fewer shifts than axes
array roll(const array& x, const std::vector<int64_t>& shifts, const std::vector<int>& axes);
/// The same of the flattened array, in x's shape.
array roll(const array& x, int64_t shift);
/// Elements of these axes (no axes: of all) in reversed order; a view.
array flip(const array& x, const std::vector<int>& axes = {});

/// The arrays that stack() joins.
std::vector<array> unstack(const array& x, int axis = 0);
/// One axis cut into several, one of which may be -1. throws Shape
array unflatten(const array& x, int axis, Shape shape);

std::vector<array> broadcast_arrays(const std::vector<array>& arrays);
/// Coordinates of a grid, one array an axis. Inputs are flattened; "xy" swaps the first two axes.
/// throws InvalidArgument for another indexing than "xy" and "ij"
std::vector<array> meshgrid(const std::vector<array>& arrays, bool sparse = false,
                            std::string_view indexing = "xy");
array atleast_1d(const array& x);
array atleast_2d(const array& x);
array atleast_3d(const array& x);

/// The offset-th diagonals of two axes, as a new last axis. throws Shape below 2 dimensions
array diagonal(const array& x, int offset = 0, int axis1 = 0, int axis2 = 1);
/// The k-th diagonal of a matrix, or a matrix with a vector as its k-th diagonal. throws Shape for others
array diag(const array& x, int k = 0);
/// Sums of diagonals, in `dtype` where given.
array trace(const array& x, int offset = 0, int axis1 = 0, int axis2 = 1, std::optional<DType> dtype = {});

/// x[..., start : start + size, ...] for the axes named, with starts known only when evaluated: `start` is an
/// integer or a vector of one an axis. Starts are clamped so that the slice lies inside.
/// shapes  x, start (k,) for k axes, size: x.ndim extents -> size
array slice(const array& x, const array& start, const std::vector<int>& axes, const Shape& size);
/// x with `update` written there; other axes of the update start at 0.
array slice_update(const array& x, const array& update, const array& start, const std::vector<int>& axes);
/// x with x[i][indices[i][j]] = values[i][j] for axis 1, and so on. The last write to one place stays.
array put_along_axis(const array& x, const array& indices, const array& values, int axis);

}  // namespace uma
