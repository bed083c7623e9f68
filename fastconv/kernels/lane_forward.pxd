from fastconv.kernels.lanes cimport Lanes, Operation
from fastconv.kernels.runtime cimport fc_lane_windows

cdef void pack_forward(const Lanes *net, const Operation *op) noexcept nogil
cdef void operate(const Lanes *net, const Operation *op, char *arena) noexcept nogil
cdef void forward(const Lanes *net, char *arena) noexcept nogil
cdef void start_windows(const Operation *op, fc_lane_windows *windows) noexcept nogil
