"""Winograd's tiles, cut into panels: whole images where an image has few tiles, else whole rows of tiles, else parts of one row."""
from fastconv.kernels.planes cimport Planes, planes_read
from fastconv.kernels.runtime cimport fc_kernels

cdef struct Tiling:
    int n, m                     # points, and outputs, of a tile along an axis
    Py_ssize_t rows, columns, images         # tiles of an image; images
    Py_ssize_t panel_rows, panel_columns, panel_images
    Py_ssize_t row_panels, column_panels, count
    Py_ssize_t most              # tiles of a panel, at most

cdef struct Panel:
    Py_ssize_t image, images, row, rows, column, columns
    Py_ssize_t tiles


cdef inline Py_ssize_t even_rows(Py_ssize_t rows, Py_ssize_t most, Py_ssize_t images, int threads) noexcept nogil:
    """Rows of tiles of a panel, at most `most`: those that leave the busiest thread the fewest; of these the most."""
    cdef Py_ssize_t r, load, best = most, least = -1
    for r in range(most, 0, -1):
        load = (images * ((rows + r - 1) // r) + threads - 1) // threads * r
        if least < 0 or load < least:
            least, best = load, r
    return best


cdef inline Tiling tiling(int n, int m, Py_ssize_t images, Py_ssize_t height, Py_ssize_t width, Py_ssize_t most,
                          int threads) noexcept nogil:
    """The tiles of `images` images of height x width outputs, at most about `most` a panel."""
    cdef Tiling t
    t.n, t.m, t.images = n, m, images
    t.rows, t.columns = (height + m - 1) // m, (width + m - 1) // m
    t.panel_images, t.panel_rows, t.panel_columns = 1, t.rows, t.columns
    t.row_panels = t.column_panels = 1
    if t.rows * t.columns <= most:
        t.panel_images = min(images, most // (t.rows * t.columns))
        t.panel_images = (images + (images + t.panel_images - 1) // t.panel_images - 1) // (
            (images + t.panel_images - 1) // t.panel_images)
    elif t.columns <= most:
        t.panel_rows = even_rows(t.rows, most // t.columns, images, threads)
        t.row_panels = (t.rows + t.panel_rows - 1) // t.panel_rows
    else:
        t.panel_rows, t.row_panels = 1, t.rows
        t.column_panels = (t.columns + most - 1) // most
        t.panel_columns = (t.columns + t.column_panels - 1) // t.column_panels
        t.column_panels = (t.columns + t.panel_columns - 1) // t.panel_columns
    t.most = t.panel_images * t.panel_rows * t.panel_columns
    t.count = (images + t.panel_images - 1) // t.panel_images * t.row_panels * t.column_panels
    return t


cdef inline Panel panel_of(const Tiling *t, Py_ssize_t index) noexcept nogil:
    cdef Panel panel
    panel.column = index % t.column_panels * t.panel_columns
    panel.row = index // t.column_panels % t.row_panels * t.panel_rows
    panel.image = index // t.column_panels // t.row_panels * t.panel_images
    panel.columns = min(t.panel_columns, t.columns - panel.column)
    panel.rows = min(t.panel_rows, t.rows - panel.row)
    panel.images = min(t.panel_images, t.images - panel.image)
    panel.tiles = panel.images * panel.rows * panel.columns
    return panel


cdef inline Py_ssize_t patch_elements(const Tiling *t, bint phases, Py_ssize_t lanes) noexcept nogil:
    """Of the pixels that a panel reads from one image, or writes to it; twice, where they are phases."""
    return ((t.panel_rows - 1) * t.m + t.n) * ((t.panel_columns - 1) * t.m + t.n) * lanes * (2 if phases else 1)


cdef inline void points_of(const fc_kernels *kernel, const Tiling *t, const Panel *panel, const Planes *planes, bint gradient,
                           Py_ssize_t channel, Py_ssize_t channels, char *slab, char *points, Py_ssize_t point_stride) noexcept nogil:
    """A panel's tiles, in one vector of channels, transformed: points[p * point_stride + tile * lanes]. The tiles overlap as patches of
    n x n pixels; those of a gradient stand side by side, m x m."""
    cdef Py_ssize_t reach = 0 if gradient else t.n - t.m, lanes = kernel.lanes
    cdef Py_ssize_t rows = panel.rows * t.m + reach, columns = panel.columns * t.m + reach, image, row
    for image in range(panel.image, panel.image + panel.images):
        planes_read(kernel, 4, planes, image, channel, channels, panel.row * t.m, rows, panel.column * t.m, columns, slab)
        for row in range(panel.rows):
            if gradient:
                kernel.winograd_gradient(t.n, t.m, panel.columns, slab + row * t.m * columns * lanes * 4, columns * lanes, points,
                                         point_stride)
            else:
                kernel.winograd_input(t.n, t.m, panel.columns, slab + row * t.m * columns * lanes * 4, columns * lanes, points,
                                      point_stride)
            points += panel.columns * lanes * 4
