"""Operators that need nothing but their arrays any more, and a program of them: one call into compiled code."""
from time import perf_counter

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport allocate, enter_team, leave_team, release

cdef enum:
    INPUT = -1                   # of a program: the caller's arrays; its own are 0, 1, ...
    OUTPUT = -2
    MOST_SOURCES = 8

cdef struct Move:
    operator_call call
    const void *state
    int sources
    Py_ssize_t source[MOST_SOURCES]
    Py_ssize_t target


cdef int nothing(const void *state, Py_ssize_t images, const char *const *sources, char *target) noexcept nogil:
    """What an operator does that does not say how it is called: a pointer to nowhere would end the process."""
    return 0


cdef class Prepared:
    """Base of the operators; they say how they are called."""

    def __cinit__(self, *arguments, **options):
        self.call = nothing

    def forward(self, *arrays):
        """The sources, then the target; all of one number of images."""
        cdef Array array
        cdef const char *sources[MOST_SOURCES]
        cdef Py_ssize_t images = 0
        cdef int i = 0, last = <int> len(arrays) - 1, status
        cdef unsigned int mode = 0
        array.data = NULL
        if not 0 < last <= MOST_SOURCES:
            raise ValueError(f"an operator takes from 1 to {MOST_SOURCES} sources and a target, got {last + 1} arrays")
        for item in arrays:
            view(item, &array, i == last)
            if i == last:
                break
            sources[i], images = array.data, array.shape[0]
            i += 1
        with nogil:
            mode = enter_team()
            status = self.call(self.state, images, sources, array.data)
            leave_team(mode)
        if status != 0:
            raise MemoryError("no memory for the workspace of an operator")


cdef class Program:
    """Operators one after the other, on the caller's arrays and some of its own."""
    cdef Move *moves
    cdef char **regions
    cdef Py_ssize_t count
    cdef tuple kept              # the operators and the arrays that the pointers lead to

    def __cinit__(self, tuple moves, tuple regions):
        """moves: (operator, numbers of its sources, number of its target), numbers of regions, or INPUT or OUTPUT; regions: arrays."""
        cdef Array array
        cdef Prepared prepared
        cdef Py_ssize_t i, j
        self.count, self.kept = len(moves), (moves, regions)
        self.moves = <Move *> allocate(max(self.count, 1) * sizeof(Move))
        self.regions = <char **> allocate(max(<Py_ssize_t> len(regions), 1) * sizeof(char *))
        if self.moves == NULL or self.regions == NULL:
            raise MemoryError("no memory for a program")
        for i, region in enumerate(regions):
            view(region, &array, True)
            self.regions[i] = array.data
        for i, (operator, sources, target) in enumerate(moves):
            prepared = operator
            if len(sources) > MOST_SOURCES:
                raise ValueError(f"an operator of a program has at most {MOST_SOURCES} sources, got {len(sources)}")
            self.moves[i].call, self.moves[i].state = prepared.call, prepared.state
            self.moves[i].sources, self.moves[i].target = <int> len(sources), target
            for j, source in enumerate(sources):
                self.moves[i].source[j] = source

    def __dealloc__(self):
        release(self.moves)
        release(self.regions)

    cdef inline char *place(self, Py_ssize_t number, char *x, char *y) noexcept nogil:
        return x if number == INPUT else y if number == OUTPUT else self.regions[number]

    cdef inline int move(self, Py_ssize_t i, Py_ssize_t images, char *x, char *y) noexcept nogil:
        cdef const char *sources[MOST_SOURCES]
        cdef Move *move = &self.moves[i]
        cdef int j
        for j in range(move.sources):
            sources[j] = self.place(move.source[j], x, y)
        return move.call(move.state, images, sources, self.place(move.target, x, y))

    def forward(self, Py_ssize_t images, input, output):
        """Contiguous arrays of so many images."""
        cdef Array x, y
        cdef Py_ssize_t i
        cdef int status = 0
        cdef unsigned int mode = 0
        view(input, &x)
        view(output, &y, True)
        with nogil:
            mode = enter_team()
            for i in range(self.count):
                status = self.move(i, images, x.data, y.data)
                if status != 0:
                    break
            leave_team(mode)
        if status != 0:
            raise MemoryError("no memory for the workspace of an operator")

    def profile(self, Py_ssize_t images, input, output):
        """The same, and the seconds of each operator."""
        cdef Array x, y
        cdef Py_ssize_t i
        cdef double begun
        cdef unsigned int mode
        cdef int status
        took = []
        view(input, &x)
        view(output, &y, True)
        for i in range(self.count):
            begun = perf_counter()
            with nogil:
                mode = enter_team()
                status = self.move(i, images, x.data, y.data)
                leave_team(mode)
            took.append(perf_counter() - begun)
            if status != 0:
                raise MemoryError("no memory for the workspace of an operator")
        return took
