from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "registry.h" nogil:
    ctypedef struct fc_tile:
        Py_ssize_t depth
        const void *weights
        Py_ssize_t weights_step
        const Py_ssize_t *offsets
        int packed
        const void *source[4]
        void *output[4]
        Py_ssize_t count[4]
        Py_ssize_t output_row
        const void *bias
        int accumulate
        int relu
    ctypedef struct fc_segment:
        Py_ssize_t source
        Py_ssize_t target
        Py_ssize_t length
    ctypedef struct fc_moments:
        double count
        double mean
        double squares
        double strange
    void fc_merge(fc_moments *, const fc_moments *)
    double fc_inverse(double, double)
    ctypedef struct fc_local:
        Py_ssize_t images
        Py_ssize_t count
        void *weights
        Py_ssize_t weights_row
        Py_ssize_t weights_tap
        const void *source
        const Py_ssize_t *offsets
        Py_ssize_t source_image
        const void *start
        Py_ssize_t start_row
        Py_ssize_t start_image
        void *sums
        Py_ssize_t sums_row
        Py_ssize_t sums_image
    ctypedef struct fc_lane_windows:
        Py_ssize_t count, rows, columns, stride, dilation, left, width, source_row, image_row, image_step
        int add
    ctypedef struct fc_kernels:
        Py_ssize_t lanes
        Py_ssize_t tile_rows
        Py_ssize_t tile_vectors
        Py_ssize_t run_rows[3]
        Py_ssize_t channel_pixels[2]
        Py_ssize_t line_tiles
        Py_ssize_t weight_rows
        Py_ssize_t weight_columns
        Py_ssize_t local_rows
        Py_ssize_t local_taps
        void (*correlate_tile)(const fc_tile *, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*correlate_run)(fc_tile *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*weight_tile)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, const void *, const Py_ssize_t *, void *,
                            Py_ssize_t) noexcept nogil
        void (*weight_sums)(Py_ssize_t, const void *, void *) noexcept nogil
        void (*pack_rows)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, void *) noexcept nogil
        void (*pack_gather)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, const Py_ssize_t *, void *) noexcept nogil
        void (*pack_lines)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, void *) noexcept nogil
        void (*pack_panel)(Py_ssize_t, Py_ssize_t, const void *, const Py_ssize_t *, Py_ssize_t, const fc_segment *, void *) noexcept nogil
        void (*copy_strided)(Py_ssize_t, const void *, Py_ssize_t, void *, Py_ssize_t) noexcept nogil
        void (*add_strided)(Py_ssize_t, const void *, Py_ssize_t, void *, Py_ssize_t) noexcept nogil
        void (*weave)(Py_ssize_t, const void *, const void *, int, void *) noexcept nogil
        void (*fill)(Py_ssize_t, double, void *) noexcept nogil
        void (*sum_rows)(Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, void *) noexcept nogil
        double (*sum)(Py_ssize_t, const void *, double) noexcept nogil
        int (*all_finite)(Py_ssize_t, const void *) noexcept nogil
        void (*moments)(Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, fc_moments *) noexcept nogil
        void (*column_moments)(Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, fc_moments *) noexcept nogil
        void (*gradient_sums)(Py_ssize_t, Py_ssize_t, const void *, const void *, Py_ssize_t, double, double *) noexcept nogil
        void (*column_gradient_sums)(Py_ssize_t, Py_ssize_t, const void *, const void *, Py_ssize_t, const void *,
                                     double *) noexcept nogil
        void (*affine_rows)(Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, const double *, Py_ssize_t, void *) noexcept nogil
        void (*affine_columns)(Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, const void *, const void *, const void *,
                               void *) noexcept nogil
        void (*affine_gradient_rows)(Py_ssize_t, Py_ssize_t, const void *, const void *, Py_ssize_t, const double *, Py_ssize_t,
                                     void *) noexcept nogil
        void (*affine_gradient_columns)(Py_ssize_t, Py_ssize_t, const void *, const void *, Py_ssize_t, const void *const *,
                                        void *) noexcept nogil
        void (*normalize_rows)(Py_ssize_t, Py_ssize_t, const void *, const void *, const void *, Py_ssize_t, Py_ssize_t, double, void *,
                               double *, double *) noexcept nogil
        void (*normalize_rows_gradient)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, const void *, const void *, Py_ssize_t,
                                        Py_ssize_t, const double *, const double *, void *, void *, void *) noexcept nogil
        void (*local_response)(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, double, double, double, const void *,
                               void *) noexcept nogil
        void (*local_response_gradient)(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, double, double, double, const void *,
                                        const void *, void *, void *) noexcept nogil
        void (*pad_lines)(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const Py_ssize_t *, double,
                          const void *, void *) noexcept nogil
        void (*pad_gradient)(int, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const Py_ssize_t *, Py_ssize_t, const void *,
                             void *) noexcept nogil
        void (*max_taps)(Py_ssize_t, Py_ssize_t, const void *, const Py_ssize_t *, void *) noexcept nogil
        void (*argmax_taps)(Py_ssize_t, Py_ssize_t, const void *, const Py_ssize_t *, const Py_ssize_t *, Py_ssize_t, Py_ssize_t,
                            Py_ssize_t, Py_ssize_t, void *, int64_t *) noexcept nogil
        void (*mean_taps)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, const Py_ssize_t *, const void *, double, void *) noexcept nogil
        void (*share_row)(Py_ssize_t, const void *, const void *, double, void *) noexcept nogil
        int (*scatter_add)(Py_ssize_t, const void *, const int64_t *, Py_ssize_t, void *) noexcept nogil
        void (*merge_max)(Py_ssize_t, const void *, const int64_t *, int64_t, int, void *, int64_t *) noexcept nogil
        void (*merge_sum)(Py_ssize_t, const void *, int, void *) noexcept nogil
        void (*divide_row)(Py_ssize_t, const void *, double, double, void *) noexcept nogil
        void (*sum_planes)(Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, const void *, void *) noexcept nogil
        int (*scatter)(Py_ssize_t, const void *, const int64_t *, Py_ssize_t, void *) noexcept nogil
        int (*gather)(Py_ssize_t, const void *, const int64_t *, Py_ssize_t, void *) noexcept nogil
        void (*adaptive_mean)(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, const Py_ssize_t *,
                              const Py_ssize_t *, void *, void *) noexcept nogil
        void (*adaptive_share)(Py_ssize_t, Py_ssize_t, const Py_ssize_t *, const Py_ssize_t *, const void *, int, void *) noexcept nogil
        void (*adaptive_spread)(Py_ssize_t, const Py_ssize_t *, const Py_ssize_t *, const void *, void *) noexcept nogil
        void (*adaptive_max)(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, Py_ssize_t, const Py_ssize_t *,
                             const Py_ssize_t *, void *, void *, int64_t *) noexcept nogil
        void (*map_forward)(int, Py_ssize_t, const void *, double, void *) noexcept nogil
        void (*map_backward)(int, Py_ssize_t, const void *, const void *, double, void *) noexcept nogil
        void (*prelu_row)(Py_ssize_t, const void *, const void *, const void *, int, void *) noexcept nogil
        double (*leaked_sum)(Py_ssize_t, const void *, const void *) noexcept nogil
        void (*leaked_columns)(Py_ssize_t, Py_ssize_t, const void *, const void *, double *) noexcept nogil
        void (*dropout)(Py_ssize_t, uint64_t, uint64_t, uint64_t, uint32_t, double, const void *, void *) noexcept nogil
        void (*softmax_row)(int, Py_ssize_t, const void *, void *) noexcept nogil
        void (*softmax_row_backward)(int, Py_ssize_t, const void *, const void *, void *) noexcept nogil
        void (*softmax_columns)(int, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, void *, Py_ssize_t) noexcept nogil
        void (*softmax_columns_backward)(int, Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, const void *, void *) noexcept nogil
        void (*weigh_rows)(Py_ssize_t, Py_ssize_t, const void *, const void *, const void *, double, double, void *) noexcept nogil
        void (*weigh_columns)(Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, const void *, const void *, Py_ssize_t, double, double,
                              void *) noexcept nogil
        void (*spread_rows)(Py_ssize_t, Py_ssize_t, const void *, const void *, double, double, const void *, const void *,
                            void *) noexcept nogil
        void (*spread_columns)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, const void *, double, double, const void *, const void *,
                               void *) noexcept nogil
        int (*pick_losses)(Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, Py_ssize_t, const int64_t *, int64_t, const void *, double,
                           double, const void *, void *, double *) noexcept nogil
        int (*target_weight)(Py_ssize_t, Py_ssize_t, const int64_t *, int64_t, const void *, double *) noexcept nogil
        int (*target_slopes)(Py_ssize_t, Py_ssize_t, const void *, double, const int64_t *, int64_t, const void *, double, double, void *,
                             void *, void *) noexcept nogil
        void (*share_slopes)(Py_ssize_t, const void *, double, void *, void *) noexcept nogil
        void (*pick_gradients)(Py_ssize_t, const void *, const int64_t *, int64_t, Py_ssize_t, Py_ssize_t, void *) noexcept nogil
        void (*squares)(Py_ssize_t, const void *, const void *, const void *, void *) noexcept nogil
        double (*sum_squares)(Py_ssize_t, const void *, const void *, const void *) noexcept nogil
        void (*squares_backward)(Py_ssize_t, const void *, const void *, const void *, const void *, double, void *) noexcept nogil
        void (*pad_rows)(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, double, const void *, Py_ssize_t, Py_ssize_t,
                         void *) noexcept nogil
        void (*add_scaled)(Py_ssize_t, const void *, const void *, void *, Py_ssize_t) noexcept nogil
        void (*filter_taps)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, const Py_ssize_t *, const void *,
                            const void *, int, void *, Py_ssize_t) noexcept nogil
        void (*filter3x3)(int, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *,
                          const void *, int, int, void *) noexcept nogil
        void (*turned3x3)(Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, int,
                          void *) noexcept nogil
        void (*weight3x3)(int, Py_ssize_t, Py_ssize_t, const void *, const void *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                          void *) noexcept nogil
        void (*pool_rows)(Py_ssize_t, int, int, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                          Py_ssize_t, const void *, const void *, void *, int64_t *) noexcept nogil
        void (*spread_row)(Py_ssize_t, int, Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, void *, void *,
                           Py_ssize_t) noexcept nogil
        void (*mean_gradient)(int, int, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, const void *, const void *,
                              Py_ssize_t, Py_ssize_t, Py_ssize_t, void *) noexcept nogil
        int (*max_gradient)(Py_ssize_t, Py_ssize_t, const void *, const int64_t *, Py_ssize_t, Py_ssize_t, void *) noexcept nogil
        void (*channel_tile)(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, const Py_ssize_t *, const void *, const void *,
                             int, Py_ssize_t, void *, Py_ssize_t) noexcept nogil
        void (*pixel_tile)(Py_ssize_t, Py_ssize_t, const void *, const Py_ssize_t *, const void *, Py_ssize_t, const void *, int,
                           void *, Py_ssize_t) noexcept nogil
        void (*pack_taps)(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, const Py_ssize_t *,
                          void *) noexcept nogil
        double (*peak)(Py_ssize_t, void *) noexcept nogil
        void (*winograd_input)(int, int, Py_ssize_t, const void *, Py_ssize_t, void *, Py_ssize_t) noexcept nogil
        void (*winograd_gradient)(int, int, Py_ssize_t, const void *, Py_ssize_t, void *, Py_ssize_t) noexcept nogil
        int (*winograd_output)(int, int, Py_ssize_t, const void *, Py_ssize_t, Py_ssize_t, const void *, int, void *,
                               Py_ssize_t) noexcept nogil
        void (*winograd_filters)(int, int, Py_ssize_t, const void *, Py_ssize_t, int, void *) noexcept nogil
        void (*winograd_weights)(int, int, Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, Py_ssize_t, int, void *,
                                 Py_ssize_t) noexcept nogil
        void (*point_tile)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, const void *, int, void *) noexcept nogil
        void (*turn_in)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, Py_ssize_t, void *, Py_ssize_t) noexcept nogil
        void (*turn_out)(Py_ssize_t, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, void *, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*line_points)(int, Py_ssize_t, const void *, void *, Py_ssize_t) noexcept nogil
        void (*line_weights)(int, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, void *) noexcept nogil
        void (*lane_line_points)(int, Py_ssize_t, const void *, void *, Py_ssize_t) noexcept nogil
        void (*lane_line_outputs)(int, Py_ssize_t, const void *, Py_ssize_t, const void *, void *, void *) noexcept nogil
        void (*lane_images)(int, Py_ssize_t, Py_ssize_t, const void *const *, double, double, void *) noexcept nogil
        void (*lane_maximum)(const fc_lane_windows *, const void *, void *) noexcept nogil
        void (*lane_mean)(const fc_lane_windows *, const void *, const void *, double, void *) noexcept nogil
        void (*lane_maximum_gradient)(const fc_lane_windows *, const void *, const void *, void *) noexcept nogil
        void (*lane_mean_gradient)(const fc_lane_windows *, const void *, const void *, double, void *) noexcept nogil
        void (*lane_loss)(int, Py_ssize_t, Py_ssize_t, const void *, const int64_t *, double, void *, double *, int64_t *) noexcept nogil
        void (*sgd_step)(Py_ssize_t, double, double, double, const void *, void *, void *) noexcept nogil
        void (*adam_step)(Py_ssize_t, double, double, double, double, double, double, const void *, void *, void *, void *) noexcept nogil
        int (*line_tile)(int, Py_ssize_t, Py_ssize_t, const void *, Py_ssize_t, const Py_ssize_t *, const void *, const void *, int,
                         void *) noexcept nogil
        void (*local_tile)(const fc_local *, Py_ssize_t, Py_ssize_t) noexcept nogil
        void (*local_weights)(const fc_local *, Py_ssize_t, Py_ssize_t, int) noexcept nogil
        void (*add)(Py_ssize_t, const void *, const void *, void *) noexcept nogil

# One copy of the tables and of the thread count serves all drivers: they are linked into this module alone.
cdef const fc_kernels *kernels(Py_ssize_t itemsize) noexcept nogil
cdef int threads_for(double work) noexcept nogil
cdef bint winograd_allowed() noexcept nogil
cdef void *allocate(Py_ssize_t size) noexcept nogil
cdef void release(void *memory) noexcept nogil

# All arithmetic lies between these two on the thread that does it: `mode = enter_team()` first and `leave_team(mode)` last (mode from
# `cdef unsigned int mode = 0`) in every parallel region, and in the driver's entry (`with nogil:`) where the calling thread computes
# outside of regions. They nest. The first notes how many threads are at work and makes this thread treat denormal numbers as
# set_flush_denormal says, whatever the caller's own mode: workers have it from whoever started them, and bits would depend on the
# threads. The second gives back what was.
cdef unsigned int enter_team() noexcept nogil
cdef void leave_team(unsigned int mode) noexcept nogil
# Between two loops of one parallel region of which the second reads what the first wrote: a prange does not wait at its end.
cdef void barrier() noexcept nogil
