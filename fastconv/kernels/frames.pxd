"""Where the planes of images lie in an array.

Images follow each other, (images, groups * channels, H, W). The images of a volume are its slices: they lie among those of other
channels, and overlap where a slice of the filter reads several of them at a time.
"""

cdef struct Frames:
    Py_ssize_t depth                             # images of one volume; 1 where images are no slices
    Py_ssize_t volume, image, group, channel     # elements from one to the next


cdef inline Frames frames_plain(Py_ssize_t groups, Py_ssize_t channels, Py_ssize_t plane) noexcept nogil:
    """Of images that follow each other; channels: of a group, plane: elements of one."""
    return Frames(depth=1, volume=groups * channels * plane, image=0, group=channels * plane, channel=plane)


cdef inline Py_ssize_t frame_start(const Frames *frames, Py_ssize_t image, Py_ssize_t group) noexcept nogil:
    """Of the group's first plane, in elements."""
    if frames.depth == 1:
        return image * frames.volume + group * frames.group
    return image // frames.depth * frames.volume + image % frames.depth * frames.image + group * frames.group


cdef inline Py_ssize_t frames_end(const Frames *frames, Py_ssize_t images, Py_ssize_t groups, Py_ssize_t channels,
                                  Py_ssize_t plane) noexcept nogil:
    """Elements from the start of the array to the end of its last image."""
    return frame_start(frames, images - 1, groups - 1) + (channels - 1) * frames.channel + plane
